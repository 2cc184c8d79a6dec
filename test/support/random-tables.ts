/** Random flows, groups and packets out of few values, so that packets meet flows: what `ofproto/trace` and the software switch are both asked. */
import { action, field, instruction, port, type Action, type Bucket, type FieldName, type Instruction, type KnownField } from "node-openflow";
import type { FlowEntry } from "../../src/network/flow-entry.js";
import type { SwitchGroup } from "../../src/network/flow-table.js";
import type { Random } from "./random.js";

export const macs = ["02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03", "06:10:20:30:40:50"] as const;
const groups = ["ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "01:80:c2:00:00:00", "33:33:00:00:00:01"] as const;
const ipv4 = ["10.0.0.1", "10.0.0.2", "10.0.1.3", "192.168.7.9"] as const;
const ipv6 = ["fd00::1", "fd00::2", "2001:db8::5"] as const;
const transport = [53, 80, 443, 1000, 33333] as const;
export const vlans = [10, 20, 4000] as const;
const tableCount = 6;
const portNumbers = [1, 2, 3, 4, 10] as const;

export type Kind = "other" | "arp" | "ip" | "tcp" | "udp" | "icmp" | "sctp" | "ipv6" | "tcp6" | "udp6" | "icmp6" | "nd" | "mpls";
const kinds: readonly Kind[] = ["other", "arp", "ip", "tcp", "tcp", "udp", "icmp", "sctp", "ipv6", "tcp6", "udp6", "icmp6", "nd", "mpls"];
const is = (name: FieldName, value: number): KnownField => ({ name, value: BigInt(value) });
const based: Readonly<Record<Kind, readonly KnownField[]>> = {
  other: [],
  arp: [is("ethType", 0x806)],
  ip: [is("ethType", 0x800)],
  tcp: [is("ethType", 0x800), is("ipProto", 6)],
  udp: [is("ethType", 0x800), is("ipProto", 17)],
  icmp: [is("ethType", 0x800), is("ipProto", 1)],
  sctp: [is("ethType", 0x800), is("ipProto", 132)],
  ipv6: [is("ethType", 0x86dd)],
  tcp6: [is("ethType", 0x86dd), is("ipProto", 6)],
  udp6: [is("ethType", 0x86dd), is("ipProto", 17)],
  icmp6: [is("ethType", 0x86dd), is("ipProto", 58)],
  nd: [is("ethType", 0x86dd), is("ipProto", 58), is("icmpv6Type", 135), is("icmpv6Code", 0)],
  mpls: [is("ethType", 0x8847)],
};
const isV4 = (kind: Kind): boolean => ["ip", "tcp", "udp", "icmp", "sctp"].includes(kind);
const isV6 = (kind: Kind): boolean => ["ipv6", "tcp6", "udp6", "icmp6", "nd"].includes(kind);
const protocolOf = (kind: Kind): "tcp" | "udp" | "sctp" | undefined => (kind === "tcp6" ? "tcp" : kind === "udp6" ? "udp" : kind === "tcp" || kind === "udp" || kind === "sctp" ? kind : undefined);

/** Fields of a kind of packet with a way to draw a value, beside those of `based`. */
function drawn(kind: Kind, random: Random): readonly (readonly [FieldName, string | number])[] {
  const address = isV4(kind) ? ipv4 : ipv6;
  const ip = isV4(kind) || isV6(kind);
  const proto = protocolOf(kind);
  return [
    ["ethSrc", random.pick(macs)],
    ["ethDst", random.chance(0.2) ? random.pick(groups) : random.pick(macs)],
    ...(ip ? ([[isV4(kind) ? "ipv4Src" : "ipv6Src", random.pick(address)], [isV4(kind) ? "ipv4Dst" : "ipv6Dst", random.pick(address)], ["ipTtl", random.pick([1, 2, 64, 255])], ["ipDscp", random.pick([0, 0, 46])], ["ipEcn", random.pick([0, 0, 3])]] as const) : []),
    ...(proto === undefined ? [] : ([[`${proto}Src`, random.pick(transport)], [`${proto}Dst`, random.pick(transport)]] as const)),
    ...(kind === "tcp" || kind === "tcp6" ? ([["tcpFlags", random.pick([0x02, 0x10, 0x12, 0x11])]] as const) : []),
    ...(kind === "icmp" ? ([["icmpv4Type", random.pick([0, 8])], ["icmpv4Code", 0]] as const) : []),
    ...(kind === "icmp6" ? ([["icmpv6Type", random.pick([128, 129])], ["icmpv6Code", 0]] as const) : []),
    ...(kind === "nd" ? ([["ipv6NdTarget", random.pick(ipv6)], ["ipv6NdSll", random.pick(macs)]] as const) : []),
    ...(kind === "arp" ? ([["arpOp", random.pick([1, 2])], ["arpSpa", random.pick(ipv4)], ["arpTpa", random.pick(ipv4)], ["arpSha", random.pick(macs)], ["arpTha", random.pick(macs)]] as const) : []),
    ...(kind === "mpls" ? ([["mplsLabel", random.pick([5, 6])], ["mplsTc", random.pick([0, 3])], ["mplsBos", 1], ["mplsTtl", random.pick([1, 64])]] as const) : []),
  ];
}
const maskable = new Set<FieldName>(["ethSrc", "ethDst", "ipv4Src", "ipv4Dst", "ipv6Src", "ipv6Dst", "tcpSrc", "tcpDst", "udpSrc", "udpDst", "arpSpa", "tcpFlags"]);
const widths: { readonly [K in FieldName]?: number } = { ethSrc: 48, ethDst: 48, ipv4Src: 32, ipv4Dst: 32, arpSpa: 32, ipv6Src: 128, ipv6Dst: 128, tcpFlags: 12 };

/** A packet: a kind, a port, maybe a tag. */
export function randomPacket(random: Random, ports: readonly number[] = portNumbers, kind: Kind = random.pick(kinds)): readonly KnownField[] {
  const tag: KnownField[] = random.chance(0.3) ? [is("vlanTci", 0x1000 | random.pick(vlans) | (random.pick([0, 5]) << 13))] : [];
  const type: KnownField[] = kind === "other" ? [is("ethType", 0x88b5)] : [];
  const proto: KnownField[] = kind === "ip" || kind === "ipv6" ? [is("ipProto", 47)] : [];
  const fragment = isV4(kind) && random.chance(0.1) ? random.pick([1, 3]) : 0;
  // A later fragment has no transport header.
  const fields = drawn(kind, random).filter(([name]) => fragment !== 3 || !/^(tcp|udp|sctp|icmp)/.test(name));
  return [is("inPort", random.pick(ports)), ...tag, ...based[kind], ...type, ...proto, ...(fragment === 0 ? [] : [is("ipFrag", fragment)]), ...fields.map(([name, value]) => field(name, value))];
}

/** Fields of the packet's way that a packet begins without. */
const begunWithout = /^(reg\d+|metadata|pktMark|ctState|ctZone|ctMark|conjId)$/;

/** A packet that hits the flow, if it comes to its table with the registers it wants. */
export function packetFor(random: Random, flow: FlowEntry): readonly KnownField[] {
  const wanted = flow.match.filter((item): item is KnownField => item.name !== "unknown" && !begunWithout.test(item.name));
  const valueOf = (name: FieldName): bigint | undefined => wanted.find((item) => item.name === name)?.value;
  const kind = kinds.find((one) => based[one].length > 0 && based[one].every(({ name, value }) => valueOf(name) === value) && (one !== "ip" || valueOf("ipProto") === undefined) && (one !== "ipv6" || valueOf("ipProto") === undefined)) ?? random.pick(kinds);
  const fields = new Map(randomPacket(random, portNumbers, kind).map((item) => [item.name, item]));
  for (const { name, value, mask } of wanted) {
    if (name === "vlanVid" || name === "vlanPcp") {
      const tci = fields.get("vlanTci")?.value ?? 0n;
      fields.set("vlanTci", { name: "vlanTci", value: name === "vlanPcp" ? (tci & 0x1fffn) | 0x1000n | (value << 13n) : value === 0n ? 0n : (tci & 0xe000n & ~(mask ?? 0x1fffn)) | (mask === undefined ? value : (tci & ~mask & 0xfffn) | value) });
    } else {
      const old = fields.get(name)?.value ?? 0n;
      fields.set(name, { name, value: mask === undefined ? value : (old & ~mask) | value });
    }
  }
  if (fields.get("vlanTci")?.value === 0n) fields.delete("vlanTci");
  const isLater = ((fields.get("ipFrag")?.value ?? 0n) & 2n) !== 0n;
  return [...fields.values()].filter(({ name }) => !isLater || !/^(tcp|udp|sctp|icmp)/.test(name));
}

/** The packet with one bit of a field changed that the flow looks at: it just misses. Undefined when the flow looks at none it could be. */
export function nearMiss(random: Random, flow: FlowEntry): readonly KnownField[] | undefined {
  const packet = packetFor(random, flow);
  const free = new Set<FieldName>(["ethSrc", "ethDst", "ipv4Src", "ipv4Dst", "ipv6Src", "ipv6Dst", "tcpSrc", "tcpDst", "udpSrc", "udpDst", "ipTtl", "arpSpa", "arpTpa"]);
  const looked = flow.match.filter((item): item is KnownField => item.name !== "unknown" && free.has(item.name) && packet.some(({ name }) => name === item.name));
  if (looked.length === 0) return undefined;
  const { name, mask } = random.pick(looked);
  const bits = widths[name] ?? (name === "ipTtl" ? 8 : name === "arpTpa" ? 32 : 16);
  const candidates = Array.from({ length: bits }, (_, i) => 1n << BigInt(i)).filter((bit) => mask === undefined || (mask & bit) !== 0n);
  const bit = random.pick(candidates);
  return packet.map((item) => (item.name === name ? { ...item, value: item.value ^ bit } : item));
}

/** Packets for a set of flows: hits, near misses, and any. */
export function packetsFor(random: Random, flows: readonly FlowEntry[], count: number): (readonly KnownField[])[] {
  const first = flows.filter(({ tableId }) => tableId === 0);
  return Array.from({ length: count }, () => {
    const way = random.next();
    const flow = random.pick(random.chance(0.8) && first.length > 0 ? first : flows);
    return way < 0.6 ? packetFor(random, flow) : way < 0.8 ? (nearMiss(random, flow) ?? randomPacket(random)) : randomPacket(random);
  });
}

const trackedStates: readonly KnownField[] = [
  { name: "ctState", value: 0x20n, mask: 0x20n },
  { name: "ctState", value: 0x21n, mask: 0x21n },
  { name: "ctState", value: 0n, mask: 0x20n },
  { name: "ctState", value: 0x20n, mask: 0x21n },
];

function randomMatch(random: Random, kind: Kind, options: TableOptions): KnownField[] {
  const own = random.some(drawn(kind, random), 0.25).map(([name, value]) => {
    const exact = field(name, value);
    const bits = widths[name] ?? 16;
    if (!maskable.has(name) || random.chance(0.6)) return exact;
    const all = (1n << BigInt(bits)) - 1n;
    const mask = random.chance(0.7) ? all ^ (all >> BigInt(1 + random.below(bits))) : BigInt(random.below(0xffff)) & all;
    return mask === 0n || mask === all ? exact : { ...exact, value: exact.value & mask, mask };
  });
  const way: KnownField[] = [
    ...(random.chance(0.25) ? [is("inPort", random.pick(portNumbers))] : []),
    ...(random.chance(0.15) ? [{ name: `reg${random.below(4)}` as FieldName, value: BigInt(random.below(4)), mask: 3n }] : []),
    ...(random.chance(0.05) ? [{ name: "metadata" as const, value: BigInt(random.below(4)), mask: 3n }] : []),
    ...(random.chance(0.05) ? [is("pktMark", random.below(3))] : []),
    ...(options.tracking && random.chance(0.2) ? [random.pick(trackedStates), ...(random.chance(0.3) ? [is("ctZone", random.below(4))] : []), ...(random.chance(0.3) ? [is("ctMark", random.below(3))] : [])] : []),
    ...(isV4(kind) && random.chance(0.08) ? [random.pick<KnownField>([is("ipFrag", 0), { name: "ipFrag", value: 1n, mask: 1n }, { name: "ipFrag", value: 1n, mask: 3n }])] : []),
    ...(random.chance(0.08) ? [is("vlanVid", 0)] : random.chance(0.15) ? [is("vlanVid", 0x1000 | random.pick(vlans))] : random.chance(0.08) ? [{ name: "vlanVid" as const, value: 0x1000n, mask: 0x1000n }, is("vlanPcp", random.pick([0, 5]))] : []),
  ];
  return [...way, ...based[kind], ...own];
}

export interface TableOptions {
  /** Kinds of actions beside the plain ones. */
  readonly tracking: boolean;
  readonly normal: boolean;
  /** Whether labels are pushed and popped; default, true. */
  readonly labels?: boolean;
  readonly version: 5 | 6;
}

function randomAction(random: Random, kind: Kind, tableId: number, options: TableOptions, nested = 0): Action {
  const ip = isV4(kind) || isV6(kind);
  const proto = protocolOf(kind);
  const register = (): FieldName => `reg${random.below(4)}` as FieldName;
  const outputs: readonly (() => Action)[] = [
    () => action.output(random.pick(portNumbers)),
    () => action.output(random.pick(portNumbers)),
    () => action.output(random.pick([port.inPort, port.flood, port.all, port.local, port.controller])),
    () => action.group(1 + random.below(5)),
  ];
  const plain: readonly (() => Action)[] = [
    ...outputs,
    ...outputs,
    () => action.resubmit(options.tracking || random.chance(0.9) ? tableId + 1 + random.below(2) : random.below(tableCount)),
    () => action.resubmit(tableId + 1, random.pick(portNumbers)),
    () => action.setField("ethSrc", random.pick(macs)),
    () => action.setField("ethDst", random.pick(macs)),
    () => action.load(register(), BigInt(random.below(8)), 0, 3),
    () => action.setField("metadata", random.below(4)),
    () => action.setField("pktMark", random.below(3)),
    () => action.setField(register(), random.below(0x10000), 0xffff),
    () => ({ type: options.version >= 6 ? "copyField" : "regMove", bits: 16, sourceOffset: random.below(16), targetOffset: random.below(16), source: random.pick(["reg0", "reg1", "ethSrc", "ethDst"] as const), target: register() }),
    () => ({ type: "stackPush", field: random.pick(["reg0", "reg1", "ethDst", "metadata"] as const), offset: 0, bits: 32 }),
    () => ({ type: "stackPop", field: register(), offset: random.below(2), bits: 16 + random.below(8) }),
    () => ({ type: "outputReg", source: register(), range: { offset: 0, bits: 16 }, maxLen: 0xffff }),
    () => action.pushVlan(random.pick([0x8100, 0x88a8])),
    () => action.setQueue(random.below(3)),
    () => ({ type: "popQueue" }),
    () => ({ type: "note", note: new Uint8Array(6).fill(7) }),
    () => ({ type: "exit" }),
    () => ({ type: "ctClear" }),
    () => learn(random, tableId),
  ];
  const special: (() => Action)[] = [
    ...(options.normal ? [() => action.output(port.normal), () => action.output(port.normal)] : []),
    ...(ip ? [() => action.decNwTtl(), () => action.setNwTtl(random.pick([1, 9])), () => action.setField("ipDscp", random.pick([0, 10])), () => action.setField("ipEcn", random.below(4))] : []),
    ...(isV4(kind) ? [() => action.setField("ipv4Src", random.pick(ipv4)), () => action.setField("ipv4Dst", random.pick(ipv4)), () => action.load("ipv4Dst", BigInt(random.below(256)), 8, 8)] : []),
    ...(isV6(kind) ? [() => action.setField("ipv6Dst", random.pick(ipv6))] : []),
    ...(proto === undefined ? [] : [() => action.setField(`${proto}Dst`, random.pick(transport)), () => action.setField(`${proto}Src`, random.pick(transport))]),
    ...(kind === "arp" ? [() => action.setField("arpOp", 2), () => action.setField("arpSpa", random.pick(ipv4)), () => action.setField("arpTha", random.pick(macs))] : []),
    ...(kind === "mpls" ? [() => action.setField("mplsLabel", random.below(9)), (): Action => ({ type: "decMplsTtl" })] : []),
    // To a later table only: ofproto/trace follows a packet that is tracked in a loop for ever.
    ...(options.tracking && ip && tableId + 1 < tableCount ? [1, 2, 3, 4, 5].map(() => () => action.ct({ zone: random.below(4), recircTable: random.chance(0.7) ? Math.min(tableCount - 1, tableId + 1) : 0xff, ...tracked(random) })) : []),
    ...(options.labels === false ? [] : kind === "mpls" ? [() => action.popMpls(random.pick([0x8847, 0x800]))] : options.tracking ? [] : [() => action.pushMpls()]), // ovs-vswitchd 3.1 aborts where a packet with a label comes to a ct action
    ...(nested === 0 && !options.tracking ? [() => action.clone(...actionList(random, kind, tableId, options, 1))] : []),
    ...(options.version === 6 ? [(): Action => ({ type: "meter", meterId: 1 + random.below(2) })] : []),
  ];
  return special.length > 0 && random.chance(0.35) ? random.pick(special)() : random.pick(plain)();
}

/** Not committed, or committed, maybe with a mark. */
function tracked(random: Random): { readonly flags: number; readonly actions: readonly Action[] } {
  if (random.chance(0.5)) return { flags: 0, actions: [] };
  return { flags: 1, actions: random.chance(0.5) ? [action.setField("ctMark", random.below(3))] : [] };
}

/** A conjunctive match of two clauses: of some addresses and some ports, one each. */
function conjunction(random: Random, tableId: number, priority: number, id: number, options: TableOptions): FlowEntry[] {
  const flow = (match: readonly KnownField[], actions: readonly Action[]): FlowEntry => ({ tableId, priority, match, cookie: 0x1000n + BigInt(id), instructions: options.tracking ? oneWayOn([instruction.apply(...actions)]) : [instruction.apply(...actions)], idleTimeout: 0, hardTimeout: 0, flags: 0 });
  const part = (clause: number, match: readonly KnownField[]): FlowEntry => flow(match, [{ type: "conjunction", id, clause, clauses: 2 }]);
  const tcp = based.tcp;
  return [
    ...random.some(ipv4, 0.6).map((address) => part(0, [...tcp, field("ipv4Src", address)])),
    ...random.some(transport, 0.6).map((to) => part(1, [...tcp, field("tcpDst", to)])),
    { ...flow([...tcp, is("conjId", id)], actionList(random, "tcp", tableId, options)), priority: random.chance(0.8) ? priority : Math.max(1, priority - 5) },
  ];
}

function learn(random: Random, tableId: number): Action {
  return {
    type: "learn", idleTimeout: 0, hardTimeout: 0, priority: 5, cookie: 1n, flags: 0, tableId: Math.min(tableCount - 1, tableId + 1), finIdleTimeout: 0, finHardTimeout: 0,
    specs: [
      { bits: 48, source: { field: "ethSrc", offset: 0 }, target: { match: { field: "ethDst", offset: 0 } } },
      { bits: 16, source: { field: "nxInPort", offset: 0 }, target: { load: { field: "reg0", offset: random.below(16) } } },
      { bits: 16, source: { field: "nxInPort", offset: 0 }, target: "output" },
    ],
  };
}

function actionList(random: Random, kind: Kind, tableId: number, options: TableOptions, nested = 0): Action[] {
  const list = Array.from({ length: 1 + random.below(4) }, () => randomAction(random, kind, tableId, options, nested));
  // What follows a tag must set it: an ID for a packet that has one now.
  return list.flatMap((one) => (one.type === "pushVlan" ? [one, action.setField("vlanVid", 0x1000 | random.pick(vlans)), ...(random.chance(0.3) ? [action.popVlan()] : [])] : [one]));
}

/** Of what leads a packet on, the first alone: copies that are tracked one behind another grow beyond what a trace can show. */
function oneWayOn(instructions: readonly Instruction[]): Instruction[] {
  let ways = 0;
  const leadsOn = (one: Action): boolean => one.type === "resubmit" || one.type === "clone" || (one.type === "ct" && one.recircTable !== 0xff);
  return instructions
    .map((item): Instruction => ("actions" in item ? { ...item, actions: item.actions.filter((one) => !leadsOn(one) || ways++ === 0) } : item))
    .filter((item) => item.type !== "gotoTable" || ways === 0);
}

function randomInstructions(random: Random, kind: Kind, tableId: number, options: TableOptions): Instruction[] {
  const all = anyInstructions(random, kind, tableId, options);
  return options.tracking ? oneWayOn(all) : all;
}
function anyInstructions(random: Random, kind: Kind, tableId: number, options: TableOptions): Instruction[] {
  // ovs-vswitchd 3.1 was seen to abort over a trace where a packet with a written action set comes to a ct action.
  const written = !options.tracking && random.chance(0.15)
    ? random.some<() => Action>([() => action.output(random.pick(portNumbers)), () => action.group(1 + random.below(5)), () => action.setField("ethSrc", random.pick(macs)), () => action.load("reg1", BigInt(random.below(16)), 0, 4), () => action.setQueue(1)], 0.5).map((make) => make())
    : [];
  return [
    ...(options.version < 6 && random.chance(0.1) ? [instruction.meter(1 + random.below(2))] : []),
    ...(random.chance(0.9) ? [instruction.apply(...actionList(random, kind, tableId, options))] : []),
    ...(random.chance(0.05) ? [instruction.clearActions()] : []),
    ...(written.length === 0 ? [] : [instruction.write(...written)]),
    ...(random.chance(0.1) ? [instruction.writeMetadata(BigInt(random.below(4)), 3n)] : []),
    ...(tableId + 1 < tableCount && random.chance(0.3) ? [instruction.gotoTable(tableId + 1 + random.below(tableCount - tableId - 1))] : []),
  ];
}

/** Flows of the bridge's tables, no two of a table with one priority; the first table takes most packets. `priorities`: from how many. */
export function randomFlows(random: Random, count: number, options: TableOptions, priorities = 1_000): FlowEntry[] {
  const used = new Set<string>();
  const conjunctions = [1, 2].flatMap((id) => {
    const [tableId, priority] = [random.below(2), 2_000 - 500 * random.below(4) + 10 * id];
    return conjunction(random, tableId, priority, id, options);
  });
  for (const { tableId, priority } of conjunctions) used.add(`${tableId}/${priority}`);
  const plain = Array.from({ length: count }, (_, i): FlowEntry => {
    const tableId = random.chance(0.4) ? 0 : random.below(tableCount);
    let priority = 1 + random.below(priorities);
    while (used.has(`${tableId}/${priority}`)) priority = 1 + random.below(priorities);
    used.add(`${tableId}/${priority}`);
    const kind = random.pick(kinds);
    return { tableId, priority, match: randomMatch(random, kind, options), cookie: BigInt(i + 1), instructions: randomInstructions(random, kind, tableId, options), idleTimeout: 0, hardTimeout: 0, flags: 0 };
  });
  return [...plain, ...conjunctions];
}

/** Groups 1 to 5: two of all, indirect, fast failover, and a select group of one bucket or more. */
export function randomGroups(random: Random): SwitchGroup[] {
  const bucket = (watchPort: number, weight = 0): Bucket => ({
    weight, watchPort, watchGroup: port.any,
    actions: [...random.some<Action>([action.setField("ethDst", random.pick(macs)), action.load("reg2", BigInt(random.below(8)), 0, 8), action.setQueue(2), action.pushVlan()], 0.3), ...(random.chance(0.9) ? [action.output(random.pick(portNumbers))] : [])],
  });
  const many = (make: () => Bucket): Bucket[] => Array.from({ length: 1 + random.below(3) }, make);
  return [
    { groupId: 1, groupType: "all", buckets: many(() => bucket(port.any)) },
    { groupId: 2, groupType: "indirect", buckets: [bucket(port.any)] },
    { groupId: 3, groupType: "ff", buckets: many(() => bucket(random.pick([1, 2, 3, 4]))) },
    { groupId: 4, groupType: "all", buckets: [{ ...bucket(port.any), actions: [action.group(2)] }, bucket(port.any)] },
    { groupId: 5, groupType: "all", buckets: many(() => bucket(port.any)) },
  ];
}
