/** Multipart bodies that describe a switch: DESC and TABLE. */
import type { Reader } from "../wire/reader.js";
import { padding, struct, text, u32, u64, u8 } from "../wire/struct.js";

const desc = struct({ manufacturer: text(256), hardware: text(256), software: text(256), serialNumber: text(32), datapath: text(256) });
export type SwitchDesc = ReturnType<typeof desc.read>;
export function readSwitchDesc(from: Reader): SwitchDesc {
  return desc.read(from);
}

const tableStats = struct({ tableId: u8, pad0: padding(3), activeCount: u32, lookupCount: u64, matchedCount: u64 });
export type TableStats = ReturnType<typeof tableStats.read>;
export function readTableStats(from: Reader): TableStats[] {
  const tables: TableStats[] = [];
  while (from.remaining > 0) tables.push(tableStats.read(from));
  return tables;
}
