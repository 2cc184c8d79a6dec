/**
 * What live's NORMAL has learned stays learned, whatever we do beside it: of a one-way stream to a host that does not speak, which is
 * flooded as soon as its address is forgotten, no frame comes to a third port.
 */
import { PatchPanel } from "../../lab/patch-panel.js";
import { waitFor } from "../../lab/wait.js";
import { shadowBridge } from "../../src/shadow/names.js";

const quiet = ["sflow: { samplingRate: 1000000 }", "forward: { enabled: false }", "policy: { promotion: { automatic: false } }", "shadow: { budget: { enabled: false } }"];
const [sender, receiver, third] = ["l1-1-h", "l1-2-h", "l1-3-h"];
const [from, to] = ["02:00:00:00:00:01", "02:00:00:00:00:02"];
/** Frames of the stream; 1,000 a second are longer than the test takes. */
const frames = 300_000;

test("attach, sessions that come, change and go, ports that come and go, a restart, detach: nothing is flooded", async () => {
  await using panel = await PatchPanel.start({ l1: 5 });
  const { ovs } = panel;
  await panel.send(receiver, "udp", frames + 1, 1, 10, `src=${to}`, `dst=${from}`);
  const ears = await panel.sniff(receiver, third);
  panel.send(sender, "udp", 1, frames, 1_000, `src=${from}`, `dst=${to}`).catch(() => undefined); // it ends with the capsule
  let before = { arrived: 0, flooded: 0 };
  /** Frames since the last look that came to the receiver and to the third port, when so many more have come that what a step did would be seen. */
  const look = async (): Promise<typeof before> => {
    const read = async (): Promise<typeof before> => {
      const seen = await ears.ask();
      return { arrived: Object.keys(seen[receiver] ?? {}).length, flooded: Object.keys(seen[third] ?? {}).length };
    };
    const now = await read();
    let last = now;
    await waitFor(async () => (last = await read()).arrived > now.arrived + 300, "the stream arrives");
    const since = { arrived: last.arrived - before.arrived, flooded: last.flooded - before.flooded };
    before = last;
    return since;
  };
  await look();
  const rows = (): Promise<string> => ovs.vsctl("get", "Open_vSwitch", ".", "next_cfg");
  const restart = async (): Promise<void> => {
    await panel.endDaemon("KILL");
    const written = await rows();
    panel.startDaemon(quiet);
    await panel.inStep();
    expect(await rows()).toBe(written); // what copies stays as it was
  };
  const steps: readonly (readonly [string, () => Promise<unknown>])[] = [
    ["attach", () => (panel.startDaemon(quiet), panel.inStep())],
    ["no session is left", () => panel.ctl("mirror", "remove", "all")],
    ["a session of all", () => panel.ctl("mirror", "add", "all")],
    ["a session of half", () => panel.ctl("mirror", "add", "half", "--match", "udp", "--percent", "50")],
    ["all is made smaller", () => panel.ctl("mirror", "add", "all", "--replace", "--percent", "30")],
    ["all is made larger", () => panel.ctl("mirror", "add", "all", "--replace", "--percent", "100")],
    ["a port goes", () => ovs.vsctl("del-port", "l1", "l1-5").then(() => panel.inStep())],
    ["a port comes", () => panel.addPort("l1", 6).then(() => panel.inStep())],
    ["a restart", restart],
    ["detach", () => panel.ctl("detach")],
  ];
  for (const [what, step] of steps) {
    await step();
    const { flooded } = await look();
    expect([what, flooded]).toEqual([what, 0]);
  }
  // The stream shows it when an address is forgotten.
  await ovs.appctl("fdb/flush", "l1");
  expect((await look()).flooded).toBeGreaterThan(0);
}, 120_000);

test("what copies follows live's flows: Mirror rows without NORMAL, flows with it, and what comes in is copied either way", async () => {
  await using panel = await PatchPanel.start({ l1: 2 });
  const { ovs } = panel;
  await ovs.ofctl("del-flows", "l1");
  await ovs.ofctl("add-flow", "l1", "in_port=1,actions=output:2");
  const sources = async (): Promise<number> => (await ovs.vsctl("--bare", "--columns=select_src_port", "find", "mirror")).split("\n").filter(Boolean).length;
  const copied = async (): Promise<number> => {
    await ovs.appctl("revalidator/wait");
    return (await panel.received(shadowBridge("l1"))).get(1) ?? 0;
  };
  let first = 1;
  const copies = async (): Promise<void> => {
    const before = await copied();
    await panel.send(sender, "udp", first, 50, 1_000, `src=${from}`, `dst=${to}`);
    first += 50;
    await waitFor(async () => (await copied()) >= before + 50, "what came in is copied");
    expect(await copied()).toBe(before + 50);
  };
  panel.startDaemon(quiet);
  await panel.inStep();
  await waitFor(async () => (await sources()) === 2, "Mirror rows copy");
  await copies();
  await ovs.ofctl("add-flow", "l1", "table=7,priority=1,actions=NORMAL");
  await waitFor(async () => (await sources()) === 0, "no Mirror row copies");
  await waitFor(async () => (await ovs.ofctl("dump-flows", "l1", "table=247")).includes("output:"), "flows copy");
  await panel.inStep();
  await copies();
  await ovs.ofctl("del-flows", "l1", "table=7");
  await waitFor(async () => (await sources()) === 2, "Mirror rows copy again");
  await waitFor(async () => !(await ovs.ofctl("dump-flows", "l1", "table=247")).includes("output:"), "no flow copies");
  await panel.inStep();
  await copies();
}, 90_000);
