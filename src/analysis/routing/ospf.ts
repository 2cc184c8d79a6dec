/** OSPF version 2: RFC 2328. Packets, link-state advertisements, and the destinations they say. */
import { internetChecksum, Reader } from "./reader.js";
import { readLsaHeader, type LsaHeader } from "./lsa.js";

export interface OspfHeader {
  readonly version: 2 | 3;
  readonly routerId: string;
  readonly areaId: string;
}

export interface Hello {
  readonly type: "hello";
  /** Undefined in OSPF version 3. */
  readonly mask: string | undefined;
  readonly helloIntervalS: number;
  readonly deadIntervalS: number;
  readonly priority: number;
  /** Interface address (2) or router id (3); "0.0.0.0" for none. */
  readonly designated: string;
  readonly backup: string;
  /** Router ids that the sender has heard. */
  readonly neighbours: readonly string[];
}

export interface Lsa {
  readonly header: LsaHeader;
  readonly body: Uint8Array;
}

export type OspfBody =
  | Hello
  | { readonly type: "database-description"; readonly mtu: number; readonly flags: number; readonly sequence: number; readonly headers: readonly LsaHeader[] }
  | { readonly type: "request"; readonly wanted: readonly { readonly lsType: number; readonly linkStateId: string; readonly advertisingRouter: string }[] }
  | { readonly type: "update"; readonly lsas: readonly Lsa[] }
  | { readonly type: "acknowledgement"; readonly headers: readonly LsaHeader[] };

export interface OspfPacket extends OspfHeader {
  readonly body: OspfBody;
}

export const ospfProtocol = 89;
/** More can't be in one IP packet. */
export const maxLsas = 3_000;

/** Reads the payload of an IP packet of protocol 89. Throws DecodeError; a wrong checksum is one. */
export function readOspf(bytes: Uint8Array): OspfPacket {
  const from = new Reader("ospf", bytes);
  const version = from.u8();
  if (version !== 2) throw from.error("value", `version ${version}`, 0);
  const type = from.u8();
  const length = from.u16();
  if (length < 24 || length > bytes.length) throw from.error("length", `packet of ${length} in ${bytes.length} bytes`, 2);
  const routerId = from.ipv4();
  const areaId = from.ipv4();
  from.skip(2);
  const authentication = from.u16();
  // The checksum leaves the authentication field out (section D.4); with cryptographic authentication there is none.
  if (authentication !== 2 && internetChecksum(bytes.subarray(0, 16), bytes.subarray(24, length)) !== 0) throw from.error("checksum", "packet checksum is wrong", 12);
  from.skip(8);
  return { version: 2, routerId, areaId, body: readBody(from.sub(length - 24), type) };
}

function readBody(from: Reader, type: number): OspfBody {
  switch (type) {
    case 1: {
      const mask = from.ipv4();
      const helloIntervalS = from.u16();
      from.skip(1);
      const priority = from.u8();
      const deadIntervalS = from.u32();
      return { type: "hello", mask, helloIntervalS, deadIntervalS, priority, designated: from.ipv4(), backup: from.ipv4(), neighbours: routerIds(from) };
    }
    case 2: {
      const mtu = from.u16();
      from.skip(1);
      const flags = from.u8();
      return { type: "database-description", mtu, flags, sequence: from.u32(), headers: lsaHeaders(from, 2) };
    }
    case 3:
      return { type: "request", wanted: requests(from) };
    case 4:
      return { type: "update", lsas: readLsas(from, 2) };
    case 5:
      return { type: "acknowledgement", headers: lsaHeaders(from, 2) };
    default:
      throw from.error("value", `packet type ${type}`, 1);
  }
}

export function routerIds(from: Reader): string[] {
  const list: string[] = [];
  while (from.remaining > 0) list.push(from.ipv4());
  return list;
}

export function lsaHeaders(from: Reader, version: 2 | 3): LsaHeader[] {
  const list: LsaHeader[] = [];
  while (from.remaining > 0) list.push(readLsaHeader(from, version));
  return list;
}

export function requests(from: Reader): { lsType: number; linkStateId: string; advertisingRouter: string }[] {
  const list = [];
  while (from.remaining > 0) list.push({ lsType: from.u32(), linkStateId: from.ipv4(), advertisingRouter: from.ipv4() });
  return list;
}

/** LSAs of a link state update; each with its Fletcher checksum looked at (section 12.1.7). */
export function readLsas(from: Reader, version: 2 | 3): Lsa[] {
  const at = from.offset;
  const count = from.u32();
  if (count > maxLsas) throw from.error("count", `${count} LSAs`, at);
  return Array.from({ length: count }, () => {
    const start = from.offset;
    const header = readLsaHeader(from, version);
    if (header.length < 20) throw from.error("length", `LSA of ${header.length} bytes`, start + 18);
    const body = from.view8(header.length - 20);
    // The age is left out, because it is counted up on the way.
    if (!fletcherHolds(from.bytes.subarray(start + 2, start + header.length))) throw from.error("checksum", "LSA checksum is wrong", start + 16);
    return { header, body };
  });
}

/** ISO 8473's checksum: both sums are 0 over bytes that hold it. */
export function fletcherHolds(bytes: Uint8Array): boolean {
  let [c0, c1] = [0, 0];
  for (const byte of bytes) {
    c0 = (c0 + byte) % 255;
    c1 = (c1 + c0) % 255;
  }
  return c0 === 0 && c1 === 0;
}

