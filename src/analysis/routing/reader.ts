/** Bounded big-endian reading for the routing protocols: what is asked for past the end is an error with its place. */
import { ipv4Text, ipv6Text, macText } from "sflow-collector";

/** The protocols whose bad input is counted apart. */
export type Protocol = "frame" | "ip" | "tcp" | "arp" | "nd" | "lldp" | "dhcp" | "dhcp6" | "dns" | "bgp" | "bmp" | "ospf" | "ospf3";

/**
 * What was wrong: `truncated` something needs more bytes than there are; `length` a length that can't be true; `value` a value
 * that has no meaning there; `count` more items than allowed; `checksum` bytes that were changed on their way.
 */
export type DecodeErrorCode = "truncated" | "length" | "value" | "count" | "checksum";

/** Bytes that can't be what they should be. `offset`: in bytes, from where the message of that protocol begins. */
export class DecodeError extends Error {
  override readonly name = "DecodeError";
  readonly protocol: Protocol;
  readonly code: DecodeErrorCode;
  readonly offset: number;
  constructor(protocol: Protocol, code: DecodeErrorCode, message: string, offset: number) {
    super(`${protocol}: ${message} (at byte ${offset})`);
    this.protocol = protocol;
    this.code = code;
    this.offset = offset;
  }
}

/** Reads from `start` to `end` of `bytes` and never beyond. Offsets count from the first byte of `bytes`. */
export class Reader {
  readonly protocol: Protocol;
  readonly bytes: Uint8Array;
  private readonly view: DataView;
  private at: number;
  readonly end: number;

  constructor(protocol: Protocol, bytes: Uint8Array, start = 0, end = bytes.length) {
    this.protocol = protocol;
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
    const { at } = this;
    if (length > this.end - at) throw this.error("truncated", `${length} bytes needed, ${this.end - at} left`);
    this.at = at + length;
    return at;
  }
  u8(): number {
    return this.view.getUint8(this.take(1));
  }
  u16(): number {
    return this.view.getUint16(this.take(2));
  }
  u24(): number {
    const at = this.take(3);
    return (this.view.getUint8(at) << 16) | this.view.getUint16(at + 1);
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
  skip(length: number): void {
    this.take(length);
  }
  /** A view, not a copy: valid as long as the message is. */
  view8(length: number): Uint8Array {
    const at = this.take(length);
    return this.bytes.subarray(at, at + length);
  }
  rest(): Uint8Array {
    return this.view8(this.remaining);
  }
  ipv4(): string {
    return ipv4Text(this.bytes, this.take(4));
  }
  /** As RFC 5952 writes it. */
  ipv6(): string {
    return ipv6Text(this.bytes, this.take(16));
  }
  mac(): string {
    return macText(this.bytes, this.take(6));
  }
  /** Text of `length` bytes: control characters are replaced, so that a frame can't write on somebody's terminal. */
  text(length: number): string {
    return printable(this.view8(length));
  }
  /** A reader of what is left, that does not move this one. */
  fork(): Reader {
    return new Reader(this.protocol, this.bytes, this.at, this.end);
  }
  /** A reader of the next `length` bytes. */
  sub(length: number): Reader {
    const at = this.take(length);
    return new Reader(this.protocol, this.bytes, at, at + length);
  }
  error(code: DecodeErrorCode, message: string, offset = this.at): DecodeError {
    return new DecodeError(this.protocol, code, message, offset);
  }
}

/** UTF-8 text with control characters as "�". */
export function printable(bytes: Uint8Array): string {
  return new TextDecoder("utf-8").decode(bytes).replace(/[\u0000-\u001f\u007f-\u009f]/gu, "\ufffd");
}

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");

/** The Internet checksum (RFC 1071) over parts; 0 when a checksum that is part of them is right. Every part but the last has even length. */
export function internetChecksum(...parts: readonly Uint8Array[]): number {
  let sum = 0;
  for (const part of parts) {
    for (let i = 0; i < part.length; i += 2) sum += ((part[i] ?? 0) << 8) | (part[i + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
