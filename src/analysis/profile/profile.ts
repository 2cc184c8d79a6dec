/**
 * The behavioural profile, learned as traffic goes by: who uses what, when, how much, and what needs what. It takes packets and the
 * observations of windows, and gives documents; it never sends anything.
 */
import type { NetworkEvent, Observation, Subject } from "../../base/observation.js";
import type { ObservedPacket } from "../../telemetry/observed-packet.js";
import { Conversations, serviceName, type Conversation, type OpenedConnection } from "./conversations.js";
import { defaultDependencyOptions, dependencies, type Dependency, type DependencyOptions } from "./dependencies.js";
import { diffProfiles, profileSchema, type CriticalProfile, type ProfileDocument, type ServiceProfile } from "./document.js";
import { HeavyHitters } from "./heavy-hitters.js";
import { peakHistory, type PeakStore } from "./peak-history.js";
import { daily, Peaks, type PeakOptions } from "./peaks.js";
import { defaultGraphOptions, edgeName, ServiceGraph, type GraphOptions, type ServiceEdge } from "./service-graph.js";
import type { ProfileSnapshot } from "./snapshot.js";
import { Transfers } from "./transfers.js";

export interface ProfileOptions {
  readonly graph?: GraphOptions;
  readonly dependencies?: DependencyOptions;
  readonly peaks?: PeakOptions;
  readonly elephantBytes?: number;
  /** What is told: a use that was not there before, a transfer that will be large. */
  readonly happened: (event: NetworkEvent) => void;
}

/** Entries of each section of a document, at most. */
const maxEntries = 500;
/** A pair with this share of the bytes is a heavy hitter. */
const talkerShare = 0.05;
/** Old traffic counts half after this long. */
const halfLifeMs = 300_000;
/** A conversation is told as large when it is at least this likely. */
const tellElephant = 0.8;

export class Profile {
  private readonly options: ProfileOptions;
  private readonly conversations: Conversations;
  private readonly graph: ServiceGraph;
  private readonly transfers: Transfers;
  private readonly talkers = new HeavyHitters();
  private readonly peaks: Peaks;
  private fadedMs: number | undefined;
  private sinceMs: number | undefined;
  private last: ProfileDocument | undefined;
  private firstVersion = 1;
  /** Conversations that were told to be large. */
  private readonly toldLarge = new WeakSet<Conversation>();

  constructor(options: ProfileOptions) {
    this.options = options;
    this.graph = new ServiceGraph(options.graph ?? defaultGraphOptions);
    this.transfers = new Transfers(options.elephantBytes);
    this.peaks = new Peaks(options.peaks ?? daily);
    this.conversations = new Conversations({
      started: (conversation) => this.started(conversation),
      grown: (conversation) => this.grown(conversation),
      ended: (conversation) => {
        this.graph.ended(conversation);
        this.transfers.ended(conversation);
      },
    });
  }

  /** What was left out for want of room, by part. */
  get overflow(): Readonly<Record<string, number>> {
    return { conversations: this.conversations.evicted, edges: this.graph.overflow, services: this.transfers.overflow, subjects: this.peaks.overflow };
  }

  packet(packet: ObservedPacket): void {
    const { tMs, weight, frameLength, header } = packet;
    this.sinceMs ??= tMs;
    this.conversations.add(packet);
    if (header.src === undefined || header.dst === undefined) return;
    this.fadedMs ??= tMs;
    if (tMs - this.fadedMs >= halfLifeMs) {
      this.talkers.fade();
      this.fadedMs = tMs;
    }
    this.talkers.add(`${header.src} > ${header.dst}`, weight * frameLength);
  }

  /** TCP connections as they were opened, of a capture of all packets, told each second: their starts are exact, sampled ones are not. */
  opened(nowMs: number, connections: readonly OpenedConnection[]): void {
    const [first] = connections;
    if (first !== undefined) this.sinceMs ??= first.tMs;
    this.conversations.opened(nowMs, connections);
  }

  /** Takes the windows of 5 s of hosts and bridges: what peaks are made of. */
  observation({ subject, windowMs, tMs, side, values }: Observation): void {
    const bitsPerS = values["bitsPerS"];
    if (side !== "live" || windowMs !== 5_000 || bitsPerS === undefined) return;
    if (subject.kind === "host" || subject.kind === "bridge") this.peaks.add(peakName(subject), tMs, bitsPerS);
  }

  /** Learns the peaks of what a store has of the days before `beforeMs`: for a profile that was not kept. Resolves with the slots learned; rejects when the store can't be asked. */
  learnPeaks(store: PeakStore, beforeMs: number): Promise<number> {
    return peakHistory(store, beforeMs, this.peaks.slotMs, (subject, tMs, highest) => this.peaks.addPast(peakName(subject), tMs, highest));
  }

  /** The profile as of `nowMs`. Its version grows when it says something else than the one before. */
  document(nowMs: number): ProfileDocument {
    this.conversations.advance(nowMs);
    const edges = this.graph.all();
    const needs = dependencies(edges, this.options.dependencies ?? defaultDependencyOptions).slice(0, maxEntries);
    const byUse = [...edges].sort((x, y) => y.conversations - x.conversations);
    const fresh: ProfileDocument = {
      schema: profileSchema,
      version: this.last?.version ?? this.firstVersion,
      sinceMs: this.sinceMs ?? nowMs,
      generatedMs: nowMs,
      services: this.services(edges).slice(0, maxEntries),
      edges: byUse.slice(0, maxEntries).map(({ client, service, conversations, bytes, firstMs, lastMs }) => ({ client, service: serviceName(service), conversations, bytes, firstMs, lastMs })),
      dependencies: needs,
      peaks: this.peaks
        .all()
        .flatMap((subject) => {
          const peak = this.peaks.peak(subject, nowMs);
          return peak === undefined ? [] : [{ subject, ...peak }];
        })
        .sort((x, y) => y.height - x.height)
        .slice(0, maxEntries),
      talkers: this.talkers.above(talkerShare).map(({ key, amount }) => ({ pair: key, bytes: amount, share: amount / this.talkers.total })),
      critical: critical(needs),
    };
    const isNew = this.last !== undefined && diffProfiles(this.last, fresh).length > 0;
    this.last = isNew ? { ...fresh, version: fresh.version + 1 } : fresh;
    return this.last;
  }

  /** What is to be kept over a restart. */
  snapshot(): ProfileSnapshot {
    return { format: 1, version: this.last?.version ?? this.firstVersion, sinceMs: this.sinceMs, edges: this.graph.all(), peaks: this.peaks.state(), transfers: this.transfers.state() };
  }

  /** Goes on from what was kept. To be called before the first packet. Returns whether the peaks could be used: those of an older version can't. */
  restore(snapshot: ProfileSnapshot): boolean {
    this.firstVersion = snapshot.version;
    this.sinceMs = snapshot.sinceMs;
    this.graph.restore(snapshot.edges);
    this.transfers.restore(snapshot.transfers);
    return this.peaks.restore(snapshot.peaks);
  }

  private services(edges: readonly ServiceEdge[]): ServiceProfile[] {
    const sums = new Map<string, { clients: number; conversations: number }>();
    for (const { service, conversations } of edges) {
      const name = serviceName(service);
      const sum = sums.get(name) ?? { clients: 0, conversations: 0 };
      sums.set(name, { clients: sum.clients + 1, conversations: sum.conversations + conversations });
    }
    return [...sums]
      .map(([service, { clients, conversations }]) => {
        const sizes = this.transfers.all().get(service);
        return { service, clients, conversations, transfers: sizes?.count ?? 0, p50Bytes: sizes?.quantile(0.5) ?? 0, p90Bytes: sizes?.quantile(0.9) ?? 0, p99Bytes: sizes?.quantile(0.99) ?? 0 };
      })
      .sort((x, y) => y.conversations - x.conversations);
  }

  private started(conversation: Conversation): void {
    const edge = this.graph.started(conversation);
    if (edge === undefined) return;
    this.options.happened({ tMs: conversation.firstMs, kind: "alert", side: "live", subject: edgeName(edge), detail: { what: "new edge", client: edge.client, service: serviceName(edge.service) } });
  }

  private grown(conversation: Conversation): void {
    if (conversation.bytes >= this.transfers.elephantBytes || this.toldLarge.has(conversation)) return;
    const { probability } = this.transfers.guess(conversation);
    if (probability < tellElephant) return;
    this.toldLarge.add(conversation);
    const service = serviceName(conversation.service);
    this.options.happened({ tMs: conversation.lastMs, kind: "prediction", side: "live", subject: `${conversation.client} > ${service}`, detail: { what: "large transfer", service, probability, bytesSoFar: conversation.bytes, packetsSoFar: conversation.packets } });
  }
}

const peakName = ({ kind, name }: Subject): string => (kind === "bridge" ? `bridge ${name}` : name);

/** Hosts by how many services need theirs, through any number of others. */
function critical(needs: readonly Dependency[]): CriticalProfile[] {
  const on = new Map<string, Set<string>>();
  for (const { dependent, on: needed } of needs) on.set(needed, (on.get(needed) ?? new Set()).add(dependent));
  const reach = (service: string, seen: Set<string>): Set<string> => {
    for (const dependent of on.get(service) ?? []) {
      if (seen.has(dependent)) continue;
      seen.add(dependent);
      reach(dependent, seen);
    }
    return seen;
  };
  const byHost = new Map<string, Set<string>>();
  for (const service of on.keys()) {
    const host = service.split(" ")[0] ?? service;
    byHost.set(host, reach(service, byHost.get(host) ?? new Set()));
  }
  return [...byHost].map(([host, dependents]) => ({ host, dependents: dependents.size })).sort((x, y) => y.dependents - x.dependents || (x.host < y.host ? -1 : 1));
}
