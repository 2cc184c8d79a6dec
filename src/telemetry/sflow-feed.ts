/** From sFlow datagrams to observed packets: only what came in by an edge port of live counts, so each packet counts once. */
import { decodePacketHeader, type Datagram } from "sflow-collector";
import type { Network } from "../network/model.js";
import type { ObservedPacket } from "./observed-packet.js";

export interface FeedCounters {
  packets: number;
  /** Samples of fabric links and of our own ports: the same packets, seen again further on. */
  inside: number;
  /** Samples whose interface no port of the network has. */
  unmapped: number;
  /** Samples without a header that can be read. */
  unreadable: number;
}

interface Place {
  readonly bridge: string;
  readonly ofport: number;
  readonly isEdge: boolean;
}

export class SflowFeed {
  readonly counters: FeedCounters = { packets: 0, inside: 0, unmapped: 0, unreadable: 0 };
  private places = new Map<number, Place>();

  /** The live network changed: which interface is which port. */
  update(network: Network): void {
    this.places = new Map(
      [...network.bridges.values()].flatMap((bridge) =>
        [...bridge.ports.values()]
          .filter((port) => port.ifindex > 0)
          .map((port) => [port.ifindex, { bridge: bridge.name, ofport: port.ofport, isEdge: port.role === "edge" }] as const),
      ),
    );
  }

  /** The packets of a datagram, taken to be of `nowMs`: sFlow samples carry no time. */
  packets(datagram: Datagram, nowMs: number): ObservedPacket[] {
    const packets: ObservedPacket[] = [];
    for (const sample of datagram.samples) {
      if (sample.kind !== "flow") continue;
      const place = sample.input.format === 0 ? this.places.get(sample.input.value) : undefined;
      if (place === undefined) {
        this.counters.unmapped++;
        continue;
      }
      if (!place.isEdge) {
        this.counters.inside++;
        continue;
      }
      const raw = sample.records.find((record) => record.kind === "sampledHeader");
      const header = raw === undefined ? undefined : decodePacketHeader(raw.header);
      if (raw === undefined || header === undefined) {
        this.counters.unreadable++;
        continue;
      }
      this.counters.packets++;
      packets.push({ tMs: nowMs, weight: sample.samplingRate, frameLength: raw.frameLength - raw.stripped, ingress: { bridge: place.bridge, ofport: place.ofport }, header });
    }
    return packets;
  }
}

