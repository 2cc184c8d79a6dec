/** Bounded big-endian reading (XDR, RFC 4506, as sFlow v5 uses it). */
import { ipv4Text, ipv6Text, macText } from "./address.js";

/**
 * What was wrong: `truncated` something needs more bytes than there are; `version` not sFlow 5, or not a capture; `address` an
 * address type there is none of; `length` a length that can't be true; `count` more items than the bytes could hold.
 */
export type WireErrorCode = "truncated" | "version" | "address" | "length" | "count";

/** Bytes that can't be what they should be. `offset`: where in the datagram; `code` is what is counted. */
export class WireError extends Error {
  override readonly name = "WireError";
  readonly code: WireErrorCode;
  readonly offset: number;
  constructor(code: WireErrorCode, message: string, offset: number) {
    super(`${message} (at byte ${offset})`);
    this.code = code;
    this.offset = offset;
  }
}

/** Bytes that fill `length` up to a multiple of 4, as XDR does with opaque data. */
const padding = (length: number): number => -length & 3;

/** Reads from `start` to `end` of `bytes` and never beyond: whatever is asked for past `end` throws WireError. */
export class Reader {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private at: number;
  private readonly end: number;
  /** How many readers this one lies within: what may contain its own kind is bounded by it. */
  readonly depth: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length, view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), depth = 0) {
    this.bytes = bytes;
    this.view = view;
    this.depth = depth;
    this.at = start;
    this.end = end;
  }
  get offset(): number {
    return this.at;
  }
  get remaining(): number {
    return this.end - this.at;
  }
  private take(length: number): number {
    const at = this.at;
    if (length > this.end - at) throw new WireError("truncated", `${length} bytes needed, ${this.end - at} left`, at);
    this.at = at + length;
    return at;
  }
  u32(): number {
    return this.view.getUint32(this.take(4));
  }
  i32(): number {
    return this.view.getInt32(this.take(4));
  }
  u64(): bigint {
    return this.view.getBigUint64(this.take(8));
  }
  f32(): number {
    return this.view.getFloat32(this.take(4));
  }
  /** A view, not a copy: valid as long as the datagram is. */
  view8(length: number): Uint8Array {
    const at = this.take(length);
    return this.bytes.subarray(at, at + length);
  }
  /** Opaque data of a given length, which XDR pads to a multiple of 4. Padding that was left out at the end is forgiven. */
  opaque(length: number): Uint8Array {
    const bytes = this.view8(length);
    this.at += Math.min(padding(length), this.remaining);
    return bytes;
  }
  /** opaque<> or string<>: its length, then its bytes. */
  counted(): Uint8Array {
    return this.opaque(this.u32());
  }
  /** ip_v4. */
  ipv4(): string {
    return ipv4Text(this.bytes, this.take(4));
  }
  /** ip_v6, as RFC 5952 writes it. */
  ipv6(): string {
    return ipv6Text(this.bytes, this.take(16));
  }
  /** mac: opaque[6], padded to 8. */
  mac(): string {
    return macText(this.opaque(6), 0);
  }
  /** The union `address`: "unknown" for type 0 (which has no bytes), WireError `address` for a type there is none of. */
  address(): string {
    const type = this.u32();
    if (type === 0) return "unknown";
    if (type === 1) return this.ipv4();
    if (type === 2) return this.ipv6();
    throw new WireError("address", `address type ${type}`, this.at - 4);
  }
  /** How many items follow, each of at least `size` bytes: more than the bytes can hold throws, before anything is allocated. */
  count(size: number): number {
    const count = this.u32();
    if (count * size > this.remaining) throw new WireError("count", `${count} items in ${this.remaining} bytes`, this.at - 4);
    return count;
  }
  /** A reader of the next `length` bytes and, where it ends within a word, past the padding behind them. */
  sub(length: number): Reader {
    const at = this.take(length);
    this.at += Math.min(padding(length), this.remaining);
    return new Reader(this.bytes, at, at + length, this.view, this.depth + 1);
  }
  rest(): Uint8Array {
    return this.view8(this.remaining);
  }
}
