/**
 * Features of captures: the same code and the same numbers as online. A capture holds either the traffic itself, of which one packet in
 * N is taken, or an agent's sFlow datagrams, which carry their own sampling.
 */
import { decodeDatagram, HeaderReader, UdpExtractor, WireError, type CapturedPacket, type TunnelHeaders } from "sflow-collector";
import { seeded } from "../base/seeded.js";
import type { Network } from "../network/model.js";
import { capturedPackets } from "./capture/capture-file.js";
import { FeatureWindows } from "./destination-windows.js";
import { headerOf } from "./extract.js";
import { attackFeatures, trafficFeatures } from "./features.js";
import type { ObservedPacket } from "./observed-packet.js";
import { SflowFeed } from "./sflow-feed.js";
import { TrafficWindows } from "./traffic-windows.js";

export interface FeatureRow {
  readonly endMs: number;
  readonly windowMs: number;
  readonly kind: string;
  readonly subject: string;
  readonly samples: number;
  /** In the order of `featureColumns`. */
  readonly values: Float64Array;
}

/** Which vectors: of all subjects over 1, 5 and 30 s, or the attack model's. */
export type VectorKind = "traffic" | "attack";
export const featureColumns = (kind: VectorKind): readonly string[] => (kind === "traffic" ? trafficFeatures : attackFeatures).map(({ name }) => name);

export interface OfflineCounters {
  packets: number;
  /** Packets or datagrams that could not be read. */
  unreadable: number;
  /** Why the file could not be read to its end. */
  broken: string | undefined;
}

export interface OfflineOptions {
  readonly kind: VectorKind;
  /** One packet in this many is taken, at random by the seed. Not for sFlow. */
  readonly sampling: number;
  readonly seed: number;
  /** What counts of a tunnelled packet. Default "outer". */
  readonly tunnels?: TunnelHeaders | undefined;
  /** The capture holds sFlow: whose ports are edge ports, by their interface indexes. */
  readonly sflow?: Network | undefined;
}

/** The rows of a capture (pcap or pcapng, also gzipped), as its windows end. A broken file gives those up to the break. */
export async function* offlineFeatures(file: string, options: OfflineOptions, counters: OfflineCounters): AsyncGenerator<FeatureRow> {
  const rows = options.kind === "traffic" ? trafficRows() : attackRows();
  const source = options.sflow === undefined ? sampled(options, counters) : fromSflow(options.sflow, options.tunnels, counters);
  let lastMs = 0;
  for await (const read of capturedPackets(file, (why) => (counters.broken = why))) {
    for (const captured of read) {
      lastMs = Math.max(lastMs, captured.tMs);
      for (const packet of source(captured)) {
        counters.packets++;
        yield* rows.add(packet);
      }
    }
  }
  yield* rows.end(lastMs);
}

type Source = (captured: CapturedPacket) => readonly ObservedPacket[];

function sampled({ sampling, seed, tunnels = "outer" }: OfflineOptions, counters: OfflineCounters): Source {
  const reader = new HeaderReader(tunnels);
  const random = seeded(seed);
  return (captured) => {
    if (sampling > 1 && random() * sampling >= 1) return [];
    const header = headerOf(captured, reader);
    if (header === undefined) {
      counters.unreadable++;
      return [];
    }
    return [{ tMs: captured.tMs, weight: sampling, frameLength: captured.frameLength, ingress: undefined, header }];
  };
}

function fromSflow(network: Network, tunnels: TunnelHeaders | undefined, counters: OfflineCounters): Source {
  const feed = new SflowFeed({ tunnels });
  feed.update(network);
  const udp = new UdpExtractor();
  return (captured) => {
    const datagram = udp.take(captured);
    if (datagram === undefined) return [];
    try {
      return feed.packets(decodeDatagram(datagram.payload), captured.tMs);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      counters.unreadable++;
      return [];
    }
  };
}

interface Rows {
  readonly add: (packet: ObservedPacket) => FeatureRow[];
  readonly end: (lastMs: number) => FeatureRow[];
}

function trafficRows(): Rows {
  const windows = new TrafficWindows();
  const row = ({ subject, ...rest }: ReturnType<TrafficWindows["add"]>[number]): FeatureRow => ({ ...rest, kind: subject.kind, subject: subject.name });
  return { add: (packet) => windows.add(packet).map(row), end: (lastMs) => windows.advance(lastMs + 2_000).map(row) };
}

function attackRows(): Rows {
  const windows = new FeatureWindows();
  const row = ({ subject, windowStartMs, windowEndMs, samples, values }: ReturnType<FeatureWindows["add"]>[number]): FeatureRow => ({ endMs: windowEndMs, windowMs: windowEndMs - windowStartMs, kind: "host", subject, samples, values });
  return { add: (packet) => windows.add(packet).map(row), end: (lastMs) => windows.advance(lastMs + 1_000).map(row) };
}
