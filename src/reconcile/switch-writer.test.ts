/** The writer of one switch beside a switch in memory: what is sent, what is left alone, what is mended. */
import fc from "fast-check";
import { action, instruction, match, OpenFlowError, type ModBody, type OpenFlowConnection } from "node-openflow";
import { flowKey, permanent, type FlowEntry } from "../network/flow-entry.js";
import { SwitchWriter } from "./switch-writer.js";

/** Holds flows as a switch does; counts what reaches it. */
class MemorySwitch {
  readonly flows = new Map<string, FlowEntry>();
  mods = 0;
  bundles = 0;
  /** Flows for these ports are refused. */
  readonly refuses = new Set<number>();

  readonly connection = {
    flowStats: () => Promise.resolve([...this.flows.values()]),
    groupDescs: () => Promise.resolve([]),
    meterConfigs: () => Promise.resolve([]),
    apply: (mods: readonly ModBody[]) => Promise.resolve(mods.flatMap((mod, index) => this.take(mod, index))),
    bundle: (mods: readonly ModBody[]) => {
      this.bundles++;
      if (mods.some((mod) => mod.type === "flowMod" && mod.command === "add" && this.refuses.has(mod.priority))) return Promise.reject(new OpenFlowError("switch-rejected", "none applied", {}));
      mods.forEach((mod, index) => this.take(mod, index));
      return Promise.resolve();
    },
  } as unknown as OpenFlowConnection;

  put(...flows: readonly FlowEntry[]): this {
    for (const flow of flows) this.flows.set(flowKey(flow), flow);
    return this;
  }

  private take(mod: ModBody, index: number): OpenFlowError[] {
    if (mod.type !== "flowMod") throw new Error(`unexpected ${mod.type}`);
    this.mods++;
    const { tableId, priority, cookie, instructions, hardTimeout } = mod;
    const flow: FlowEntry = { ...permanent({ tableId, priority, match: mod.match, cookie, instructions }), hardTimeout };
    if (mod.command === "deleteStrict") this.flows.delete(flowKey(flow));
    else if (this.refuses.has(flow.priority)) return [{ facts: { index } } as OpenFlowError];
    else this.put(flow);
    return [];
  }
}

const flow = (inPort: number, out: number, parts: Partial<FlowEntry> = {}): FlowEntry => ({
  ...permanent({ tableId: 0, priority: 1, match: match({ inPort }), cookie: 1n, instructions: [instruction.apply(action.output(out))] }),
  ...parts,
});
const flows = fc.uniqueArray(
  fc.record({ tableId: fc.integer({ min: 0, max: 2 }), priority: fc.integer({ min: 0, max: 2 }), inPort: fc.integer({ min: 1, max: 3 }), out: fc.integer({ min: 1, max: 3 }), ours: fc.boolean() }).map(
    ({ tableId, priority, inPort, out, ours }) => flow(inPort, out, { tableId, priority, cookie: ours ? 1n : 0n }),
  ),
  { selector: flowKey },
);
const isOurs = ({ cookie }: { readonly cookie: bigint }): boolean => cookie === 1n;
const writerOf = (device: MemorySwitch, atOnce = false): SwitchWriter => {
  const writer = new SwitchWriter({ flow: isOurs, group: () => false }, { atOnce });
  writer.attach(device.connection);
  return writer;
};
const texts = (all: Iterable<FlowEntry>): string[] => [...all].map((one) => `${flowKey(one)} ${JSON.stringify(one.instructions)}`).sort();

test("whatever was there and is desired: foreign flows stay, ours are as desired, a second pass sends nothing, an audit mends", async () => {
  await fc.assert(
    fc.asyncProperty(flows, flows, flows, fc.array(fc.nat()), async (actual, first, second, lost) => {
      const device = new MemorySwitch().put(...actual);
      const foreign = actual.filter((one) => !isOurs(one));
      const places = new Set(foreign.map(flowKey));
      const writer = writerOf(device);
      for (const wanted of [first, second]) {
        const desired = wanted.map((one) => ({ ...one, cookie: 1n }));
        writer.setDesired({ flows: desired, groups: [] });
        await writer.flush();
        const expected = desired.filter((one) => !places.has(flowKey(one)));
        expect(texts(device.flows.values())).toEqual(texts([...foreign, ...expected]));
        expect(writer.counters.blocked).toBe(desired.length - expected.length);
        const { mods } = device;
        writer.setDesired({ flows: desired, groups: [] });
        await writer.flush();
        expect(device.mods).toBe(mods);
        const gone = new Set(lost.map((n) => expected[n % expected.length]).filter((one) => one !== undefined));
        for (const one of gone) device.flows.delete(flowKey(one));
        expect(await writer.audit()).toBe(gone.size);
        expect(texts(device.flows.values())).toEqual(texts([...foreign, ...expected]));
      }
    }),
  );
});

test("a restart beside flows that are right sends nothing; a lease's remaining time is no difference, another action is", async () => {
  const device = new MemorySwitch().put(flow(1, 2, { hardTimeout: 9 }));
  const writer = writerOf(device);
  writer.setDesired({ flows: [flow(1, 2, { hardTimeout: 30 })], groups: [] });
  await writer.flush();
  expect(device.mods).toBe(0);
  writer.setDesired({ flows: [flow(1, 3)], groups: [] });
  await writer.flush();
  expect([device.mods, texts(device.flows.values())]).toEqual([1, texts([flow(1, 3)])]);
});

test("of two desired flows in one place the later counts", async () => {
  const device = new MemorySwitch();
  const writer = writerOf(device);
  writer.setDesired({ flows: [flow(1, 2), flow(1, 3)], groups: [] });
  await writer.flush();
  expect([device.mods, texts(device.flows.values())]).toEqual([1, texts([flow(1, 3)])]);
});

test("a flow that is gone comes back when it is still desired, and it is told whether someone took it", async () => {
  const device = new MemorySwitch();
  const writer = writerOf(device);
  const [lasting, leased] = [flow(1, 2), flow(2, 2, { hardTimeout: 5 })];
  writer.setDesired({ flows: [lasting, leased], groups: [] });
  await writer.flush();
  device.flows.clear();
  expect([writer.forget(lasting), writer.forget(leased), writer.forget(flow(9, 9))]).toEqual([true, false, false]);
  await writer.flush();
  expect(device.flows.size).toBe(2);
});

test("what the switch refuses keeps nothing else from its place, is counted, and is tried again with an audit", async () => {
  const device = new MemorySwitch();
  device.refuses.add(7);
  const writer = writerOf(device);
  writer.setDesired({ flows: [flow(1, 2, { priority: 7 }), ...Array.from({ length: 600 }, (_, n) => flow(n, 2))], groups: [] });
  await writer.flush();
  expect([device.flows.size, writer.size, writer.counters.refused]).toEqual([600, 600, 1]);
  device.refuses.clear();
  await writer.audit();
  expect(device.flows.size).toBe(601);
});

test("all at once: one bundle a pass; where the switch refuses one of it the others are there all the same", async () => {
  const device = new MemorySwitch();
  const writer = writerOf(device, true);
  writer.setDesired({ flows: [flow(1, 2), flow(2, 3)], groups: [] });
  await writer.flush();
  expect([device.bundles, device.mods, device.flows.size]).toEqual([1, 2, 2]);
  writer.setDesired({ flows: [flow(1, 2), flow(2, 4)], groups: [] });
  await writer.flush();
  expect([device.bundles, device.mods]).toEqual([1, 3]); // one change needs no bundle
  device.refuses.add(7);
  writer.setDesired({ flows: [flow(1, 2), flow(2, 4), flow(3, 1), flow(4, 1, { priority: 7 })], groups: [] });
  await writer.flush();
  expect([device.bundles, device.flows.size, writer.size, writer.counters.refused]).toEqual([2, 3, 3, 1]);
});

test("a connection that fails leaves the state to be sent, and the next one gets it", async () => {
  const device = new MemorySwitch();
  const writer = writerOf({ connection: { ...device.connection, apply: () => Promise.reject(new Error("gone")) } } as unknown as MemorySwitch);
  writer.setDesired({ flows: [flow(1, 2)], groups: [] });
  await expect(writer.flush()).rejects.toThrow("gone");
  expect([writer.dirty, writer.settled]).toEqual([true, false]);
  writer.attach(device.connection);
  await writer.flush();
  expect([device.flows.size, writer.settled]).toEqual([1, true]);
});
