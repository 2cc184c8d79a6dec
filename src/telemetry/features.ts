/**
 * The catalogue of features: every number that models, baselines, profile and store are given, with unit, definition, source
 * and the sampling rates at which it can be trusted. Online and offline compute them by the same code, in this order.
 */
import type { SubjectKind } from "../base/observation.js";
import { tcpMetrics } from "./tcp/metrics.js";

/** Where a feature comes from: sampled packets, counters of switches, or the two networks side by side. */
export type FeatureSource = "packets" | "counters" | "both networks";

export interface FeatureDefinition {
  readonly name: string;
  readonly unit: string;
  readonly definition: string;
  readonly source: FeatureSource;
  readonly subjects: readonly SubjectKind[];
  /** Lengths of the windows it is computed over, in s. */
  readonly windowsS: readonly number[];
  /**
   * One in how many packets may be sampled at most for the feature to be worth looking at: at that rate a subject with 1,000
   * packets/s still gives its second to within about 40 % (1.96 / sqrt(samples)) or its share to within 0.2. Undefined: sampling
   * has no part in it.
   */
  readonly maxSampling: number | undefined;
  /** For the attack model: rate features only ever raise the confidence; the others say what the traffic is like. */
  readonly kind: "rate" | "shape";
}

type Row = readonly [name: string, unit: string, definition: string, kind: "rate" | "shape", maxSampling?: number];
const rows = (common: Pick<FeatureDefinition, "source" | "subjects" | "windowsS">, list: readonly Row[]): readonly FeatureDefinition[] =>
  list.map(([name, unit, definition, kind, maxSampling]) => ({ name, unit, definition, kind, maxSampling, ...common }));

/** The attack model's vector (`destination-windows.ts`). "In": packets to the destination; "out": from it. */
export const attackFeatures = rows({ source: "packets", subjects: ["host"], windowsS: [1] }, [
  ["logPps", "ln(1 + packets/s)", "estimated rate in", "rate", 64],
  ["surge", "ln ratio", "logPps above its average over about 10 s, never below 0", "rate", 64],
  ["synRatio", "ratio", "TCP packets in with SYN and without ACK, of all in", "shape", 32],
  ["ackRatio", "ratio", "TCP packets in with ACK and without SYN, of all in", "shape", 32],
  ["dataRatio", "ratio", "TCP packets in with payload, of all in", "shape", 32],
  ["udpRatio", "ratio", "UDP packets of all in", "shape", 32],
  ["icmpRatio", "ratio", "ICMP packets of all in", "shape", 32],
  ["fragmentRatio", "ratio", "fragments of all in", "shape", 32],
  ["reflectorRatio", "ratio", "UDP from ports of known reflectors (19, 53, 123, 161, 389, 1900, 11211), of all in", "shape", 32],
  ["srcEntropy", "0 to 1", "entropy of source addresses, of the most it could be with as many samples", "shape", 32],
  ["singleSrcRatio", "ratio", "samples whose source was seen once in the window", "shape", 32],
  ["topSrcRatio", "ratio", "samples of the most frequent source", "shape", 32],
  ["srcPortEntropy", "0 to 1", "entropy of source ports, of the most it could be", "shape", 32],
  ["dstPortEntropy", "0 to 1", "entropy of destination ports, of the most it could be", "shape", 32],
  ["meanLength", "of 1500 bytes", "mean frame length in", "shape", 32],
  ["smallRatio", "ratio", "frames below 100 bytes, of all in", "shape", 32],
  ["returnRatio", "0 to 1", "packets out over packets in, at most 1", "shape", 32],
  ["dataReturnRatio", "0 to 1", "TCP packets out with payload over packets in, at most 1", "shape", 32],
  ["finRstRatio", "ratio", "TCP packets in with FIN or RST, of all in", "shape", 32],
]);

/** Longer windows over sampled packets (`traffic-windows.ts`). Of a host: packets to it, unless "out"; of a bridge: packets in by its edge ports; of a link: packets that its ends sent into it, both ways. */
export const trafficFeatures = rows({ source: "packets", subjects: ["host", "bridge", "pair", "link"], windowsS: [1, 5, 30] }, [
  ["packetsPerS", "packets/s", "estimated rate", "rate", 64],
  ["bitsPerS", "bit/s", "estimated rate, frames without FCS", "rate", 64],
  ["packetsSlope", "packets/s per s", "least-squares slope of the rate over the window's seconds; of a 1 s window, the step from the second before", "rate", 16],
  ["bitsSlope", "bit/s per s", "the same of the bit rate", "rate", 16],
  ["meanBytes", "bytes", "mean frame length", "shape", 64],
  ["tcpRatio", "ratio", "TCP of all packets", "shape", 64],
  ["udpRatio", "ratio", "UDP of all packets", "shape", 64],
  ["icmpRatio", "ratio", "ICMP and ICMPv6 of all packets", "shape", 64],
  ["synRatio", "ratio", "TCP with SYN and without ACK, of all packets", "shape", 64],
  ["finRstRatio", "ratio", "TCP with FIN or RST, of all packets", "shape", 64],
  ["fragmentRatio", "ratio", "fragments of all packets", "shape", 64],
  ["smallRatio", "ratio", "frames below 100 bytes, of all packets", "shape", 64],
  ["sources", "addresses", "distinct source addresses among the samples, by linear counting", "shape", 1],
  ["destinations", "addresses", "distinct destination addresses among the samples, by linear counting", "shape", 1],
  ["services", "ports", "distinct destination ports among the samples, by linear counting", "shape", 1],
  ["outPacketsPerS", "packets/s", "estimated rate the other way", "rate", 64],
  ["outBitsPerS", "bit/s", "the same in bits", "rate", 64],
  ["relativeError", "ratio", "half width of the rate's 95 % interval: 1.96 / sqrt(samples); 0 when nothing is sampled away", "shape"],
]);

/** How the traffic of a link is known (`egress-inference.ts`). */
export const crossingFeatures = rows({ source: "packets", subjects: ["link"], windowsS: [1, 5, 30] }, [
  ["inferredRatio", "ratio", "packets whose samples did not say that they went there, but the flow tables did, of all packets", "shape"],
]);

/** What became of the outputs of sFlow samples, in samples since the start (`egress-inference.ts`); of the process "egress". */
export const egressCounters = rows({ source: "packets", subjects: ["process"], windowsS: [1] }, [
  ["egress.sampled", "samples", "the sample said the port", "rate"],
  ["egress.dropped", "samples", "the sample said that the packet was dropped", "rate"],
  ["egress.inferred", "samples", "the flow tables said the ports", "rate"],
  ["egress.undecided", "samples", "a hash, connection tracking or a cut header left several ways", "rate"],
  ["egress.unreadable", "samples", "without a header that can be followed", "rate"],
  ["egress.noTables", "samples", "of bridges whose tables are not known", "rate"],
  ["egress.behind", "samples", "that came while the tables had changed and were not looked at again", "rate"],
  ["egress.overBudget", "samples", "for which no CPU time was left", "rate"],
  ["egress.remembered", "samples", "of those inferred or undecided, answered from memory", "rate"],
  ["egress.readings", "readings", "times that a bridge's tables were taken in anew", "rate"],
]);

/** What the estimate of queues could not take in, since the start (`queueing.ts`); of the process "queueing". */
export const queueingCounters = rows({ source: "packets", subjects: ["process"], windowsS: [1] }, [
  ["queueing.leftOut", "packets", "samples and seconds of pairs beyond the 8,192 that are known at once: of these no wait is told", "rate"],
]);

/** From counters of switches (`counter-windows.ts`). Of a port: as the switch sees it; of a link: both directions added. */
export const counterFeatures = rows({ source: "counters", subjects: ["port", "link", "bridge"], windowsS: [1, 5, 30] }, [
  ["inPacketsPerS", "packets/s", "received by the switch; of a bridge: by its edge ports; of a link: by both ends", "rate"],
  ["outPacketsPerS", "packets/s", "sent by the switch, likewise", "rate"],
  ["inBitsPerS", "bit/s", "received, frames without FCS", "rate"],
  ["outBitsPerS", "bit/s", "sent, frames without FCS", "rate"],
  ["inBitsSlope", "bit/s per s", "least-squares slope of inBitsPerS over the window; of a 1 s window, the step from the second before", "rate"],
  ["outBitsSlope", "bit/s per s", "the same of outBitsPerS", "rate"],
  ["dropsPerS", "packets/s", "dropped on receipt or sending", "rate"],
  ["errorsPerS", "packets/s", "receive and transmit errors", "rate"],
  ["lossRatio", "ratio", "of a link: 1 - received at the far ends / sent into it, at least 0; absent where nothing was sent", "shape"],
]);

/** Of a switch beside its ports (`switch-counters.ts`), read every 5 s: the window is the time between two readings. */
export const datapathFeatures = rows({ source: "counters", subjects: ["datapath"], windowsS: [5] }, [
  ["flows", "flows", "flows in all tables", "rate"],
  ["lookupsPerS", "packets/s", "packets looked up in the first table", "rate"],
  ["matchesPerS", "packets/s", "of those, found", "rate"],
]);
export const meterFeatures = rows({ source: "counters", subjects: ["meter", "group"], windowsS: [5] }, [
  ["packetsPerS", "packets/s", "packets that the meter or group was given", "rate"],
  ["bitsPerS", "bit/s", "the same in bits", "rate"],
]);
export const meterDropFeatures = rows({ source: "counters", subjects: ["meter"], windowsS: [5] }, [["droppedPerS", "packets/s", "packets that the meter's bands dropped", "rate"]]);

/** The two networks side by side (`deviation.ts`). */
export const deviationFeatures = rows({ source: "both networks", subjects: ["port", "bridge"], windowsS: [1, 5, 30] }, [
  ["mirrorLoss", "ratio", "1 - copies that entered the shadow / packets that came in by the edge ports", "shape"],
  ["outputRatio", "ratio", "packets the shadow would have given to the hosts / packets live gave to them", "shape"],
  ["deviation", "ratio", "outputRatio's distance from what mirror loss alone explains, as a share of live", "shape"],
  ["deviationZ", "standard deviations", "the deviation over the noise of the counts", "shape"],
]);

/** The same link on both sides, likewise. */
export const linkDifferenceFeatures = rows({ source: "both networks", subjects: ["link"], windowsS: [1, 5, 30] }, [
  ["lossDifference", "ratio", "lossRatio of live's link less that of the shadow's", "shape"],
  ["lossDifferenceZ", "standard deviations", "that over the noise of the counts", "shape"],
]);

/** The same pair of hosts on both sides (`pair-comparison.ts`): TCP of live's hosts, and of their nodes in the shadow. */
export const pairDifferenceFeatures = rows({ source: "both networks", subjects: ["pair"], windowsS: [30] }, [
  ["pathDifference", "ms", "median of live's tcpPathMs less that of the shadow's, of seconds with at least 20 kB", "shape"],
  ["pathDifferenceZ", "standard deviations", "that over the noise, by ranks", "shape"],
  ["waitDifference", "ms", "the same of what lies above tcpPathLeastMs", "shape"],
  ["waitDifferenceZ", "standard deviations", "that over the noise, by ranks", "shape"],
  ["lossDifference", "ratio", "share of live's segments lost in the network less that of the shadow's", "shape"],
  ["lossDifferenceZ", "standard deviations", "that over the noise of its seconds", "shape"],
  ["windowDifference", "bytes", "median of live's tcpWindow less that of the shadow's", "shape"],
  ["windowDifferenceZ", "standard deviations", "that over the noise, by ranks", "shape"],
]);

/** Probes between nodes of the shadow (`probes/`): ICMP echo that the far node's kernel answers; told two seconds late. Of live there are none. */
export const probeFeatures = rows({ source: "packets", subjects: ["pair"], windowsS: [1, 5, 30] }, [
  ["probesSent", "packets", "probes of which it is known whether they were answered", "rate"],
  ["probeLossRatio", "ratio", "of these, without an answer within 2 s, lost on either way", "shape"],
  ["probeRttMs", "ms", "round trip, median", "shape"],
  ["probeRttP99Ms", "ms", "the same, 99th percentile", "shape"],
]);

/** TCP from the copies of every packet (`tcp/metrics.ts`); of a connection, with "server" in front also of what its server sends. */
export const tcpFeatures = rows(
  { source: "packets", subjects: ["host", "pair", "connection"], windowsS: [1] },
  tcpMetrics.map(({ name, unit, definition, together }): Row => [name, unit, definition, together === "sum" ? "rate" : "shape"]),
);

/** How long packets wait at a port that sends into a link or to a host, from the delays of the pairs of hosts whose ways lead over it (`queueing.ts`). */
export const queueingFeatures = rows({ source: "packets", subjects: ["port"], windowsS: [1] }, [
  ["queueAtLeastMs", "ms", "waited there at least: what no other port on the way of a pair accounts for", "shape"],
  ["queueAtMostMs", "ms", "waited there at most: the least wait of the pairs whose way leads over it", "shape"],
]);

/** The fate of every packet that came in by an edge port (`src/shadow/fidelity`): by conservation of counters, in about a second; the last five from samples of both networks. */
export const fidelityFeatures = rows({ source: "both networks", subjects: ["port"], windowsS: [1] }, [
  ["fidelity.received", "packets", "came in by the port", "rate"],
  ["fidelity.notAsked", "packets", "of these, came while nothing was asked of the port", "rate"],
  ["fidelity.selected", "packets", "of these, were to be copied", "rate"],
  ["fidelity.copied", "packets", "of these, entered the shadow", "rate"],
  ["fidelity.lost", "packets", "of these, should have been copied and were not", "rate"],
  ["fidelity.off", "packets", "of these, came while copying was off", "rate"],
  ["fidelity.shed", "packets", "of these, came while copying was shed", "rate"],
  ["fidelity.notChosen", "packets", "of these, no replication session wanted", "rate"],
  ["fidelity.surplus", "packets", "copies beyond what came in", "rate"],
  ["fidelity.receiveDrops", "packets", "dropped by the port on receipt", "rate"],
  ["fidelity.sampled", "packets", "looked at one by one on both sides", "rate"],
  ["fidelity.duplicated", "packets", "of these, came twice", "rate"],
  ["fidelity.reordered", "packets", "of these, overtook another", "rate"],
  ["fidelity.delayP50Us", "µs", "from live's port to the shadow, median", "shape"],
  ["fidelity.delayP99Us", "µs", "the same, 99th percentile", "shape"],
]);

export const catalogue: readonly FeatureDefinition[] = [...attackFeatures, ...trafficFeatures, ...crossingFeatures, ...egressCounters, ...queueingCounters, ...counterFeatures, ...datapathFeatures, ...meterFeatures, ...meterDropFeatures, ...deviationFeatures, ...linkDifferenceFeatures, ...pairDifferenceFeatures, ...probeFeatures, ...tcpFeatures, ...queueingFeatures, ...fidelityFeatures];

/** The attack model's features in the order of its vector. */
export const featureNames: readonly string[] = attackFeatures.map((feature) => feature.name);
