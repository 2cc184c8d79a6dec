/** BGP sessions heard from copied TCP segments: their state, and the routes each side announces. Bounded. */
import { applyUpdate } from "./bgp-routes.js";
import { BgpFraming } from "./bgp-framing.js";
import { notificationText, readBgp, updateContext, type BgpMessage, type Open } from "./bgp.js";
import type { IpPacket, TcpSegment } from "./packet.js";
import { DecodeError } from "./reader.js";
import type { Rib, Speaker } from "./rib.js";
import type { Tell } from "./routing-event.js";
import { TcpStream } from "./tcp-stream.js";

export const bgpPort = 179;

/** RFC 4271 section 10 suggests 90 s; what is configured is in the OPEN, so this counts only where none was heard. */
const assumedHoldMs = 180_000;
/** Copies may come late: a session is called dead this much after its hold time. */
const graceMs = 1_000;
/** Messages decoded per segment train are bounded by the streams; sessions by this. The longest silent one goes. */
const maxSessions = 1_024;

interface Direction {
  readonly speaker: Speaker;
  readonly stream: TcpStream;
  readonly framing: BgpFraming;
  open: Open | undefined;
  keepalives: number;
}

export interface BgpNeighbour {
  readonly from: string;
  readonly to: string;
  readonly state: "opening" | "established";
  readonly as: number | undefined;
  readonly identifier: string | undefined;
  readonly peerAs: number | undefined;
  readonly holdTimeS: number | undefined;
  readonly sinceMs: number;
  readonly lastMs: number;
}

interface Session {
  readonly key: string;
  readonly sides: readonly [Direction, Direction];
  isEstablished: boolean;
  sinceMs: number;
  lastMs: number;
}

export interface BgpCounters {
  segments: number;
  messages: number;
  /** Bytes of streams that were never copied to us. */
  missingBytes: number;
  /** Times the start of a message was lost and found again at a marker. */
  resyncs: number;
  sessionsEvicted: number;
}

export class BgpSessions {
  private readonly sessions = new Map<string, Session>();
  private readonly rib: Rib;
  private readonly tell: Tell;
  private readonly failed: (error: DecodeError) => void;
  private readonly total: BgpCounters = { segments: 0, messages: 0, missingBytes: 0, resyncs: 0, sessionsEvicted: 0 };

  /** `failed` gets each message that could not be read; the session goes on. */
  constructor(rib: Rib, tell: Tell, failed: (error: DecodeError) => void) {
    this.rib = rib;
    this.tell = tell;
    this.failed = failed;
  }

  counters(): BgpCounters {
    const sum = { ...this.total };
    for (const session of this.sessions.values()) addCounters(sum, session);
    return sum;
  }

  neighbours(): BgpNeighbour[] {
    return [...this.sessions.values()].flatMap(({ sides, isEstablished, sinceMs, lastMs }) =>
      sides.map((side, i) => {
        const other = sides[1 - i] as Direction;
        return {
          from: side.speaker.from,
          to: side.speaker.to,
          state: isEstablished ? ("established" as const) : ("opening" as const),
          as: side.open?.as,
          identifier: side.open?.identifier,
          peerAs: other.open?.as,
          holdTimeS: holdMs(sides) === Infinity ? 0 : side.open === undefined && other.open === undefined ? undefined : holdMs(sides) / 1e3,
          sinceMs,
          lastMs,
        };
      }),
    );
  }

  add(ip: IpPacket, tcp: TcpSegment, nowMs: number): void {
    this.total.segments++;
    const here = `${ip.src} ${tcp.srcPort}`;
    const there = `${ip.dst} ${tcp.dstPort}`;
    const isFirst = here < there;
    const key = isFirst ? `${here} ${there}` : `${there} ${here}`;
    let session = this.sessions.get(key);
    if (session === undefined) {
      if (tcp.rst || (tcp.payload.length === 0 && !tcp.syn)) return;
      session = this.create(key, isFirst ? ip.src : ip.dst, isFirst ? ip.dst : ip.src, nowMs);
    }
    const side = session.sides[isFirst ? 0 : 1];
    if (tcp.syn) side.stream.open(tcp.sequence);
    const first = tcp.syn ? (tcp.sequence + 1) >>> 0 : tcp.sequence;
    for (const part of side.stream.add(first, tcp.payload, nowMs)) for (const message of side.framing.add(part)) this.message(session, side, message, nowMs);
    if (tcp.rst) this.end(session, nowMs, "the connection was reset");
    else if (tcp.fin) this.end(session, nowMs, "the connection was closed");
  }

  /** Ends what was silent for its hold time; skips holes that are waited for in vain. */
  advance(nowMs: number): void {
    for (const session of [...this.sessions.values()]) {
      for (const side of session.sides) for (const part of side.stream.expire(nowMs)) for (const message of side.framing.add(part)) this.message(session, side, message, nowMs);
      if (nowMs - session.lastMs > holdMs(session.sides) + graceMs) this.end(session, nowMs, "hold time passed in silence");
    }
  }

  private create(key: string, a: string, b: string, nowMs: number): Session {
    if (this.sessions.size >= maxSessions) {
      const silent = [...this.sessions.values()].reduce((x, y) => (y.lastMs < x.lastMs ? y : x));
      this.total.sessionsEvicted++;
      this.end(silent, nowMs, "forgotten: too many sessions");
    }
    const side = (from: string, to: string): Direction => ({ speaker: { from, to, source: "bgp" }, stream: new TcpStream(), framing: new BgpFraming(), open: undefined, keepalives: 0 });
    const session: Session = { key, sides: [side(a, b), side(b, a)], isEstablished: false, sinceMs: nowMs, lastMs: nowMs };
    this.sessions.set(key, session);
    return session;
  }

  private message(session: Session, side: Direction, bytes: Uint8Array, nowMs: number): void {
    this.total.messages++;
    const other = session.sides[session.sides[0] === side ? 1 : 0];
    let message: BgpMessage;
    try {
      message = readBgp(bytes, updateContext(side.open, other.open));
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.failed(error);
      return;
    }
    session.lastMs = nowMs;
    switch (message.type) {
      case "open":
        side.open = message;
        break;
      case "keepalive":
        side.keepalives++;
        // One that is heard without an OPEN before it is of a session that was there already.
        if ((other.keepalives > 0 && side.keepalives > 0) || (side.open === undefined && other.open === undefined)) this.establish(session, nowMs);
        break;
      case "update":
        this.establish(session, nowMs);
        applyUpdate(this.rib, side.speaker, message, nowMs);
        break;
      case "notification":
        this.end(session, nowMs, `${side.speaker.from} says ${notificationText(message)}`);
        break;
      case "route-refresh":
        break;
    }
  }

  private establish(session: Session, nowMs: number): void {
    if (session.isEstablished) return;
    // What an earlier session between the two announced ended with it.
    for (const old of [...this.sessions.values()]) {
      if (old !== session && old.isEstablished && old.sides[0].speaker.from === session.sides[0].speaker.from && old.sides[0].speaker.to === session.sides[0].speaker.to) this.end(old, nowMs, "replaced by a new connection");
    }
    session.isEstablished = true;
    session.sinceMs = nowMs;
    const [a] = session.sides;
    this.tell(nowMs, "neighbour-up", `${a.speaker.from} ${a.speaker.to}`, { protocol: "bgp", ...asNumbers(session) });
  }

  private end(session: Session, nowMs: number, why: string): void {
    if (!this.sessions.delete(session.key)) return;
    addCounters(this.total, session);
    if (!session.isEstablished) return;
    const [a, b] = session.sides;
    const routes = this.rib.sizeOf(a.speaker) + this.rib.sizeOf(b.speaker);
    this.tell(nowMs, "neighbour-down", `${a.speaker.from} ${a.speaker.to}`, { protocol: "bgp", why, routes, ...asNumbers(session) });
    for (const { speaker } of session.sides) this.rib.clear(speaker, nowMs, `neighbour down: ${why}`);
  }
}

function asNumbers({ sides: [a, b] }: Session): Record<string, number> {
  return { ...(a.open === undefined ? {} : { as: a.open.as }), ...(b.open === undefined ? {} : { peerAs: b.open.as }) };
}

function addCounters(sum: BgpCounters, session: Session): void {
  for (const { stream, framing } of session.sides) {
    sum.missingBytes += stream.counters.missing;
    sum.resyncs += framing.counters.resyncs;
  }
}

/** The smaller of both sides' hold times; 0 in both means none (RFC 4271 section 4.2). */
function holdMs([a, b]: readonly [Direction, Direction]): number {
  const known = [a.open, b.open].flatMap((open) => (open === undefined ? [] : [open.holdTimeS]));
  if (known.length === 0) return assumedHoldMs;
  const least = Math.min(...known);
  return least === 0 ? Infinity : least * 1e3;
}
