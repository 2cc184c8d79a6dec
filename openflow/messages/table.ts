/** Tables: ofp_table_mod and ofp_table_desc, ofp_table_stats in its four layouts, ofp_table_features. */
import { byVersion, list, ownLength, padding, rest, since, struct, text, u32, u64, u8, type Codec } from "../wire/struct.js";
import { properties, type Property } from "./property.js";
import { byHand } from "../wire/shape.js";

const tableProperties = {
  eviction: { number: 2, body: struct({ flags: u32 }) },
  vacancy: { number: 3, body: struct({ vacancyDown: u8, vacancyUp: u8, vacancy: u8, pad0: padding(1) }) },
} as const;
export type TableProperty = Property<typeof tableProperties>;

export interface TableMod {
  readonly type: "tableMod";
  /** 0xff for all. */
  readonly tableId: number;
  /** ofp_table_config. */
  readonly config: number;
  /** From 1.4 on. */
  readonly properties?: readonly TableProperty[];
}
const mod11 = struct({ tableId: u8, pad0: padding(3), config: u32 });
export const tableModCodec = byVersion<Omit<TableMod, "type">>([[2, mod11], [5, struct({ tableId: u8, pad0: padding(3), config: u32, properties: properties(tableProperties) })]]);

/** From 1.4 on. */
export interface TableDesc {
  readonly tableId: number;
  readonly config: number;
  readonly properties: readonly TableProperty[];
}
export const tableDescCodec: Codec<TableDesc> = struct({ length: ownLength(), tableId: u8, pad0: padding(1), config: u32, properties: properties(tableProperties) });
/** `reason`: 3 vacancy down, 4 vacancy up. */
export const tableStatusCodec = struct({ reason: u8, pad0: padding(7), table: tableDescCodec });

export interface TableStats {
  readonly tableId: number;
  readonly activeCount: number;
  readonly lookupCount: bigint;
  readonly matchedCount: bigint;
  /** What a table can do, told here up to 1.2 and by table features later. */
  readonly name?: string;
  readonly maxEntries?: number;
  readonly wildcards?: number | bigint;
  readonly match?: number | bigint;
  readonly instructions?: number;
  readonly writeActions?: number;
  readonly applyActions?: number;
  readonly writeSetfields?: bigint;
  readonly applySetfields?: bigint;
  readonly metadataMatch?: bigint;
  readonly metadataWrite?: bigint;
  readonly config?: number;
}
const counts = { activeCount: u32, lookupCount: u64, matchedCount: u64 };
const stats10 = struct({ tableId: u8, pad0: padding(3), name: text(32), wildcards: u32, maxEntries: u32, ...counts });
const stats11 = struct({ tableId: u8, pad0: padding(7), name: text(32), wildcards: u32, match: u32, instructions: u32, writeActions: u32, applyActions: u32, config: u32, maxEntries: u32, ...counts });
const stats12 = struct({
  tableId: u8, pad0: padding(7), name: text(32), match: u64, wildcards: u64, writeActions: u32, applyActions: u32, writeSetfields: u64, applySetfields: u64, metadataMatch: u64, metadataWrite: u64,
  instructions: u32, config: u32, maxEntries: u32, ...counts,
});
const stats13 = struct({ tableId: u8, pad0: padding(3), ...counts });
export const tableStatsCodec = byVersion<TableStats>([[1, stats10], [2, stats11], [3, stats12], [4, stats13]]);

/** Instructions and actions by number; those of experimenters have more than four bytes. */
const id: Codec<{ readonly id: number; readonly data?: Uint8Array }> = byHand("featureId", {
  read: (from) => {
    const number = from.u16();
    const length = from.u16();
    return length <= 4 ? { id: number } : { id: number, data: from.copy(length - 4) };
  },
  write: (out, v) => {
    const start = out.length;
    out.u16(v.id);
    out.u16(0);
    if (v.data !== undefined) rest.write(out, v.data);
    out.patchU16(start + 2, out.length - start);
  },
});
/** OXM headers: 32 bits, and 32 more for the experimenter of class 0xffff. */
const oxm: Codec<{ readonly oxm: number; readonly experimenter?: number }> = byHand("oxmId", {
  read: (from) => {
    const header = from.u32();
    return header >>> 16 === 0xffff ? { oxm: header, experimenter: from.u32() } : { oxm: header };
  },
  write: (out, v) => {
    out.u32(v.oxm);
    if (v.experimenter !== undefined) out.u32(v.experimenter);
  },
});
const ids = struct({ ids: list(id) });
const oxms = struct({ oxmIds: list(oxm) });
const tables = struct({ tableIds: list(u8) });
const featureProperties = {
  instructions: { number: 0, body: ids },
  instructionsMiss: { number: 1, body: ids },
  nextTables: { number: 2, body: tables },
  nextTablesMiss: { number: 3, body: tables },
  writeActions: { number: 4, body: ids },
  writeActionsMiss: { number: 5, body: ids },
  applyActions: { number: 6, body: ids },
  applyActionsMiss: { number: 7, body: ids },
  match: { number: 8, body: oxms },
  wildcards: { number: 10, body: oxms },
  writeSetfield: { number: 12, body: oxms },
  writeSetfieldMiss: { number: 13, body: oxms },
  applySetfield: { number: 14, body: oxms },
  applySetfieldMiss: { number: 15, body: oxms },
  tableSyncFrom: { number: 16, body: tables },
  writeCopyfield: { number: 18, body: oxms },
  writeCopyfieldMiss: { number: 19, body: oxms },
  applyCopyfield: { number: 20, body: oxms },
  applyCopyfieldMiss: { number: 21, body: oxms },
  packetTypes: { number: 22, body: oxms },
} as const;

/** ofp_table_features, from 1.3 on. */
export const tableFeaturesCodec = struct({
  length: ownLength(), tableId: u8, command: since(6, u8, 0, padding(1)), features: since(6, u32, 0, padding(4)), name: text(32), metadataMatch: u64, metadataWrite: u64,
  /** Capabilities from 1.4 on. */
  config: u32, maxEntries: u32, properties: properties(featureProperties),
});
