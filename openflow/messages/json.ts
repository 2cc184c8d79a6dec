/**
 * Messages as JSON lines and back, byte for byte. Bytes are hex, numbers of 64 bits and more decimal text. What a message holds
 * that its fields do not say (padding that is not zero, a bucket's properties in another order) stands in `patch`, a list of
 * [offset, hex], or where lengths differ in `whole`, the message in hex; encoding takes that.
 */
import { WireError, type Version } from "../wire/reader.js";
import { fromHex } from "../wire/struct.js";
import { switchError } from "./errors.js";
import { decodeMessage, encodeMessage, type Body, type Message } from "./message.js";

export type LineErrorCode = "not-hex" | "malformed" | "not-json" | "not-encodable";

function failure(code: LineErrorCode, offset: number, message: string): string {
  return JSON.stringify({ error: { code, offset, message } });
}

const plain = (_key: string, value: unknown): unknown => {
  if (typeof value === "bigint") return value.toString();
  return value instanceof Uint8Array ? toHex(value) : value;
};
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");

type Patch = readonly (readonly [offset: number, hex: string])[];

/** What of `bytes` the message alone would not give back. */
function leftOut(message: Message, bytes: Uint8Array): { readonly patch?: Patch; readonly whole?: string } {
  const { version, xid, ...body } = message;
  let again: Uint8Array;
  try {
    again = encodeMessage(version as Version, xid, body);
  } catch (error) {
    if (error instanceof RangeError) return { whole: toHex(bytes) }; // a hello of a version that is not there yet
    throw error;
  }
  if (again.length !== bytes.length) return { whole: toHex(bytes) };
  const patch: [number, string][] = [];
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] === again[i]) continue;
    const last = patch.at(-1);
    const hex = (bytes[i] ?? 0).toString(16).padStart(2, "0");
    if (last !== undefined && last[0] + last[1].length / 2 === i) last[1] += hex;
    else patch.push([i, hex]);
  }
  return patch.length === 0 ? {} : { patch };
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
    const name = message.type === "error" ? { name: switchError(message.errorType, message.code, message.data, message.version as Version).name } : {};
    return JSON.stringify({ ...message, ...name, ...leftOut(message, bytes) }, plain);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return failure("malformed", error.offset, error.message);
  }
}

/** One line of JSON, as decodeLine gives it, to the message in hex; otherwise {"error":{code,offset,message}}. */
export function encodeLine(line: string): string {
  let message: unknown;
  try {
    message = JSON.parse(line);
  } catch (error) {
    return failure("not-json", 0, (error as Error).message);
  }
  try {
    const { version, xid, whole, patch, ...body } = message as { version: Version; xid: number; whole?: string; patch?: Patch };
    if (typeof whole === "string") return toHex(fromHex(whole));
    const bytes = encodeMessage(version, xid, body as Body);
    for (const [offset, hex] of patch ?? []) bytes.set(fromHex(hex), offset);
    return toHex(bytes);
  } catch (error) {
    return failure("not-encodable", 0, (error as Error).message);
  }
}
