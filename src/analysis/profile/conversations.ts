/**
 * From packets to conversations: who uses which service of whom, when each began, and how much it carried. Pure; time is the packets'.
 *
 * The server is whom the first SYN goes to. Where no handshake was seen (sampling, UDP) it is the side whose port is known to serve, or
 * else the lower port.
 */
import type { PacketHeader } from "sflow-collector";
import type { ObservedPacket } from "../../telemetry/observed-packet.js";

/** A service: what can be used, by any number of clients. */
export interface Service {
  readonly server: string;
  readonly protocol: number;
  readonly port: number;
}
/** "10.0.0.1 tcp/80" */
export const serviceName = ({ server, protocol, port }: Service): string => `${server} ${protocol === 6 ? "tcp" : protocol === 17 ? "udp" : String(protocol)}/${port}`;

/** A conversation up to one of its packets. */
export interface Stage {
  /** Estimated, both ways. */
  readonly bytes: number;
  /** Since its first packet. */
  readonly tookMs: number;
}

/** One connection, or one exchange of datagrams between two ports. */
export interface Conversation {
  readonly client: string;
  readonly service: Service;
  readonly clientPort: number;
  readonly firstMs: number;
  lastMs: number;
  /** Estimated, both ways. */
  bytes: number;
  packets: number;
  samples: number;
  /** What it had carried at its 10th, 20th, 40th … packet seen, up to the 5,120th. */
  readonly stages: Stage[];
  /** Whether its first packet was seen to be one: a SYN, or the first datagram after silence. */
  readonly hasStart: boolean;
}

export interface ConversationEvents {
  /** A conversation begins. */
  readonly started: (conversation: Conversation) => void;
  /** It has come to another of its stages: at the first, its tenth packet, early enough to say whether it will be large. */
  readonly grown: (conversation: Conversation) => void;
  /** It is over: closed, silent, or crowded out. */
  readonly ended: (conversation: Conversation) => void;
}

const maxConversations = 32_768;
const maxServices = 16_384;
/** Without a packet for this long, a conversation is over. */
const silenceMs = { tcp: 60_000, other: 5_000 };
/** Closed and silent for this long it is over; the same ports may begin another one before. */
const closedMs = 1_500;
const earlyPackets = 10;
const maxStages = 10;

/** While openings are told exactly: how long after the last word, and how far a sample's clock may be ahead of the opening's. */
const exactForMs = 5_000;
const samplesAheadMs = 100;
/** A conversation of which no opening was told, though they are told, counts when it lasts this long: it was there before. */
const unopenedMs = 5_000;

/** A TCP connection that was opened and answered. */
export interface OpenedConnection {
  /** Of its SYN, ms since the epoch. */
  readonly tMs: number;
  readonly client: string;
  readonly clientPort: number;
  readonly server: string;
  readonly port: number;
}

interface Tracked extends Conversation {
  closedMs: number | undefined;
  /** Whether `started` was told of it. */
  isCounted: boolean;
}

export class Conversations {
  /** Conversations ended before their time to make room. */
  evicted = 0;
  private readonly events: ConversationEvents;
  private readonly table = new Map<string, Tracked>();
  /** Services known by a handshake: "server protocol port". */
  private readonly services = new Set<string>();
  private sweptMs = -Infinity;
  private exactUntilMs = -Infinity;

  constructor(events: ConversationEvents) {
    this.events = events;
  }

  add({ tMs, weight, frameLength, header }: ObservedPacket): void {
    const { src, dst, protocol } = header;
    if (src === undefined || dst === undefined || (protocol !== 6 && protocol !== 17) || header.laterFragment) return;
    if (tMs - this.sweptMs >= 1_000 || tMs < this.sweptMs) this.sweep(tMs);
    const isToServer = this.goesToServer(header, src, dst, protocol);
    const [client, clientPort, server, port] = isToServer ? [src, header.srcPort, dst, header.dstPort] : [dst, header.dstPort, src, header.srcPort];
    const key = `${client} ${clientPort} ${server} ${port} ${protocol}`;
    let known = this.table.get(key);
    const isSyn = protocol === 6 && (header.tcpFlags & 0x12) === 0x02;
    if (known !== undefined && isSyn && known.closedMs !== undefined) {
      this.end(key, known); // the same ports again: another conversation
      known = undefined;
    }
    // The last words of a conversation that is over are no new one.
    if (known === undefined && protocol === 6 && (header.tcpFlags & 0x05) !== 0 && header.payloadLength === 0) return;
    if (known === undefined) {
      if (this.table.size >= maxConversations) this.evict();
      const isCounted = protocol !== 6 || tMs >= this.exactUntilMs;
      const hasStart = (isSyn && isCounted) || (protocol === 17 && isToServer);
      known = { client, clientPort, service: { server, protocol, port }, firstMs: tMs, lastMs: tMs, bytes: 0, packets: 0, samples: 0, stages: [], hasStart, closedMs: undefined, isCounted };
      this.table.set(key, known);
      if (known.isCounted) this.events.started(known);
    }
    known.lastMs = Math.max(known.lastMs, tMs);
    known.bytes += weight * frameLength;
    known.packets += weight;
    if (++known.samples === earlyPackets * 2 ** known.stages.length && known.stages.length < maxStages) {
      known.stages.push({ bytes: known.bytes, tookMs: known.lastMs - known.firstMs });
      this.events.grown(known);
    }
    if (protocol === 6 && (header.tcpFlags & 0x05) !== 0) known.closedMs ??= tMs;
    if (!known.isCounted && tMs - known.firstMs >= unopenedMs) {
      known.isCounted = true;
      this.events.started(known);
    }
  }

  /**
   * TCP connections that were opened, told by one who sees every packet, each second, also when there were none. From then on they alone
   * count as starts, until nothing was told for 5 s: a sampled packet adds to a conversation and does not begin one, because the word of
   * its opening is still on its way. `nowMs`: of the latest sampled packets' clock.
   */
  opened(nowMs: number, connections: readonly OpenedConnection[]): void {
    this.exactUntilMs = nowMs + exactForMs;
    for (const { tMs, client, clientPort, server, port } of connections) {
      if (this.services.size < maxServices) this.services.add(`${server} 6 ${port}`);
      const key = `${client} ${clientPort} ${server} ${port} 6`;
      const known = this.table.get(key);
      const isSame = known?.isCounted === false && known.firstMs >= tMs - samplesAheadMs;
      if (known !== undefined && !isSame) this.end(key, known); // the same ports, used before
      if (this.table.size >= maxConversations) this.evict();
      const conversation: Tracked = isSame ? { ...known, firstMs: tMs, hasStart: true, isCounted: true } : { client, clientPort, service: { server, protocol: 6, port }, firstMs: tMs, lastMs: tMs, bytes: 0, packets: 0, samples: 0, stages: [], hasStart: true, closedMs: undefined, isCounted: true };
      this.table.set(key, conversation);
      this.events.started(conversation);
    }
  }

  /** Lets time pass: conversations that are over end. */
  advance(nowMs: number): void {
    this.sweep(nowMs);
  }

  private goesToServer(header: PacketHeader, src: string, dst: string, protocol: number): boolean {
    const { srcPort, dstPort, tcpFlags } = header;
    if (protocol === 6 && (tcpFlags & 0x02) !== 0) {
      const isSyn = (tcpFlags & 0x10) === 0;
      const service = isSyn ? `${dst} 6 ${dstPort}` : `${src} 6 ${srcPort}`;
      if (this.services.size < maxServices) this.services.add(service);
      return isSyn;
    }
    if (this.services.has(`${dst} ${protocol} ${dstPort}`)) return true;
    if (this.services.has(`${src} ${protocol} ${srcPort}`)) return false;
    return dstPort <= srcPort;
  }

  private sweep(nowMs: number): void {
    this.sweptMs = nowMs;
    for (const [key, conversation] of this.table) {
      const silent = nowMs - conversation.lastMs;
      const isClosed = conversation.closedMs !== undefined && silent >= closedMs;
      if (isClosed || silent >= (conversation.service.protocol === 6 ? silenceMs.tcp : silenceMs.other) || silent < -silenceMs.tcp) this.end(key, conversation);
    }
  }

  /** The oldest makes room. */
  private evict(): void {
    const [oldest] = this.table;
    if (oldest === undefined) return;
    this.evicted++;
    this.end(...oldest);
  }

  private end(key: string, conversation: Tracked): void {
    this.table.delete(key);
    this.events.ended(conversation);
  }
}
