/** The flows that are known, with what each source said of them last. Bounded: when full, the one heard of longest ago is forgotten and counted. Pure. */
import type { PacketHeader } from "sflow-collector";
import type { FlowEntry } from "../../network/flow-entry.js";
import type { ObservedPacket } from "../observed-packet.js";
import type { ConnectionSummary } from "../tcp/summary.js";
import type { TrackedConnection } from "./conntrack.js";
import type { AppLabel, CapturedPart } from "./record.js";
import { endsOf, flowKeyOf, type FlowEnd } from "./tuple.js";

const [tcp, syn, ack] = [6, 0x02, 0x10];

/** One direction of a flow. */
export interface KnownDirection {
  readonly from: FlowEnd;
  readonly to: FlowEnd;
  samples: number;
  packets: number;
  bytes: number;
  /** Of `packets`: the sum of w (w - 1) over its samples of weight w. */
  variance: number;
  captured: CapturedPart | undefined;
  /** A packet of it, one that opens nothing where there is one; and by which edge port it came in, where a sample told. */
  header: PacketHeader | undefined;
  ingress: ObservedPacket["ingress"];
  /** Its way, as it was followed last. */
  way: KnownWay | undefined;
}

export interface KnownWay {
  readonly bridge: string;
  /** What it was followed with: tables, packet, tracking. Another one asks for another look. */
  readonly asked: string;
  readonly entry: FlowEntry | undefined;
  readonly zones: readonly number[];
  readonly undecided: readonly string[];
}

export interface KnownFlow {
  readonly key: string;
  readonly protocol: number;
  /** Direction 0 is from the end that sorts first. */
  readonly directions: readonly [KnownDirection, KnownDirection];
  firstMs: number;
  lastMs: number;
  /** Which direction is from the client, and whether an opening packet said so. */
  clientDirection: 0 | 1;
  isClientKnown: boolean;
  /** By zone; kept when the tracker has forgotten them. */
  tracked: Map<number, TrackedConnection>;
  app: AppLabel | undefined;
  /** As captured; kept when the capture has forgotten it. */
  tcp: ConnectionSummary | undefined;
}

/** Zones kept of one flow. */
const maxZones = 8;

const emptyDirection = (from: FlowEnd, to: FlowEnd): KnownDirection => ({ from, to, samples: 0, packets: 0, bytes: 0, variance: 0, captured: undefined, header: undefined, ingress: undefined, way: undefined });

export class KnownFlows {
  readonly counters = { evicted: 0, expired: 0, notIp: 0 };
  readonly capacity: number;
  private readonly flows = new Map<string, KnownFlow>();

  /** RangeError unless there is room for at least one. */
  constructor(capacity: number) {
    if (!Number.isInteger(capacity) || capacity < 1) throw new RangeError(`a table of ${capacity} flows`);
    this.capacity = capacity;
  }

  get size(): number {
    return this.flows.size;
  }

  get(key: string): KnownFlow | undefined {
    return this.flows.get(key);
  }

  /** All, those heard of longest ago first. */
  all(): Iterable<KnownFlow> {
    return this.flows.values();
  }

  /** A sampled packet, where it came into the network. */
  sampled({ header, weight, frameLength, tMs, ingress }: ObservedPacket): void {
    const direction = this.heard(header, tMs);
    if (direction === undefined) return;
    direction.samples++;
    direction.packets += weight;
    direction.bytes += weight * frameLength;
    direction.variance += weight * (weight - 1);
    if (ingress !== undefined) direction.ingress = ingress;
  }

  /** What was captured of one direction up to `lastMs`, in all. */
  captured(header: PacketHeader, part: CapturedPart, firstMs: number, lastMs: number): void {
    const direction = this.heard(header, lastMs, firstMs);
    if (direction !== undefined) direction.captured = part;
  }

  /** What connection tracking says of a flow that is known, or becomes so. */
  tracked(connection: TrackedConnection, key: string, ends: readonly [FlowEnd, FlowEnd], clientDirection: 0 | 1, nowMs: number): void {
    // An entry outlives its packets by its time-out: it keeps a flow known, and does not make it heard of.
    const flow = this.flows.get(key) ?? this.add(key, connection.protocol, ends, nowMs);
    if (!flow.isClientKnown) {
      flow.clientDirection = clientDirection;
      flow.isClientKnown = true;
    }
    if (flow.tracked.size < maxZones || flow.tracked.has(connection.zone)) flow.tracked.set(connection.zone, connection);
  }

  /** Forgets what was not heard of since. */
  expire(beforeMs: number): void {
    for (const [key, { lastMs }] of this.flows) {
      if (lastMs >= beforeMs) return; // the rest was heard of later
      this.flows.delete(key);
      this.counters.expired++;
    }
  }

  private heard(header: PacketHeader, tMs: number, firstMs = tMs): KnownDirection | undefined {
    const ends = endsOf(header);
    if (ends === undefined) {
      this.counters.notIp++;
      return undefined;
    }
    const { key, direction } = flowKeyOf(ends.protocol, ends.from, ends.to);
    let flow = this.flows.get(key);
    if (flow === undefined) {
      flow = this.add(key, ends.protocol, direction === 0 ? [ends.from, ends.to] : [ends.to, ends.from], firstMs);
      flow.clientDirection = guessedClient(ends.protocol, ends.from, ends.to, direction);
    } else {
      // In the order in which they were heard of, for who goes first.
      this.flows.delete(key);
      this.flows.set(key, flow);
    }
    flow.firstMs = Math.min(flow.firstMs, firstMs);
    flow.lastMs = Math.max(flow.lastMs, tMs);
    const opens = ends.protocol === tcp && (header.tcpFlags & syn) !== 0;
    if (opens && !flow.isClientKnown) {
      flow.clientDirection = (header.tcpFlags & ack) === 0 ? direction : direction === 0 ? 1 : 0;
      flow.isClientKnown = true;
    }
    const known = flow.directions[direction];
    if (known.header === undefined || (known.header.tcpFlags & syn) !== 0) known.header = header;
    return known;
  }

  private add(key: string, protocol: number, [a, b]: readonly [FlowEnd, FlowEnd], nowMs: number): KnownFlow {
    if (this.flows.size >= this.capacity) {
      const [oldest] = this.flows.keys();
      if (oldest !== undefined) this.flows.delete(oldest);
      this.counters.evicted++;
    }
    const flow: KnownFlow = {
      key, protocol, directions: [emptyDirection(a, b), emptyDirection(b, a)], firstMs: nowMs, lastMs: nowMs, clientDirection: 0, isClientKnown: false, tracked: new Map(), app: undefined, tcp: undefined,
    };
    this.flows.set(key, flow);
    return flow;
  }
}

/** Clients take their ports from here on (Linux's own; IANA's begin at 49,152). */
const firstEphemeral = 32_768;

/**
 * Without an opening packet: of TCP the lower port is taken for the server's, of others a port below the ephemeral ones where the other is among them. Else who was heard
 * first for the client: samples of two bridges come in any order.
 */
function guessedClient(protocol: number, from: FlowEnd, to: FlowEnd, direction: 0 | 1): 0 | 1 {
  const isFromServer = protocol === tcp ? from.port < to.port : from.port > 0 && from.port < firstEphemeral && to.port >= firstEphemeral;
  return isFromServer ? (direction === 0 ? 1 : 0) : direction;
}
