/** Instructions, from OpenFlow 1.1 on; others are carried as they came. OpenFlow 1.0 has actions only: they stand as apply-actions. */
import { WireError, Writer, type Reader, type Version } from "../wire/reader.js";
import { bytes as fixedBytes, fromHex, padding, struct, u32, u64, u8, type Codec } from "../wire/struct.js";
import { readActions, writeAction, type Action } from "./action.js";

export type Instruction =
  | { readonly type: "gotoTable"; readonly tableId: number }
  | { readonly type: "writeMetadata"; readonly metadata: bigint; readonly mask: bigint }
  | { readonly type: "writeActions"; readonly actions: readonly Action[] }
  | { readonly type: "applyActions"; readonly actions: readonly Action[] }
  | { readonly type: "clearActions" }
  /** 1.3 and 1.4; in 1.5 an action. */
  | { readonly type: "meter"; readonly meterId: number }
  /** 1.5: an event when the flow's counters pass thresholds (OXS fields as bytes). */
  | { readonly type: "statTrigger"; readonly flags: number; readonly thresholds: Uint8Array }
  | { readonly type: "unknown"; readonly bytes: Uint8Array };

/** Builders; each returns one instruction. */
export const instruction = {
  apply: (...actions: readonly Action[]): Instruction => ({ type: "applyActions", actions }),
  write: (...actions: readonly Action[]): Instruction => ({ type: "writeActions", actions }),
  clearActions: (): Instruction => ({ type: "clearActions" }),
  gotoTable: (tableId: number): Instruction => ({ type: "gotoTable", tableId }),
  writeMetadata: (metadata: bigint, mask = 0xffff_ffff_ffff_ffffn): Instruction => ({ type: "writeMetadata", metadata, mask }),
  meter: (meterId: number): Instruction => ({ type: "meter", meterId }),
} as const;

/** ofp_instruction types with a fixed body, after type and length. */
const fixed = {
  gotoTable: { number: 1, body: struct({ tableId: u8, pad0: padding(3) }) },
  writeMetadata: { number: 2, body: struct({ pad0: padding(4), metadata: u64, mask: u64 }) },
  clearActions: { number: 5, body: struct({ pad0: padding(4) }) },
  meter: { number: 6, body: struct({ meterId: u32 }) },
} as const;
const writeActions = 3;
const applyActions = 4;

/** From which version to which an instruction is there; all others from 1.1 on. */
const spans: Readonly<Record<string, readonly [Version, Version]>> = { meter: [4, 5], statTrigger: [6, 6] };
const statTrigger = 7;

export function writeInstruction(out: Writer, item: Instruction): void {
  if (item.type === "unknown") return out.raw(typeof item.bytes === "string" ? fromHex(item.bytes) : item.bytes);
  if (out.version === 1) {
    // The instructions of 1.1 and later are not there: what is applied is the flow's list of actions.
    if (item.type !== "applyActions") throw new RangeError(`there is no instruction "${item.type}" in OpenFlow 1.0`);
    for (const one of item.actions) writeAction(out, one);
    return;
  }
  const [first, last] = spans[item.type] ?? [2, 6];
  if (out.version < first || out.version > last) throw new RangeError(`there is no instruction "${item.type}" in wire version ${out.version}`);
  const start = out.length;
  if (item.type === "writeActions" || item.type === "applyActions") {
    out.u16(item.type === "writeActions" ? writeActions : applyActions);
    out.zeros(6);
    for (const one of item.actions) writeAction(out, one);
  } else if (item.type === "statTrigger") {
    out.u16(statTrigger);
    out.u16(0);
    out.u32(item.flags);
    const thresholds = typeof item.thresholds === "string" ? fromHex(item.thresholds) : item.thresholds;
    fixedBytes(thresholds.length).write(out, thresholds);
  } else {
    const { number, body } = fixed[item.type];
    out.u16(number);
    out.u16(0);
    (body as Codec<unknown>).write(out, item);
  }
  out.patchU16(start + 2, out.length - start);
}

function readKnown(number: number, body: Reader, start: number): Instruction | undefined {
  if (number === writeActions || number === applyActions) {
    body.skip(4);
    return { type: number === writeActions ? "writeActions" : "applyActions", actions: readActions(body) };
  }
  if (number === statTrigger && body.version === 6) return { type: "statTrigger", flags: body.u32(), thresholds: body.rest() };
  for (const [type, row] of Object.entries(fixed)) {
    if (row.number !== number || (type === "meter" && (body.version < 4 || body.version > 5))) continue;
    if (row.body.size !== body.remaining) throw new WireError(`${type} of ${body.remaining + 4} bytes`, start);
    return { type, ...row.body.read(body) } as Instruction;
  }
  return undefined;
}

export function readInstruction(from: Reader): Instruction {
  const start = from.offset;
  const number = from.u16();
  const length = from.u16();
  if (length < 8 || length % 8 !== 0) throw new WireError(`instruction length ${length}`, start);
  const body = from.nested(length - 4);
  const known = readKnown(number, body, start);
  return known !== undefined && !body.isLossy ? known : { type: "unknown", bytes: from.since(start) };
}

interface Kept {
  readonly version: Version;
  readonly bytes: Uint8Array;
  readonly instructions: readonly Instruction[];
}
/** Lists read before: the flows of a switch share a few, and reading them again would cost more than the rest of a flow. */
const kept: (Kept | undefined)[] = Array.from({ length: 256 }, () => undefined);
/** Longer lists are read each time. */
const maxKeptBytes = 128;

/** All up to the end. Equal bytes may give the same list. */
export function readInstructions(from: Reader): readonly Instruction[] {
  if (from.remaining === 0) return [];
  if (from.remaining > maxKeptBytes) return readList(from);
  const place = from.fingerprint() % kept.length;
  const before = kept[place];
  if (before !== undefined && before.version === from.version && from.hasLeft(before.bytes)) {
    from.pass();
    return before.instructions;
  }
  const bytes = from.fork().rest();
  const instructions = readList(from);
  kept[place] = { version: from.version, bytes, instructions };
  return instructions;
}

function readList(from: Reader): Instruction[] {
  if (from.version === 1) {
    const actions = readActions(from);
    return actions.length === 0 ? [] : [{ type: "applyActions", actions }];
  }
  const instructions: Instruction[] = [];
  while (from.remaining > 0) instructions.push(readInstruction(from));
  return instructions;
}

/** Those of 1.5 begin with a meter as an action where others have it as an instruction. */
function meterFirst(item: Instruction): readonly Instruction[] {
  const [first, ...others] = item.type === "applyActions" ? item.actions : [];
  if (item.type !== "applyActions" || first?.type !== "meter") return [item];
  return [{ type: "meter", meterId: first.meterId }, ...(others.length === 0 ? [] : [{ ...item, actions: others }])];
}

/**
 * Two instruction lists that do the same have the same key: their bytes, as hex. Empty apply-actions count as none. RangeError when
 * no single version has all of them.
 */
export function instructionsKey(instructions: readonly Instruction[]): string {
  const all = instructions.flatMap(meterFirst).filter((item) => item.type !== "applyActions" || item.actions.length > 0);
  const written = (version: Version): string => {
    const out = new Writer(version);
    for (const item of all) writeInstruction(out, item);
    return Buffer.from(out.done()).toString("hex");
  };
  // 1.4 can say nearly all; some actions are in 1.5, in 1.1 or in 1.0 only.
  const others: readonly Version[] = [6, 2, 1];
  try {
    return written(5);
  } catch (error) {
    for (const version of others) {
      try {
        return `${version}:${written(version)}`;
      } catch (refused) {
        if (!(refused instanceof RangeError)) throw refused;
      }
    }
    throw error;
  }
}
