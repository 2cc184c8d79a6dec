/**
 * Follows the flows of live: takes samples as they come, and each round what the tracker, the flow entries and the capture say of them. What a round
 * has no time for is left to the next and counted.
 */
import { printMatch, type FlowStats } from "node-openflow";
import { errorText } from "../../base/error-text.js";
import { flowKey } from "../../network/flow-entry.js";
import { SoftwareSwitch, type BridgeState } from "../../network/flow-table.js";
import type { Network } from "../../network/model.js";
import type { ObservedPacket } from "../observed-packet.js";
import type { ConnectionSummary } from "../tcp/summary.js";
import type { CapturedFlow } from "./capture-protocol.js";
import { flowsOfTracked, parseConntrack, type TrackedConnection } from "./conntrack.js";
import { carriedBy, recordOf, type EntryCounters, type JoinContext } from "./joined.js";
import { KnownFlows, type KnownDirection, type KnownFlow } from "./known-flows.js";
import type { FlowCounters, FlowRecord } from "./record.js";
import { flowKeyOf } from "./tuple.js";
import { packetOfHeader, wayOf, type Tracked } from "./ways.js";

export interface FlowWatchParts {
  readonly maxFlows: number;
  /** A live bridge from the tables that are followed, with a number that is another when they are; undefined while they are not those of the switch. */
  readonly bridge: (name: string) => Promise<{ readonly version: number; readonly state: BridgeState } | undefined>;
  /** All flow entries of a bridge with their counters; undefined when it is not connected. */
  readonly flowStats: (bridge: string) => Promise<readonly FlowStats[]> | undefined;
  /** ovs-vswitchd's control socket; `maxAnswer` in bytes. */
  readonly control: (method: string, params: readonly string[], maxAnswer?: number) => Promise<string>;
  readonly network: () => Network;
  /** Whether connections tracked in a zone are of copies. */
  readonly isShadowZone: (zone: number) => boolean;
  /** TCP connections as captured, those heard of last; undefined when they are not. */
  readonly connections: (() => Promise<readonly ConnectionSummary[]>) | undefined;
  /** Flows of which copies were captured since the last call; undefined when they are not. */
  readonly captured: (() => Promise<readonly CapturedFlow[]>) | undefined;
  readonly leavesOut: (port: number) => boolean;
  readonly nowMs: () => number;
  /** Monotonic, ms. */
  readonly clockMs: () => number;
}

const tcp = 6;
const everyMs = 5_000;
/** A flow silent for this long is forgotten. */
const forgetMs = 600_000;
/** Tracked connections that are read at once: a dump of them holds ovs-vswitchd up for some 10 ms. */
const maxTracked = 50_000;
const maxTrackedAnswer = 32 << 20;
/** Entries of a bridge whose counters are read: 100,000 take a third of a second of ovs-vswitchd. */
const maxEntries = 20_000;
/** Time that ways are followed for in a round, ms. */
const wayBudgetMs = 250;
/** A list asked for within this long of the last round has that round's answers. */
const freshMs = 500;

/** What is kept of one bridge. */
interface KnownBridge {
  readonly version: number;
  readonly aside: string;
  readonly tables: SoftwareSwitch;
  readonly serial: number;
}

const [established, isReplyBit, isNew, trackedBit] = [0x02, 0x08, 0x01, 0x20];

export class FlowWatch {
  readonly flows: KnownFlows;
  private readonly parts: FlowWatchParts;
  private readonly bridges = new Map<string, KnownBridge>();
  private entries = new Map<string, EntryCounters>();
  private readonly failures = { conntrack: undefined as string | undefined, openflow: undefined as string | undefined };
  private readonly tracking = { connections: 0, malformed: 0 };
  private waysLeft = 0;
  private readonly samplingRates = new Map<string, number>();
  private serial = 0;
  private round: Promise<void> | undefined;
  private endedMs = -Infinity;
  private timer: NodeJS.Timeout | undefined;

  constructor(parts: FlowWatchParts) {
    this.parts = parts;
    this.flows = new KnownFlows(parts.maxFlows);
  }

  start(): void {
    this.timer = setInterval(() => void this.look(), everyMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.round;
  }

  /** Packets sampled where they came into the network. */
  packets(packets: readonly ObservedPacket[]): void {
    for (const packet of packets) {
      this.flows.sampled(packet);
      if (packet.ingress !== undefined) this.samplingRates.set(packet.ingress.bridge, packet.weight);
    }
  }

  /** All that is known now, those heard of last first. */
  async list({ address = "", limit = Infinity, incomplete = false }: { readonly address?: string; readonly limit?: number; readonly incomplete?: boolean } = {}): Promise<{ readonly records: readonly FlowRecord[]; readonly counters: FlowCounters }> {
    if (this.parts.clockMs() - this.endedMs > freshMs) await this.look();
    const context = this.context();
    const all = [...this.flows.all()].reverse();
    let complete = 0;
    const records: FlowRecord[] = [];
    for (const flow of all) {
      const record = recordOf(flow, context);
      if (record.isComplete) complete++;
      const isWanted = (address === "" || record.client.address === address || record.server.address === address) && !(incomplete && record.isComplete);
      if (isWanted && records.length < limit) records.push(record);
    }
    return { records, counters: this.counters(complete) };
  }

  /** One round over all sources; resolves when it is over. What fails is told in the counters. */
  look(): Promise<void> {
    this.round ??= this.everything().finally(() => {
      this.round = undefined;
      this.endedMs = this.parts.clockMs();
    });
    return this.round;
  }

  private async everything(): Promise<void> {
    await this.takeCaptured().catch(() => undefined); // the capture tells of its failures itself
    await this.takeConnections().catch(() => undefined); // likewise
    await this.takeTracked();
    await this.takeEntries();
    this.flows.expire(this.parts.nowMs() - forgetMs);
  }

  private async takeCaptured(): Promise<void> {
    for (const { directions, firstMs, lastMs, app, key } of (await this.parts.captured?.()) ?? []) {
      for (const { header, part } of directions) this.flows.captured(header, part, firstMs, lastMs);
      const flow = this.flows.get(key);
      if (flow !== undefined && app !== undefined) flow.app = app;
    }
  }

  private async takeConnections(): Promise<void> {
    for (const one of (await this.parts.connections?.()) ?? []) {
      const flow = this.flows.get(flowKeyOf(tcp, one.client, one.server).key);
      if (flow !== undefined) flow.tcp = one;
    }
  }

  private async takeTracked(): Promise<void> {
    const { control, nowMs, network } = this.parts;
    try {
      const types = new Set([...network().bridges.values()].map(({ datapathType }) => datapathType || "system"));
      let [connections, malformed] = [0, 0];
      for (const type of types) {
        const datapath = `${type}@ovs-${type}`;
        const count = Number(await control("dpctl/ct-get-nconns", [datapath]));
        if (count > maxTracked) throw new Error(`${count} connections are tracked, more than the ${maxTracked} that are read at once`);
        const dump = parseConntrack(count === 0 ? "" : await control("dpctl/dump-conntrack", ["-s", datapath], maxTrackedAnswer));
        const ofShadow = new Map<number, boolean>();
        for (const { zone } of dump.connections) if (!ofShadow.has(zone)) ofShadow.set(zone, this.parts.isShadowZone(zone));
        const ofLive = dump.connections.filter(({ zone }) => ofShadow.get(zone) !== true);
        connections += ofLive.length;
        malformed += dump.malformed;
        for (const connection of ofLive) this.trackedOne(connection, nowMs());
      }
      this.tracking.connections = connections;
      this.tracking.malformed = malformed;
      this.failures.conntrack = undefined;
    } catch (error) {
      this.failures.conntrack = `tracked connections can't be read: ${errorText(error)}`;
    }
  }

  private trackedOne(connection: TrackedConnection, nowMs: number): void {
    const { original, reply } = connection;
    flowsOfTracked(connection).forEach(({ key, direction, isReply }, i) => {
      const [from, to] = i === 0 ? [original.from, original.to] : [reply.from, reply.to];
      this.flows.tracked(connection, key, direction === 0 ? [from, to] : [to, from], isReply ? 1 : 0, nowMs);
    });
  }

  private async takeEntries(): Promise<void> {
    const { nowMs, flowStats } = this.parts;
    const asked = new Map<string, { readonly direction: KnownDirection; readonly flow: KnownFlow; readonly inPort: number }[]>();
    for (const flow of this.flows.all()) {
      for (const direction of flow.directions) {
        const at = direction.header === undefined ? undefined : (direction.ingress ??= this.ingressOf(direction.header.ethSrc));
        if (at === undefined) continue;
        const list = asked.get(at.bridge);
        if (list === undefined) asked.set(at.bridge, [{ direction, flow, inPort: at.ofport }]);
        else list.push({ direction, flow, inPort: at.ofport });
      }
    }
    const failures: string[] = [];
    const entries = new Map<string, EntryCounters>();
    // Counters of entries are as old as the revalidators' last round; without its answer they are taken as they are.
    await this.parts.control("revalidator/wait", []).catch(() => undefined);
    const endMs = this.parts.clockMs() + wayBudgetMs;
    this.waysLeft = 0;
    for (const [bridge, directions] of asked) {
      try {
        const known = await this.known(bridge);
        if (known === undefined) {
          failures.push(`the tables of ${bridge} are not known`);
          continue;
        }
        for (const one of directions) this.follow(bridge, known, one, endMs);
        for (const stats of (await flowStats(bridge)) ?? []) {
          const { packetCount: packets, byteCount: bytes, durationSec, durationNsec } = stats;
          entries.set(`${bridge} ${flowKey(stats)}`, { packets, bytes, durationS: durationSec + durationNsec / 1e9, readMs: nowMs() });
        }
      } catch (error) {
        failures.push(`flow statistics of ${bridge}: ${errorText(error)}`);
      }
    }
    // An entry that is gone keeps its last counters as long as a flow had it: what it counted was counted.
    for (const key of carriedBy(this.flows.all()).keys()) {
      const before = this.entries.get(key);
      if (before !== undefined && !entries.has(key)) entries.set(key, before);
    }
    this.entries = entries;
    this.failures.openflow = failures.length === 0 ? undefined : failures.join("; ");
  }

  /** A bridge's tables, taken in again when they, its ports or its addresses are others. */
  private async known(bridge: string): Promise<KnownBridge | undefined> {
    const now = await this.parts.bridge(bridge);
    if (now === undefined) return undefined;
    const { state, version } = now;
    if (state.flows.length > maxEntries) throw new Error(`${state.flows.length} entries, more than the ${maxEntries} that are followed`);
    const aside = JSON.stringify([state.ports, state.mirrors ?? [], [...(state.macs ?? [])].sort()]);
    const before = this.bridges.get(bridge);
    if (before?.version === version && before.aside === aside) return before;
    const known = { version, aside, tables: new SoftwareSwitch([state]), serial: ++this.serial };
    this.bridges.set(bridge, known);
    return known;
  }

  private follow(bridge: string, known: KnownBridge, { direction, flow, inPort }: { readonly direction: KnownDirection; readonly flow: KnownFlow; readonly inPort: number }, endMs: number): void {
    const { header } = direction;
    if (header === undefined) return;
    const hasAnswer = flow.directions.every(({ samples, captured }) => samples > 0 || (captured?.packets ?? 0) > 0);
    const asked = `${known.serial} ${inPort} ${header.tcpFlags} ${hasAnswer} ${[...flow.tracked.keys()].join()}`;
    if (direction.way?.asked === asked) return;
    if (this.parts.clockMs() > endMs) {
      this.waysLeft++;
      return;
    }
    const tracked: Tracked = (zone) => {
      const connection = flow.tracked.get(zone);
      if (connection === undefined) return undefined;
      const original = flowKeyOf(flow.protocol, connection.original.from, connection.original.to);
      const isReply = original.key === flow.key ? direction !== flow.directions[original.direction] : direction.from.address !== connection.original.from.address;
      return { state: trackedBit | (hasAnswer ? established : isNew) | (isReply ? isReplyBit : 0), mark: connection.mark };
    };
    const { entry, zones, undecided } = wayOf(known.tables, bridge, packetOfHeader(header, inPort), tracked, this.parts.leavesOut);
    direction.way = { bridge, asked, entry, zones, undecided };
  }

  private ingressOf(mac: string): KnownDirection["ingress"] {
    return this.parts.network().hosts.get(mac)?.at;
  }

  private context(): JoinContext {
    return {
      entries: this.entries, carried: carriedBy(this.flows.all()), matchText: (match) => printMatch(match), hasTcp: this.parts.connections !== undefined, isCapturing: this.parts.captured !== undefined, samplingRates: this.samplingRates,
      conntrackFailure: this.failures.conntrack, openflowFailure: this.failures.openflow,
    };
  }

  private counters(complete: number): FlowCounters {
    const { evicted, expired, notIp } = this.flows.counters;
    return {
      flows: this.flows.size, capacity: this.flows.capacity, evicted, expired, notIp, complete,
      trackedConnections: this.tracking.connections, malformedTracked: this.tracking.malformed,
      conntrackFailure: this.failures.conntrack, openflowFailure: this.failures.openflow, waysLeft: this.waysLeft,
    };
  }
}
