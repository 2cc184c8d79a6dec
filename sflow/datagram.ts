/** sFlow version 5 datagrams (sflow.org, "sFlow Version 5", July 2004). */
import { formatText, readRecords, type CounterRecord, type FlowRecord } from "./records.js";
import { Reader, WireError } from "./wire.js";

/** sFlow_data_source: 0 ifIndex, 1 smonVlanDataSource, 2 entPhysicalEntry (OVS uses 2 for a bridge), 3 entLogicalEntry. */
export interface DataSource {
  readonly class: number;
  readonly index: number;
}

/**
 * Where a sampled packet came in or went out. format 0: one interface, `value` its ifIndex (0 unknown, 0x3fffffff the device
 * itself); 1: discarded, `value` the reason; 2: several interfaces, `value` how many (0 unknown). `describeInterface` puts it into words.
 */
export interface Interface {
  readonly format: number;
  readonly value: number;
}

/** flow_sample and flow_sample_expanded. */
export interface FlowSample {
  readonly format: "0:1" | "0:3";
  readonly kind: "flow";
  /** Counts the samples of its data source. */
  readonly sequenceNumber: number;
  readonly dataSource: DataSource;
  /** One packet in this many was sampled. */
  readonly samplingRate: number;
  /** Packets that could have been sampled, since the agent started. Goes round at 2^32. */
  readonly samplePool: number;
  /** Samples the agent could not take for want of resources, since it started. */
  readonly drops: number;
  readonly input: Interface;
  readonly output: Interface;
  readonly records: readonly FlowRecord[];
}
/** counters_sample and counters_sample_expanded. */
export interface CounterSample {
  readonly format: "0:2" | "0:4";
  readonly kind: "counters";
  readonly sequenceNumber: number;
  readonly dataSource: DataSource;
  readonly records: readonly CounterRecord[];
}
/** discarded_packet (sFlow Dropped Packet Notification Structures). */
export interface DiscardedPacket {
  readonly format: "0:5";
  readonly kind: "discarded";
  readonly sequenceNumber: number;
  readonly dataSource: DataSource;
  readonly drops: number;
  /** ifIndex, 0 where unknown. */
  readonly inputifindex: number;
  readonly outputifindex: number;
  readonly reason: number;
  readonly records: readonly FlowRecord[];
}
export interface UnknownSample {
  readonly format: string;
  readonly kind: "unknown";
  readonly bytes: Uint8Array;
}
export type Sample = FlowSample | CounterSample | DiscardedPacket | UnknownSample;

export interface Datagram {
  /** As text, IPv6 by RFC 5952; "unknown" when the agent did not know its own. */
  readonly agentAddress: string;
  readonly subAgentId: number;
  /** Counts the datagrams of this sub-agent; goes round at 2^32. */
  readonly sequenceNumber: number;
  /** Milliseconds since the agent started; goes round every 49.7 days. */
  readonly uptime: number;
  readonly samples: readonly Sample[];
}

const version = 5;
/** Format and length come before every sample. */
const sampleHeader = 8;

function dataSource(from: Reader, isExpanded: boolean): DataSource {
  if (isExpanded) return { class: from.u32(), index: from.u32() };
  const packed = from.u32();
  return { class: packed >>> 24, index: packed & 0xffffff };
}

function interface_(from: Reader, isExpanded: boolean): Interface {
  if (isExpanded) return { format: from.u32(), value: from.u32() };
  const packed = from.u32();
  return { format: packed >>> 30, value: packed & 0x3fffffff };
}

function flowSample(from: Reader, format: FlowSample["format"]): FlowSample {
  const isExpanded = format === "0:3";
  return {
    format,
    kind: "flow",
    sequenceNumber: from.u32(),
    dataSource: dataSource(from, isExpanded),
    samplingRate: from.u32(),
    samplePool: from.u32(),
    drops: from.u32(),
    input: interface_(from, isExpanded),
    output: interface_(from, isExpanded),
    records: readRecords(from, "flow"),
  };
}

function counterSample(from: Reader, format: CounterSample["format"]): CounterSample {
  return { format, kind: "counters", sequenceNumber: from.u32(), dataSource: dataSource(from, format === "0:4"), records: readRecords(from, "counters") };
}

function discardedPacket(from: Reader): DiscardedPacket {
  return {
    format: "0:5",
    kind: "discarded",
    sequenceNumber: from.u32(),
    dataSource: dataSource(from, true),
    drops: from.u32(),
    inputifindex: from.u32(),
    outputifindex: from.u32(),
    reason: from.u32(),
    records: readRecords(from, "flow"),
  };
}

function sample(from: Reader): Sample {
  const format = from.u32();
  const body = from.sub(from.u32());
  switch (format) {
    case 1:
      return flowSample(body, "0:1");
    case 2:
      return counterSample(body, "0:2");
    case 3:
      return flowSample(body, "0:3");
    case 4:
      return counterSample(body, "0:4");
    case 5:
      return discardedPacket(body);
    default:
      return { format: formatText(format), kind: "unknown", bytes: body.rest() };
  }
}

/** What could be read of a datagram: all of it, or what comes before the fault. */
export interface PartialDatagram extends Partial<Omit<Datagram, "samples">> {
  readonly samples: readonly Sample[];
  readonly error?: WireError;
}

/** Decodes one UDP payload as far as it goes: a fault is in `error`, with the head and the samples before it. Never throws. */
export function decodeLeniently(bytes: Uint8Array): PartialDatagram {
  const samples: Sample[] = [];
  let head = {};
  try {
    const from = new Reader(bytes);
    const given = from.u32();
    if (given !== version) throw new WireError("version", `version ${given}, expected ${version}`, 0);
    head = { agentAddress: from.address(), subAgentId: from.u32(), sequenceNumber: from.u32(), uptime: from.u32() };
    const count = from.count(sampleHeader);
    for (let i = 0; i < count; i++) samples.push(sample(from));
    return { ...head, samples };
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return { ...head, samples, error };
  }
}

/** Decodes one UDP payload. Byte arrays in the result are views of `bytes`. Throws WireError, nothing else. */
export function decodeDatagram(bytes: Uint8Array): Datagram {
  const { error, ...datagram } = decodeLeniently(bytes);
  if (error !== undefined) throw error;
  return datagram as Datagram;
}
