/** Actions and instructions of OpenFlow 1.3 and 1.4 with the Nicira ones we use; all others are carried as they came. */
import { field as makeField, readField, writeField, type FieldValue, type KnownField } from "../fields/match.js";
import { headerOf, nameOfHeader } from "../fields/table.js";
import { Reader, WireError, Writer } from "../wire/reader.js";

export type Action =
  | { readonly type: "output"; readonly port: number; readonly maxLen: number }
  | { readonly type: "group"; readonly groupId: number }
  | { readonly type: "setQueue"; readonly queueId: number }
  | { readonly type: "pushVlan"; readonly ethType: number }
  | { readonly type: "popVlan" }
  | { readonly type: "pushMpls"; readonly ethType: number }
  | { readonly type: "popMpls"; readonly ethType: number }
  | { readonly type: "setNwTtl"; readonly ttl: number }
  | { readonly type: "decNwTtl" }
  | { readonly type: "setField"; readonly field: KnownField }
  /** NXAST_RESUBMIT_TABLE; inPort 0xfff8 keeps the packet's own. */
  | { readonly type: "resubmit"; readonly inPort: number; readonly tableId: number }
  /** NXAST_REG_LOAD: `value` into `bits` bits of `field` from bit `offset`. */
  | { readonly type: "regLoad"; readonly field: string; readonly offset: number; readonly bits: number; readonly value: bigint }
  /** An action of another kind, whole, as it came. */
  | { readonly type: "unknown"; readonly bytes: Uint8Array };

export type Instruction =
  | { readonly type: "gotoTable"; readonly tableId: number }
  | { readonly type: "writeMetadata"; readonly metadata: bigint; readonly mask: bigint }
  | { readonly type: "writeActions"; readonly actions: readonly Action[] }
  | { readonly type: "applyActions"; readonly actions: readonly Action[] }
  | { readonly type: "clearActions" }
  | { readonly type: "meter"; readonly meterId: number }
  | { readonly type: "unknown"; readonly bytes: Uint8Array };

/** Reserved ports, 32-bit (OpenFlow 1.3 section 7.2.1, ofp_port_no). */
export const port = {
  max: 0xffffff00,
  inPort: 0xfffffff8,
  table: 0xfffffff9,
  normal: 0xfffffffa,
  flood: 0xfffffffb,
  all: 0xfffffffc,
  controller: 0xfffffffd,
  local: 0xfffffffe,
  any: 0xffffffff,
} as const;

const noBuffer = 0xffff;

/** Builders; each returns one action. */
export const action = {
  output: (to: number, maxLen = 0): Action => ({ type: "output", port: to, maxLen }),
  /** To the controller, with at most `maxLen` bytes of the packet; 0xffff sends all. */
  toController: (maxLen = noBuffer): Action => ({ type: "output", port: port.controller, maxLen }),
  group: (groupId: number): Action => ({ type: "group", groupId }),
  resubmit: (tableId: number, inPort = 0xfff8): Action => ({ type: "resubmit", inPort, tableId }),
  load: (field: string, value: bigint, offset: number, bits: number): Action => ({ type: "regLoad", field, offset, bits, value }),
  setField: (name: string, value: FieldValue): Action => ({ type: "setField", field: makeField(name, value) }),
  pushVlan: (ethType = 0x8100): Action => ({ type: "pushVlan", ethType }),
  popVlan: (): Action => ({ type: "popVlan" }),
} as const;

export const instruction = {
  apply: (...actions: readonly Action[]): Instruction => ({ type: "applyActions", actions }),
  gotoTable: (tableId: number): Instruction => ({ type: "gotoTable", tableId }),
  meter: (meterId: number): Instruction => ({ type: "meter", meterId }),
} as const;

const nicira = 0x2320;

function writeNicira(out: Writer, subtype: number, length: number): void {
  out.u16(0xffff);
  out.u16(length);
  out.u32(nicira);
  out.u16(subtype);
}

const head = (out: Writer, type: number, length: number): void => {
  out.u16(type);
  out.u16(length);
};

export function writeAction(out: Writer, item: Action): void {
  switch (item.type) {
    case "output":
      head(out, 0, 16);
      out.u32(item.port);
      out.u16(item.maxLen);
      return out.zeros(6);
    case "group":
      head(out, 22, 8);
      return out.u32(item.groupId);
    case "setQueue":
      head(out, 21, 8);
      return out.u32(item.queueId);
    case "pushVlan":
    case "pushMpls":
    case "popMpls":
      head(out, { pushVlan: 17, pushMpls: 19, popMpls: 20 }[item.type], 8);
      out.u16(item.ethType);
      return out.zeros(2);
    case "popVlan":
    case "decNwTtl":
      head(out, item.type === "popVlan" ? 18 : 24, 8);
      return out.zeros(4);
    case "setNwTtl":
      head(out, 23, 8);
      out.u8(item.ttl);
      return out.zeros(3);
    case "setField": {
      const start = out.length;
      head(out, 25, 0);
      writeField(out, item.field);
      out.align8(start);
      return out.patchU16(start + 2, out.length - start);
    }
    case "resubmit":
      writeNicira(out, 14, 16);
      out.u16(item.inPort);
      out.u8(item.tableId);
      return out.zeros(3);
    case "regLoad":
      writeNicira(out, 7, 24);
      out.u16((item.offset << 6) | (item.bits - 1));
      out.u32(headerOf(item.field));
      return out.u64(item.value);
    case "unknown":
      return out.raw(item.bytes);
  }
}

function readNicira(body: Reader): Action | undefined {
  if (body.remaining < 6 || body.u32() !== nicira) return undefined;
  const subtype = body.u16();
  if (subtype === 14 && body.remaining === 6) {
    const inPort = body.u16();
    return { type: "resubmit", inPort, tableId: body.u8() };
  }
  if (subtype === 7 && body.remaining === 14) {
    const offsetBits = body.u16();
    const field = nameOfHeader(body.u32());
    if (field === undefined) return undefined;
    return { type: "regLoad", field, offset: offsetBits >> 6, bits: (offsetBits & 0x3f) + 1, value: body.u64() };
  }
  return undefined;
}

function readSetField(body: Reader): Action | undefined {
  const item = readField(body);
  return item.name === "unknown" ? undefined : { type: "setField", field: item as KnownField };
}

function readKnown(type: number, body: Reader): Action | undefined {
  switch (type) {
    case 0: {
      const to = body.u32();
      return { type: "output", port: to, maxLen: body.u16() };
    }
    case 17:
    case 19:
    case 20:
      return { type: ({ 17: "pushVlan", 19: "pushMpls", 20: "popMpls" } as const)[type], ethType: body.u16() };
    case 18:
      return { type: "popVlan" };
    case 21:
      return { type: "setQueue", queueId: body.u32() };
    case 22:
      return { type: "group", groupId: body.u32() };
    case 23:
      return { type: "setNwTtl", ttl: body.u8() };
    case 24:
      return { type: "decNwTtl" };
    case 25:
      return readSetField(body);
    case 0xffff:
      return readNicira(body);
    default:
      return undefined;
  }
}

export function readAction(from: Reader): Action {
  const start = from.offset;
  const type = from.u16();
  const length = from.u16();
  if (length < 8 || length % 8 !== 0) throw new WireError(`action length ${length}`, start);
  const bytes = from.copy(length - 4);
  const known = readKnown(type, new Reader(bytes));
  if (known !== undefined) return known;
  const whole = new Uint8Array(length);
  new DataView(whole.buffer).setUint16(0, type);
  new DataView(whole.buffer).setUint16(2, length);
  whole.set(bytes, 4);
  return { type: "unknown", bytes: whole };
}

export function readActions(from: Reader): Action[] {
  const actions: Action[] = [];
  while (from.remaining > 0) actions.push(readAction(from));
  return actions;
}

export function writeInstruction(out: Writer, item: Instruction): void {
  switch (item.type) {
    case "gotoTable":
      head(out, 1, 8);
      out.u8(item.tableId);
      return out.zeros(3);
    case "writeMetadata":
      head(out, 2, 24);
      out.zeros(4);
      out.u64(item.metadata);
      return out.u64(item.mask);
    case "writeActions":
    case "applyActions": {
      const start = out.length;
      head(out, item.type === "writeActions" ? 3 : 4, 0);
      out.zeros(4);
      for (const one of item.actions) writeAction(out, one);
      return out.patchU16(start + 2, out.length - start);
    }
    case "clearActions":
      head(out, 5, 8);
      return out.zeros(4);
    case "meter":
      head(out, 6, 8);
      return out.u32(item.meterId);
    case "unknown":
      return out.raw(item.bytes);
  }
}

export function readInstruction(from: Reader): Instruction {
  const start = from.offset;
  const type = from.u16();
  const length = from.u16();
  if (length < 8 || length % 8 !== 0) throw new WireError(`instruction length ${length}`, start);
  const body = from.sub(length - 4);
  switch (type) {
    case 1:
      return { type: "gotoTable", tableId: body.u8() };
    case 2: {
      body.skip(4);
      const metadata = body.u64();
      return { type: "writeMetadata", metadata, mask: body.u64() };
    }
    case 3:
    case 4:
      body.skip(4);
      return { type: type === 3 ? "writeActions" : "applyActions", actions: readActions(body) };
    case 5:
      return { type: "clearActions" };
    case 6:
      return { type: "meter", meterId: body.u32() };
    default: {
      const out = new Writer();
      head(out, type, length);
      out.raw(body.rest());
      return { type: "unknown", bytes: out.done() };
    }
  }
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
