/** sflow-collector: sFlow version 5 as Open vSwitch and others send it, packet headers, and captures. */
export { ipv4Text, ipv6Text, macText } from "./address.js";
export {
  decodeDatagram,
  decodeLeniently,
  type CounterSample,
  type Datagram,
  type DataSource,
  type DiscardedPacket,
  type FlowSample,
  type Interface,
  type PartialDatagram,
  type Sample,
  type UnknownSample,
} from "./datagram.js";
export { datagramJson, hexLineJson } from "./json.js";
export { decodePacket } from "./packet/decode.js";
export { HeaderReader, type TunnelHeaders } from "./packet/header-reader.js";
export { decodeIp, decodePacketHeader, type PacketHeader } from "./packet/header.js";
export { headerProtocols, type DecodedPacket, type Layer, type TcpOption } from "./packet/layers.js";
export { PcapStream, type CapturedPacket } from "./capture/pcap.js";
export { UdpExtractor, type UdpCounters, type UdpPayload } from "./capture/udp.js";
export { SflowReceiver, type ReceiverCounters } from "./collect/receiver.js";
export type { AggregationRecord, CounterRecord, FlowRecord, UnknownRecord } from "./records.js";
export { WireError, type WireErrorCode } from "./wire.js";
export { FlowCounts, type FlowCount } from "./flow/flow-counts.js";
export { FlowKey, tunnelKinds, type FlowKeyOptions, type TunnelKind } from "./flow/flow-key.js";
export { SampleView } from "./flow/sample-view.js";
export { CounterRates, type CounterChange, type CounterReading, type CounterValue, type ReadingOptions } from "./counter-rates.js";
export { lossRatio, Sequence, type Arrival, type SequenceCounters } from "./sequence.js";
export { SourceTable, type AgentState, type SamplingChange, type SamplingState, type SourceState } from "./sources.js";
export { SflowCollector, type CollectorCounters, type CollectorEvents, type CollectorOptions } from "./collect/collector.js";
export type { ForwardTarget } from "./collect/fan-out.js";
export { kernelDrops } from "./collect/kernel-drops.js";
export { DatagramRing, type RingDatagram } from "./collect/ring.js";
export { RateEstimator, type Estimate, type EstimateWarning, type EstimatorOptions } from "./estimate.js";
export { describeInterface, dropReasonName, PortMap, type InterfaceMeaning, type MappedInterface, type MappedPort, type MappedSource, type PortLookup } from "./port-map.js";
