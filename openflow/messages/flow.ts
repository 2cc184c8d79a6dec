/** ofp_flow_mod, ofp_flow_stats and ofp_flow_removed, OpenFlow 1.3 and 1.4. */
import { readInstructions, writeInstruction, type Instruction } from "../actions/instruction.js";
import { readMatch, writeMatch, type Match } from "../fields/match.js";
import { WireError, type Reader, type Writer } from "../wire/reader.js";
import { padding, struct, u16, u32, u64, u8 } from "../wire/struct.js";

/** Wire version numbers: 4 is OpenFlow 1.3, 5 is 1.4. */
export type Version = 4 | 5;

const commands = ["add", "modify", "modifyStrict", "delete", "deleteStrict"] as const;
export type FlowModCommand = (typeof commands)[number];

/** ofp_flow_mod_flags. */
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
  /** Eviction precedence, 1.4 only. */
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

const flowModHead = struct({
  cookie: u64,
  cookieMask: u64,
  tableId: u8,
  command: u8,
  idleTimeout: u16,
  hardTimeout: u16,
  priority: u16,
  bufferId: u32,
  outPort: u32,
  outGroup: u32,
  flags: u16,
  importance: u16, // padding before 1.4
});

export function writeFlowMod(out: Writer, mod: FlowMod, version: Version): void {
  flowModHead.write(out, { ...mod, command: commands.indexOf(mod.command), importance: version >= 5 ? mod.importance : 0 });
  writeMatch(out, mod.match);
  for (const item of mod.instructions) writeInstruction(out, item);
}

export function readFlowMod(from: Reader): FlowMod {
  const start = from.offset;
  const { command: number, ...head } = flowModHead.read(from);
  const command = commands[number];
  if (command === undefined) throw new WireError(`flow-mod command ${number}`, start + 17);
  return { type: "flowMod", command, ...head, match: readMatch(from), instructions: readInstructions(from) };
}

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
}

const flowStatsHead = struct({
  tableId: u8,
  pad0: padding(1),
  durationSec: u32,
  durationNsec: u32,
  priority: u16,
  idleTimeout: u16,
  hardTimeout: u16,
  flags: u16,
  importance: u16,
  pad1: padding(2),
  cookie: u64,
  packetCount: u64,
  byteCount: u64,
});

/** The body of one multipart reply of type FLOW. */
export function readFlowStats(from: Reader): FlowStats[] {
  const flows: FlowStats[] = [];
  while (from.remaining > 0) {
    const length = from.u16();
    const body = from.sub(length - 2);
    flows.push({ ...flowStatsHead.read(body), match: readMatch(body), instructions: readInstructions(body) });
  }
  return flows;
}

/** What a flow dump is limited to. */
export interface FlowFilter {
  readonly tableId?: number;
  readonly cookie?: bigint;
  readonly cookieMask?: bigint;
  readonly match?: Match;
}

const flowRequestHead = struct({ tableId: u8, pad0: padding(3), outPort: u32, outGroup: u32, pad1: padding(4), cookie: u64, cookieMask: u64 });

/** ofp_flow_stats_request: also the body of AGGREGATE. */
export function writeFlowRequest(out: Writer, filter: FlowFilter): void {
  const cookieMask = filter.cookieMask ?? (filter.cookie === undefined ? 0n : 0xffff_ffff_ffff_ffffn);
  flowRequestHead.write(out, { tableId: filter.tableId ?? anyTable, outPort: anyPort, outGroup: anyGroup, cookie: filter.cookie ?? 0n, cookieMask });
  writeMatch(out, filter.match ?? []);
}

const flowRemovedHead = struct({
  cookie: u64,
  priority: u16,
  reason: u8,
  tableId: u8,
  durationSec: u32,
  durationNsec: u32,
  idleTimeout: u16,
  hardTimeout: u16,
  packetCount: u64,
  byteCount: u64,
});
/** ofp_flow_removed. `reason`: 0 idle time-out, 1 hard time-out, 2 delete, 3 group delete. */
export type FlowRemoved = { readonly type: "flowRemoved"; readonly match: Match } & ReturnType<typeof flowRemovedHead.read>;
export function readFlowRemoved(from: Reader): FlowRemoved {
  return { type: "flowRemoved", ...flowRemovedHead.read(from), match: readMatch(from) };
}
export function writeFlowRemoved(out: Writer, removed: FlowRemoved): void {
  flowRemovedHead.write(out, removed);
  writeMatch(out, removed.match);
}
