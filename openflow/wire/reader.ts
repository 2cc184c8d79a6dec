/** Bounded big-endian reading and growing big-endian writing. No field can run past its message. */

/** A length or a value that cannot be true. `offset`: where in the message, in bytes. */
export class WireError extends Error {
  override readonly name = "WireError";
  readonly offset: number;
  constructor(message: string, offset: number) {
    super(`${message} (at byte ${offset})`);
    this.offset = offset;
  }
}

export class Reader {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private at: number;
  private readonly end: number;
  private lossy = false;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    // A plain view: slice() of a Buffer would share its memory.
    this.bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
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
    if (length < 0 || length > this.end - at) throw new WireError(`${length} bytes needed, ${this.end - at} left`, at);
    this.at = at + length;
    return at;
  }

  u8(): number {
    return this.view.getUint8(this.take(1));
  }
  u16(): number {
    return this.view.getUint16(this.take(2));
  }
  u32(): number {
    return this.view.getUint32(this.take(4));
  }
  u64(): bigint {
    return this.view.getBigUint64(this.take(8));
  }
  /** True when something was read that writing the value again would not give back: padding that is not zero, for one. */
  get isLossy(): boolean {
    return this.lossy;
  }
  noteLoss(): void {
    this.lossy = true;
  }
  /** Steps over padding. */
  skip(length: number): void {
    const at = this.take(length);
    for (let i = at; i < at + length; i++) if (this.bytes[i] !== 0) this.lossy = true;
  }
  /** A copy: what is read outlives the buffer it came in. */
  copy(length: number): Uint8Array {
    const at = this.take(length);
    return this.bytes.slice(at, at + length);
  }
  rest(): Uint8Array {
    return this.copy(this.remaining);
  }
  /** A reader of the next `length` bytes, which this one steps over. */
  sub(length: number): Reader {
    const at = this.take(length);
    return new Reader(this.bytes, at, at + length);
  }
  /** Another reader of what is left; this one stays where it is. */
  fork(): Reader {
    return new Reader(this.bytes, this.at, this.end);
  }
  /** An unsigned big-endian number of `length` bytes. */
  number(length: number): bigint {
    let value = 0n;
    const at = this.take(length);
    for (let i = 0; i < length; i++) value = (value << 8n) | BigInt(this.bytes[at + i] ?? 0);
    return value;
  }
}

function fits(does: boolean, value: number | bigint, length: number): void {
  if (!does) throw new RangeError(`${value} is not an unsigned number of ${length} bytes`);
}

/** Grows as needed. RangeError for a number that does not fit its field. */
export class Writer {
  private bytes = new Uint8Array(256);
  private view = new DataView(this.bytes.buffer);
  private at = 0;

  get length(): number {
    return this.at;
  }

  private room(length: number): number {
    const at = this.at;
    if (at + length > this.bytes.length) {
      const grown = new Uint8Array(Math.max(this.bytes.length * 2, at + length));
      grown.set(this.bytes.subarray(0, at));
      this.bytes = grown;
      this.view = new DataView(grown.buffer);
    }
    this.at = at + length;
    return at;
  }

  u8(value: number): void {
    fits((value & 0xff) === value, value, 1);
    const at = this.room(1); // before the view is looked at: growing replaces it
    this.view.setUint8(at, value);
  }
  u16(value: number): void {
    fits((value & 0xffff) === value, value, 2);
    const at = this.room(2);
    this.view.setUint16(at, value);
  }
  u32(value: number): void {
    fits(value >>> 0 === value, value, 4);
    const at = this.room(4);
    this.view.setUint32(at, value);
  }
  u64(value: bigint): void {
    fits(BigInt.asUintN(64, value) === value, value, 8);
    const at = this.room(8);
    this.view.setBigUint64(at, value);
  }
  zeros(length: number): void {
    const at = this.room(length);
    this.bytes.fill(0, at, at + length);
  }
  raw(bytes: Uint8Array): void {
    const at = this.room(bytes.length);
    this.bytes.set(bytes, at);
  }
  /** An unsigned big-endian number of `length` bytes. */
  number(value: bigint, length: number): void {
    fits(BigInt.asUintN(length * 8, value) === value, value, length);
    const at = this.room(length);
    for (let i = length - 1, rest = value; i >= 0; i--, rest >>= 8n) this.bytes[at + i] = Number(rest & 0xffn);
  }
  /** Overwrites a 16-bit number written before: a length that is known only now. */
  patchU16(at: number, value: number): void {
    fits((value & 0xffff) === value, value, 2);
    this.view.setUint16(at, value);
  }
  /** Zeros up to a multiple of 8 counted from `start`. */
  align8(start: number): void {
    this.zeros((8 - ((this.at - start) % 8)) % 8);
  }
  done(): Uint8Array {
    return this.bytes.slice(0, this.at);
  }
}
