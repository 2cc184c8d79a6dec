/**
 * Cuts a byte stream into JSON values. RFC 7047 puts nothing between messages, so the end of a value is where its braces
 * close. Every byte is looked at once, whatever the chunks; a value is decoded and parsed when it is complete.
 */
import { OvsdbError } from "../errors.js";
import { parseJson } from "./json.js";
import { LargeValue } from "./large-value.js";

const quote = 0x22;
const backslash = 0x5c;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;

/** A value from this length on is parsed piece by piece as it comes. */
const largeBytes = 256 << 10;

export class JsonFraming {
  /** The length of the largest value the last push completed, in bytes. */
  largest = 0;
  private readonly maxBytes: number;
  private chunks: Uint8Array[] = [];
  private held = 0;
  private large: LargeValue | undefined;
  private depth = 0;
  private inString = false;
  private escaped = false;

  /** `maxBytes`: the largest value that is accepted. */
  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** Whether part of a value has come: bytes of it count as life, though no message is complete. */
  get isMidValue(): boolean {
    return this.depth > 0 || this.large !== undefined;
  }

  /** Takes the next bytes; returns the values they complete. Throws OvsdbError "protocol"; the stream is then lost. */
  push(chunk: Uint8Array): unknown[] {
    const values: unknown[] = [];
    this.largest = 0;
    let start = 0;
    if (this.large !== undefined) {
      start = this.feed(this.large, chunk, values);
      if (start < 0) return values;
    }
    let { depth, inString, escaped } = this; // read and written for every byte: twice as fast as members
    for (let i = start; i < chunk.length; i++) {
      const byte = chunk[i];
      if (inString) {
        if (escaped) escaped = false;
        else if (byte === backslash) escaped = true;
        else if (byte === quote) inString = false;
        continue;
      }
      if (byte === openBrace || byte === openBracket) {
        if (depth === 0) start = i;
        depth++;
      } else if (byte === closeBrace || byte === closeBracket) {
        if (depth === 0) throw new OvsdbError("protocol", "a value that was never opened is closed");
        depth--;
        if (depth > 0) continue;
        this.hold(i + 1 - start);
        this.chunks.push(chunk.subarray(start, i + 1));
        values.push(this.take());
        start = i + 1;
      } else if (depth > 0) inString = byte === quote;
      else if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) {
        throw new OvsdbError("protocol", `unexpected byte 0x${(byte ?? 0).toString(16)} between messages`);
      }
    }
    this.depth = depth;
    this.inString = inString;
    this.escaped = escaped;
    if (depth > 0 && start < chunk.length) {
      this.hold(chunk.length - start);
      this.chunks.push(chunk.subarray(start)); // sockets read into a buffer of its own each time
      if (this.held >= largeBytes) this.goLarge();
    }
    return values;
  }

  /** What has come so far of a value that is getting large; the rest goes there too. */
  private goLarge(): void {
    this.large = new LargeValue();
    this.depth = 0;
    this.inString = false;
    this.escaped = false;
    try {
      for (const chunk of this.chunks) this.large.feed(chunk);
    } catch (error) {
      throw notJson(error);
    }
    this.chunks = [];
  }

  /** The index behind the large value's end, or -1 when it goes on. */
  private feed(large: LargeValue, chunk: Uint8Array, values: unknown[]): number {
    let end: number;
    try {
      end = large.feed(chunk);
    } catch (error) {
      throw notJson(error);
    }
    this.hold(end < 0 ? chunk.length : end);
    if (end < 0) return end;
    this.largest = this.held;
    this.held = 0;
    this.large = undefined;
    values.push(large.value);
    return end;
  }

  private hold(bytes: number): void {
    this.held += bytes;
    if (this.held > this.maxBytes) throw new OvsdbError("protocol", `a message is longer than ${this.maxBytes} bytes`);
  }

  private take(): unknown {
    const text = Buffer.concat(this.chunks);
    this.largest = Math.max(this.largest, text.length);
    this.chunks = [];
    this.held = 0;
    try {
      return parseJson(text.toString("utf8"));
    } catch (error) {
      throw notJson(error);
    }
  }
}

const notJson = (error: unknown): OvsdbError => new OvsdbError("protocol", `a message is not JSON: ${(error as Error).message}`, {}, error);
