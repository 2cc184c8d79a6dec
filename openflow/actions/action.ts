/**
 * Actions of OpenFlow 1.3 and 1.4 and the Nicira ones with a fixed layout: one declaration each. All others, and those that
 * hold more than the declaration says (padding that is not zero, a field we do not know), are carried as they came.
 */
import { field as makeField, isKnown, readField, writeField, type FieldValue, type KnownField } from "../fields/match.js";
import { headerOf, nameOfHeader, type FieldName } from "../fields/table.js";
import { WireError, Writer, type Reader } from "../wire/reader.js";
import { padding, struct, u16, u32, u64, u8, type Codec, type ValueOf } from "../wire/struct.js";

/** ofp_action_header types; bodies after type and length. */
const standard = {
  output: { number: 0, body: struct({ port: u32, maxLen: u16, pad0: padding(6) }) },
  setMplsTtl: { number: 15, body: struct({ ttl: u8, pad0: padding(3) }) },
  decMplsTtl: { number: 16, body: struct({ pad0: padding(4) }) },
  pushVlan: { number: 17, body: struct({ ethType: u16, pad0: padding(2) }) },
  popVlan: { number: 18, body: struct({ pad0: padding(4) }) },
  pushMpls: { number: 19, body: struct({ ethType: u16, pad0: padding(2) }) },
  popMpls: { number: 20, body: struct({ ethType: u16, pad0: padding(2) }) },
  setQueue: { number: 21, body: struct({ queueId: u32 }) },
  group: { number: 22, body: struct({ groupId: u32 }) },
  setNwTtl: { number: 23, body: struct({ ttl: u8, pad0: padding(3) }) },
  decNwTtl: { number: 24, body: struct({ pad0: padding(4) }) },
} as const;

/** A field named by its NXM header, 32 bits. One we cannot name makes the whole action opaque. */
const fieldHeader: Codec<FieldName> = {
  size: 4,
  write: (out, name) => out.u32(headerOf(name)),
  read: (from) => {
    const name = nameOfHeader(from.u32());
    if (name === undefined) from.noteLoss();
    return name ?? "inPort";
  },
};
/** `bits` bits from bit `offset` on, packed as ofs_nbits (nicira-ext.h). */
const range: Codec<{ readonly offset: number; readonly bits: number }> = {
  size: 2,
  write: (out, { offset, bits }) => {
    if (bits < 1 || bits > 64 || offset < 0 || offset > 1023) throw new RangeError(`${bits} bits from bit ${offset} cannot be written`);
    out.u16((offset << 6) | (bits - 1));
  },
  read: (from) => {
    const packed = from.u16();
    return { offset: packed >> 6, bits: (packed & 0x3f) + 1 };
  },
};
const regLoadBody = struct({ range, field: fieldHeader, value: u64 });

/** Nicira actions by subtype; bodies after vendor and subtype (ovs-actions(7), nicira-ext.h). */
const nicira = {
  popQueue: { number: 5, body: struct({ pad0: padding(6) }) },
  regMove: { number: 6, body: struct({ bits: u16, sourceOffset: u16, targetOffset: u16, source: fieldHeader, target: fieldHeader }) },
  multipath: {
    number: 10,
    body: struct({ fields: u16, basis: u16, pad0: padding(2), algorithm: u16, maxLink: u16, arg: u32, pad1: padding(2), range, target: fieldHeader }),
  },
  resubmit: { number: 14, body: struct({ inPort: u16, tableId: u8, pad0: padding(3) }) },
  outputReg: { number: 15, body: struct({ range, source: fieldHeader, maxLen: u16, pad0: padding(6) }) },
  exit: { number: 17, body: struct({ pad0: padding(6) }) },
  controller: { number: 20, body: struct({ maxLen: u16, controllerId: u16, reason: u8, pad0: padding(1) }) },
  conjunction: { number: 34, body: struct({ clause: u8, clauses: u8, id: u32 }) },
  outputTrunc: { number: 39, body: struct({ port: u16, maxLen: u32 }) },
  ctClear: { number: 43, body: struct({ pad0: padding(6) }) },
} as const;
const regLoad = 7;
const regLoad2 = 33;

type Declared<T extends Readonly<Record<string, { readonly body: unknown }>>> = { [K in keyof T]: { readonly type: K } & ValueOf<T[K]["body"]> }[keyof T];

export type Action =
  | Declared<typeof standard>
  /** Ports of Nicira actions have 16 bits; resubmit's inPort 0xfff8 keeps the packet's own. */
  | Declared<typeof nicira>
  /** OFPAT_SET_FIELD; with a mask NXAST_REG_LOAD2, because the standard one takes masks only from 1.5 on. */
  | { readonly type: "setField"; readonly field: KnownField }
  /** NXAST_REG_LOAD: `value` into `bits` bits of `field` from bit `offset`. */
  | { readonly type: "regLoad"; readonly field: FieldName; readonly offset: number; readonly bits: number; readonly value: bigint }
  /** An action of another kind (learn, ct, clone, …), whole, as it came. */
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

const wholePacket = 0xffff;
const ownInPort = 0xfff8;

/** Builders; each returns one action. */
export const action = {
  output: (to: number, maxLen = 0): Action => ({ type: "output", port: to, maxLen }),
  /** To the controller, with at most `maxLen` bytes of the packet; 0xffff sends all. */
  toController: (maxLen = wholePacket): Action => ({ type: "output", port: port.controller, maxLen }),
  group: (groupId: number): Action => ({ type: "group", groupId }),
  setQueue: (queueId: number): Action => ({ type: "setQueue", queueId }),
  resubmit: (tableId: number, inPort = ownInPort): Action => ({ type: "resubmit", inPort, tableId }),
  load: (name: FieldName, value: bigint, offset: number, bits: number): Action => ({ type: "regLoad", field: name, offset, bits, value }),
  move: (source: FieldName, sourceOffset: number, target: FieldName, targetOffset: number, bits: number): Action => ({
    type: "regMove",
    bits,
    sourceOffset,
    targetOffset,
    source,
    target,
  }),
  setField: (name: FieldName, value: FieldValue, mask?: number | bigint | string): Action => ({
    type: "setField",
    field: makeField(name, mask === undefined ? value : [value as number | bigint | string, mask]),
  }),
  pushVlan: (ethType = 0x8100): Action => ({ type: "pushVlan", ethType }),
  popVlan: (): Action => ({ type: "popVlan" }),
  pushMpls: (ethType = 0x8847): Action => ({ type: "pushMpls", ethType }),
  popMpls: (ethType: number): Action => ({ type: "popMpls", ethType }),
  setNwTtl: (ttl: number): Action => ({ type: "setNwTtl", ttl }),
  decNwTtl: (): Action => ({ type: "decNwTtl" }),
  /** The first `maxLen` bytes of the packet to a port (16-bit number). */
  outputTrunc: (to: number, maxLen: number): Action => ({ type: "outputTrunc", port: to, maxLen }),
} as const;

const vendorAction = 0xffff;
const niciraVendor = 0x2320;
const setField = 25;

interface Row {
  readonly type: Action["type"];
  readonly number: number;
  readonly body: Codec<unknown>;
}
const rowsOf = (table: Readonly<Record<string, { readonly number: number; readonly body: unknown }>>): Row[] =>
  Object.entries(table).map(([type, { number, body }]) => ({ type: type as Action["type"], number, body: body as Codec<unknown> }));
const standardByNumber = new Map(rowsOf(standard).map((row) => [row.number, row]));
const niciraByNumber = new Map(rowsOf(nicira).map((row) => [row.number, row]));
const standardByType = new Map<string, Row>(rowsOf(standard).map((row) => [row.type, row]));
const niciraByType = new Map<string, Row>(rowsOf(nicira).map((row) => [row.type, row]));

/** Writes an action with its header; the length is filled in and the end padded to 8. */
function framed(out: Writer, number: number, subtype: number | undefined, body: () => void): void {
  const start = out.length;
  out.u16(number);
  out.u16(0);
  if (subtype !== undefined) {
    out.u32(niciraVendor);
    out.u16(subtype);
  }
  body();
  out.align8(start);
  out.patchU16(start + 2, out.length - start);
}

export function writeAction(out: Writer, item: Action): void {
  if (item.type === "unknown") return out.raw(item.bytes);
  if (item.type === "regLoad") return framed(out, vendorAction, regLoad, () => regLoadBody.write(out, { range: item, ...item }));
  if (item.type === "setField") {
    if (item.field.mask === undefined) return framed(out, setField, undefined, () => writeField(out, item.field));
    return framed(out, vendorAction, regLoad2, () => writeField(out, item.field));
  }
  const own = standardByType.get(item.type);
  if (own !== undefined) return framed(out, own.number, undefined, () => own.body.write(out, item));
  const vendor = niciraByType.get(item.type);
  if (vendor === undefined) throw new RangeError(`unknown action "${item.type}"`);
  framed(out, vendorAction, vendor.number, () => vendor.body.write(out, item));
}

/** The field of a set-field action and the padding behind it. */
function readSetField(body: Reader, isMasked: boolean): Action | undefined {
  const item = readField(body);
  if (body.remaining >= 8) return undefined;
  body.skip(body.remaining);
  return isKnown(item) && (item.mask !== undefined) === isMasked ? { type: "setField", field: item } : undefined;
}

function readNicira(body: Reader): Action | undefined {
  if (body.remaining < 6 || body.u32() !== niciraVendor) return undefined;
  const subtype = body.u16();
  if (subtype === regLoad && body.remaining === regLoadBody.size) {
    const { range: bits, ...rest } = regLoadBody.read(body);
    return { type: "regLoad", ...bits, ...rest };
  }
  if (subtype === regLoad2) return readSetField(body, true);
  const row = niciraByNumber.get(subtype);
  if (row === undefined || row.body.size !== body.remaining) return undefined; // another length is another layout
  return { type: row.type, ...(row.body.read(body) as object) } as Action;
}

function readKnown(number: number, body: Reader, start: number): Action | undefined {
  if (number === vendorAction) return readNicira(body);
  if (number === setField) return readSetField(body, false);
  const row = standardByNumber.get(number);
  if (row === undefined) return undefined;
  if (row.body.size !== body.remaining) throw new WireError(`${row.type} of ${body.remaining + 4} bytes`, start);
  return { type: row.type, ...(row.body.read(body) as object) } as Action;
}

export function readAction(from: Reader): Action {
  const start = from.offset;
  const number = from.u16();
  const length = from.u16();
  if (length < 8 || length % 8 !== 0) throw new WireError(`action length ${length}`, start);
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

export function readActions(from: Reader): Action[] {
  const actions: Action[] = [];
  while (from.remaining > 0) actions.push(readAction(from));
  return actions;
}
