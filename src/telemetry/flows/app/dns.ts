/** A DNS message (RFC 1035, 4.1) as far as it was captured: its question, and the addresses it answers with. Pure. */
import { ipv4Text, ipv6Text } from "sflow-collector";

export interface DnsSeen {
  readonly isResponse: boolean;
  /** Lower case, without the last dot; "" where there is no question, or it lies beyond what was captured. */
  readonly question: string;
  /** IPv4 and IPv6 addresses among the answers that were captured. */
  readonly addresses: readonly string[];
}

const u16 = (bytes: Uint8Array, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
const [maxQuestions, maxRecords] = [4, 64];
const maxJumps = 16;

/** A name at `at`, and where it ends; undefined where it is none or goes beyond the end. */
function nameAt(bytes: Uint8Array, start: number): { readonly name: string; readonly end: number } | undefined {
  const labels: string[] = [];
  let [at, end, jumps, length] = [start, -1, 0, 0];
  for (;;) {
    const size = bytes[at];
    if (size === undefined) return undefined;
    if (size === 0) return { name: labels.join(".").toLowerCase(), end: end < 0 ? at + 1 : end };
    if (size >= 0xc0) {
      if (at + 1 >= bytes.length || ++jumps > maxJumps) return undefined;
      if (end < 0) end = at + 2;
      at = u16(bytes, at) & 0x3fff;
      continue;
    }
    length += size + 1;
    if (size > 63 || length > 255 || at + 1 + size > bytes.length) return undefined;
    labels.push(Buffer.from(bytes.subarray(at + 1, at + 1 + size)).toString("latin1").replace(/[^\x21-\x7e]/g, "?"));
    at += 1 + size;
  }
}

/** Undefined where the header can't be that of a message. */
export function readDns(bytes: Uint8Array): DnsSeen | undefined {
  if (bytes.length < 12) return undefined;
  const flags = u16(bytes, 2);
  const [questions, answers, authorities, additional] = [u16(bytes, 4), u16(bytes, 6), u16(bytes, 8), u16(bytes, 10)];
  const opcode = (flags >>> 11) & 15;
  const isResponse = (flags & 0x8000) !== 0;
  // The bit that must be 0; kinds of messages there are; counts that make sense.
  if ((flags & 0x0040) !== 0 || (opcode > 2 && opcode !== 4 && opcode !== 5) || questions > maxQuestions || questions + answers === 0) return undefined;
  if (answers > 1_000 || authorities > 1_000 || additional > 1_000 || (!isResponse && opcode === 0 && answers > 0 && questions > 0 && (flags & 0x000f) !== 0)) return undefined;
  let at = 12;
  let question = "";
  for (let i = 0; i < questions; i++) {
    const found = nameAt(bytes, at);
    // The name was cut off: the header alone is not enough to say.
    if (found === undefined || found.end + 4 > bytes.length) return bytes.length < 64 ? undefined : { isResponse, question, addresses: [] };
    const kind = u16(bytes, found.end + 2) & 0x7fff;
    if (kind !== 1 && kind !== 3 && kind !== 255) return undefined;
    if (i === 0) question = found.name;
    at = found.end + 4;
  }
  return { isResponse, question, addresses: isResponse ? addressesAt(bytes, at, Math.min(answers, maxRecords)) : [] };
}

function addressesAt(bytes: Uint8Array, start: number, records: number): string[] {
  const addresses: string[] = [];
  let at = start;
  for (let i = 0; i < records; i++) {
    const found = nameAt(bytes, at);
    if (found === undefined || found.end + 10 > bytes.length) break;
    const [type, size] = [u16(bytes, found.end), u16(bytes, found.end + 8)];
    const body = found.end + 10;
    if (body + size > bytes.length) break;
    if (type === 1 && size === 4) addresses.push(ipv4Text(bytes, body));
    else if (type === 28 && size === 16) addresses.push(ipv6Text(bytes, body));
    at = body + size;
  }
  return addresses;
}
