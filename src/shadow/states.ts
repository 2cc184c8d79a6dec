/** How the shadow of each bridge, and each object of it, stands to live. */
import type { DesiredBridge } from "../reconcile/database-state.js";
import type { FollowedSource } from "./followed-source.js";
import type { ShadowMode } from "./mode.js";
import { adapterBridge, shadowBridge } from "./names.js";
import type { ShadowParts } from "./parts.js";
import type { PlannedRows } from "./planned-rows.js";
import type { Demand } from "./replication/plan.js";
import type { ShadowSessions } from "./sessions.js";
import { ShadowObjects, type Copied } from "./staleness/objects.js";
import type { ObjectState } from "./staleness/staleness-watch.js";
import { bridgeStatus, Comparison, type ShadowBridgeStatus } from "./status.js";

export interface StatesParts {
  readonly shadow: Pick<ShadowParts, "database" | "nowMs" | "remote">;
  readonly mode: Readonly<ShadowMode>;
  readonly planned: PlannedRows;
  readonly sessions: ShadowSessions;
  readonly source: FollowedSource;
  readonly demand: (bridge: string) => Demand;
  /** Why the last pass failed, when it did. */
  readonly lastError: () => string | undefined;
}

export class ShadowStates {
  private readonly parts: StatesParts;
  private readonly comparison = new Comparison();
  private readonly known: ShadowObjects;

  constructor(parts: StatesParts) {
    this.parts = parts;
    this.known = new ShadowObjects(parts.shadow.nowMs);
  }

  /** Of a live bridge. */
  of(live: string): ShadowBridgeStatus {
    const { sessions, source, demand, lastError, shadow } = this.parts;
    return bridgeStatus({
      live,
      level: demand(live).level,
      shadow: sessions.own.get(shadowBridge(live)),
      adapter: sessions.own.get(adapterBridge(live)),
      follower: sessions.followers.get(live),
      held: source.held,
      lastError: lastError(),
      nowMs: shadow.nowMs(),
      differences: this.comparison,
    });
  }

  /** Whether a live bridge's shadow is wholly as it should be. */
  isInStep(live: string): boolean {
    const own = [shadowBridge(live), adapterBridge(live)].map((name) => this.parts.sessions.own.get(name));
    // The tables are compared only when nothing is on its way to them any more.
    return own.every((one) => one?.writer.settled === true) && ["in step", "held"].includes(this.of(live).state);
  }

  /** Every object, each with whether it is as live is. */
  objects(): Iterable<ObjectState> {
    const { remote, database } = this.parts.shadow;
    return this.known.of(this.copied(), remote?.database ?? database);
  }

  private *copied(): Iterable<Copied> {
    const { planned, shadow, source, sessions, mode, demand } = this.parts;
    const rows = new Map<string, DesiredBridge[]>();
    for (const row of planned.rows.bridges) rows.set(row.live, [...(rows.get(row.live) ?? []), row]);
    const databases = [shadow.database, ...(shadow.remote === undefined ? [] : [shadow.remote.database])];
    const pending = new Set(databases.flatMap((database) => [...database.outstanding(), ...database.awaited()]));
    const excused = mode.promoted || source.held.length > 0;
    for (const [name, live] of source.network.bridges) {
      yield {
        live,
        level: demand(name).level,
        shadow: sessions.own.get(shadowBridge(name)),
        adapter: sessions.own.get(adapterBridge(name)),
        follower: sessions.followers.get(name),
        rows: rows.get(name) ?? [],
        isPlanned: planned.isCurrent(name, source.network, source.live),
        pending,
        excused,
      };
    }
  }
}
