/** Fields and parts of fields as actions name them: "reg0[0..15]", "NXM_OF_ETH_SRC[]", "eth_src". */
import type { FieldRef } from "../fields/reference.js";
import { bitsOf, fieldOfText, textOf, type FieldText } from "./field-names.js";
import { cut, fail, hexBytes, number, part, trimmed, type Span } from "./scan.js";

export interface Subfield {
  readonly field: FieldRef;
  readonly offset: number;
  readonly bits: number;
}

/** A field we do not know stands as its header in hex. */
const codeOf = (ref: FieldRef): string => {
  if (typeof ref === "string") return textOf(ref).code;
  if (ref.name !== "unknown") return textOf(ref.name).code;
  const digits = (number: number): string => number.toString(16).padStart(8, "0");
  return `unknown_${digits(ref.header)}${ref.experimenter === undefined ? "" : digits(ref.experimenter)}`;
};
const wholeBits = (ref: FieldRef): number | undefined => (typeof ref === "string" ? bitsOf(ref) : ref.name === "unknown" ? undefined : ref.width === undefined ? bitsOf(ref.name) : ref.width * 8);

export function printSubfield({ field, offset, bits }: Subfield): string {
  const code = codeOf(field);
  if (offset === 0 && bits === wholeBits(field)) return `${code}[]`;
  return bits === 1 ? `${code}[${offset}]` : `${code}[${offset}..${offset + bits - 1}]`;
}
/** The field's name alone. */
export const printRef = (ref: FieldRef): string => (typeof ref === "string" ? textOf(ref).text : ref.name === "unknown" ? codeOf(ref) : textOf(ref.name).text);

/** A field by its name. */
export function parseField(of: Span): FieldText {
  return fieldOfText(trimmed(of).text) ?? fail("a field's name", of);
}
function parseUnknown(of: Span): FieldRef | undefined {
  const digits = /^unknown_([0-9a-fA-F]{8})([0-9a-fA-F]{8})?$/.exec(of.text);
  if (digits === null) return undefined;
  const word = (text: string): number => Buffer.from(hexBytes({ text, at: of.at })).readUInt32BE();
  return { name: "unknown", header: word(digits[1] ?? ""), ...(digits[2] === undefined ? {} : { experimenter: word(digits[2]) }) };
}

/** Without brackets, and with empty ones, the whole field. */
export function parseSubfield(text: Span): Subfield {
  const of = trimmed(text);
  const open = of.text.indexOf("[");
  const name = open < 0 ? of : part(of, 0, open);
  const field = parseUnknown(name) ?? parseField(name).name;
  const size = wholeBits(field);
  const inside = open < 0 ? undefined : of.text.endsWith("]") ? part(of, open + 1, of.text.length - 1) : fail('"]"', part(of, of.text.length));
  if (inside === undefined || inside.text === "") return { field, offset: 0, bits: size ?? fail("[first..last] of a field that is not known", of) };
  const range = cut(inside, "..");
  const first = number(range?.[0] ?? inside, 10);
  const last = range === undefined ? first : number(range[1], 10);
  if (last < first || last >= (size ?? 1024)) fail(`bits of ${name.text}, which has ${size ?? 1024}`, inside);
  return { field, offset: first, bits: last - first + 1 };
}
/** What stands before and behind the arrow. */
export const arrow = (of: Span): readonly [Span, Span] => {
  const at = of.text.lastIndexOf("->");
  return at < 0 ? fail('"->"', part(of, of.text.length)) : [part(of, 0, at), part(of, at + 2)];
};
