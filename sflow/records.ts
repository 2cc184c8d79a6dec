/** Records of flow and counter samples: the standard ones and those of Open vSwitch; others keep their bytes. */
import { Reader, WireError } from "./wire.js";

export interface UnknownRecord {
  readonly kind: "unknown";
  readonly format: number;
  readonly bytes: Uint8Array;
}

export type FlowRecord =
  | {
      /** sampled_header. */
      readonly kind: "rawHeader";
      /** header_protocol: 1 is Ethernet. */
      readonly protocol: number;
      /** Bytes on the wire before sampling cut it, those in `stripped` counted in: `frameLength - stripped` is what a capture shows. */
      readonly frameLength: number;
      /** Bytes taken off before the header was taken; Open vSwitch gives 4, the frame check sequence. */
      readonly stripped: number;
      readonly header: Uint8Array;
    }
  | { readonly kind: "extendedSwitch"; readonly srcVlan: number; readonly srcPriority: number; readonly dstVlan: number; readonly dstPriority: number }
  | UnknownRecord;

export type CounterRecord =
  | {
      /** if_counters (RFC 2863). */
      readonly kind: "genericInterface";
      readonly ifIndex: number;
      readonly ifSpeed: bigint;
      readonly ifInOctets: bigint;
      readonly ifInUcastPkts: number;
      readonly ifInDiscards: number;
      readonly ifInErrors: number;
      readonly ifOutOctets: bigint;
      readonly ifOutUcastPkts: number;
      readonly ifOutDiscards: number;
      readonly ifOutErrors: number;
    }
  | {
      /** ethernet_counters (RFC 2665). Open vSwitch fills in a few; 0xffffffff is "not known". */
      readonly kind: "ethernet";
      readonly alignmentErrors: number;
      readonly fcsErrors: number;
      readonly singleCollisionFrames: number;
      readonly multipleCollisionFrames: number;
      readonly sqeTestErrors: number;
      readonly deferredTransmissions: number;
      readonly lateCollisions: number;
      readonly excessiveCollisions: number;
      readonly internalMacTransmitErrors: number;
      readonly carrierSenseErrors: number;
      readonly frameTooLongs: number;
      readonly internalMacReceiveErrors: number;
      readonly symbolErrors: number;
    }
  | {
      /** app_resources: of the agent's process. Times in ms, memory in bytes. */
      readonly kind: "appResources";
      readonly userTimeMs: number;
      readonly systemTimeMs: number;
      readonly memUsed: bigint;
      readonly memMax: bigint;
      readonly fdOpen: number;
      readonly fdMax: number;
      readonly connOpen: number;
      readonly connMax: number;
    }
  /** of_port: which bridge and OpenFlow port an ifIndex is. */
  | { readonly kind: "openflowPort"; readonly datapathId: bigint; readonly portNo: number }
  | { readonly kind: "portName"; readonly name: string }
  /** ovs_dp_stats. */
  | { readonly kind: "ovsDatapath"; readonly hits: number; readonly misses: number; readonly lost: number; readonly maskHits: number; readonly flows: number; readonly masks: number }
  | UnknownRecord;

const flowRecords: Readonly<Record<number, (from: Reader) => FlowRecord>> = {
  1: (from) => {
    const protocol = from.u32();
    const frameLength = from.u32();
    const stripped = from.u32();
    return { kind: "rawHeader", protocol, frameLength, stripped, header: from.opaque(from.u32()) };
  },
  1001: (from) => ({ kind: "extendedSwitch", srcVlan: from.u32(), srcPriority: from.u32(), dstVlan: from.u32(), dstPriority: from.u32() }),
};

const counterRecords: Readonly<Record<number, (from: Reader) => CounterRecord>> = {
  1: (from) => {
    const ifIndex = from.u32();
    from.skip(4); // ifType
    const ifSpeed = from.u64();
    from.skip(8); // ifDirection, ifStatus
    const ifInOctets = from.u64();
    const ifInUcastPkts = from.u32();
    from.skip(8); // multicast, broadcast
    const ifInDiscards = from.u32();
    const ifInErrors = from.u32();
    from.skip(4); // unknown protocols
    const ifOutOctets = from.u64();
    const ifOutUcastPkts = from.u32();
    from.skip(8);
    const ifOutDiscards = from.u32();
    const ifOutErrors = from.u32();
    from.skip(4); // promiscuous mode
    return { kind: "genericInterface", ifIndex, ifSpeed, ifInOctets, ifInUcastPkts, ifInDiscards, ifInErrors, ifOutOctets, ifOutUcastPkts, ifOutDiscards, ifOutErrors };
  },
  2: (from) => ({
    kind: "ethernet",
    alignmentErrors: from.u32(),
    fcsErrors: from.u32(),
    singleCollisionFrames: from.u32(),
    multipleCollisionFrames: from.u32(),
    sqeTestErrors: from.u32(),
    deferredTransmissions: from.u32(),
    lateCollisions: from.u32(),
    excessiveCollisions: from.u32(),
    internalMacTransmitErrors: from.u32(),
    carrierSenseErrors: from.u32(),
    frameTooLongs: from.u32(),
    internalMacReceiveErrors: from.u32(),
    symbolErrors: from.u32(),
  }),
  1004: (from) => ({ kind: "openflowPort", datapathId: from.u64(), portNo: from.u32() }),
  1005: (from) => ({ kind: "portName", name: Buffer.from(from.opaque(from.u32())).toString("utf8") }),
  2203: (from) => ({
    kind: "appResources",
    userTimeMs: from.u32(),
    systemTimeMs: from.u32(),
    memUsed: from.u64(),
    memMax: from.u64(),
    fdOpen: from.u32(),
    fdMax: from.u32(),
    connOpen: from.u32(),
    connMax: from.u32(),
  }),
  2207: (from) => ({ kind: "ovsDatapath", hits: from.u32(), misses: from.u32(), lost: from.u32(), maskHits: from.u32(), flows: from.u32(), masks: from.u32() }),
};

/** Reads `count` length-prefixed records. Throws WireError, nothing else. */
export function readRecords(from: Reader, count: number, of: "flow"): FlowRecord[];
export function readRecords(from: Reader, count: number, of: "counters"): CounterRecord[];
export function readRecords(from: Reader, count: number, of: "flow" | "counters"): (FlowRecord | CounterRecord)[] {
  if (count * 8 > from.remaining) throw new WireError("count", `${count} records in ${from.remaining} bytes`, from.offset);
  const known = of === "flow" ? flowRecords : counterRecords;
  return Array.from({ length: count }, (): FlowRecord | CounterRecord => {
    const format = from.u32();
    const length = from.u32();
    const body = from.sub(length);
    return known[format]?.(body) ?? { kind: "unknown", format, bytes: body.rest() };
  });
}
