/** ofp_flow_mod, ofp_flow_stats and ofp_flow_removed, in the layouts of all versions. */
import { readInstructions, writeInstruction, type Instruction } from "../actions/instruction.js";
import { readMatch, writeMatch, writeOxmMatch, type Match } from "../fields/match.js";
import { byVersion, list, mapped, named, ownLength, padding, port16, since, struct, u16, u32, u64, u8, type Codec } from "../wire/struct.js";
import { oxsStats, type OxsStats } from "./oxs.js";
import { byHand } from "../wire/shape.js";

const commands = ["add", "modify", "modifyStrict", "delete", "deleteStrict"] as const;
export type FlowModCommand = (typeof commands)[number];

/** ofp_flow_mod_flags. In OpenFlow 1.0 bit 2 is "emergency". */
export const flag = { sendFlowRem: 1, checkOverlap: 2, resetCounts: 4, noPktCounts: 8, noByteCounts: 16 } as const;
/** Reserved group numbers. */
export const group = { max: 0xffffff00, all: 0xfffffffc, any: 0xffffffff } as const;
export const anyGroup = group.any;
export const anyPort = 0xffffffff;
const anyTable = 0xff;
const noBuffer = 0xffffffff;

export interface FlowMod {
  readonly type: "flowMod";
  readonly command: FlowModCommand;
  /** From 1.1 on; in 1.0 with Nicira's flow_mod_table_id the high byte of the command, otherwise 0. */
  readonly tableId: number;
  readonly priority: number;
  readonly match: Match;
  readonly cookie: bigint;
  readonly cookieMask: bigint;
  /** Seconds; 0 means never. */
  readonly idleTimeout: number;
  readonly hardTimeout: number;
  readonly flags: number;
  readonly bufferId: number;
  readonly outPort: number;
  readonly outGroup: number;
  /** Eviction precedence, from 1.4 on. */
  readonly importance: number;
  readonly instructions: readonly Instruction[];
}

/** A flow-mod with defaults: add, table 0, priority 0x8000, no timeouts, any port and group, no instructions (drop). */
export function flowMod(parts: Partial<Omit<FlowMod, "type">>): FlowMod {
  return {
    type: "flowMod",
    command: "add",
    tableId: 0,
    priority: 0x8000,
    match: [],
    cookie: 0n,
    cookieMask: 0n,
    idleTimeout: 0,
    hardTimeout: 0,
    flags: 0,
    bufferId: noBuffer,
    outPort: anyPort,
    outGroup: anyGroup,
    importance: 0,
    instructions: [],
    ...parts,
  };
}

export const matchCodec: Codec<Match> = byHand("match", { read: (from) => readMatch(from), write: writeMatch });
/** In flow statistics Open vSwitch sends OXM TLVs in 1.1 as well, because the fixed match can't say all. Both are read. */
const statsMatchCodec: Codec<Match> = byHand("statsMatch", { read: (from) => readMatch(from), write: (out, match) => (out.version === 2 ? writeOxmMatch(out, match) : writeMatch(out, match)) });
export const instructionsCodec: Codec<readonly Instruction[]> = byHand("instructions", {
  read: readInstructions,
  write: (out, all) => {
    for (const one of all) writeInstruction(out, one);
  },
});

/** The command of 1.0 with the table in its high byte: 0 unless Nicira's flow_mod_table_id is on. */
const tableAndCommand = struct({ tableId: u8, command: named(u8, commands) });
type FlowModBody = Omit<FlowMod, "type">;
const later = { cookieMask: 0n, outGroup: anyGroup, importance: 0 } as const;
const flowMod10 = mapped(
  struct({ match: matchCodec, cookie: u64, to: tableAndCommand, idleTimeout: u16, hardTimeout: u16, priority: u16, bufferId: u32, outPort: port16, flags: u16, instructions: instructionsCodec }),
  ({ to, ...body }): FlowModBody => ({ ...later, ...to, ...body }),
  ({ tableId, command, ...body }) => ({ to: { tableId, command }, ...body }),
);
const flowMod11 = struct({
  cookie: u64,
  cookieMask: u64,
  tableId: u8,
  command: named(u8, commands),
  idleTimeout: u16,
  hardTimeout: u16,
  priority: u16,
  bufferId: u32,
  outPort: u32,
  outGroup: u32,
  flags: u16,
  importance: since(5, u16, 0, padding(2)),
  match: matchCodec,
  instructions: instructionsCodec,
});
export const flowModCodec = byVersion<FlowModBody>([[1, flowMod10], [2, flowMod11]]);

export interface FlowStats {
  readonly tableId: number;
  readonly priority: number;
  readonly match: Match;
  readonly cookie: bigint;
  readonly instructions: readonly Instruction[];
  readonly idleTimeout: number;
  readonly hardTimeout: number;
  readonly flags: number;
  readonly importance: number;
  readonly durationSec: number;
  readonly durationNsec: number;
  readonly packetCount: bigint;
  readonly byteCount: bigint;
  /** What 1.5 told beside the counters above. */
  readonly oxs?: Omit<OxsStats, "durationSec" | "durationNsec" | "packetCount" | "byteCount">;
}

const flowStats10 = struct({
  length: ownLength(), tableId: u8, pad0: padding(1), match: matchCodec, durationSec: u32, durationNsec: u32, priority: u16, idleTimeout: u16, hardTimeout: u16, pad1: padding(6),
  cookie: u64, packetCount: u64, byteCount: u64, instructions: instructionsCodec, flags: since(2, u16, 0), importance: since(2, u16, 0),
});
const flowStats11 = struct({
  length: ownLength(), tableId: u8, pad0: padding(1), durationSec: u32, durationNsec: u32, priority: u16, idleTimeout: u16, hardTimeout: u16,
  flags: since(4, u16, 0, padding(2)), importance: since(5, u16, 0, padding(2)), pad1: padding(2), cookie: u64, packetCount: u64, byteCount: u64, match: statsMatchCodec, instructions: instructionsCodec,
});
const flowDesc15 = mapped(
  struct({
    length: ownLength(), pad0: padding(2), tableId: u8, pad1: padding(1), priority: u16, idleTimeout: u16, hardTimeout: u16, flags: u16, importance: u16, cookie: u64,
    match: matchCodec, stats: oxsStats, instructions: instructionsCodec,
  }),
  ({ stats, ...rest }): FlowStats => {
    const { durationSec = 0, durationNsec = 0, packetCount = 0n, byteCount = 0n, ...oxs } = stats;
    return { ...rest, durationSec, durationNsec, packetCount, byteCount, ...(Object.keys(oxs).length === 0 ? {} : { oxs }) };
  },
  ({ durationSec, durationNsec, packetCount, byteCount, oxs, ...rest }) => ({ ...rest, stats: { durationSec, durationNsec, packetCount, byteCount, ...oxs } }),
);
/** ofp_flow_stats, and from 1.5 on ofp_flow_desc. */
export const flowStatsCodec = byVersion<FlowStats>([[1, flowStats10], [2, flowStats11], [6, flowDesc15]]);

/** OFPMP_FLOW_STATS of 1.5: counters alone. `reason`: 0 asked for, 1 stat trigger. */
export interface LightFlowStats {
  readonly tableId: number;
  readonly reason: number;
  readonly priority: number;
  readonly match: Match;
  readonly stats: OxsStats;
}
export const lightFlowStatsCodec: Codec<LightFlowStats> = struct({ length: ownLength(), pad0: padding(2), tableId: u8, reason: u8, priority: u16, match: matchCodec, stats: oxsStats });

/** What a flow dump is limited to. */
export interface FlowFilter {
  readonly tableId?: number;
  readonly outPort?: number;
  readonly outGroup?: number;
  readonly cookie?: bigint;
  readonly cookieMask?: bigint;
  readonly match?: Match;
}
export type FlowRequest = Required<FlowFilter>;
export function flowRequest(filter: FlowFilter): FlowRequest {
  const cookieMask = filter.cookieMask ?? (filter.cookie === undefined ? 0n : 0xffff_ffff_ffff_ffffn);
  return { tableId: anyTable, outPort: anyPort, outGroup: anyGroup, cookie: 0n, match: [], ...filter, cookieMask };
}
const flowRequest10 = mapped(struct({ match: matchCodec, tableId: u8, pad0: padding(1), outPort: port16 }), (body): FlowRequest => flowRequest(body), (body) => body);
const flowRequest11 = struct({ tableId: u8, pad0: padding(3), outPort: u32, outGroup: u32, pad1: padding(4), cookie: u64, cookieMask: u64, match: matchCodec });
/** ofp_flow_stats_request: also the body of AGGREGATE. */
export const flowRequestCodec = byVersion<FlowRequest>([[1, flowRequest10], [2, flowRequest11]]);

export interface AggregateStats {
  readonly packetCount: bigint;
  readonly byteCount: bigint;
  readonly flowCount: number;
}
const aggregate10 = struct({ packetCount: u64, byteCount: u64, flowCount: u32, pad0: padding(4) });
const aggregate15 = mapped(
  oxsStats,
  ({ packetCount = 0n, byteCount = 0n, flowCount = 0 }): AggregateStats => ({ packetCount, byteCount, flowCount }),
  (body) => body,
);
export const aggregateCodec = byVersion<AggregateStats>([[1, aggregate10], [6, aggregate15]]);

/** ofp_flow_removed. `reason`: 0 idle time-out, 1 hard time-out, 2 delete, 3 group delete, 4 meter delete, 5 eviction. */
export interface FlowRemoved {
  readonly type: "flowRemoved";
  readonly cookie: bigint;
  readonly priority: number;
  readonly reason: number;
  readonly tableId: number;
  readonly durationSec: number;
  readonly durationNsec: number;
  readonly idleTimeout: number;
  readonly hardTimeout: number;
  readonly packetCount: bigint;
  readonly byteCount: bigint;
  readonly match: Match;
  readonly oxs?: FlowStats["oxs"];
}
type FlowRemovedBody = Omit<FlowRemoved, "type">;
const removed10 = struct({
  match: matchCodec, cookie: u64, priority: u16, reason: u8, tableId: since(2, u8, 0, padding(1)), durationSec: u32, durationNsec: u32, idleTimeout: u16, hardTimeout: since(2, u16, 0, padding(2)),
  packetCount: u64, byteCount: u64,
});
/** 1.1 has padding for the hard time-out, in which Open vSwitch tells it. */
const removed11 = struct({
  cookie: u64, priority: u16, reason: u8, tableId: u8, durationSec: u32, durationNsec: u32, idleTimeout: u16, hardTimeout: u16, packetCount: u64, byteCount: u64, match: matchCodec,
});
const removed15 = mapped(
  struct({ tableId: u8, reason: u8, priority: u16, idleTimeout: u16, hardTimeout: u16, cookie: u64, match: matchCodec, stats: oxsStats }),
  ({ stats, ...rest }): FlowRemovedBody => {
    const { durationSec = 0, durationNsec = 0, packetCount = 0n, byteCount = 0n, ...oxs } = stats;
    return { ...rest, durationSec, durationNsec, packetCount, byteCount, ...(Object.keys(oxs).length === 0 ? {} : { oxs }) };
  },
  ({ durationSec, durationNsec, packetCount, byteCount, oxs, ...rest }) => ({ ...rest, stats: { durationSec, durationNsec, packetCount, byteCount, ...oxs } }),
);
export const flowRemovedCodec = byVersion<FlowRemovedBody>([[1, removed10], [2, removed11], [6, removed15]]);

/** The flows of a multipart reply of type FLOW. */
export const flowStatsList = list(flowStatsCodec);
