/** Path attributes and reachability of BGP-4: RFC 4271, 4760, 6793 (four-octet AS), 7911 (add-path), 1997, 4360, 8092, 8950. */
import { ipv4Text, ipv6Text } from "sflow-collector";
import { hex, type Reader } from "./reader.js";

export type Family = "ipv4" | "ipv6";

/** A destination in an UPDATE: unicast only. */
export interface Nlri {
  readonly family: Family;
  /** "10.0.0.0/8", "2001:db8::/32": bits behind the length are zero. */
  readonly prefix: string;
  /** RFC 7911; undefined where add-path is not agreed. */
  readonly pathId: number | undefined;
}

export interface AsPathSegment {
  readonly type: "set" | "sequence" | "confed-sequence" | "confed-set";
  readonly as: readonly number[];
}

export interface Attributes {
  readonly origin?: "igp" | "egp" | "incomplete";
  readonly asPath?: readonly AsPathSegment[];
  /** NEXT_HOP, for IPv4 destinations in the body of the UPDATE. */
  readonly nextHop?: string;
  readonly multiExitDisc?: number;
  readonly localPref?: number;
  readonly atomicAggregate?: boolean;
  readonly aggregator?: { readonly as: number; readonly address: string };
  /** "65000:1" */
  readonly communities?: readonly string[];
  readonly originatorId?: string;
  readonly clusterList?: readonly string[];
  readonly mpReach?: MpReach;
  readonly mpUnreach?: MpUnreach;
  /** Sixteen hexadecimal digits each. */
  readonly extendedCommunities?: readonly string[];
  /** "65000:1:2" */
  readonly largeCommunities?: readonly string[];
  /** Attributes that are not known here, as they came. */
  readonly unknown?: readonly { readonly flags: number; readonly type: number; readonly value: string }[];
}

export interface MpReach {
  readonly afi: number;
  readonly safi: number;
  readonly nextHop: string;
  readonly linkLocalNextHop?: string;
  readonly nlri: readonly Nlri[];
}
export interface MpUnreach {
  readonly afi: number;
  readonly safi: number;
  readonly nlri: readonly Nlri[];
}

/** What the two OPENs agreed on, as far as it changes how an UPDATE is read. */
export interface UpdateContext {
  /** AS numbers have four octets; undefined: not known, both are tried. */
  readonly as4: boolean | undefined;
  /** Whether NLRI of a family carry path identifiers. */
  readonly addPath: (afi: number, safi: number) => boolean;
}

export const afi = { ipv4: 1, ipv6: 2 } as const;
export const unicast = 1;
/** No UPDATE of the extended length (RFC 8654) can carry more. */
const maxNlri = 65_535;
const origins = ["igp", "egp", "incomplete"] as const;
const segmentTypes = ["set", "sequence", "confed-sequence", "confed-set"] as const;
const lengthBits = { ipv4: 32, ipv6: 128 } as const;

/** All prefixes to the end of `from` (RFC 4271 section 4.3). */
export function readNlri(from: Reader, family: Family, withPathId: boolean): Nlri[] {
  const list: Nlri[] = [];
  while (from.remaining > 0) {
    if (list.length === maxNlri) throw from.error("count", `more than ${maxNlri} prefixes`);
    const pathId = withPathId ? from.u32() : undefined;
    list.push({ family, prefix: readPrefix(from, family), pathId });
  }
  return list;
}

/** A length in bits and as many octets as hold them. */
export function readPrefix(from: Reader, family: Family): string {
  const at = from.offset;
  const bits = from.u8();
  if (bits > lengthBits[family]) throw from.error("length", `${family} prefix of ${bits} bits`, at);
  return prefixText(from.view8(Math.ceil(bits / 8)), bits, family);
}

/** Text of a prefix from its leading octets; bits behind `bits` are taken as zero. */
export function prefixText(octets: Uint8Array, bits: number, family: Family): string {
  const whole = new Uint8Array(lengthBits[family] / 8);
  whole.set(octets.subarray(0, Math.ceil(bits / 8)));
  const last = bits >> 3;
  if (bits % 8 !== 0) whole[last] = (whole[last] ?? 0) & (0xff00 >> (bits % 8));
  return `${family === "ipv4" ? ipv4Text(whole, 0) : ipv6Text(whole, 0)}/${bits}`;
}

const familyOf = (number: number): Family | undefined => (number === afi.ipv4 ? "ipv4" : number === afi.ipv6 ? "ipv6" : undefined);

function readAsPath(value: Reader, size: 2 | 4): AsPathSegment[] {
  const segments: AsPathSegment[] = [];
  while (value.remaining > 0) {
    const at = value.offset;
    const type = segmentTypes[value.u8() - 1];
    if (type === undefined) throw value.error("value", "AS_PATH segment of an unknown type", at);
    const count = value.u8();
    segments.push({ type, as: Array.from({ length: count }, () => (size === 4 ? value.u32() : value.u16())) });
  }
  return segments;
}

/** With the length of AS numbers not known, four octets are tried first: a path of two-octet numbers seldom reads as one. */
function asPath(value: Reader, as4: boolean | undefined): AsPathSegment[] {
  if (as4 !== undefined) return readAsPath(value, as4 ? 4 : 2);
  const again = value.sub(value.remaining);
  const copy = again.fork();
  try {
    return readAsPath(again, 4);
  } catch {
    return readAsPath(copy, 2);
  }
}

/** AS4_PATH replaces the tail of a two-octet AS_PATH (RFC 6793 section 4.2.3). */
function merged(path: readonly AsPathSegment[] | undefined, path4: readonly AsPathSegment[]): readonly AsPathSegment[] {
  const length = (segments: readonly AsPathSegment[]): number => segments.reduce((sum, { type, as }) => sum + (type === "set" ? 1 : type === "sequence" ? as.length : 0), 0);
  if (path === undefined || length(path) < length(path4)) return path ?? [];
  let keep = length(path) - length(path4);
  const head: AsPathSegment[] = [];
  for (const segment of path) {
    if (keep === 0) break;
    const take = segment.type === "sequence" ? Math.min(keep, segment.as.length) : segment.as.length;
    head.push({ type: segment.type, as: segment.as.slice(0, take) });
    keep -= segment.type === "sequence" ? take : segment.type === "set" ? 1 : 0;
  }
  return [...head, ...path4];
}

function readNextHop(from: Reader, length: number): { nextHop: string; linkLocalNextHop?: string } {
  const at = from.offset;
  const hop = from.sub(length);
  if (length === 4) return { nextHop: hop.ipv4() };
  if (length === 16) return { nextHop: hop.ipv6() };
  if (length === 32) return { nextHop: hop.ipv6(), linkLocalNextHop: hop.ipv6() };
  throw from.error("length", `next hop of ${length} bytes`, at);
}

function readMpReach(value: Reader, context: UpdateContext): MpReach {
  const number = value.u16();
  const safi = value.u8();
  const length = value.u8();
  const family = familyOf(number);
  if (family === undefined || safi !== unicast) return { afi: number, safi, nextHop: hex(value.view8(length)), nlri: [] };
  const hops = readNextHop(value, length);
  value.skip(1); // reserved
  return { afi: number, safi, ...hops, nlri: readNlri(value, family, context.addPath(number, safi)) };
}

function readMpUnreach(value: Reader, context: UpdateContext): MpUnreach {
  const number = value.u16();
  const safi = value.u8();
  const family = familyOf(number);
  return { afi: number, safi, nlri: family === undefined || safi !== unicast ? [] : readNlri(value, family, context.addPath(number, safi)) };
}

function list<T>(value: Reader, size: number, read: () => T): T[] {
  if (value.remaining % size !== 0) throw value.error("length", `${value.remaining} bytes are no multiple of ${size}`);
  return Array.from({ length: value.remaining / size }, read);
}

type Mutable = { -readonly [K in keyof Attributes]: Attributes[K] };

/** Reads all attributes to the end of `from`. Throws DecodeError; one that comes twice is an error (RFC 4271 section 5). */
export function readAttributes(from: Reader, context: UpdateContext): Attributes {
  const found: Mutable = {};
  const seen = new Set<number>();
  let path4: AsPathSegment[] | undefined;
  let aggregator4: Attributes["aggregator"];
  while (from.remaining > 0) {
    const at = from.offset;
    const flags = from.u8();
    const type = from.u8();
    const length = (flags & 0x10) === 0 ? from.u8() : from.u16();
    if (seen.has(type)) throw from.error("value", `attribute ${type} twice`, at);
    seen.add(type);
    const value = from.sub(length);
    if (type === 17) path4 = readAsPath(value, 4);
    else if (type === 18) aggregator4 = { as: value.u32(), address: value.ipv4() };
    else readAttribute(found, type, flags, value, context);
    if (value.remaining > 0) throw value.error("length", `attribute ${type} has ${value.remaining} bytes too many`);
  }
  if (path4 !== undefined && context.as4 !== true) found.asPath = merged(found.asPath, path4);
  if (aggregator4 !== undefined && found.aggregator?.as === asTrans) found.aggregator = aggregator4;
  return found;
}

/** AS_TRANS stands for a number that two octets can't hold. */
const asTrans = 23_456;

function readAttribute(found: Mutable, type: number, flags: number, value: Reader, context: UpdateContext): void {
  switch (type) {
    case 1: {
      const origin = origins[value.u8()];
      if (origin === undefined) throw value.error("value", "ORIGIN is none of 0 to 2", value.offset - 1);
      found.origin = origin;
      break;
    }
    case 2:
      found.asPath = asPath(value, context.as4);
      break;
    case 3:
      found.nextHop = value.ipv4();
      break;
    case 4:
      found.multiExitDisc = value.u32();
      break;
    case 5:
      found.localPref = value.u32();
      break;
    case 6:
      found.atomicAggregate = true;
      break;
    case 7:
      found.aggregator = { as: value.remaining === 8 ? value.u32() : value.u16(), address: value.ipv4() };
      break;
    case 8:
      found.communities = list(value, 4, () => `${value.u16()}:${value.u16()}`);
      break;
    case 9:
      found.originatorId = value.ipv4();
      break;
    case 10:
      found.clusterList = list(value, 4, () => value.ipv4());
      break;
    case 14:
      found.mpReach = readMpReach(value, context);
      if (found.mpReach.nlri.length === 0) value.skip(value.remaining);
      break;
    case 15:
      found.mpUnreach = readMpUnreach(value, context);
      if (found.mpUnreach.nlri.length === 0) value.skip(value.remaining);
      break;
    case 16:
      found.extendedCommunities = list(value, 8, () => hex(value.view8(8)));
      break;
    case 32:
      found.largeCommunities = list(value, 12, () => `${value.u32()}:${value.u32()}:${value.u32()}`);
      break;
    default:
      found.unknown = [...(found.unknown ?? []), { flags, type, value: hex(value.rest()) }];
  }
}

/** An AS path as it is usually written: "65001 65002 {65003,65004}". */
export function asPathText(path: readonly AsPathSegment[]): string {
  return path.map(({ type, as }) => (type === "sequence" ? as.join(" ") : type === "set" ? `{${as.join(",")}}` : `(${as.join(type === "confed-set" ? "," : " ")})`)).join(" ");
}
