/**
 * A bounded ring of datagrams in shared memory: one thread writes, one reads, neither waits for the other. When it is full, what
 * comes is dropped and counted.
 *
 * A record: its whole length and the payload's (32 bits each), the time (64-bit float), the sender's port and the length of its
 * address (16 bits each), the address, then the payload; records begin at multiples of 8. A record does not wrap around: the rest
 * of the ring is left unused (length 0 says so).
 */

const recordHead = 20;
const align = (length: number): number => (length + 7) & ~7;

/** Words of the control block. Positions count bytes without end and are taken modulo the size; both go round at 2^32. */
const writePosition = 0;
const readPosition = 1;
/** 1 while the reader sleeps and wants to be woken. */
const sleeping = 2;
const controlBytes = 64;

/** What a reader is given; one object, moved along: valid until the callback returns. */
export interface RingDatagram {
  /** The ring's memory, always the same array: the datagram lies at `at`. */
  readonly bytes: Uint8Array;
  readonly at: number;
  readonly length: number;
  /** When it was received, ms since the epoch. */
  readonly receivedMs: number;
  readonly senderPort: number;
  senderAddress(): string;
}

class Slot implements RingDatagram {
  readonly bytes: Uint8Array;
  at = 0;
  length = 0;
  receivedMs = 0;
  senderPort = 0;
  addressAt = 0;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
  senderAddress(): string {
    return Buffer.from(this.bytes.subarray(this.addressAt, this.at)).toString("latin1");
  }
}

export class DatagramRing {
  readonly memory: SharedArrayBuffer;
  private readonly control: Int32Array;
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly size: number;
  private readonly slot: Slot;

  /** Memory for a ring of `size` bytes: a power of two, at least 128 KiB so that any datagram fits. */
  static allocate(size: number): SharedArrayBuffer {
    if (size < 1 << 17 || size > 1 << 30 || (size & (size - 1)) !== 0) throw new RangeError(`the ring must be a power of two from 2^17 to 2^30 bytes, got ${size}`);
    return new SharedArrayBuffer(controlBytes + size);
  }

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.size = memory.byteLength - controlBytes;
    this.control = new Int32Array(memory, 0, controlBytes / 4);
    this.bytes = new Uint8Array(memory, controlBytes);
    this.view = new DataView(memory, controlBytes);
    this.slot = new Slot(this.bytes);
  }

  /** Bytes that wait to be read. */
  get waiting(): number {
    return (Atomics.load(this.control, writePosition) - Atomics.load(this.control, readPosition)) >>> 0;
  }

  /** For the writer. False when there is no room: the datagram is dropped. */
  write(payload: Uint8Array, receivedMs: number, senderAddress: string, senderPort: number): boolean {
    const { view, bytes, size } = this;
    const start = Atomics.load(this.control, writePosition) >>> 0;
    const free = size - ((start - Atomics.load(this.control, readPosition)) >>> 0);
    const length = align(recordHead + senderAddress.length + payload.length);
    let at = start & (size - 1);
    let skipped = 0;
    if (at + length > size) {
      skipped = size - at;
      if (skipped + length > free) return false;
      view.setUint32(at, 0);
      at = 0;
    } else if (length > free) return false;
    view.setUint32(at, length);
    view.setUint32(at + 4, payload.length);
    view.setFloat64(at + 8, receivedMs);
    view.setUint16(at + 16, senderPort);
    view.setUint16(at + 18, senderAddress.length);
    const addressAt = at + recordHead;
    for (let i = 0; i < senderAddress.length; i++) bytes[addressAt + i] = senderAddress.charCodeAt(i);
    bytes.set(payload, addressAt + senderAddress.length);
    Atomics.store(this.control, writePosition, (start + skipped + length) | 0);
    return true;
  }

  /** For the writer: true, once, when the reader sleeps and must be woken. */
  mustWake(): boolean {
    return Atomics.compareExchange(this.control, sleeping, 1, 0) === 1;
  }

  /** For the reader: gives up to `max` datagrams to `take`, and returns how many. Their memory is free when `take` returns, also when it throws. */
  read(max: number, take: (datagram: RingDatagram) => void): number {
    const { view, size, slot } = this;
    let count = 0;
    let position = Atomics.load(this.control, readPosition) >>> 0;
    while (count < max && position !== Atomics.load(this.control, writePosition) >>> 0) {
      let at = position & (size - 1);
      let length = view.getUint32(at);
      if (length === 0) {
        position = (position + size - at) >>> 0;
        at = 0;
        length = view.getUint32(0);
      }
      const addressLength = view.getUint16(at + 18);
      slot.length = view.getUint32(at + 4);
      slot.receivedMs = view.getFloat64(at + 8);
      slot.senderPort = view.getUint16(at + 16);
      slot.addressAt = at + recordHead;
      slot.at = slot.addressAt + addressLength;
      count++;
      position = (position + length) >>> 0;
      try {
        take(slot);
      } finally {
        Atomics.store(this.control, readPosition, position | 0);
      }
    }
    return count;
  }

  /** For the reader: true when it may sleep until woken, false when there is something to read after all. */
  sleep(): boolean {
    Atomics.store(this.control, sleeping, 1);
    if (this.waiting === 0) return true;
    // Something came meanwhile. If the writer has already seen the flag, its wake comes for nothing, which does no harm.
    Atomics.store(this.control, sleeping, 0);
    return false;
  }
}
