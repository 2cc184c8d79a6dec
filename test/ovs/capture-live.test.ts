/** The monitor held to a sender: each packet of many connections, over two devices, was taken into state or is counted as dropped. */
import { once } from "node:events";
import { createInterface } from "node:readline";
import { Capsule, projectDir } from "../../lab/capsule.js";
import type { TcpCounters } from "../../src/telemetry/tcp/protocol.js";

const connections = 5_120;

test("thousands of connections at once: nothing is unaccounted for, and none is missing", async () => {
  await using capsule = await Capsule.start();
  const up = ["a0", "a1", "b0", "b1"].map((device) => `ip link set ${device} addrgenmode none up`).join(" && ");
  await capsule.run("sh", ["-c", `ip link add a0 type veth peer name a1 && ip link add b0 type veth peer name b1 && ${up}`]);
  const monitor = capsule.spawn(process.execPath, [`${projectDir}/dist/bench/capture-live.js`, "a1", "b1"], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(monitor, "exit");
  if (monitor.stdout === null) throw new Error("no pipe");
  const lines = createInterface(monitor.stdout)[Symbol.asyncIterator]();
  expect((await lines.next()).value).toBe('{"capturing":true}');
  const flood = await capsule.run("python3", [`${projectDir}/lab/tools/tcp_flood.py`, "a0", "b0", String(connections), "20000", "3"], { timeoutMs: 60_000 });
  const { sent } = JSON.parse(flood.stdout) as { readonly sent: number };
  monitor.stdin?.end();
  const counted = JSON.parse(((await lines.next()).value as string | undefined) ?? "{}") as TcpCounters;
  expect(sent).toBeGreaterThanOrEqual(2 * connections);
  expect(counted.frames + counted.kernelDropped).toBe(sent);
  expect(counted.segments + counted.other + counted.malformed + counted.fragments).toBe(counted.frames);
  expect([counted.malformed, counted.badOptions, counted.captureRestarts, counted.waiting]).toEqual([0, 0, 0, 0]);
  // A connection is known by either direction; only one of which every packet was dropped could be missing.
  if (counted.kernelDropped === 0) expect(counted.connections).toBe(connections);
  await ended;
}, 90_000);
