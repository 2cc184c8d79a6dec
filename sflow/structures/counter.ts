/**
 * counter_data: what an agent counts, by format "ENTERPRISE:FORMAT" (sflow.org, "sFlow Structure Numbers").
 *
 * A counter an agent does not keep is all ones: 0xffffffff, or 2^64 - 1. Sources: sFlow Version 5 (1 to 5, 1001), sFlow 802.11
 * Structures (6, 1002), sFlow LAG Counters (7), sFlow OpenFlow Structures (1004, 1005), sFlow Host Structures (2000 to 2006,
 * 2100 to 2104), sFlow Host TCP/IP Counters (2007 to 2010), sFlow Application Structures (2202, 2203, 2206), Open vSwitch (2207).
 */
import { bytes, f32, i32, list, mac, named, struct, text, u32, u64, type Field } from "./field.js";

/** Many counters in a row, all of 32 bits. */
const counters = <N extends string>(...names: readonly N[]): { readonly [K in N]: Field<number> } =>
  Object.fromEntries(names.map((name) => [name, u32])) as { readonly [K in N]: Field<number> };

export const counterStructures = {
  /** RFC 2863. ifSpeed in bit/s; ifDirection 1 full duplex, 2 half, 3 in, 4 out; ifStatus bit 0 admin, bit 1 oper. */
  "0:1": named("ifCounters", {
    ifIndex: u32,
    ifType: u32,
    ifSpeed: u64,
    ifDirection: u32,
    ifStatus: u32,
    ifInOctets: u64,
    ...counters("ifInUcastPkts", "ifInMulticastPkts", "ifInBroadcastPkts", "ifInDiscards", "ifInErrors", "ifInUnknownProtos"),
    ifOutOctets: u64,
    ...counters("ifOutUcastPkts", "ifOutMulticastPkts", "ifOutBroadcastPkts", "ifOutDiscards", "ifOutErrors"),
    ifPromiscuousMode: u32,
  }),
  /** RFC 2358. */
  "0:2": named(
    "ethernetCounters",
    counters(
      "dot3StatsAlignmentErrors",
      "dot3StatsFCSErrors",
      "dot3StatsSingleCollisionFrames",
      "dot3StatsMultipleCollisionFrames",
      "dot3StatsSQETestErrors",
      "dot3StatsDeferredTransmissions",
      "dot3StatsLateCollisions",
      "dot3StatsExcessiveCollisions",
      "dot3StatsInternalMacTransmitErrors",
      "dot3StatsCarrierSenseErrors",
      "dot3StatsFrameTooLongs",
      "dot3StatsInternalMacReceiveErrors",
      "dot3StatsSymbolErrors",
    ),
  ),
  /** RFC 1748. */
  "0:3": named(
    "tokenringCounters",
    counters(
      "dot5StatsLineErrors",
      "dot5StatsBurstErrors",
      "dot5StatsACErrors",
      "dot5StatsAbortTransErrors",
      "dot5StatsInternalErrors",
      "dot5StatsLostFrameErrors",
      "dot5StatsReceiveCongestions",
      "dot5StatsFrameCopiedErrors",
      "dot5StatsTokenErrors",
      "dot5StatsSoftErrors",
      "dot5StatsHardErrors",
      "dot5StatsSignalLoss",
      "dot5StatsTransmitBeacons",
      "dot5StatsRecoverys",
      "dot5StatsLobeWires",
      "dot5StatsRemoves",
      "dot5StatsSingles",
      "dot5StatsFreqErrors",
    ),
  ),
  /** 100 BaseVG, RFC 2020. */
  "0:4": named("vgCounters", {
    dot12InHighPriorityFrames: u32,
    dot12InHighPriorityOctets: u64,
    dot12InNormPriorityFrames: u32,
    dot12InNormPriorityOctets: u64,
    ...counters("dot12InIPMErrors", "dot12InOversizeFrameErrors", "dot12InDataErrors", "dot12InNullAddressedFrames", "dot12OutHighPriorityFrames"),
    dot12OutHighPriorityOctets: u64,
    dot12TransitionIntoTrainings: u32,
    dot12HCInHighPriorityOctets: u64,
    dot12HCInNormPriorityOctets: u64,
    dot12HCOutHighPriorityOctets: u64,
  }),
  "0:5": named("vlanCounters", { vlanId: u32, octets: u64, ...counters("ucastPkts", "multicastPkts", "broadcastPkts", "discards") }),
  /** IEEE802dot11-MIB. */
  "0:6": named(
    "ieee80211Counters",
    counters(
      "dot11TransmittedFragmentCount",
      "dot11MulticastTransmittedFrameCount",
      "dot11FailedCount",
      "dot11RetryCount",
      "dot11MultipleRetryCount",
      "dot11FrameDuplicateCount",
      "dot11RTSSuccessCount",
      "dot11RTSFailureCount",
      "dot11ACKFailureCount",
      "dot11ReceivedFragmentCount",
      "dot11MulticastReceivedFrameCount",
      "dot11FCSErrorCount",
      "dot11TransmittedFrameCount",
      "dot11WEPUndecryptableCount",
      "dot11QoSDiscardedFragmentCount",
      "dot11AssociatedStationCount",
      "dot11QoSCFPollsReceivedCount",
      "dot11QoSCFPollsUnusedCount",
      "dot11QoSCFPollsUnusableCount",
      "dot11QoSCFPollsLostCount",
    ),
  ),
  /** LACP, IEEE 802.1AX. The state is four bytes: actor admin, actor oper, partner admin, partner oper. */
  "0:7": named("lagPortStats", {
    dot3adAggPortActorSystemID: mac,
    dot3adAggPortPartnerOperSystemID: mac,
    dot3adAggPortAttachedAggID: u32,
    dot3adAggPortState: bytes(4),
    ...counters(
      "dot3adAggPortStatsLACPDUsRx",
      "dot3adAggPortStatsMarkerPDUsRx",
      "dot3adAggPortStatsMarkerResponsePDUsRx",
      "dot3adAggPortStatsUnknownRx",
      "dot3adAggPortStatsIllegalRx",
      "dot3adAggPortStatsLACPDUsTx",
      "dot3adAggPortStatsMarkerPDUsTx",
      "dot3adAggPortStatsMarkerResponsePDUsTx",
    ),
  }),
  /** Loads in hundredths of a percent, -1 where unknown; memory in bytes. */
  "0:1001": named("processor", { "5sCpu": i32, "1mCpu": i32, "5mCpu": i32, totalMemory: u64, freeMemory: u64 }),
  /** Times in ms. */
  "0:1002": named("radioUtilization", counters("elapsedTime", "onChannelTime", "onChannelBusyTime")),
  /** Which datapath and OpenFlow port an ifIndex is. */
  "0:1004": named("ofPort", { datapathId: u64, portNo: u32 }),
  "0:1005": named("portName", { name: text }),
  /** The UUID is 16 bytes without a length, as the errata say and every agent sends it. */
  "0:2000": named("hostDescr", { hostname: text, uuid: bytes(16), machineType: u32, osName: u32, osRelease: text }),
  "0:2001": named("hostAdapters", { adapters: list(struct({ ifIndex: u32, macAddress: list(mac) })) }),
  /** The data source that contains this one. */
  "0:2002": named("hostParent", { containerType: u32, containerIndex: u32 }),
  /** Speed in MHz, uptime in s, times in ms. */
  "0:2003": named("hostCpu", {
    loadOne: f32,
    loadFive: f32,
    loadFifteen: f32,
    ...counters("procRun", "procTotal", "cpuNum", "cpuSpeed", "uptime", "cpuUser", "cpuNice", "cpuSystem", "cpuIdle", "cpuWio", "cpuIntr", "cpuSintr", "interrupts", "contexts"),
  }),
  /** Bytes; pages and swaps are counts. */
  "0:2004": named("hostMemory", {
    memTotal: u64,
    memFree: u64,
    memShared: u64,
    memBuffers: u64,
    memCached: u64,
    swapTotal: u64,
    swapFree: u64,
    ...counters("pageIn", "pageOut", "swapIn", "swapOut"),
  }),
  /** partMaxUsed in hundredths of a percent, times in ms. */
  "0:2005": named("hostDiskIo", { diskTotal: u64, diskFree: u64, partMaxUsed: i32, reads: u32, bytesRead: u64, readTime: u32, writes: u32, bytesWritten: u64, writeTime: u32 }),
  "0:2006": named("hostNetIo", { bytesIn: u64, ...counters("pktsIn", "errsIn", "dropsIn"), bytesOut: u64, ...counters("packetsOut", "errsOut", "dropsOut") }),
  /** RFC 1213, as are the next three; with what Linux counts beyond. */
  "0:2007": named(
    "mib2IpGroup",
    counters(
      "ipForwarding",
      "ipDefaultTTL",
      "ipInReceives",
      "ipInHdrErrors",
      "ipInAddrErrors",
      "ipForwDatagrams",
      "ipInUnknownProtos",
      "ipInDiscards",
      "ipInDelivers",
      "ipOutRequests",
      "ipOutDiscards",
      "ipOutNoRoutes",
      "ipReasmTimeout",
      "ipReasmReqds",
      "ipReasmOKs",
      "ipReasmFails",
      "ipFragOKs",
      "ipFragFails",
      "ipFragCreates",
    ),
  ),
  "0:2008": named(
    "mib2IcmpGroup",
    counters(
      "icmpInMsgs",
      "icmpInErrors",
      "icmpInDestUnreachs",
      "icmpInTimeExcds",
      "icmpInParamProbs",
      "icmpInSrcQuenchs",
      "icmpInRedirects",
      "icmpInEchos",
      "icmpInEchoReps",
      "icmpInTimestamps",
      "icmpInAddrMasks",
      "icmpInAddrMaskReps",
      "icmpOutMsgs",
      "icmpOutErrors",
      "icmpOutDestUnreachs",
      "icmpOutTimeExcds",
      "icmpOutParamProbs",
      "icmpOutSrcQuenchs",
      "icmpOutRedirects",
      "icmpOutEchos",
      "icmpOutEchoReps",
      "icmpOutTimestamps",
      "icmpOutTimestampReps",
      "icmpOutAddrMasks",
      "icmpOutAddrMaskReps",
    ),
  ),
  "0:2009": named(
    "mib2TcpGroup",
    counters(
      "tcpRtoAlgorithm",
      "tcpRtoMin",
      "tcpRtoMax",
      "tcpMaxConn",
      "tcpActiveOpens",
      "tcpPassiveOpens",
      "tcpAttemptFails",
      "tcpEstabResets",
      "tcpCurrEstab",
      "tcpInSegs",
      "tcpOutSegs",
      "tcpRetransSegs",
      "tcpInErrs",
      "tcpOutRsts",
      "tcpInCsumErrors",
    ),
  ),
  "0:2010": named("mib2UdpGroup", counters("udpInDatagrams", "udpNoPorts", "udpInErrors", "udpOutDatagrams", "udpRcvbufErrors", "udpSndbufErrors", "udpInCsumErrors")),
  /** MHz, memory in bytes. */
  "0:2100": named("virtNode", { mhz: u32, cpus: u32, memory: u64, memoryFree: u64, numDomains: u32 }),
  /** state as libvirt's virDomainState; cpuTime in ms. */
  "0:2101": named("virtCpu", counters("state", "cpuTime", "nrVirtCpu")),
  "0:2102": named("virtMemory", { memory: u64, maxMemory: u64 }),
  "0:2103": named("virtDiskIo", { capacity: u64, allocation: u64, available: u64, rdReq: u32, rdBytes: u64, wrReq: u32, wrBytes: u64, errs: u32 }),
  "0:2104": named("virtNetIo", { rxBytes: u64, ...counters("rxPackets", "rxErrs", "rxDrop"), txBytes: u64, ...counters("txPackets", "txErrs", "txDrop") }),
  "0:2202": named("appOperations", {
    application: text,
    ...counters("success", "other", "timeout", "internalError", "badRequest", "forbidden", "tooLarge", "notImplemented", "notFound", "unavailable", "unauthorized"),
  }),
  /** Of the agent's own process. Times in ms, memory in bytes. */
  "0:2203": named("appResources", { userTime: u32, systemTime: u32, memUsed: u64, memMax: u64, ...counters("fdOpen", "fdMax", "connOpen", "connMax") }),
  "0:2206": named("appWorkers", counters("workersActive", "workersIdle", "workersMax", "reqDelayed", "reqDropped")),
  "0:2207": named("ovsDpStats", counters("hits", "misses", "lost", "maskHits", "flows", "masks")),
} as const;
