/** sFlow version 5 datagrams (sflow.org, "sFlow Version 5", July 2004). */
import { readRecords, type CounterRecord, type FlowRecord } from "./records.js";
import { Reader, WireError } from "./wire.js";

/** sFlow_data_source: 0 ifIndex, 1 smonVlanDataSource, 2 entPhysicalEntry (OVS uses 2 for a bridge's app and datapath counters). */
export interface DataSource {
  readonly class: number;
  readonly index: number;
}

/**
 * Where a sampled packet came in or went out. format 0: one interface, `value` its ifIndex; 1: discarded, `value` the reason;
 * 2: several interfaces, `value` how many.
 */
export interface Interface {
  readonly format: number;
  readonly value: number;
}

export interface FlowSample {
  readonly kind: "flow";
  readonly sequenceNumber: number;
  readonly dataSource: DataSource;
  /** One packet in this many was sampled. */
  readonly samplingRate: number;
  readonly samplePool: number;
  readonly drops: number;
  readonly input: Interface;
  readonly output: Interface;
  readonly records: readonly FlowRecord[];
}
export interface CounterSample {
  readonly kind: "counters";
  readonly sequenceNumber: number;
  readonly dataSource: DataSource;
  readonly records: readonly CounterRecord[];
}
export interface UnknownSample {
  readonly kind: "unknown";
  readonly format: number;
  readonly bytes: Uint8Array;
}
export type Sample = FlowSample | CounterSample | UnknownSample;

export interface Datagram {
  readonly agentAddress: string;
  readonly subAgentId: number;
  readonly sequenceNumber: number;
  readonly uptimeMs: number;
  readonly samples: readonly Sample[];
}

const version = 5;

function address(from: Reader): string {
  const type = from.u32();
  if (type === 1) return from.view8(4).join(".");
  if (type !== 2) throw new WireError("address", `address type ${type}`, from.offset - 4);
  const bytes = Buffer.from(from.view8(16));
  return Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16)).join(":");
}

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

function flowSample(from: Reader, isExpanded: boolean): FlowSample {
  return {
    kind: "flow",
    sequenceNumber: from.u32(),
    dataSource: dataSource(from, isExpanded),
    samplingRate: from.u32(),
    samplePool: from.u32(),
    drops: from.u32(),
    input: interface_(from, isExpanded),
    output: interface_(from, isExpanded),
    records: readRecords(from, from.u32(), "flow"),
  };
}

function counterSample(from: Reader, isExpanded: boolean): CounterSample {
  return {
    kind: "counters",
    sequenceNumber: from.u32(),
    dataSource: dataSource(from, isExpanded),
    records: readRecords(from, from.u32(), "counters"),
  };
}

function sample(from: Reader): Sample {
  const format = from.u32();
  const body = from.sub(from.u32());
  switch (format) {
    case 1:
      return flowSample(body, false);
    case 2:
      return counterSample(body, false);
    case 3:
      return flowSample(body, true);
    case 4:
      return counterSample(body, true);
    default:
      return { kind: "unknown", format, bytes: body.rest() };
  }
}

/** Decodes one UDP payload. Byte arrays in the result are views of `bytes`. Throws WireError, nothing else. */
export function decodeDatagram(bytes: Uint8Array): Datagram {
  const from = new Reader(bytes);
  const given = from.u32();
  if (given !== version) throw new WireError("version", `version ${given}, expected ${version}`, 0);
  const head = { agentAddress: address(from), subAgentId: from.u32(), sequenceNumber: from.u32(), uptimeMs: from.u32() };
  const count = from.u32();
  if (count * 8 > from.remaining) throw new WireError("count", `${count} samples in ${from.remaining} bytes`, from.offset);
  return { ...head, samples: Array.from({ length: count }, () => sample(from)) };
}
