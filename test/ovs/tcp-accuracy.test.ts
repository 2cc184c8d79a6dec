/** TCP state from the shadow's copies beside what the sender's kernel says, on real Open vSwitch with queueing and random loss. */
import { Stage } from "../../lab/demo/stage.js";
import { compareTransfer, loseOneIn, narrow } from "../../lab/tcp-accuracy.js";
import { waitFor } from "../../lab/wait.js";
import type { ListConnectionsResponse } from "../../src/api/generated/ovsshadow/v1/telemetry.js";

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.build({ say: () => {}, config: "telemetry: { tcp: { enabled: true } }" });
  stage.startDaemon();
  await stage.inStep(4);
  // Captures run when a connection attempt shows: nobody listens there, so each is refused.
  await waitFor(async () => {
    await stage.live.exec("h1", "python3", ["-c", `import socket\ntry: socket.create_connection(("${stage.live.host("h3").ip}", 9), 1)\nexcept OSError: pass`]);
    const { connections } = await stage.ctl<ListConnectionsResponse>("connections");
    return connections.some((one) => one.handshake === "refused" && one.resetBy === "server");
  }, "both edges are captured", 30_000);
}, 90_000);
afterAll(() => stage[Symbol.asyncDispose]());

test("through a narrow queue: the round trip of the sender's kernel, every byte, the handshake", async () => {
  await narrow(stage, "l2-eth1", 10_000);
  const { kernelRttMs, ourRttMs, readings, kernel, ours } = await compareTransfer(stage, "h1", "h3", 5201, 6);
  expect(readings).toBeGreaterThan(0);
  expect(kernelRttMs).toBeGreaterThan(5);
  expect(Math.abs(ourRttMs - kernelRttMs) / kernelRttMs).toBeLessThan(0.5);
  expect(ours).toMatchObject({ whole: true, handshake: "done", state: "open", client: { hasTimestamps: true, hasSack: true, unseen: 0, appBytes: kernel.bytesAcked - 1 } });
  expect(Math.abs((ours.client?.retransmissions ?? 0) - kernel.retransmissions)).toBeLessThanOrEqual(Math.max(2, kernel.retransmissions * 0.02));
}, 60_000);

test("with one segment in 50 lost at the receiver: the kernel's retransmissions", async () => {
  await loseOneIn(stage, "h3", 50);
  const { kernel, ours } = await compareTransfer(stage, "h1", "h3", 5202, 4);
  expect(kernel.retransmissions).toBeGreaterThan(5);
  expect(Math.abs((ours.client?.retransmissions ?? 0) - kernel.retransmissions)).toBeLessThanOrEqual(Math.max(2, kernel.retransmissions * 0.02));
  expect(ours.client?.sackHoles).toBeGreaterThan(0);
  const { counters } = await stage.ctl<ListConnectionsResponse>("connections");
  expect(counters).toMatchObject({ kernelDropped: 0, malformed: 0, badOptions: 0, evicted: 0 });
}, 60_000);
