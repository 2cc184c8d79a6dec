/**
 * Following the flow tables of a switch: OFPMP_FLOW_MONITOR of OpenFlow 1.4 and its 1.3 form, ONF extension 187
 * (experimenter multipart 1870, messages 1871 and 1872). One value for both.
 */
import { readInstructions, type Instruction } from "../actions/instruction.js";
import { readMatch, writeMatch, type Match } from "../fields/match.js";
import { WireError, type Reader, type Writer } from "../wire/reader.js";
import { padding, struct, u16, u32, u64, u8 } from "../wire/struct.js";
import { anyGroup, anyPort, type Version } from "./flow.js";

export type FlowUpdate =
  | {
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

export const onf = 0x4f4e4600;
/** ONF extension 187: multipart type, and the messages that say the switch holds updates back. */
export const onfMonitor = { multipart: 1870, paused: 1871, resumed: 1872 } as const;

const events14 = ["initial", "added", "removed", "modified", "abbreviated", "paused", "resumed"] as const;
const events13 = ["added", "removed", "modified", "abbreviated"] as const;

const head14 = struct({ tableId: u8, reason: u8, idleTimeout: u16, hardTimeout: u16, priority: u16, pad0: padding(4), cookie: u64 });
const head13 = struct({ reason: u16, priority: u16, idleTimeout: u16, hardTimeout: u16, matchLen: u16, tableId: u8, pad0: padding(1), cookie: u64 });

/**
 * The updates of one multipart reply; for 1.3 what follows the experimenter header. With `isSnapshot`, additions of the 1.3
 * form, which has no event of its own for it, come out as "initial".
 */
export function readFlowUpdates(from: Reader, version: Version, isSnapshot = false): FlowUpdate[] {
  const updates: FlowUpdate[] = [];
  while (from.remaining > 0) {
    const start = from.offset;
    const length = from.u16();
    if (length < 8) throw new WireError(`flow update length ${length}`, start);
    const body = from.sub(length - 2);
    const number = body.u16();
    const event = version < 5 ? events13[number] : events14[number];
    switch (event) {
      case "initial":
      case "added":
      case "removed":
      case "modified":
        updates.push(readChange(body, version, isSnapshot && event === "added" ? "initial" : event));
        break;
      case "abbreviated":
        updates.push({ event, xid: body.u32() });
        break;
      case "paused":
      case "resumed":
        updates.push({ event });
        break;
      case undefined:
        throw new WireError(`flow update event ${number}`, start + 2);
    }
  }
  return updates;
}

function readChange(body: Reader, version: Version, event: "initial" | "added" | "removed" | "modified"): FlowUpdate {
  if (version >= 5) return { event, ...head14.read(body), match: readMatch(body), instructions: readInstructions(body) };
  const { matchLen: _, ...head } = head13.read(body);
  return { event, ...head, match: readMatch(body), instructions: readInstructions(body) };
}

/** ofp_flow_monitor_flags without NO_ABBREV, which OVS refuses on 1.4, and ONLY_OWN. */
const flags = 1 | 2 | 4 | 8 | 16; // initial, add, removed, modify, instructions
const allTables = 0xff;
const request14 = struct({ monitorId: u32, outPort: u32, outGroup: u32, flags: u16, tableId: u8, command: u8 });
const request13 = struct({ experimenter: u32, expType: u32, monitorId: u32, flags: u16, matchLen: u16, outPort: u32, tableId: u8, pad0: padding(3) });
const emptyMatchLength = 4;

/** The request's body for all tables: first a snapshot, then every change. */
export function writeMonitorRequest(out: Writer, version: Version, monitorId: number): void {
  const common = { monitorId, outPort: anyPort, flags, tableId: allTables };
  if (version >= 5) request14.write(out, { ...common, outGroup: anyGroup, command: 0 });
  else request13.write(out, { ...common, experimenter: onf, expType: onfMonitor.multipart, matchLen: emptyMatchLength });
  writeMatch(out, []);
}
