/**
 * Following the flow tables of a switch, in its three forms: OFPMP_FLOW_MONITOR from OpenFlow 1.4 on, ONF extension 187 in 1.3
 * (experimenter multipart 1870, messages 1871 and 1872), NXST_FLOW_MONITOR before that. One value for all.
 */
import type { Instruction } from "../actions/instruction.js";
import { readMatch, readNxm, writeField, writeMatch, writeNxm, type Match } from "../fields/match.js";
import { readInstructions, writeInstruction } from "../actions/instruction.js";
import { readActions, writeAction } from "../actions/action.js";
import { WireError, type Reader, type Writer } from "../wire/reader.js";
import { byVersion, padding, port16, struct, u16, u32, u64, u8, type Codec } from "../wire/struct.js";
import { anyGroup, anyPort } from "./flow.js";
import { byHand } from "../wire/shape.js";

export type FlowUpdate =
  | {
      /** "initial" from 1.4 on; the older forms call what is there "added", and the session tells the snapshot apart. */
      readonly event: "initial" | "added" | "removed" | "modified";
      /** ofp_flow_removed_reason, for "removed". */
      readonly reason: number;
      readonly tableId: number;
      readonly priority: number;
      readonly match: Match;
      readonly cookie: bigint;
      readonly instructions: readonly Instruction[];
      /** Seconds; 0 means never. */
      readonly idleTimeout: number;
      readonly hardTimeout: number;
    }
  /** A change made by this very connection: the request's xid is all that comes. */
  | { readonly event: "abbreviated"; readonly xid: number }
  /** Between these two, changes are collapsed to the difference. */
  | { readonly event: "paused" }
  | { readonly event: "resumed" };
type Change = Extract<FlowUpdate, { readonly cookie: bigint }>;

export const onf = 0x4f4e4600;
export const niciraVendor = 0x00002320;
/** ONF extension 187: multipart type and the message that ends it, and the messages that say the switch holds updates back. */
export const onfMonitor = { multipart: 1870, cancel: 1870, paused: 1871, resumed: 1872 } as const;
/** Nicira's: statistics subtype, and the messages by subtype. */
export const niciraMonitor = { multipart: 2, cancel: 21, paused: 22, resumed: 23 } as const;

const events14 = ["initial", "added", "removed", "modified", "abbreviated", "paused", "resumed"] as const;
const eventsOld = ["added", "removed", "modified", "abbreviated"] as const;

const head14 = struct({ tableId: u8, reason: u8, idleTimeout: u16, hardTimeout: u16, priority: u16, pad0: padding(4), cookie: u64 });
const headOld = struct({ reason: u16, priority: u16, idleTimeout: u16, hardTimeout: u16, matchLen: u16, tableId: u8, pad0: padding(1), cookie: u64 });

/** Nicira's form has NXM fields without a header, and actions in place of instructions. */
function readNiciraTail(body: Reader, matchLength: number): Pick<Change, "match" | "instructions"> {
  const match = readNxm(body, matchLength);
  const actions = readActions(body);
  return { match, instructions: actions.length === 0 ? [] : [{ type: "applyActions", actions }] };
}

function readChange(body: Reader, event: Change["event"]): FlowUpdate {
  if (body.version >= 5) return { event, ...head14.read(body), match: readMatch(body), instructions: readInstructions(body) };
  const { matchLen, ...head } = headOld.read(body);
  if (body.version < 4) return { event, ...head, ...readNiciraTail(body, matchLen) };
  return { event, ...head, match: readMatch(body), instructions: readInstructions(body) };
}

function writeChange(out: Writer, change: Change): void {
  if (out.version >= 5) head14.write(out, change);
  else {
    const lengthAt = out.length + headOld.size - 12;
    headOld.write(out, { ...change, matchLen: 0 });
    if (out.version < 4) writeNxm(out, lengthAt, change.match);
    else {
      writeMatch(out, change.match);
      out.patchU16(lengthAt, 4 + change.match.reduce((sum, one) => sum + fieldLength(out, one), 0));
    }
    for (const one of change.instructions) {
      if (out.version >= 4) writeInstruction(out, one);
      else if (one.type === "applyActions") for (const action of one.actions) writeAction(out, action);
    }
    return;
  }
  writeMatch(out, change.match);
  for (const one of change.instructions) writeInstruction(out, one);
}
function fieldLength(out: Writer, field: Match[number]): number {
  const probe = out.fresh();
  writeField(probe, field);
  return probe.length;
}

/** One update of a multipart reply; in 1.3 and before behind the experimenter header. */
export const flowUpdateCodec: Codec<FlowUpdate> = byHand("flowUpdate", {
  read: (from) => {
    const start = from.offset;
    const length = from.u16();
    if (length < 4) throw new WireError(`flow update length ${length}`, start);
    const body = from.nested(length - 2);
    const number = body.u16();
    const event = from.version < 5 ? eventsOld[number] : events14[number];
    if (event === undefined) throw new WireError(`flow update event ${number}`, start + 2);
    let update: FlowUpdate;
    if (event === "abbreviated") update = { event, xid: body.u32() };
    else if (event === "paused" || event === "resumed") {
      body.skip(body.remaining);
      update = { event };
    } else update = readChange(body, event);
    if (body.remaining > 0) throw new WireError(`${body.remaining} bytes more than the flow update has`, body.offset);
    if (body.isLossy) from.noteLoss();
    return update;
  },
  write: (out, update) => {
    const start = out.length;
    const events: readonly string[] = out.version < 5 ? eventsOld : events14;
    const number = events.indexOf(update.event);
    if (number < 0) throw new RangeError(`there is no flow update "${update.event}" in wire version ${out.version}`);
    out.u16(0);
    out.u16(number);
    if (update.event === "abbreviated") out.u32(update.xid);
    else if (update.event === "paused" || update.event === "resumed") out.zeros(4);
    else writeChange(out, update);
    out.patchU16(start, out.length - start);
  },
});

/** ofp_flow_monitor_flags without NO_ABBREV, which OVS refuses on 1.4, and ONLY_OWN. */
const everything = 1 | 2 | 4 | 8 | 16; // initial, add, removed, modify, instructions
const allTables = 0xff;

export interface MonitorRequest {
  readonly monitorId: number;
  /** ofp_flow_monitor_flags. */
  readonly flags: number;
  readonly outPort: number;
  readonly outGroup: number;
  readonly tableId: number;
  /** From 1.4 on: 0 add, 1 modify, 2 delete. */
  readonly command: number;
  readonly match: Match;
}
/** For all tables: first a snapshot, then every change. */
export function monitorRequest(parts: Partial<MonitorRequest> & Pick<MonitorRequest, "monitorId">): MonitorRequest {
  return { flags: everything, outPort: anyPort, outGroup: anyGroup, tableId: allTables, command: 0, match: [], ...parts };
}

const request14 = struct({ monitorId: u32, outPort: u32, outGroup: u32, flags: u16, tableId: u8, command: u8 });
const request13 = struct({ monitorId: u32, flags: u16, matchLen: u16, outPort: u32, tableId: u8, pad0: padding(3) });
const request10 = struct({ monitorId: u32, flags: u16, outPort: port16, matchLen: u16, tableId: u8, pad0: padding(5) });

const oldRequest = { outGroup: anyGroup, command: 0 } as const;
export const monitorRequestCodec = byHand("monitorRequest", byVersion<MonitorRequest>([
  [
    1,
    {
      read: (from) => {
        const { matchLen, ...head } = request10.read(from);
        return { ...oldRequest, ...head, match: readNxm(from, matchLen) };
      },
      write: (out, request) => {
        const start = out.length;
        request10.write(out, { ...request, matchLen: 0 });
        writeNxm(out, start + 8, request.match);
      },
    },
  ],
  [
    4,
    {
      read: (from) => {
        const { matchLen: _, ...head } = request13.read(from);
        return { ...oldRequest, ...head, match: readMatch(from) };
      },
      write: (out, request) => {
        const matchLen = 4 + request.match.reduce((sum, one) => sum + fieldLength(out, one), 0);
        request13.write(out, { ...request, matchLen });
        writeMatch(out, request.match);
      },
    },
  ],
  [
    5,
    {
      read: (from) => ({ ...request14.read(from), match: readMatch(from) }),
      write: (out, request) => {
        request14.write(out, request);
        writeMatch(out, request.match);
      },
    },
  ],
]));
