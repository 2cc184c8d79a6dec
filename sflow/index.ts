/** sflow-collector: sFlow version 5 as Open vSwitch sends it, packet headers, and pcap streams. */
export { decodeDatagram, type CounterSample, type Datagram, type DataSource, type FlowSample, type Interface, type Sample, type UnknownSample } from "./datagram.js";
export { decodeIp, decodePacketHeader, type PacketHeader } from "./packet-header.js";
export { PcapStream, type CapturedPacket } from "./pcap.js";
export { SflowReceiver, type ReceiverCounters } from "./receiver.js";
export type { CounterRecord, FlowRecord, UnknownRecord } from "./records.js";
export { WireError, type WireReason } from "./wire.js";
