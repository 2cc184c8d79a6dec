/** Bounded big-endian reading (XDR, RFC 4506, as sFlow v5 uses it). */

export type WireReason = "truncated" | "version" | "address" | "length" | "count";

/** Bytes that can't be what they should be. `offset`: where in the datagram; `reason` is what is counted. */
export class WireError extends Error {
  override readonly name = "WireError";
  readonly reason: WireReason;
  readonly offset: number;
  constructor(reason: WireReason, message: string, offset: number) {
    super(`${message} (at byte ${offset})`);
    this.reason = reason;
    this.offset = offset;
  }
}

export class Reader {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private at: number;
  private readonly end: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
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
  u64(): bigint {
    return this.view.getBigUint64(this.take(8));
  }
  skip(length: number): void {
    this.take(length);
  }
  /** A view, not a copy: valid as long as the datagram is. */
  view8(length: number): Uint8Array {
    const at = this.take(length);
    return this.bytes.subarray(at, at + length);
  }
  /** Opaque data of a given length, which XDR pads to a multiple of 4. */
  opaque(length: number): Uint8Array {
    const bytes = this.view8(length);
    this.skip(Math.min((4 - (length % 4)) % 4, this.remaining));
    return bytes;
  }
  sub(length: number): Reader {
    const at = this.take(length);
    return new Reader(this.bytes, at, at + length);
  }
  rest(): Uint8Array {
    return this.view8(this.remaining);
  }
}
