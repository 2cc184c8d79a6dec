/** Datagrams as JSON: 64-bit values as decimal strings, bytes as hex, sampled headers with their layers. */
import { decodeLeniently, type PartialDatagram } from "./datagram.js";
import { decodePacket } from "./packet/decode.js";

function shown(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("hex");
  return value;
}

/** The records of a sample, sampled headers taken apart into `layers`. */
function withLayers(sample: PartialDatagram["samples"][number]): unknown {
  if (sample.kind !== "flow" && sample.kind !== "discarded") return sample;
  return { ...sample, records: sample.records.map((record) => (record.kind === "sampledHeader" ? { ...record, ...decodePacket(record.header, record.protocol) } : record)) };
}

/**
 * One datagram as one line of JSON. Field names are the specification's in camelCase, every sample and record has its `format`.
 * What can't be read gives `{"error":{"code","offset","message"}}` beside the head and the samples before the fault.
 * `about` is put in front: where it came from, say. Never throws.
 */
export function datagramJson(bytes: Uint8Array, about: Readonly<Record<string, unknown>> = {}): string {
  // Not a Buffer: those have a JSON form of their own, which is asked for before `shown` is.
  const { error, samples, ...head } = decodeLeniently(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  const fault = error === undefined ? {} : { error: { code: error.code, offset: error.offset, message: error.message } };
  return JSON.stringify({ ...fault, ...about, ...head, samples: samples.map(withLayers) }, shown);
}

/** A line for input that is no datagram at all. */
export const faultJson = (code: string, offset: number, message: string, about: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify({ error: { code, offset, message }, ...about, samples: [] });

/** One datagram in hex, spaces and colons allowed, as one line of JSON. Never throws. */
export function hexLineJson(line: string): string {
  const digits = line.replace(/[\s:]/g, "");
  const fault = /[^0-9a-fA-F]/.exec(digits);
  if (fault !== null) return faultJson("hex", fault.index >>> 1, `not a hex digit: ${JSON.stringify(fault[0])}`);
  if (digits.length % 2 === 1) return faultJson("hex", digits.length >>> 1, "half a byte at the end");
  return datagramJson(Buffer.from(digits, "hex"));
}
