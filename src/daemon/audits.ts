/** Audits in turn: what the switches hold against what we believe they hold, and what others did to what is ours. */
import type { Logger } from "pino";
import type { Discovery } from "../network/discovery.js";
import type { LiveSwitches } from "../reconcile/live-switches.js";
import { foreignClaims, type ConflictKind } from "../shadow/fidelity/conflicts.js";
import type { Shadow } from "../shadow/shadow.js";

export interface AuditParts {
  readonly discovery: Pick<Discovery, "current">;
  readonly live: LiveSwitches;
  readonly shadow: Pick<Shadow, "follower" | "audited" | "changed">;
  /** What is looked at each time besides. */
  readonly looks: readonly (() => Promise<void>)[];
  /** Not now: promotion or detaching is going on. */
  readonly isSuspended: () => boolean;
  readonly conflict: (bridge: string, kind: ConflictKind, detail: string, times: number) => void;
  readonly log: Logger;
  readonly nowMs: () => number;
}

const intervalMs = 2_000;
/** How much of each interval goes into audits. */
const budgetMs = 40;

export class Audits {
  private readonly parts: AuditParts;
  private timer: NodeJS.Timeout | undefined;
  /** What is left of this round. */
  private left: (() => Promise<number>)[] = [];

  constructor(parts: AuditParts) {
    this.parts = parts;
  }

  start(): void {
    this.timer = setInterval(() => void this.turn(), intervalMs);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private async turn(): Promise<void> {
    const { live, shadow, looks, isSuspended, log, nowMs } = this.parts;
    for (const look of looks) await look();
    if (isSuspended()) return;
    try {
      if (this.left.length === 0) {
        this.lookForClaims();
        this.left = [...live.audited(), ...shadow.audited()];
      }
      const startMs = nowMs();
      let found = 0;
      // A share of the time and no more: on a large network a round takes several turns.
      while (nowMs() - startMs < budgetMs) {
        const next = this.left.pop();
        if (next === undefined) break;
        found += await next();
      }
      if (found > 0) log.warn({ found }, "an audit found differences and mended them");
      // Guards and rows someone deleted come back with the next pass. One that finds nothing to do costs nothing.
      shadow.changed();
    } catch (err) {
      log.warn({ err }, "audit failed");
    }
  }

  /** Foreign flows and groups in what is ours. */
  private lookForClaims(): void {
    const { discovery, live, shadow, conflict } = this.parts;
    for (const bridge of discovery.current.bridges.keys()) {
      const follower = shadow.follower(bridge);
      if (follower?.synced !== true || !live.isSettled(bridge)) continue;
      for (const { kind, detail } of foreignClaims(follower.currentFlows(), follower.currentGroups(), live.groups(bridge))) conflict(bridge, kind, detail, 1);
      const blocked = live.counters().get(bridge)?.blocked ?? 0;
      if (blocked > 0) conflict(bridge, "place of our flow taken", `${blocked} flows of ours are not in place`, 1);
    }
  }
}
