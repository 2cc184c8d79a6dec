/** DNS answers: RFC 1035. Names with compression pointers, which may only point back and only so often. */
import { ipv4Text, ipv6Text } from "sflow-collector";
import { printable, Reader } from "./reader.js";

export interface DnsRecord {
  readonly name: string;
  /** 1 A, 5 CNAME, 12 PTR, 28 AAAA; others are left out. */
  readonly type: "A" | "AAAA" | "CNAME" | "PTR";
  readonly ttlS: number;
  /** An address, or a name. */
  readonly value: string;
}

export interface DnsMessage {
  readonly id: number;
  readonly isResponse: boolean;
  /** RCODE; 0 is success. */
  readonly rcode: number;
  readonly questions: readonly { readonly name: string; readonly type: number }[];
  readonly answers: readonly DnsRecord[];
}

const maxRecords = 256;
const maxPointers = 32;
/** RFC 1035 section 2.3.4. */
const maxName = 255;

/** Reads a message: questions and the answer section. Throws DecodeError. */
export function readDns(bytes: Uint8Array): DnsMessage {
  const from = new Reader("dns", bytes);
  const id = from.u16();
  const flags = from.u16();
  const questionCount = from.u16();
  const answerCount = from.u16();
  from.skip(4);
  if (questionCount > maxRecords || answerCount > maxRecords) throw from.error("count", `${questionCount} questions, ${answerCount} answers`, 4);
  const questions = Array.from({ length: questionCount }, () => {
    const name = readName(from);
    const type = from.u16();
    from.skip(2);
    return { name, type };
  });
  const answers: DnsRecord[] = [];
  for (let i = 0; i < answerCount; i++) {
    const record = readRecord(from);
    if (record !== undefined) answers.push(record);
  }
  return { id, isResponse: (flags & 0x8000) !== 0, rcode: flags & 0xf, questions, answers };
}

function readRecord(from: Reader): DnsRecord | undefined {
  const name = readName(from);
  const type = from.u16();
  const kind = from.u16();
  const ttlS = from.u32() & 0x7fffffff;
  const length = from.u16();
  const value = from.sub(length);
  if ((kind & 0x7fff) !== 1) return undefined; // the upper bit is multicast DNS's "flush"
  if (type === 1 && length === 4) return { name, type: "A", ttlS, value: ipv4Text(value.view8(4), 0) };
  if (type === 28 && length === 16) return { name, type: "AAAA", ttlS, value: ipv6Text(value.view8(16), 0) };
  if (type === 5) return { name, type: "CNAME", ttlS, value: readName(value) };
  if (type === 12) return { name, type: "PTR", ttlS, value: readName(value) };
  return undefined;
}

/** A name, "." for the root, without a dot at its end. Pointers lead anywhere before them in the message. */
function readName(from: Reader): string {
  const labels: string[] = [];
  let length = 0;
  let reader = from;
  for (let pointers = 0; ; ) {
    const at = reader.offset;
    const size = reader.u8();
    if (size === 0) return labels.length === 0 ? "." : labels.join(".");
    if (size >= 0xc0) {
      const target = ((size & 0x3f) << 8) | reader.u8();
      // Only back, and only so often: whatever the bytes say, it ends.
      if (target >= at || ++pointers > maxPointers) throw from.error("value", `compression pointer to ${target}`, at);
      reader = new Reader("dns", from.bytes, target);
      continue;
    }
    if (size > 63) throw from.error("value", `label type ${size >> 6}`, at);
    length += size + 1;
    if (length > maxName) throw from.error("length", `a name of more than ${maxName} bytes`, at);
    labels.push(printable(reader.view8(size)).replaceAll(".", "\\."));
  }
}
