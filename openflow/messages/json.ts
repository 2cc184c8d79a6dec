/**
 * Messages as JSON lines and back, byte for byte. Bytes are {"$hex":"…"}, 64-bit and wider numbers {"$int":"…"}. A message
 * that its fields do not say all of (padding that is not zero, a field under another of its numbers) also has `whole`, the
 * message in hex; encoding takes that.
 */
import { WireError } from "../wire/reader.js";
import type { Version } from "./flow.js";
import { decodeMessage, encodeMessage, type Body, type Message } from "./message.js";

export type LineErrorCode = "not-hex" | "malformed" | "not-json" | "not-encodable";

function failure(code: LineErrorCode, offset: number, message: string): string {
  return JSON.stringify({ error: { code, offset, message } });
}

const tagged = (_key: string, value: unknown): unknown => {
  if (typeof value === "bigint") return { $int: value.toString() };
  return value instanceof Uint8Array ? { $hex: Buffer.from(value).toString("hex") } : value;
};
const untagged = (_key: string, value: unknown): unknown => {
  if (typeof value !== "object" || value === null) return value;
  if ("$int" in value) return BigInt(String(value.$int));
  return "$hex" in value ? fromHex(String(value.$hex)) : value;
};

function fromHex(text: string): Uint8Array {
  if (!/^([0-9a-fA-F]{2})*$/.test(text)) throw new RangeError("an even number of hex digits expected");
  return Uint8Array.from(Buffer.from(text, "hex"));
}
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

function saysAll(message: Message, bytes: Uint8Array): boolean {
  const { version, xid, ...body } = message;
  try {
    return toHex(encodeMessage(version as Version, xid, body)) === toHex(bytes);
  } catch (error) {
    if (error instanceof RangeError) return false; // a hello of a version that is not there yet
    throw error;
  }
}

/** One message in hex to one line of JSON; a line that is none gives {"error":{code,offset,message}}. */
export function decodeLine(line: string): string {
  let bytes: Uint8Array;
  try {
    bytes = fromHex(line.trim());
  } catch (error) {
    return failure("not-hex", 0, (error as Error).message);
  }
  try {
    const message = decodeMessage(bytes);
    return JSON.stringify(saysAll(message, bytes) ? message : { ...message, whole: toHex(bytes) }, tagged);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return failure("malformed", error.offset, error.message);
  }
}

/** One line of JSON, as decodeLine gives it, to the message in hex; otherwise {"error":{code,offset,message}}. */
export function encodeLine(line: string): string {
  let message: unknown;
  try {
    message = JSON.parse(line, untagged);
  } catch (error) {
    return failure("not-json", 0, (error as Error).message);
  }
  try {
    const { version, xid, whole, ...body } = message as { version: Version; xid: number; whole?: string };
    if (typeof whole === "string") return toHex(fromHex(whole));
    return toHex(encodeMessage(version, xid, body as Body));
  } catch (error) {
    return failure("not-encodable", 0, (error as Error).message);
  }
}
