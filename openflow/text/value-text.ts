/** Values of fields as text: numbers, addresses, ports, names of bits. */
import { port } from "../actions/action.js";
import { parseAddress } from "../fields/address.js";
import { rowOf } from "../fields/table.js";
import { type FieldText, type Format } from "./field-names.js";
import { bigNumber, cut, fail, number, part, trimmed, type Span } from "./scan.js";

export interface Value {
  readonly value: bigint;
  /** Absent when every bit counts. */
  readonly mask?: bigint;
}

export const ones = (bits: number): bigint => (1n << BigInt(bits)) - 1n;
export const hex = (value: bigint | number): string => `0x${value.toString(16)}`;
/** As C's "%#x" has it, in which 0 stands without 0x. */
export const hexOr0 = (value: bigint | number): string => (BigInt(value) === 0n ? "0" : hex(value));

const portNames: readonly (readonly [string, number])[] = [
  ["IN_PORT", port.inPort],
  ["TABLE", port.table],
  ["NORMAL", port.normal],
  ["FLOOD", port.flood],
  ["ALL", port.all],
  ["CONTROLLER", port.controller],
  ["LOCAL", port.local],
  ["ANY", port.any],
  ["UNSET", 0xfffffff7],
  ["NONE", port.any],
];
/** The number of a port by its name. */
export type PortNumbers = (name: string) => number | undefined;

export const printPort = (number: number): string => portNames.find(([, reserved]) => reserved === number)?.[0] ?? String(number);
/** A reserved port's name, or undefined: of any other word. */
export const reservedPort = (text: string): number | undefined => portNames.find(([name]) => name === text.toUpperCase())?.[1];

export function parsePort(of: Span, names?: PortNumbers): number {
  const { text } = trimmed(of);
  const reserved = reservedPort(text);
  if (reserved !== undefined) return reserved;
  const bareName = /^".*"$/.test(text) ? text.slice(1, -1) : text;
  const found = names?.(bareName);
  if (found !== undefined) return found;
  const value = number(of, 32, "a port number or the name of a port");
  return value >= 0xff00 && value <= 0xffff ? value + 0xffff0000 : value; // OpenFlow 1.0's number of a reserved port
}

export const printMac = (value: bigint): string => (value.toString(16).padStart(12, "0").match(/../g) ?? []).join(":");
export const printIpv4 = (value: bigint): string => [24n, 16n, 8n, 0n].map((shift) => ((value >> shift) & 0xffn).toString()).join(".");
/** As inet_ntop(3): the longest run of zero groups is left out, IPv4 in its last 32 bits is written as such. */
export function printIpv6(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(112 - 16 * i)) & 0xffffn));
  let best = { from: -1, length: 1 };
  for (let from = 0; from < 8; from++) {
    let length = 0;
    while (groups[from + length] === 0) length++;
    if (length > best.length) best = { from, length };
  }
  if (best.from === 0 && (best.length === 6 || (best.length === 5 && groups[5] === 0xffff))) return `::${best.length === 5 ? "ffff:" : ""}${printIpv4(value & 0xffffffffn)}`;
  const text = (from: number, to?: number): string => groups.slice(from, to).map((group) => group.toString(16)).join(":");
  return best.from < 0 ? text(0) : `${text(0, best.from)}::${text(best.from + best.length)}`;
}
/** The length of the prefix a mask stands for; undefined when it is none. */
function prefixLength(mask: bigint, bits: number): number | undefined {
  const zeros = ones(bits) ^ mask;
  return (zeros & (zeros + 1n)) === 0n ? bits - (zeros === 0n ? 0 : zeros.toString(2).length) : undefined;
}
const address = { mac: { bytes: 6, print: printMac, what: "a MAC address" }, ipv4: { bytes: 4, print: printIpv4, what: "an IPv4 address" }, ipv6: { bytes: 16, print: printIpv6, what: "an IPv6 address" } } as const;

export function parseAddressOf(of: Span, kind: keyof typeof address): bigint {
  const { bytes, what } = address[kind];
  const { text } = trimmed(of);
  if (!/[.:]/.test(text)) return fail(what, of);
  try {
    return parseAddress(text, bytes);
  } catch {
    return fail(what, of); // the text is all that can be wrong
  }
}

const bitNames = {
  ctState: ["new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat"],
  tcpFlags: ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns", "[200]", "[400]", "[800]"],
  tunFlags: ["oam"],
} as const satisfies Partial<Record<Format, readonly string[]>>;
type BitFormat = keyof typeof bitNames;

function printBits(format: BitFormat, { value, mask }: Value): string {
  const names: readonly string[] = bitNames[format];
  const known = ones(names.length);
  // Bits without a name: numbers, which ovs-ofctl takes for those that have one only.
  if (((mask ?? value) & ~known) !== 0n) return mask === undefined ? hex(value) : `${hex(value)}/${hex(mask)}`;
  const has = (bits: bigint, i: number): boolean => ((bits >> BigInt(i)) & 1n) === 1n;
  const isExact = format !== "tunFlags" && (mask === undefined || mask === known);
  if (isExact) return value === 0n ? "0" : names.filter((_, i) => has(value, i)).join("|");
  return names.flatMap((name, i) => (mask === undefined || has(mask, i) ? [`${has(value, i) ? "+" : "-"}${name}`] : [])).join("");
}

/** "+new-est" with the mask that says; "new|est" for exactly those; numbers. */
function parseBits(of: Span, format: BitFormat, bits: number): Value {
  const names: readonly string[] = bitNames[format];
  const what = `names of bits (${names.join(", ")}) or a number`;
  const span = trimmed(of);
  // Exactly those: of ct_state's 32 bits the ones that have a name.
  const exactly = (value: bigint): Value => (format === "ctState" ? { value, mask: ones(names.length) } : { value });
  if (/^\d/.test(span.text)) {
    const { value, mask } = parseMasked(of, (one) => bigNumber(one, bits, what));
    return mask === undefined ? exactly(value) : { value, mask };
  }
  const isMasked = /^[+-]/.test(span.text);
  let [value, mask] = [0n, 0n];
  const word = isMasked ? /([+-])([^+-]+)/gy : /(^|\|)([^|]+)/gy;
  let end = 0;
  for (const found of span.text.matchAll(word)) {
    const index = names.indexOf(found[2] ?? "");
    if (index < 0) fail(what, part(span, found.index));
    const bit = 1n << BigInt(index);
    if ((mask & bit) !== 0n) fail(`"${found[2]}" once`, part(span, found.index));
    mask |= bit;
    if (found[1] !== "-") value |= bit;
    end = found.index + found[0].length;
  }
  if (end === 0 || end < span.text.length) fail(what, part(span, end));
  if (!isMasked && format !== "tunFlags") return exactly(value);
  return mask === ones(bits) ? { value } : { value, mask };
}

/** ip_frag: bit 0 says a fragment, bit 1 a later one. */
const fragments: readonly (readonly [string, bigint, bigint])[] = [["no", 0n, 3n], ["yes", 1n, 1n], ["first", 1n, 3n], ["later", 3n, 3n], ["not_later", 0n, 2n]];

function printFragment({ value, mask = 3n }: Value): string {
  return fragments.find(([, v, m]) => v === value && m === (mask & 3n))?.[0] ?? `${hexOr0(value)}/${hexOr0(mask)}`;
}
function parseFragment(of: Span): Value {
  const { text } = trimmed(of);
  const found = fragments.find(([name]) => name === text);
  if (found !== undefined) return found[2] === 3n ? { value: found[1] } : { value: found[1], mask: found[2] };
  if (!/^\d/.test(text)) return fail("one of no, yes, first, later, not_later", of);
  return parseMasked(of, (one) => bigNumber(one, 8));
}

/** "value" or "value/mask", both read alike. */
export function parseMasked(of: Span, read: (one: Span) => bigint, readMask = read): Value {
  const halves = cut(of, "/");
  return halves === undefined ? { value: read(of) } : { value: read(halves[0]), mask: readMask(halves[1]) };
}

function parseAddressValue(of: Span, kind: keyof typeof address): Value {
  const bits = address[kind].bytes * 8;
  return parseMasked(of, (one) => parseAddressOf(one, kind), (one) => {
    const { text } = trimmed(one);
    if (kind === "mac" || /[.:]/.test(text)) return parseAddressOf(one, kind);
    const length = number(one, 8, `a prefix of at most ${bits} bits`);
    return length > bits ? fail(`a prefix of at most ${bits} bits`, one) : ones(bits) ^ ones(bits - length);
  });
}

/** A packet type's namespace in the upper 16 bits, its type in the lower. */
export const printPacketType = (value: bigint): string => `(${value >> 16n},${hexOr0(value & 0xffffn)})`;
function parsePacketType(of: Span): Value {
  const found = /^\(([^,]*),([^,]*)\)$/.exec(of.text.trim());
  if (found === null) return fail("(namespace,type)", of);
  const [, namespace = "", type = ""] = found;
  const start = of.text.indexOf("(") + 1;
  return { value: (bigNumber({ text: namespace, at: of.at + start }, 16) << 16n) | bigNumber({ text: type, at: of.at + start + namespace.length + 1 }, 16) };
}

/** A value as set_field and learn write it. Zero is 0x0 there, but 0 in matches. */
export function printValue(format: Format, { value, mask }: Value, zero = "0x0"): string {
  switch (format) {
    case "decimal":
      return mask === undefined ? value.toString() : `${value}/${hex(mask)}`;
    case "hex":
      return `${value === 0n ? zero : hex(value)}${mask === undefined ? "" : `/${hex(mask)}`}`;
    case "mac":
    case "ipv4":
    case "ipv6": {
      const { bytes, print } = address[format];
      if (mask === undefined) return print(value);
      const prefix = format === "mac" ? undefined : prefixLength(mask, bytes * 8);
      return `${print(value)}/${prefix ?? print(mask)}`;
    }
    case "port":
      return mask === undefined ? printPort(Number(value)) : `${hexOr0(value)}/${hex(mask)}`;
    case "frag":
      return printFragment({ value, ...(mask === undefined ? {} : { mask }) });
    case "packetType":
      return printPacketType(value);
    case "ctState":
    case "tcpFlags":
    case "tunFlags":
      return printBits(format, { value, ...(mask === undefined ? {} : { mask }) });
  }
}

/** The value of a field in any form that ovs-ofctl takes, with bits outside of the mask as they are. */
export function readValue(of: Span, { name, format, text }: FieldText, names?: PortNumbers): Value {
  const { bytes, bits } = rowOf(name);
  switch (format) {
    case "decimal":
    case "hex":
      return parseMasked(of, (one) => bigNumber(one, bits, `a value of ${text}, which has ${bits} bits`), (one) => bigNumber(one, bytes * 8));
    case "mac":
    case "ipv4":
    case "ipv6":
      return parseAddressValue(of, format);
    case "port":
      return { value: BigInt(parsePort(of, names)) };
    case "frag":
      return parseFragment(of);
    case "packetType":
      return parsePacketType(of);
    case "ctState":
    case "tcpFlags":
    case "tunFlags":
      return parseBits(of, format, bits);
  }
}

/** As readValue(); a mask of all bits is left out, bits it does not have are cleared. */
export function parseValue(of: Span, row: FieldText, names?: PortNumbers): Value {
  const { bits } = rowOf(row.name);
  const { value, mask } = readValue(of, row, names);
  // tun_flags keeps its mask: of its 16 bits a switch knows one.
  if (mask === undefined || (row.format !== "tunFlags" && (mask & ones(bits)) === ones(bits))) return { value };
  return { value: value & mask, mask };
}
