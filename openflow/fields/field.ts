/** What a match is made of. */
import type { FieldName } from "./table.js";

export interface KnownField {
  readonly name: FieldName;
  /** Unsigned number of the field's width; bits outside the mask are zero. */
  readonly value: bigint;
  /** Absent when every bit counts. */
  readonly mask?: bigint;
  /** The class it came under, or is to be written under, where that is not the version's own. */
  readonly oxmClass?: number;
  /** Bytes of a tunMetadata field; of all others the table has them. */
  readonly width?: number;
}
/** A field we do not know, with its TLV as it came. */
export interface UnknownField {
  readonly name: "unknown";
  readonly bytes: Uint8Array;
}
export type MatchField = KnownField | UnknownField;
export type Match = readonly MatchField[];

export function isKnown(field: MatchField): field is KnownField {
  return field.name !== "unknown";
}
