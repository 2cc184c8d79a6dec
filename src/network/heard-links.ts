/** Links as LLDP shows them: who was heard where, and when last. */
import { portKey, type Link, type PortRef } from "./model.js";

/** A link not heard for three and a half seconds is gone... */
const linkLifeMs = 3_500;
/** ...when both switches have answered as many rounds of LLDP since: a busy switch, or we ourselves, may have been late with all of them. */
const linkLifeRounds = 3;

interface Heard {
  readonly at: PortRef;
  readonly from: PortRef;
  /** The link's two ends, and as text, in an order that both directions have in common. */
  readonly link: { readonly key: string; readonly a: PortRef; readonly b: PortRef };
  seenMs: number;
  /** Rounds that the two switches had answered. */
  roundsAt: number;
  roundsFrom: number;
}

/** What is known of the ports that links end at. */
export interface Ends {
  readonly isUp: (port: PortRef) => boolean;
  /** Whether a bridge can be reached: one that can't can't show LLDP, either, which says nothing of its cables. */
  readonly isAudible: (bridge: string) => boolean;
}

export function splitKey(key: string): [bridge: string, ofport: number] {
  const colon = key.lastIndexOf(":");
  return [key.slice(0, colon), Number(key.slice(colon + 1))];
}

export class HeardLinks {
  /** By the receiving port's key. */
  private readonly heard = new Map<string, Heard>();
  /** Rounds of LLDP that each bridge has answered. */
  private readonly rounds = new Map<string, number>();

  /** A switch has done what it was asked to send in one round, and told what came in before. */
  answered(bridge: string): void {
    this.rounds.set(bridge, this.roundsOf(bridge) + 1);
  }

  /** LLDP of `from` came in at `at`. Returns whether that is new. */
  hear(at: PortRef, from: PortRef, nowMs: number): boolean {
    const atKey = portKey(at);
    const known = this.heard.get(atKey);
    if (known !== undefined && known.from.bridge === from.bridge && known.from.ofport === from.ofport) {
      Object.assign(known, this.seen(at, from, nowMs));
      return false;
    }
    const fromKey = portKey(from);
    const link = atKey < fromKey ? { key: `${atKey} ${fromKey}`, a: at, b: from } : { key: `${fromKey} ${atKey}`, a: from, b: at };
    this.heard.set(atKey, { at, from, link, ...this.seen(at, from, nowMs) });
    return true;
  }

  /** Forgets what was heard at these ports, or from them. */
  forget(ports: ReadonlySet<string>): void {
    for (const [at, { from }] of this.heard) if (ports.has(at) || ports.has(portKey(from))) this.heard.delete(at);
  }

  /** The clocks of a bridge's links start anew: nobody could have heard them before. */
  renew(bridge: string, nowMs: number): void {
    for (const heard of this.heard.values()) {
      const { at, from } = heard;
      if (at.bridge === bridge || from.bridge === bridge) Object.assign(heard, this.seen(at, from, nowMs));
    }
  }

  /** Links heard lately; one whose port is down stays known, as down. */
  links({ isUp, isAudible }: Ends, nowMs: number): Link[] {
    const links = new Map<string, Link>();
    for (const [atKey, heard] of this.heard) {
      const { at, from, link } = heard;
      const up = isUp(at) && isUp(from);
      if (up && isAudible(at.bridge) && isAudible(from.bridge) && this.isStale(heard, nowMs)) {
        this.heard.delete(atKey);
        continue;
      }
      links.set(link.key, { a: link.a, b: link.b, up });
    }
    return [...links].sort(([x], [y]) => (x < y ? -1 : 1)).map(([, link]) => link);
  }

  /** Bridges of links that are up and were heard longer than `afterMs` ago: whether these links are still there is to be found out. */
  doubtful({ isUp, isAudible }: Ends, nowMs: number, afterMs: number): Set<string> {
    const bridges = new Set<string>();
    for (const { at, from, seenMs } of this.heard.values()) {
      if (nowMs - seenMs > afterMs && isAudible(at.bridge) && isAudible(from.bridge) && isUp(at) && isUp(from)) bridges.add(at.bridge).add(from.bridge);
    }
    return bridges;
  }

  private roundsOf(bridge: string): number {
    return this.rounds.get(bridge) ?? 0;
  }

  private seen(at: PortRef, from: PortRef, nowMs: number): Pick<Heard, "seenMs" | "roundsAt" | "roundsFrom"> {
    return { seenMs: nowMs, roundsAt: this.roundsOf(at.bridge), roundsFrom: this.roundsOf(from.bridge) };
  }

  private isStale({ at, from, seenMs, roundsAt, roundsFrom }: Heard, nowMs: number): boolean {
    return nowMs - seenMs > linkLifeMs && this.roundsOf(at.bridge) - roundsAt >= linkLifeRounds && this.roundsOf(from.bridge) - roundsFrom >= linkLifeRounds;
  }

  /** Ports at which a link ends. */
  ends(): Set<string> {
    return new Set([...this.heard].flatMap(([at, { from }]) => [at, portKey(from)]));
  }
}
