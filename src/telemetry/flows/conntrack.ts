/**
 * What connection tracking knows, as `ovs-appctl dpctl/dump-conntrack -s` writes it (ovs-dpctl(8); formatted by ct_dpif_format_entry):
 * one connection a line, `tcp,orig=(src=…,dst=…,sport=…,dport=…),reply=(…),zone=5,mark=7,protoinfo=(state=ESTABLISHED)`. Pure.
 */
import { flowKeyOf, protocolNames, type Directed, type FlowEnd } from "./tuple.js";

export interface TrackedTuple {
  readonly from: FlowEnd;
  readonly to: FlowEnd;
  /** Where the datapath counts them (the userspace datapath of Open vSwitch 3.1 does not). */
  readonly packets: number | undefined;
  readonly bytes: number | undefined;
}

export interface TrackedConnection {
  readonly protocol: number;
  readonly original: TrackedTuple;
  /** As the answer comes back: other ends than the original's, turned round, where addresses are translated. */
  readonly reply: TrackedTuple;
  readonly zone: number;
  readonly mark: number;
  /** "0x…"; "0x0" where there is none. */
  readonly labels: string;
  /** The tracker's own word: TCP's state ("ESTABLISHED"), else what the status bits say ("SEEN_REPLY|CONFIRMED"), else "". */
  readonly state: string;
  readonly isTranslated: boolean;
}

export interface ConntrackDump {
  readonly connections: readonly TrackedConnection[];
  /** Lines that could not be read, and the first of them. */
  readonly malformed: number;
  readonly firstMalformed: string | undefined;
}

const numbers = new Map(Object.entries(protocolNames).map(([number, name]) => [name, Number(number)]));

/** Fields of "a=1,b=(c=2,d=3)", one level deep; a word without "=" has an empty value. */
function fieldsOf(text: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const [, name = "", group, plain] of text.matchAll(/([A-Za-z_0-9-]+)(?:=(?:\(([^()]*(?:\([^()]*\)[^()]*)*)\)|([^,()]*)))?/g)) fields.set(name, group ?? plain ?? "");
  return fields;
}

function tupleOf(text: string | undefined): TrackedTuple | undefined {
  if (text === undefined) return undefined;
  const fields = fieldsOf(text);
  const [src, dst] = [fields.get("src"), fields.get("dst")];
  if (src === undefined || dst === undefined || src === "" || dst === "") return undefined;
  const number = (name: string): number | undefined => {
    const value = fields.get(name);
    return value === undefined || !/^\d+$/.test(value) ? undefined : Number(value);
  };
  return { from: { address: src, port: number("sport") ?? 0 }, to: { address: dst, port: number("dport") ?? 0 }, packets: number("packets"), bytes: number("bytes") };
}

/** The userspace datapath tells no status and writes 0. */
const statusOf = (status = ""): string => (status === "0" ? "" : status);

/** One line; undefined when it is none of a connection. */
export function parseTracked(line: string): TrackedConnection | undefined {
  const name = /^[^,=]+/.exec(line)?.[0] ?? "";
  const protocol = numbers.get(name) ?? (/^\d+$/.test(name) ? Number(name) : undefined);
  const fields = fieldsOf(line.slice(name.length));
  const [original, reply] = [tupleOf(fields.get("orig")), tupleOf(fields.get("reply"))];
  if (protocol === undefined || original === undefined || reply === undefined) return undefined;
  const info = fieldsOf(fields.get("protoinfo") ?? "");
  const both = [info.get("state_orig"), info.get("state_reply")];
  const state = info.get("state") ?? (both[0] === undefined ? statusOf(fields.get("status")) : both[0] === both[1] ? both[0] : both.join("/"));
  const same = (x: FlowEnd, y: FlowEnd): boolean => x.address === y.address && x.port === y.port;
  const number = (text: string | undefined): number => (text === undefined || !/^(0x[0-9a-f]+|\d+)$/i.test(text) ? 0 : Number(text));
  return {
    protocol,
    original,
    reply,
    zone: number(fields.get("zone")),
    mark: number(fields.get("mark")),
    labels: fields.get("labels") ?? "0x0",
    state,
    isTranslated: !(same(original.from, reply.to) && same(original.to, reply.from)),
  };
}

/** A whole dump. A line that can't be read costs only itself. */
export function parseConntrack(text: string): ConntrackDump {
  const connections: TrackedConnection[] = [];
  let malformed = 0;
  let firstMalformed: string | undefined;
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue;
    const one = parseTracked(line.trim());
    if (one !== undefined) connections.push(one);
    else {
      malformed++;
      firstMalformed ??= line.slice(0, 200);
    }
  }
  return { connections, malformed, firstMalformed };
}

/** The flows whose packets a connection's are: one, or two where addresses are translated; `isReply`: of packets of direction 0. */
export function flowsOfTracked({ protocol, original, reply }: TrackedConnection): readonly (Directed & { readonly isReply: boolean })[] {
  const one = flowKeyOf(protocol, original.from, original.to);
  const other = flowKeyOf(protocol, reply.from, reply.to);
  const first = { ...one, isReply: one.direction === 1 };
  return other.key === one.key ? [first] : [first, { ...other, isReply: other.direction === 0 }];
}
