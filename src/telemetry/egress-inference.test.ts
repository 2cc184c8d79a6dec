import { parseFlow } from "node-openflow";
import type { FlowRecord } from "sflow-collector";
import type { BridgeState } from "../network/flow-table.js";
import type { EgressQuestion } from "./egress.js";
import { EgressInference, type InferenceParts } from "./egress-inference.js";

/** Ethernet, IPv4, UDP 1000 → `port`, from 10.0.0.1 to 10.0.0.2; `id` is IPv4's identification. */
function frame(port: number, id = 0): Uint8Array {
  const bytes = Buffer.from("0200000000020200000000010800450000200000000040110000" + "0a0000010a000002" + "03e80035000c0000" + "deadbeef", "hex");
  bytes.writeUInt16BE(id, 18);
  bytes.writeUInt16BE(port, 36);
  return bytes;
}
const several = { format: 2, value: 2 };
const asked = (header: Uint8Array, output = several): EgressQuestion => ({
  sample: { output, records: [{ kind: "sampledHeader", headerProtocol: 1, frameLength: 60, stripped: 4, header } as unknown as FlowRecord] },
  bridge: "br",
  inPort: 1,
});
const ports = [1, 2, 3].map((number) => ({ number, name: `p${number}`, up: true }));
const stateOf = (...flows: readonly string[]): BridgeState => ({ name: "br", ports, flows: flows.map((text) => parseFlow(text)) });

/** A bridge whose tables may be exchanged, and a clock that goes on by `tickMs` each time it is looked at. */
function world(options: Partial<InferenceParts> = {}) {
  const now = { state: stateOf("udp,tp_dst=53,actions=output:2,output:3") as BridgeState | undefined, ms: 0, tickMs: 0, reads: 0 };
  const inference = new EgressInference({
    read: () => {
      now.reads++;
      return now.state === undefined ? Promise.resolve(undefined) : Promise.resolve(now.state);
    },
    clockMs: () => (now.ms += now.tickMs),
    ...options,
  });
  /** Asks once to have the tables read, and waits until they are. */
  const known = async (): Promise<void> => {
    inference.egress(asked(frame(9_999)));
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { now, inference, known };
}

test("the first question has the tables read; then each kind of packet is followed once", async () => {
  const { inference, known } = world();
  await known();
  expect(inference.counters).toMatchObject({ noTables: 1, readings: 1 });
  for (let id = 0; id < 10; id++) expect(inference.egress(asked(frame(53, id)))).toEqual({ how: "inferred", ports: [2, 3] });
  expect(inference.egress(asked(frame(54)))).toEqual({ how: "inferred", ports: [] });
  expect(inference.counters).toMatchObject({ inferred: 11, remembered: 9, undecided: 0 });
});

test("the sample's word needs no tables", () => {
  const { inference } = world();
  expect(inference.egress(asked(frame(53), { format: 0, value: 7 }))).toEqual({ how: "sampled", ifIndex: 7 });
  expect(inference.egress(asked(frame(53), { format: 1, value: 256 }))).toEqual({ how: "dropped" });
  expect(inference.counters).toMatchObject({ sampled: 1, dropped: 1, noTables: 0 });
});

test("a drop that a sample tells may be none where packets go on after they were sampled", async () => {
  const { inference, now } = world();
  now.state = stateOf("table=0,udp,tp_dst=53,actions=ct(table=1)", "table=0,udp,tp_dst=54,actions=drop", "table=1,actions=output:2");
  const dropped = { format: 1, value: 256 };
  expect(inference.egress(asked(frame(53), dropped))).toEqual({ how: "dropped" }); // nothing is known yet
  await new Promise((resolve) => setImmediate(resolve));
  expect(inference.egress(asked(frame(53), dropped))).toMatchObject({ how: "one of", why: ["connection tracking decides"] });
  expect(inference.egress(asked(frame(54), dropped))).toEqual({ how: "dropped" });
  expect(inference.counters).toMatchObject({ dropped: 2, undecided: 1 });
});

test("changed tables answer anew; until they are read, those of before serve for two seconds and no longer", async () => {
  const { inference, now, known } = world();
  await known();
  inference.egress(asked(frame(53)));
  now.state = undefined; // the bridge does not answer
  inference.changed("br");
  now.ms = 1_500;
  expect(inference.egress(asked(frame(53)))).toEqual({ how: "inferred", ports: [2, 3] });
  await new Promise((resolve) => setImmediate(resolve));
  now.ms = 2_001;
  expect(inference.egress(asked(frame(53)))).toMatchObject({ how: "unknown" });
  expect(inference.counters.behind).toBe(1);
  now.state = stateOf("udp,tp_dst=53,actions=output:3");
  await new Promise((resolve) => setImmediate(resolve));
  now.ms = 3_500;
  inference.egress(asked(frame(53)));
  await new Promise((resolve) => setImmediate(resolve));
  expect(inference.egress(asked(frame(53)))).toEqual({ how: "inferred", ports: [3] });
});

test("a bridge that can't be read is told, and tried again", async () => {
  let fails = true;
  const { inference, now, known } = world({ read: () => (fails ? Promise.reject(new Error("away")) : Promise.resolve(stateOf("actions=output:2"))) });
  await known();
  expect(inference.failure).toContain("br can't be read for the outputs of samples: away");
  fails = false;
  now.ms = 500;
  await known();
  expect(inference.counters.readings).toBe(0); // not at once
  now.ms = 1_000;
  await known();
  expect([inference.failure, inference.counters.readings]).toEqual([undefined, 1]);
});

test("tables that never stop changing are looked at five times a second", async () => {
  const { inference, now, known } = world();
  await known();
  const before = now.reads;
  for (let ms = 1; ms <= 1_000; ms++) {
    now.ms = ms;
    inference.changed("br");
    inference.egress(asked(frame(53)));
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(now.reads - before).toBe(5);
});

test("what looks the same is not taken in again, a changed port is", async () => {
  const { inference, now, known } = world();
  await known();
  now.ms = 5_000;
  await known();
  expect([now.reads, inference.counters.readings]).toEqual([2, 1]);
  now.state = { ...stateOf("udp,actions=output:2"), ports: ports.slice(0, 1) };
  now.ms = 10_000;
  await known();
  expect([now.reads, inference.counters.readings]).toEqual([3, 2]);
  expect(inference.egress(asked(frame(53)))).toEqual({ how: "inferred", ports: [] });
});

test("it takes its share of the CPU and no more, and what it can't follow is counted", async () => {
  const { inference, now, known } = world({ cpuShare: 0.05 });
  await known();
  now.tickMs = 1; // following a packet takes 1 ms by this clock
  const start = now.ms;
  for (let port = 1; port <= 2_000; port++) inference.egress(asked(frame(port)));
  const { inferred, overBudget } = inference.counters;
  expect(inferred + overBudget).toBe(2_000);
  expect(inferred).toBeGreaterThan(0);
  // Each following costs two looks at the clock at least; 100 ms were saved up before.
  expect(inferred).toBeLessThanOrEqual(100 + (now.ms - start) * 0.05 + 1);
});

test("what is remembered is bounded", async () => {
  const { inference, known } = world({ cpuShare: 1_000 });
  await known();
  for (let port = 1; port <= 9_000; port++) inference.egress(asked(frame(port)));
  const before = inference.counters.remembered;
  inference.egress(asked(frame(9_000)));
  inference.egress(asked(frame(1)));
  expect(inference.counters.remembered - before).toBe(1); // the newest is, the oldest is not any more
});

test("connection tracking, a hash and a missing header leave it open", async () => {
  const { inference, now, known } = world();
  now.state = stateOf("table=0,tcp,actions=ct(table=1)", "table=0,udp,actions=ct(table=1)", "table=1,actions=output:2,output:3");
  await known();
  expect(inference.egress(asked(frame(53)))).toMatchObject({ how: "one of", why: ["connection tracking decides"] });
  expect(inference.egress({ ...asked(frame(53)), sample: { output: several, records: [] } })).toMatchObject({ how: "unknown" });
  expect(inference.counters).toMatchObject({ undecided: 1, unreadable: 1 });
});
