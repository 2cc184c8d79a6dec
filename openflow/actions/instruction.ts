/** Instructions of OpenFlow 1.3 and 1.4; others are carried as they came. */
import { WireError, Writer, type Reader } from "../wire/reader.js";
import { padding, struct, u32, u64, u8, type Codec } from "../wire/struct.js";
import { readActions, writeAction, type Action } from "./action.js";

export type Instruction =
  | { readonly type: "gotoTable"; readonly tableId: number }
  | { readonly type: "writeMetadata"; readonly metadata: bigint; readonly mask: bigint }
  | { readonly type: "writeActions"; readonly actions: readonly Action[] }
  | { readonly type: "applyActions"; readonly actions: readonly Action[] }
  | { readonly type: "clearActions" }
  | { readonly type: "meter"; readonly meterId: number }
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

export function writeInstruction(out: Writer, item: Instruction): void {
  if (item.type === "unknown") return out.raw(item.bytes);
  const start = out.length;
  if (item.type === "writeActions" || item.type === "applyActions") {
    out.u16(item.type === "writeActions" ? writeActions : applyActions);
    out.zeros(6);
    for (const one of item.actions) writeAction(out, one);
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
  for (const [type, row] of Object.entries(fixed)) {
    if (row.number !== number) continue;
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
  const body = from.sub(length - 4);
  const whole = body.fork();
  const known = readKnown(number, body, start);
  if (known !== undefined && !body.isLossy) return known;
  const out = new Writer();
  out.u16(number);
  out.u16(length);
  out.raw(whole.rest());
  return { type: "unknown", bytes: out.done() };
}

export function readInstructions(from: Reader): Instruction[] {
  const instructions: Instruction[] = [];
  while (from.remaining > 0) instructions.push(readInstruction(from));
  return instructions;
}

/** Two instruction lists that do the same have the same key: their bytes, as hex. Empty apply-actions count as none. */
export function instructionsKey(instructions: readonly Instruction[]): string {
  const out = new Writer();
  for (const item of instructions) if (item.type !== "applyActions" || item.actions.length > 0) writeInstruction(out, item);
  return Buffer.from(out.done()).toString("hex");
}
