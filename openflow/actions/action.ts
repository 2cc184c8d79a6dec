/**
 * Actions: those of the specifications, Nicira's and ONF's, by the rows of standard.ts and nicira.ts. Others, and those that
 * hold more than the row says (padding that is not zero, for one), are carried as they came.
 */
import { field as makeField, isKnown, readField, writeField, type FieldValue, type KnownField } from "../fields/match.js";
import { bitRange, niciraRef, type BitRange, type FieldRef } from "../fields/reference.js";
import type { FieldName } from "../fields/table.js";
import { versions, WireError, type Reader, type Version, type Writer } from "../wire/reader.js";
import { fromHex, padding, struct, u16, u64, u8, type Codec } from "../wire/struct.js";
import { nicira, nicira10 } from "./nicira.js";
import { onf, standard, standard10, standard11, standard13, standard15 } from "./standard.js";
import { byHand } from "../wire/shape.js";

type Table = Readonly<Record<string, { readonly number: number; readonly body: Codec<never> | Codec<unknown> }>>;
type Declared<T> = { [K in keyof T]: T[K] extends { readonly body: Codec<infer V> } ? { readonly type: K } & V : never }[keyof T];

/** NXAST_CT: through the connection tracker; `actions` (nat, loads of ct_mark and ct_label) are what it does there. */
export interface CtAction {
  readonly type: "ct";
  /** 1 commit, 2 force. */
  readonly flags: number;
  readonly zone: number | { readonly source: FieldRef; readonly range: BitRange };
  /** The table in which the packet goes on as well; 0xff for none. */
  readonly recircTable: number;
  /** Port number of the helper's protocol: 21 for FTP. */
  readonly alg: number;
  readonly actions: readonly Action[];
}
/** NXAST_CLONE: actions on a copy of the packet. */
export interface CloneAction {
  readonly type: "clone";
  readonly actions: readonly Action[];
}

export type Action =
  | Declared<typeof standard10>
  | Declared<typeof standard11>
  | Declared<typeof standard>
  | Declared<typeof standard13>
  | Declared<typeof standard15>
  | Declared<typeof nicira>
  | Declared<typeof nicira10>
  | CtAction
  | CloneAction
  /** OFPAT_SET_FIELD; with a mask before 1.5, and before 1.2, NXAST_REG_LOAD2. */
  | { readonly type: "setField"; readonly field: KnownField }
  /** NXAST_REG_LOAD2 where setField would be written otherwise. */
  | { readonly type: "regLoad2"; readonly field: KnownField }
  /** NXAST_REG_LOAD: `value` into `bits` bits of `field` from bit `offset`. */
  | { readonly type: "regLoad"; readonly field: FieldRef; readonly offset: number; readonly bits: number; readonly value: bigint }
  /** An action of another kind, whole, as it came. */
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

/** Builders; each returns one action. */
export const action = {
  output: (to: number, maxLen = 0): Action => ({ type: "output", port: to, maxLen }),
  /** To the controller, with at most `maxLen` bytes of the packet; 0xffff sends all. */
  toController: (maxLen = wholePacket): Action => ({ type: "output", port: port.controller, maxLen }),
  group: (groupId: number): Action => ({ type: "group", groupId }),
  setQueue: (queueId: number): Action => ({ type: "setQueue", queueId }),
  resubmit: (tableId: number, inPort: number = port.inPort): Action => ({ type: "resubmit", inPort, tableId }),
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
  /** The first `maxLen` bytes of the packet to a port. */
  outputTrunc: (to: number, maxLen: number): Action => ({ type: "outputTrunc", port: to, maxLen }),
  clone: (...actions: readonly Action[]): Action => ({ type: "clone", actions }),
  ct: (parts: Partial<Omit<CtAction, "type">>): Action => ({ type: "ct", flags: 0, zone: 0, recircTable: 0xff, alg: 0, actions: [], ...parts }),
} as const;

const actionList: Codec<readonly Action[]> = byHand("actions", {
  write: (out, actions) => {
    for (const one of actions) writeAction(out, one);
  },
  read: (from) => readActions(from),
});

const zoneOf: Codec<CtAction["zone"]> = byHand("zone", {
  write: (out, zone) => {
    if (typeof zone === "number") {
      out.u32(0);
      out.u16(zone);
    } else {
      niciraRef.write(out, zone.source);
      bitRange.write(out, zone.range);
    }
  },
  read: (from) => {
    if (from.fork().u32() !== 0) return { source: niciraRef.read(from), range: bitRange.read(from) };
    from.skip(4);
    return from.u16();
  },
});
const nested = {
  ct: { number: 35, body: struct({ flags: u16, zone: zoneOf, recircTable: u8, pad0: padding(3), alg: u16, actions: actionList }) },
  clone: { number: 42, body: struct({ pad0: padding(6), actions: actionList }) },
} as const;
/** The last field of a row whose shape differs from the wire's. */
const regLoadBody = struct({ range: bitRange, field: niciraRef, value: u64 });
const flatRegLoad: Codec<unknown> = byHand("regLoad", {
  write: (out, value) => {
    const { offset, bits, ...rest } = value as { readonly offset: number; readonly bits: number; readonly field: FieldRef; readonly value: bigint };
    regLoadBody.write(out, { range: { offset, bits }, ...rest });
  },
  read: (from) => {
    const { range, ...rest } = regLoadBody.read(from);
    return { ...range, ...rest };
  },
});
const setFieldBody: Codec<unknown> = byHand("setField", {
  write: (out, value) => writeField(out, (value as { readonly field: KnownField }).field),
  read: (from) => ({ field: readField(from) }),
});

const vendorAction = 0xffff;
const niciraVendor = 0x2320;
const onfVendor = 0x4f4e4600;

interface Row {
  readonly type: Action["type"];
  readonly number: number;
  /** 0 for the standard ones. */
  readonly vendor: number;
  readonly body: Codec<unknown>;
}
const rowsOf = (table: Table, vendor = 0): Row[] =>
  Object.entries(table).map(([type, { number, body }]) => ({ type: type as Action["type"], number, vendor, body: body }));

function rowsOfVersion(version: Version): Row[] {
  const own = version === 1 ? rowsOf(standard10) : [...(version === 2 ? rowsOf(standard11) : []), ...rowsOf(standard)];
  const setField: Row[] = version >= 3 ? [{ type: "setField", number: 25, vendor: 0, body: setFieldBody }] : [];
  const regLoad: Row[] = [
    { type: "regLoad2", number: 33, vendor: niciraVendor, body: setFieldBody },
    { type: "regLoad", number: 7, vendor: niciraVendor, body: flatRegLoad },
  ];
  return [
    ...own,
    ...setField,
    ...(version >= 4 ? rowsOf(standard13) : []),
    ...(version >= 6 ? rowsOf(standard15) : rowsOf(onf, onfVendor)),
    ...rowsOf(nicira, niciraVendor),
    ...rowsOf(nested, niciraVendor),
    ...(version === 1 ? rowsOf(nicira10, niciraVendor) : []),
    ...regLoad,
  ];
}
interface Rows {
  readonly byType: ReadonlyMap<string, Row>;
  readonly standard: ReadonlyMap<number, Row>;
  readonly nicira: ReadonlyMap<number, Row>;
  readonly onf: ReadonlyMap<number, Row>;
}
const tables: readonly Rows[] = versions.map((version) => {
  const rows = rowsOfVersion(version);
  const of = (vendor: number): Map<number, Row> => new Map(rows.filter((row) => row.vendor === vendor).map((row) => [row.number, row]));
  return { byType: new Map(rows.map((row) => [row.type, row])), standard: of(0), nicira: of(niciraVendor), onf: of(onfVendor) };
});
const rowsIn = (version: Version): Rows => {
  const rows = tables[version - 1];
  if (rows === undefined) throw new RangeError(`wire version ${version}`);
  return rows;
};

/** The actions a version has: what each is made of. */
export const actionTypes = (version: Version): readonly { readonly type: Action["type"]; readonly body: Codec<unknown> }[] => rowsOfVersion(version);

/** Whether a set-field of this kind goes out as NXAST_REG_LOAD2. */
const needsRegLoad2 = (version: Version, isMasked: boolean): boolean => version < 3 || (isMasked && version < 6);

/**
 * What says the same in 1.5, where Open vSwitch refuses NXAST_REG_LOAD and NXAST_REG_MOVE: set-field with a mask, copy-field.
 */
function standardForm(item: Action): Action {
  if (item.type === "regMove") return { ...item, type: "copyField" };
  if (item.type !== "regLoad" || typeof item.field !== "string") return item;
  const shift = BigInt(item.offset);
  const [value, mask] = [BigInt(item.value) << shift, ((1n << BigInt(item.bits)) - 1n) << shift];
  return { type: "setField", field: makeField(item.field, [value, mask]) };
}

export function writeAction(out: Writer, given: Action): void {
  const item = out.version >= 6 ? standardForm(given) : given;
  if (item.type === "unknown") return out.raw(typeof item.bytes === "string" ? fromHex(item.bytes) : item.bytes);
  const { byType } = rowsIn(out.version);
  const row = byType.get(item.type === "setField" && needsRegLoad2(out.version, item.field.mask !== undefined) ? "regLoad2" : item.type);
  if (row === undefined) throw new RangeError(`there is no action "${item.type}" in wire version ${out.version}`);
  const start = out.length;
  out.u16(row.vendor === 0 ? row.number : vendorAction);
  out.u16(0);
  if (row.vendor !== 0) {
    out.u32(row.vendor);
    out.u16(row.number);
  }
  row.body.write(out, item);
  out.align8(start);
  out.patchU16(start + 2, out.length - start);
}

function rowOf(number: number, body: Reader): Row | undefined {
  const rows = rowsIn(body.version);
  if (number !== vendorAction) return rows.standard.get(number);
  if (body.remaining < 6) return undefined;
  const vendor = body.u32();
  const subtype = body.u16();
  return vendor === niciraVendor ? rows.nicira.get(subtype) : vendor === onfVendor ? rows.onf.get(subtype) : undefined;
}

/** A set-field or register load in the shape that writes it the same way; undefined when its field is not known. */
function loaded(type: "setField" | "regLoad2", item: { readonly field: KnownField }, version: Version): Action | undefined {
  if (!isKnown(item.field)) return undefined;
  const goesAsRegLoad2 = needsRegLoad2(version, item.field.mask !== undefined);
  if (type === "setField") return goesAsRegLoad2 ? undefined : { type, field: item.field };
  return { type: goesAsRegLoad2 ? "setField" : "regLoad2", field: item.field };
}

function readKnown(number: number, body: Reader, start: number): Action | undefined {
  const row = rowOf(number, body);
  if (row === undefined) return undefined;
  const value = row.body.read(body) as object;
  if (body.remaining >= 8 && row.vendor === 0) throw new WireError(`${row.type} has ${body.remaining} bytes too many`, start);
  if (body.remaining >= 8) return undefined; // another length is another layout
  body.skip(body.remaining);
  if (row.type === "setField" || row.type === "regLoad2") return loaded(row.type, value as { readonly field: KnownField }, body.version);
  return { type: row.type, ...value } as Action;
}

export function readAction(from: Reader): Action {
  const start = from.offset;
  const number = from.u16();
  const length = from.u16();
  if (length < 8 || length % 8 !== 0) throw new WireError(`action length ${length}`, start);
  const body = from.nested(length - 4);
  const known = readKnown(number, body, start);
  return known !== undefined && !body.isLossy ? known : { type: "unknown", bytes: from.since(start) };
}

export function readActions(from: Reader): Action[] {
  const actions: Action[] = [];
  while (from.remaining > 0) actions.push(readAction(from));
  return actions;
}
