/** Audits in turn: what the switches hold against what we believe they hold, and what others did to what is ours. */
import type { Logger } from "pino";
import type { Discovery } from "../network/discovery.js";
import type { LiveSwitches } from "../reconcile/live-switches.js";
import type { ConnectionTracking } from "../shadow/connection-tracking.js";
import { foreignClaims, type ConflictKind } from "../shadow/fidelity/conflicts.js";
import type { Shadow } from "../shadow/shadow.js";

export interface AuditParts {
  readonly discovery: Pick<Discovery, "current">;
  readonly live: LiveSwitches;
  readonly shadow: Pick<Shadow, "follower" | "audited" | "changed">;
  readonly tracking: Pick<ConnectionTracking, "claims">;
  /** What is looked at each time besides. */
  readonly looks: readonly (() => Promise<void>)[];
  /** Not now: promotion or detaching is going on. */
  readonly isSuspended: () => boolean;
  readonly conflict: (bridge: string, kind: ConflictKind, detail: string, times: number) => void;
  readonly log: Logger;
  readonly nowMs: () => number;
}

const intervalMs = 2_000;
/** How much of each interval goes into audits of a small network: it is looked over in one or a few. */
const budgetMs = 20;
/**
 * Rows and guards are looked at as often as this, in intervals: the database tells of what somebody does to them, and a look over a large
 * network that finds nothing takes milliseconds.
 */
const rowsEvery = { small: 1, large: 5 } as const;
/** A round over a large network, of more audits than this, takes so many intervals, however long the switches take to answer: 120 s. */
const longestRound = 60;

export class Audits {
  private readonly parts: AuditParts;
  private timer: NodeJS.Timeout | undefined;
  /** What is left of this round, by name, the next at the end. */
  private left: string[] = [];
  /** How many audits the round has. */
  private round = 0;
  /** Which audit each one's last was, of all since the start. */
  private readonly last = new Map<string, number>();
  private made = 0;
  private turns = 0;
  private turning: Promise<void> | undefined;

  constructor(parts: AuditParts) {
    this.parts = parts;
  }

  start(): void {
    // A switch that is slow to answer makes turns fall out, not pile up.
    this.timer = setInterval(() => {
      this.turning ??= this.turn().finally(() => (this.turning = undefined));
    }, intervalMs);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private async turn(): Promise<void> {
    const { live, shadow, looks, isSuspended, log, nowMs } = this.parts;
    try {
      for (const look of looks) await look();
      if (isSuspended()) return;
      const audits = new Map([...live.audited(), ...shadow.audited()]);
      if (this.left.length === 0) this.lookForClaims();
      // What came since the round began does not wait for the next one.
      if (this.left.length === 0 || audits.size !== this.round) this.begin(audits);
      const startMs = nowMs();
      let found = 0;
      const least = Math.ceil(this.round / longestRound);
      for (let done = 0; done < least || (least === 1 && nowMs() - startMs < budgetMs); done++) {
        const name = this.left.pop();
        if (name === undefined) break;
        this.last.set(name, this.made++);
        found += (await audits.get(name)?.()) ?? 0;
      }
      if (found > 0) log.warn({ found }, "an audit found differences and mended them");
      // Guards and rows someone deleted come back with the next pass. One that finds nothing to do costs nothing.
      if (found > 0 || this.turns++ % rowsEvery[this.round > longestRound ? "large" : "small"] === 0) shadow.changed();
    } catch (err) {
      log.warn({ err }, "audit failed");
    }
  }

  /** A round of these: those never made first, then those whose last was longest ago. */
  private begin(audits: ReadonlyMap<string, unknown>): void {
    for (const name of this.last.keys()) if (!audits.has(name)) this.last.delete(name);
    this.left = [...audits.keys()].sort((x, y) => (this.last.get(y) ?? -1) - (this.last.get(x) ?? -1));
    this.round = audits.size;
  }

  /** Foreign flows and groups in what is ours. */
  private lookForClaims(): void {
    const { discovery, live, shadow, tracking, conflict } = this.parts;
    for (const { bridge, kind, detail } of tracking.claims()) conflict(bridge, kind, detail, 1);
    for (const bridge of discovery.current.bridges.keys()) {
      const follower = shadow.follower(bridge);
      if (follower?.synced !== true || !live.isSettled(bridge)) continue;
      for (const { kind, detail } of foreignClaims(follower.currentFlows(), follower.currentGroups(), live.groups(bridge))) conflict(bridge, kind, detail, 1);
      const blocked = live.counters().get(bridge)?.blocked ?? 0;
      if (blocked > 0) conflict(bridge, "place of our flow taken", `${blocked} flows of ours are not in place`, 1);
    }
  }
}
