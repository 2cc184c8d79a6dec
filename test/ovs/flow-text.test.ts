/**
 * Flow text against Open vSwitch: thousands of generated flows are printed, given to "ovs-ofctl add-flows", and read back through
 * our connection and through "ovs-ofctl dump-flows". All three must be the same flow.
 */
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import {
  connect,
  flowMod,
  groupMod,
  instructionsKey,
  isKnown,
  matchKey,
  meterFlag,
  meterMod,
  parseFlow,
  parseFlowStats,
  parseGroupDesc,
  parseMeterConfig,
  printFlow,
  printGroup,
  printMeter,
  type Action,
  type FlowMod,
  type GroupDesc,
  type KnownField,
  type Match,
  type MeterConfig,
  type OpenFlowConnection,
} from "node-openflow";
import { Capsule } from "../../lab/capsule.js";
import { Ovs } from "../../lab/ovs.js";
import { flowOf, groupOf, meterOf } from "./flow-generator.js";

const seed = Number(process.env["SEED"] ?? 11);
const flowsPerVersion = Number(process.env["FLOWS"] ?? 1_500);
const isRoot = process.getuid?.() === 0;
const ifRoot = isRoot ? describe : describe.skip;

let capsule: Capsule;
let ovs: Ovs;
beforeAll(async () => {
  if (!isRoot) return;
  capsule = await Capsule.start();
  ovs = await Ovs.start(capsule);
  await ovs.vsctl("add-br", "br", "--", "set", "bridge", "br", "datapath_type=netdev", "fail_mode=secure", "protocols=OpenFlow10,OpenFlow13,OpenFlow14,OpenFlow15");
  await ovs.ofctl("add-tlv-map", "br", "{class=0xffff,type=0,len=4}->tun_metadata0,{class=0xffff,type=1,len=8}->tun_metadata1");
});
afterAll(async () => {
  if (isRoot) await capsule[Symbol.asyncDispose]();
});

/** Registers in 32 bits: 1.5 tells those of a match in 64. */
function narrow(match: Match): Match {
  return match.flatMap((item): Match => {
    const number = isKnown(item) ? /^xreg(\d)$/.exec(item.name)?.[1] : undefined;
    if (!isKnown(item) || number === undefined) return [item];
    const { value, mask = 0xffff_ffff_ffff_ffffn } = item;
    return [0, 1].map((half): KnownField => {
      const shift = half === 0 ? 32n : 0n;
      return { name: `reg${Number(number) * 2 + half}` as "reg0", value: (value >> shift) & 0xffffffffn, mask: (mask >> shift) & 0xffffffffn };
    });
  });
}

type Compared = Pick<FlowMod, "tableId" | "priority" | "cookie" | "idleTimeout" | "hardTimeout" | "importance" | "flags" | "match" | "instructions">;
/** How long an option of a tunnel is, the switch's map tells; a text does not. */
const widthless = (item: Action): Action => (item.type === "deleteField" && typeof item.field === "object" && item.field.name !== "unknown" ? { ...item, field: item.field.name } : item.type === "clone" ? { ...item, actions: item.actions.map(widthless) } : item);
const keyOf = (flow: Compared): unknown => ({
  tableId: flow.tableId,
  priority: flow.priority,
  idleTimeout: flow.idleTimeout,
  hardTimeout: flow.hardTimeout,
  importance: flow.importance,
  flags: flow.flags,
  match: matchKey(narrow(flow.match)),
  instructions: instructionsKey(flow.instructions.map((one) => ("actions" in one ? { ...one, actions: one.actions.map(widthless) } : one))),
});
const byCookie = (flows: readonly Compared[]): Map<bigint, unknown> => new Map(flows.map((flow) => [flow.cookie, keyOf(flow)]));

const names = { 4: "OpenFlow13", 5: "OpenFlow14", 6: "OpenFlow15" } as const;
const batchSize = 500;

ifRoot.each([4, 5, 6] as const)("wire version %d", (version) => {
  let connection: OpenFlowConnection;
  const ofctl = async (command: string, input?: string): Promise<string> => {
    const { stdout } = await capsule.run("ovs-ofctl", ["--no-names", "-O", names[version], command, "br", ...(input === undefined ? [] : ["-"])], { timeoutMs: 60_000, ...(input === undefined ? {} : { input }) });
    return stdout;
  };
  beforeAll(async () => {
    connection = await connect({ remote: `unix:${capsule.path("/run/openvswitch/br.mgmt")}`, versions: [version] });
    await ofctl("del-flows");
    await ofctl("del-groups");
    await capsule.run("ovs-ofctl", ["-O", names[version], "del-meters", "br"]);
    await capsule.run("ovs-ofctl", ["-O", names[version], "add-meter", "br", "meter=1,kbps,bands=type=drop,rate=100"]);
    await capsule.run("ovs-ofctl", ["-O", names[version], "add-group", "br", "group_id=1,type=all,bucket=actions=output:1"]);
  });
  afterAll(async () => connection.close());

  it("a flow is the same printed, in the switch, and in ovs-ofctl's print", async () => {
    const flows = fc.sample(flowOf(version), { numRuns: flowsPerVersion, seed }).map((parts, i) => flowMod({ ...parts, cookie: BigInt(i + 1), priority: i }));
    const lines = flows.map((flow) => printFlow(flow));
    for (let at = 0; at < lines.length; at += batchSize) await ofctl("add-flows", `${lines.slice(at, at + batchSize).join("\n")}\n`);
    const inSwitch = byCookie(await connection.flowStats());
    const dumped = (await ofctl("dump-flows")).split("\n").filter((line) => line.includes("cookie="));
    const printed = byCookie(dumped.map((line) => parseFlowStats(line, { version })));
    const read = byCookie(lines.map((line) => parseFlow(line, { version })));
    expect(inSwitch.size).toBe(flows.length);
    expect(printed.size).toBe(flows.length);
    flows.forEach((flow, i) => {
      const [ours, line] = [keyOf(flow), lines[i]];
      expect({ line, key: read.get(flow.cookie) }).toEqual({ line, key: ours });
      expect({ line, key: inSwitch.get(flow.cookie) }).toEqual({ line, key: ours });
      expect({ line, key: printed.get(flow.cookie) }).toEqual({ line, key: ours });
    });
    // And our print of the switch's flows is ovs-ofctl's, letter for letter.
    const texts = new Map(dumped.map((line) => [/cookie=0x[0-9a-f]+/.exec(line)?.[0], line.replace(/.*?n_bytes=\d+, (idle_age=\d+, )?/, "").replace(/idle_age=\d+, /, "")]));
    for (const flow of await connection.flowStats()) {
      const { oxs: _, ...plain } = flow;
      const text = printFlow(plain).replace(/.*?n_bytes=\d+, /, "");
      expect(text).toBe(texts.get(`cookie=0x${flow.cookie.toString(16)}`));
    }
  }, 180_000);

  it("so is a group, and a meter", async () => {
    const groups = fc.sample(groupOf(version), { numRuns: 300, seed }).map((parts, i) => groupMod({ ...parts, groupId: i + 2 }));
    await ofctl("add-groups", groups.map((group) => `${printGroup(group)}\n`).join(""));
    const withoutFirst = (all: readonly GroupDesc[]): readonly GroupDesc[] => all.filter(({ groupId }) => groupId !== 1).sort((a, b) => a.groupId - b.groupId);
    const expected = groups.map(({ groupId, groupType, buckets, properties }) => ({ groupId, groupType, buckets, ...(properties === undefined ? {} : { properties }) }));
    const dumped = (await ofctl("dump-groups")).split("\n").filter((line) => line.includes("group_id="));
    expect(withoutFirst(await connection.groupDescs())).toEqual(expected);
    expect(withoutFirst(dumped.map((line) => parseGroupDesc(line, { version })))).toEqual(expected);
    expect(dumped.map((line) => printGroup(parseGroupDesc(line, { version })))).toEqual(dumped.map((line) => line.trim()));

    const meters = fc.sample(meterOf, { numRuns: 20, seed }).map((parts, i) => meterMod({ ...parts, meterId: i + 2 }));
    for (const meter of meters) await capsule.run("ovs-ofctl", ["-O", names[version], "add-meter", "br", printMeter(meter)]);
    const configs = meters.map(({ meterId, flags, bands }) => ({ meterId, flags, bands }));
    // Without "burst" the switch takes the rate for the size, and ovs-ofctl does not print it.
    const shown = (all: readonly MeterConfig[]): unknown => all.filter(({ meterId }) => meterId !== 1).map((one) => ((one.flags & meterFlag.burst) === 0 ? { ...one, bands: one.bands.map((band) => ({ ...band, burstSize: 0 })) } : one)).sort((a, b) => a.meterId - b.meterId);
    expect(shown(await connection.meterConfigs())).toEqual(configs);
    const texts = (await ofctl("dump-meters")).split(/\n(?=meter=)/).filter((text) => text.startsWith("meter="));
    expect(shown(texts.map((text) => parseMeterConfig(text)))).toEqual(configs);
  }, 60_000);
});
