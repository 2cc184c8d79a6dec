/** Link-state advertisements: the header that both versions of OSPF have, and the destinations in the bodies. */
import { prefixText, type Family } from "./bgp-attributes.js";
import { Reader } from "./reader.js";

export interface LsaHeader {
  /** Seconds. */
  readonly age: number;
  /** Version 2: 1 router, 2 network, 3 and 4 summary, 5 external, 7 NSSA. Version 3: 0x2001 router … 0x4005 external, 0x2009 intra-area prefix. */
  readonly lsType: number;
  readonly linkStateId: string;
  readonly advertisingRouter: string;
  /** Signed: newer is larger (RFC 2328 section 12.1.6). */
  readonly sequence: number;
  readonly checksum: number;
  /** Bytes, header included. */
  readonly length: number;
}

/** An LSA of this age is on its way out (section B). */
export const maxAgeS = 3_600;

export function readLsaHeader(from: Reader, version: 2 | 3): LsaHeader {
  const age = from.u16() & 0x7fff; // the upper bit is DoNotAge (RFC 1793)
  if (version === 2) from.skip(1); // options
  const lsType = version === 2 ? from.u8() : from.u16();
  return { age, lsType, linkStateId: from.ipv4(), advertisingRouter: from.ipv4(), sequence: from.i32(), checksum: from.u16(), length: from.u16() };
}

/** A destination that an LSA says can be reached. */
export interface LsaPrefix {
  readonly family: Family;
  readonly prefix: string;
  readonly metric: number;
  readonly kind: "intra-area" | "inter-area" | "external";
  /** Forwarding address of an external one; undefined: by way of the advertising router. */
  readonly forward: string | undefined;
}

/** Leading ones of a mask; one with holes is an error. */
function maskBits(from: Reader): number {
  const at = from.offset;
  const mask = from.u32();
  const bits = Math.clz32(~mask);
  if (mask !== (bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0)) throw from.error("value", "a mask with holes", at);
  return bits;
}

const octets = (address: string): Uint8Array => Uint8Array.from(address.split(".").map(Number));

const maxLinks = 4_096;

/** The destinations in the body of a version 2 LSA. Throws DecodeError. */
export function prefixesOf2(header: LsaHeader, body: Uint8Array): LsaPrefix[] {
  const from = new Reader("ospf", body);
  switch (header.lsType) {
    case 1: {
      from.skip(2);
      const links = from.u16();
      if (links > maxLinks) throw from.error("count", `${links} links`, 2);
      return Array.from({ length: links }, () => routerLink(from)).flat();
    }
    case 2: {
      const bits = maskBits(from);
      return [{ family: "ipv4", prefix: prefixText(octets(header.linkStateId), bits, "ipv4"), metric: 0, kind: "intra-area", forward: undefined }];
    }
    case 3: {
      const bits = maskBits(from);
      from.skip(1);
      return [{ family: "ipv4", prefix: prefixText(octets(header.linkStateId), bits, "ipv4"), metric: from.u24(), kind: "inter-area", forward: undefined }];
    }
    case 5:
    case 7: {
      const bits = maskBits(from);
      from.skip(1);
      const metric = from.u24();
      const forward = from.ipv4();
      return [{ family: "ipv4", prefix: prefixText(octets(header.linkStateId), bits, "ipv4"), metric, kind: "external", forward: forward === "0.0.0.0" ? undefined : forward }];
    }
    default:
      return [];
  }
}

/** A link of a router LSA: stubs (type 3) are destinations. */
function routerLink(from: Reader): LsaPrefix[] {
  const id = from.view8(4);
  const data = from.fork();
  from.skip(4);
  const type = from.u8();
  const extra = from.u8();
  const metric = from.u16();
  from.skip(extra * 4);
  if (type !== 3) return [];
  return [{ family: "ipv4", prefix: prefixText(id, maskBits(data), "ipv4"), metric, kind: "intra-area", forward: undefined }];
}

/** The destinations in the body of a version 3 LSA (RFC 5340 section A.4). */
export function prefixesOf3(header: LsaHeader, body: Uint8Array): LsaPrefix[] {
  const from = new Reader("ospf3", body);
  switch (header.lsType) {
    case 0x2003: {
      from.skip(1);
      const metric = from.u24();
      return [{ family: "ipv6", prefix: prefix3(from).prefix, metric, kind: "inter-area", forward: undefined }];
    }
    case 0x4005:
    case 0x2007: {
      const flags = from.u8();
      const metric = from.u24();
      const { prefix } = prefix3(from);
      return [{ family: "ipv6", prefix, metric, kind: "external", forward: (flags & 2) === 0 ? undefined : from.ipv6() }];
    }
    case 0x2009: {
      const count = from.u16();
      from.skip(10); // the LSA it belongs to
      return Array.from({ length: count }, () => {
        const { prefix, metric } = prefix3(from);
        return { family: "ipv6" as const, prefix, metric, kind: "intra-area" as const, forward: undefined };
      });
    }
    default:
      return [];
  }
}

/** An address prefix: its length, options, 16 bits that are the metric in an intra-area prefix LSA, whole words of address. */
function prefix3(from: Reader): { prefix: string; metric: number } {
  const at = from.offset;
  const bits = from.u8();
  if (bits > 128) throw from.error("length", `ipv6 prefix of ${bits} bits`, at);
  from.skip(1);
  const metric = from.u16();
  return { prefix: prefixText(from.view8(Math.ceil(bits / 32) * 4), bits, "ipv6"), metric };
}
