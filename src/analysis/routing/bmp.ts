/** BMP version 3: RFC 7854, with Adj-RIB-Out (RFC 8671) and Loc-RIB (RFC 9069) told apart. */
import { printable, Reader } from "./reader.js";
import { ipv4Text } from "sflow-collector";

export interface BmpPeer {
  readonly address: string;
  readonly as: number;
  readonly bgpId: string;
  /** Route distinguisher of the VRF, or a local number; "0" for the global one. */
  readonly distinguisher: string;
  readonly kind: "global" | "rd" | "local" | "loc-rib" | "other";
  /** Which of the router's tables the UPDATE is of. */
  readonly rib: "pre-policy-in" | "post-policy-in" | "pre-policy-out" | "post-policy-out" | "loc";
  /** False: AS_PATH has two-octet numbers. */
  readonly as4: boolean;
  /** The router's clock, ms since the epoch; 0 when it gives none. */
  readonly atMs: number;
}

export type BmpMessage =
  | { readonly type: "initiation" | "termination"; readonly info: readonly { readonly type: number; readonly text: string }[] }
  | { readonly type: "peer-up"; readonly peer: BmpPeer; readonly localAddress: string; readonly localPort: number; readonly remotePort: number; readonly sentOpen: Uint8Array; readonly receivedOpen: Uint8Array }
  | { readonly type: "peer-down"; readonly peer: BmpPeer; readonly reason: number; readonly data: Uint8Array }
  | { readonly type: "route-monitoring"; readonly peer: BmpPeer; readonly update: Uint8Array }
  | { readonly type: "statistics"; readonly peer: BmpPeer; readonly counters: readonly { readonly type: number; readonly value: bigint }[] }
  | { readonly type: "route-mirroring"; readonly peer: BmpPeer; readonly messages: readonly Uint8Array[] }
  | { readonly type: "unknown"; readonly number: number };

export const bmpHeaderLength = 6;
/** A message is one BGP message or two with some words around them; one that says more is broken. */
export const maxBmpMessage = 1 << 18;
const maxItems = 1_024;

/** Length of the message at `at`, once its header is there; undefined before. Throws DecodeError when it can't be one. */
export function bmpLength(bytes: Uint8Array, at: number): number | undefined {
  if (bytes.length - at < bmpHeaderLength) return undefined;
  const from = new Reader("bmp", bytes, at);
  const version = from.u8();
  if (version !== 3) throw from.error("value", `version ${version}`, at);
  const length = from.u32();
  if (length < bmpHeaderLength || length > maxBmpMessage) throw from.error("length", `message of ${length} bytes`, at + 1);
  return length;
}

/** Reads one whole message. Throws DecodeError. */
export function readBmp(bytes: Uint8Array): BmpMessage {
  const from = new Reader("bmp", bytes);
  const length = bmpLength(bytes, 0);
  if (length !== bytes.length) throw from.error("length", `the message says ${length} bytes and has ${bytes.length}`, 1);
  from.skip(5);
  const type = from.u8();
  switch (type) {
    case 0:
      return { type: "route-monitoring", peer: readPeer(from), update: from.rest() };
    case 1: {
      const peer = readPeer(from);
      const count = from.u32();
      if (count > maxItems) throw from.error("count", `${count} counters`, from.offset - 4);
      const counters = Array.from({ length: count }, () => {
        const kind = from.u16();
        const value = from.sub(from.u16());
        return { type: kind, value: value.remaining >= 8 ? value.u64() : value.remaining >= 4 ? BigInt(value.u32()) : 0n };
      });
      return { type: "statistics", peer, counters };
    }
    case 2: {
      const peer = readPeer(from);
      return { type: "peer-down", peer, reason: from.u8(), data: from.rest() };
    }
    case 3: {
      const peer = readPeer(from);
      const local = from.view8(16);
      const localAddress = peer.address.includes(":") ? new Reader("bmp", local).ipv6() : ipv4Text(local, 12);
      const localPort = from.u16();
      const remotePort = from.u16();
      return { type: "peer-up", peer, localAddress, localPort, remotePort, sentOpen: bgpMessage(from), receivedOpen: bgpMessage(from) };
    }
    case 4:
    case 5:
      return { type: type === 4 ? "initiation" : "termination", info: readTlvs(from).map(({ type: kind, value }) => ({ type: kind, text: printable(value).slice(0, 1_024) })) };
    case 6: {
      const peer = readPeer(from);
      return { type: "route-mirroring", peer, messages: readTlvs(from).flatMap((tlv) => (tlv.type === 0 ? [tlv.value] : [])) };
    }
    default:
      return { type: "unknown", number: type };
  }
}

function readTlvs(from: Reader): { readonly type: number; readonly value: Uint8Array }[] {
  const list = [];
  while (from.remaining > 0) {
    if (list.length === maxItems) throw from.error("count", `more than ${maxItems} TLVs`);
    const type = from.u16();
    list.push({ type, value: from.view8(from.u16()) });
  }
  return list;
}

/** A BGP message by its own length field. */
function bgpMessage(from: Reader): Uint8Array {
  const head = from.fork();
  head.skip(16);
  const at = head.offset;
  const length = head.u16();
  if (length < 19) throw from.error("length", `BGP message of ${length} bytes`, at);
  return from.view8(length);
}

const kinds = ["global", "rd", "local", "loc-rib"] as const;

function readPeer(from: Reader): BmpPeer {
  const kind = kinds[from.u8()] ?? "other";
  const flags = from.u8();
  const [hasV6, isPost, hasAs2, isOut] = [0x80, 0x40, 0x20, 0x10].map((bit) => (flags & bit) !== 0);
  const distinguisher = from.u64().toString(16);
  const bytes = from.view8(16);
  const isLoc = kind === "loc-rib";
  const address = hasV6 === true && !isLoc ? new Reader("bmp", bytes).ipv6() : ipv4Text(bytes, 12);
  const as = from.u32();
  const bgpId = from.ipv4();
  const atMs = from.u32() * 1e3 + from.u32() / 1e3;
  const rib = isLoc ? "loc" : (`${isPost === true ? "post" : "pre"}-policy-${isOut === true ? "out" : "in"}` as const);
  return { address, as, bgpId, distinguisher, kind, rib, as4: isLoc || hasAs2 !== true, atMs };
}
