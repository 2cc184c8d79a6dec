/**
 * Every number and name we put into a switch or a database: tables, register bit, cookies, group and meter ranges,
 * priorities, port numbers, external_ids keys. docs/pipeline.md explains them; nothing else in the code makes one up.
 */

/** Table 0 belongs to the operator. We add one entry there, which sends each packet once through our tables. */
export const table = {
  operator: 0,
  /** Leases: blocks and limits of Changes in force. A miss goes on. */
  admit: 240,
  /** Source learning: unknown senders on edge ports are shown to the controller. */
  learn: 241,
  /** Forwarding between known hosts; a miss goes back to table 0, where the operator's flows are. */
  forward: 242,
  /** Replication: calls the tables behind it once for each session, then clears what they left in the register. */
  replicate: 243,
  /** Which packets a session asks for, by edge port. */
  select: 244,
  /** Hash of the packet's connection, for sessions that take a fraction. */
  hash: 245,
  /** Which hashes belong to a session's fraction. */
  share: 246,
  /** Counts what a session selected on a port; at the end, one copy of what any session selected. */
  copy: 247,
  /** Never reached. A flow-mod here makes vswitchd revalidate its cached flows after a Mirror change. */
  poke: 249,
} as const;

/** Register bit that says "has been through our tables": reg15[31]. Registers are not part of the megaflow key. */
export const passedRegister = { field: "reg15", bit: 31, mask: 0x8000_0000n } as const;
/**
 * The bit below, behind the tables of replication: "our tables have dealt with it". Where live forwards by its own flows a packet that does
 * not have it goes to them, so that it is not lost while somebody takes our flows away one after the other.
 */
export const dealtRegister = { field: "reg15", bit: 30, mask: 0x4000_0000n } as const;

/**
 * The lower bits of the same register while a packet is in the tables of replication; all are 0 again behind them.
 * `hash`: 0 to 999, from the connection. `session`: the session whose turn it is, 0 when copies leave. `length`: 0 while
 * nobody selected the packet; 1 and up: the longest copy anyone asked for.
 */
export const replicationBits = { field: "reg15", hash: { offset: 0, bits: 10 }, session: { offset: 10, bits: 16 }, length: { offset: 26, bits: 5 } } as const;

export const priority = {
  /** Promotion rules in table 0: while promoted, an edge port's traffic goes to the shadow before anything else. */
  promotion: 65535,
  /** Our entry in table 0, above what the operator has. */
  entry: 65534,
  discovery: 65000,
  block: 40000,
  exact: 30000,
  group: 20000,
  miss: 0,
} as const;

/** The upper 16 bits of every cookie of ours: "SH". `ovs-ofctl dump-flows BR cookie=0x5348000000000000/0xffff000000000000`. */
export const cookiePrefix = 0x5348_0000_0000_0000n;
export const cookiePrefixMask = 0xffff_0000_0000_0000n;

/** Bits 40 to 47 of a cookie: what the flow is for. The lower 40 bits are the kind's own (a change's number). */
export const cookieKind = {
  entry: 0x01,
  discovery: 0x02,
  learn: 0x03,
  forward: 0x04,
  change: 0x05,
  promotion: 0x06,
  poke: 0x07,
  adapter: 0x08,
  trial: 0x09,
  replicate: 0x0a,
  node: 0x0b,
} as const;
export type CookieKind = keyof typeof cookieKind;

export function cookie(kind: CookieKind, serial = 0n): bigint {
  return cookiePrefix | (BigInt(cookieKind[kind]) << 40n) | (serial & 0xff_ffff_ffffn);
}

/** Whether a flow with this cookie was installed by us. */
export function isOurs(value: bigint): boolean {
  return (value & cookiePrefixMask) === cookiePrefix;
}

/** What one of our cookies says, or undefined for a foreign one. */
export function readCookie(value: bigint): { kind: CookieKind; serial: bigint } | undefined {
  if (!isOurs(value)) return undefined;
  const number = Number((value >> 40n) & 0xffn);
  const kind = (Object.keys(cookieKind) as CookieKind[]).find((name) => cookieKind[name] === number);
  return kind === undefined ? undefined : { kind, serial: value & 0xff_ffff_ffffn };
}

/** Groups carry no cookie, so ours are those of this range: 0x53480000 to 0x5348ffff. */
export const groupBase = 0x5348_0000;
export function isOurGroup(groupId: number): boolean {
  return groupId >>> 16 === groupBase >>> 16;
}

/** Meters of ours: 0x30000 to 0x3fffe, because ovs-vswitchd has none above 0x40000 (the userspace datapath's max_meter). */
export const meterBase = 0x3_0000;
export function isOurMeter(meterId: number): boolean {
  return meterId >>> 16 === meterBase >>> 16 && meterId < 0x4_0000;
}

/** Keys in external_ids of every row we insert. */
export const mark = {
  role: "ovs-shadow:role",
  /** What the row stands for: a live bridge's name, or "bridge:ofport". */
  live: "ovs-shadow:live",
  /** On a shadow's port: the QoS of its live port, as text. */
  qos: "ovs-shadow:qos",
} as const;

/** Roles of our rows. */
export type RowRole = "shadow" | "adapter" | "collector" | "replica" | "ingress" | "egress" | "deliveries" | "edge" | "fabric" | "guard" | "node" | "sflow" | "sink";

/** OpenFlow port of a live bridge's replica port for edge port N, and of the adapter's egress port: 0x8000 + N. */
export function replicaPort(edgeOfport: number): number {
  return 0x8000 + edgeOfport;
}
/** OpenFlow port, on live and on the adapter, of the one port that carries the copies of all edge ports of a bridge. */
export const commonReplicaPort = 0x8000;
/**
 * OpenFlow ports of an adapter that lead to shadow nodes: 239 numbers that neither live ports (up to `maxReplicatedPort`) nor
 * replica ports have.
 */
export const nodePorts = { first: 0x7f00, count: 0xef } as const;
/** pkt_mark of what a shadow node sent, while it is in the shadow: it crosses patch ports, and copies come with 0. */
export const nodeMark = 0x5348_0001;
/** OpenFlow port, on the adapter, of the device that shows what the shadow would deliver. Below the replica ports, above those of nodes. */
export const deliveriesPort = 0x7fef;
/** The largest edge port number that can be replicated: 0x8000 + N must stay below OFPP_MAX (0xff00). */
export const maxReplicatedPort = 0x7eff;
/** OpenFlow port of a sink on each adapter, by its place from 0 to 15; and the adapter's table of it. */
export const sinkPort = (place: number): number => 0x7ff0 + place;
export const sinkTable = (place: number): number => 1 + place;
