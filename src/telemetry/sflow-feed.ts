/**
 * From sFlow datagrams to observed packets: only what came in by an edge port of live counts, so each packet counts once. And, where outputs are
 * asked for, to crossings of links: a packet that is sampled at every bridge crosses each of its links once.
 */
import { HeaderReader, type Datagram, type FlowSample, type TunnelHeaders } from "sflow-collector";
import { portKey, type Network } from "../network/model.js";
import type { Egress, EgressQuestion } from "./egress.js";
import type { LinkCrossing, ObservedPacket } from "./observed-packet.js";

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

interface Crossed {
  readonly link: string;
  readonly from: string;
}

/** What a datagram tells of. */
export interface Fed {
  readonly packets: readonly ObservedPacket[];
  readonly crossings: readonly LinkCrossing[];
}

export interface FeedOptions {
  /** By which ports a sampled packet left; without it there are no crossings. */
  readonly egressOf?: ((question: EgressQuestion) => Egress) | undefined;
  /** What counts of a tunnelled packet. Default "outer". */
  readonly tunnels?: TunnelHeaders | undefined;
  /** Hears of every sample which bridge took it and how many packets it stands for; not of LLDP's frames, which we send ourselves. */
  readonly heard?: ((bridge: string, packets: number) => void) | undefined;
}

/** IEEE 802.1AB, 7.3; behind two MAC addresses. */
const lldp = { ethertype: 0x88cc, at: 12 } as const;
const isLldp = (frame: Uint8Array | undefined): boolean => frame !== undefined && frame.length > lldp.at + 1 && ((frame[lldp.at] ?? 0) << 8) + (frame[lldp.at + 1] ?? 0) === lldp.ethertype;

export class SflowFeed {
  readonly counters: FeedCounters = { packets: 0, inside: 0, unmapped: 0, unreadable: 0 };
  private places = new Map<number, Place>();
  /** By "bridge:ofport": the link that is behind it. */
  private links = new Map<string, string>();
  private readonly egressOf: FeedOptions["egressOf"];
  private readonly reader: HeaderReader;
  private readonly heard: FeedOptions["heard"];

  constructor({ egressOf, tunnels, heard }: FeedOptions = {}) {
    this.heard = heard;
    this.egressOf = egressOf;
    this.reader = new HeaderReader(tunnels ?? "outer");
  }

  /** The live network changed: which interface is which port. */
  update(network: Network): void {
    this.places = new Map(
      [...network.bridges.values()].flatMap((bridge) =>
        [...bridge.ports.values()]
          .filter((port) => port.ifindex > 0)
          .map((port) => [port.ifindex, { bridge: bridge.name, ofport: port.ofport, isEdge: port.role === "edge" }] as const),
      ),
    );
    this.links = new Map(
      network.links.flatMap(({ a, b }) => {
        const name = `${portKey(a)}-${portKey(b)}`;
        return [[portKey(a), name] as const, [portKey(b), name] as const];
      }),
    );
  }

  /** The packets of a datagram that came in by edge ports, taken to be of `nowMs`: sFlow samples carry no time. */
  packets(datagram: Datagram, nowMs: number): readonly ObservedPacket[] {
    return this.take(datagram, nowMs).packets;
  }

  /** The same, and what its samples crossed. */
  take(datagram: Datagram, nowMs: number): Fed {
    const packets: ObservedPacket[] = [];
    const crossings: LinkCrossing[] = [];
    for (const sample of datagram.samples) {
      if (sample.kind !== "flow") continue;
      const place = sample.input.format === 0 ? this.places.get(sample.input.value) : undefined;
      if (place === undefined) {
        this.counters.unmapped++;
        continue;
      }
      const raw = sample.records.find((record) => record.kind === "sampledHeader");
      if (!isLldp(raw?.header)) this.heard?.(place.bridge, sample.samplingRate);
      const crossed = this.crossed(sample, place);
      if (!place.isEdge) {
        this.counters.inside++;
        if (crossed.links.length === 0) continue;
      }
      const header = raw === undefined ? undefined : this.reader.frame(raw.header);
      if (raw === undefined || header === undefined) {
        if (place.isEdge) this.counters.unreadable++;
        continue;
      }
      const common = { tMs: nowMs, weight: sample.samplingRate, frameLength: raw.frameLength - raw.stripped, header };
      for (const { link, from } of crossed.links) crossings.push({ ...common, link, from, isInferred: crossed.isInferred });
      if (!place.isEdge) continue;
      this.counters.packets++;
      packets.push({ ...common, ingress: { bridge: place.bridge, ofport: place.ofport } });
    }
    return { packets, crossings };
  }

  /** The links by which a sampled packet left its bridge; none where that is not known. */
  private crossed(sample: FlowSample, { bridge, ofport }: Place): { readonly links: readonly Crossed[]; readonly isInferred: boolean } {
    const egress = this.egressOf?.({ sample, bridge, inPort: ofport });
    if (egress?.how === "sampled") {
      const out = this.places.get(egress.ifIndex);
      return { links: out === undefined ? [] : this.by(portKey(out)), isInferred: false };
    }
    if (egress?.how !== "inferred") return { links: [], isInferred: false };
    return { links: egress.ports.flatMap((port) => this.by(portKey({ bridge, ofport: port }))), isInferred: true };
  }

  private by(from: string): Crossed[] {
    const link = this.links.get(from);
    return link === undefined ? [] : [{ link, from }];
  }
}
