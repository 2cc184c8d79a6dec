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

/** Wire version numbers: 1 is OpenFlow 1.0, 6 is 1.5. */
export type Version = 1 | 2 | 3 | 4 | 5 | 6;
export const versions: readonly Version[] = [1, 2, 3, 4, 5, 6];

/** Things inside things: actions in actions, messages in messages. Deeper ones are malformed. */
const maxDepth = 32;

export class Reader {
  /** Which layouts hold. */
  readonly version: Version;
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private at: number;
  private readonly end: number;
  private readonly depth: number;
  private lossy = false;

  constructor(bytes: Uint8Array, version: Version, start = 0, end = bytes.length, view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), depth = 0) {
    this.bytes = bytes;
    this.version = version;
    this.view = view;
    this.at = start;
    this.end = end;
    this.depth = depth;
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
    const at = this.take(8);
    const { view } = this;
    // Most counters and cookies of a dump are zero, and need no number of their own.
    return view.getUint32(at) === 0 && view.getUint32(at + 4) === 0 ? 0n : view.getBigUint64(at);
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
    const copy = new Uint8Array(length); // slice() of a Buffer would share its memory
    copy.set(this.bytes.subarray(at, at + length));
    return copy;
  }
  rest(): Uint8Array {
    return this.copy(this.remaining);
  }
  /** The same where it lies: it shares its memory with all that came with it. */
  restInPlace(): Uint8Array {
    const length = this.remaining;
    return new Uint8Array(this.bytes.buffer, this.bytes.byteOffset + this.take(length), length);
  }
  /** A reader of the next `length` bytes, which this one steps over. */
  sub(length: number): Reader {
    const at = this.take(length);
    return new Reader(this.bytes, this.version, at, at + length, this.view, this.depth);
  }
  /** As sub(), for what may hold its like again. */
  nested(length: number): Reader {
    if (this.depth >= maxDepth) throw new WireError(`nested more than ${maxDepth} deep`, this.at);
    const at = this.take(length);
    return new Reader(this.bytes, this.version, at, at + length, this.view, this.depth + 1);
  }
  /** Steps over all that is left. */
  pass(): void {
    this.at = this.end;
  }
  /** A number that equal remaining bytes have in common. */
  fingerprint(): number {
    let hash = this.remaining;
    for (let i = this.at; i < this.end; i++) hash = (Math.imul(hash, 31) + (this.bytes[i] ?? 0)) | 0;
    return hash >>> 0;
  }
  /** Whether these are the bytes that are left. */
  hasLeft(bytes: Uint8Array): boolean {
    const { at, end } = this;
    if (bytes.length !== end - at) return false;
    for (let i = at; i < end; i++) if (this.bytes[i] !== bytes[i - at]) return false;
    return true;
  }
  /** Another reader of what is left; this one stays where it is. */
  fork(): Reader {
    return new Reader(this.bytes, this.version, this.at, this.end, this.view, this.depth);
  }
  /** A reader of other bytes, in the same version and as deep. */
  over(bytes: Uint8Array): Reader {
    return new Reader(bytes, this.version, 0, bytes.length, undefined, this.depth);
  }
  /** The bytes from `offset` up to here. */
  since(offset: number): Uint8Array {
    const copy = new Uint8Array(this.at - offset);
    copy.set(this.bytes.subarray(offset, this.at));
    return copy;
  }
  /** An unsigned big-endian number of `length` bytes. */
  number(length: number): bigint {
    const at = this.take(length);
    const { view } = this;
    if (length === 4) return BigInt(view.getUint32(at));
    if (length === 2) return BigInt(view.getUint16(at));
    if (length === 6) return BigInt(view.getUint16(at) * 2 ** 32 + view.getUint32(at + 2));
    if (length === 8) return view.getBigUint64(at);
    if (length === 16) return (view.getBigUint64(at) << 64n) | view.getBigUint64(at + 8);
    let value = 0n;
    for (let i = 0; i < length; i++) value = (value << 8n) | BigInt(view.getUint8(at + i));
    return value;
  }
}

function fits(does: boolean, value: number | bigint, length: number): void {
  if (!does) throw new RangeError(`${value} is not an unsigned number of ${length} bytes`);
}

/** The first number that does not fit into so many bytes. */
const limits = [1, 2 ** 8, 2 ** 16, 2 ** 24, 2 ** 32, 2 ** 40, 2 ** 48];

/** Grows as needed. RangeError for a number that does not fit its field. */
export class Writer {
  /** Which layouts hold. */
  version: Version;
  private bytes = new Uint8Array(256);
  private view = new DataView(this.bytes.buffer);
  private at = 0;

  constructor(version: Version) {
    this.version = version;
  }

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
    const { bytes } = this;
    for (let i = at; i < at + length; i++) bytes[i] = 0; // nearly always a few: quicker than fill()
  }
  raw(bytes: Uint8Array): void {
    const at = this.room(bytes.length);
    this.bytes.set(bytes, at);
  }
  /** An unsigned big-endian number of `length` bytes. */
  number(value: bigint, length: number): void {
    if (length <= 6) {
      const small = Number(value);
      fits(small >= 0 && small < (limits[length] ?? 0), value, length);
      const at = this.room(length);
      if (length === 4) this.view.setUint32(at, small);
      else if (length === 2) this.view.setUint16(at, small);
      else if (length === 6) {
        this.view.setUint16(at, Math.floor(small / 2 ** 32));
        this.view.setUint32(at + 2, small >>> 0);
      } else for (let i = length - 1, rest = small; i >= 0; i--, rest = Math.floor(rest / 256)) this.view.setUint8(at + i, rest & 0xff);
      return;
    }
    fits(BigInt.asUintN(length * 8, value) === value, value, length);
    const at = this.room(length);
    if (length === 8) return this.view.setBigUint64(at, value);
    for (let i = length - 1, rest = value; i >= 0; i--, rest >>= 8n) this.bytes[at + i] = Number(rest & 0xffn);
  }
  /** Overwrites a 16-bit number written before: a length that is known only now. */
  patchU16(at: number, value: number): void {
    this.patch(at, value, 2);
  }
  /** Overwrites a number of `length` (1, 2 or 4) bytes written before. */
  patch(at: number, value: number, length: number): void {
    fits(value < (limits[length] ?? 0), value, length);
    if (length === 1) this.view.setUint8(at, value);
    else if (length === 2) this.view.setUint16(at, value);
    else this.view.setUint32(at, value);
  }
  /** Zeros up to a multiple of 8 counted from `start`. */
  align8(start: number): void {
    this.zeros((8 - ((this.at - start) % 8)) % 8);
  }
  /** Another one of the same version. */
  fresh(): Writer {
    return new Writer(this.version);
  }
  /** What was written, in memory of its own. */
  done(): Uint8Array {
    return this.bytes.slice(0, this.at);
  }
  /** What was written, in memory that the next write after reset() overwrites. */
  peek(): Uint8Array {
    return this.bytes.subarray(0, this.at);
  }
  /** Takes back what was written from `length` on. */
  reset(length = 0): void {
    this.at = length;
  }
}
