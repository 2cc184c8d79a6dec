/** The objects of the shadow, each with whether it is as live is: its bridges and ports as rows and as ovs-vswitchd made them, and its tables. */
import { reaches, type Level } from "../../config/level-schema.js";
import type { BridgeRow } from "../../network/database-view.js";
import { portKey, type Bridge } from "../../network/model.js";
import type { DesiredBridge } from "../../reconcile/database-state.js";
import { differingParts } from "../compare.js";
import type { OwnBridge } from "../sessions.js";
import type { TableFollower, TablePart } from "../table-follower.js";
import type { ObjectState } from "./staleness-watch.js";

/** The database with the shadow's bridges. */
export interface RowsInPlace {
  bridge(name: string): BridgeRow | undefined;
  readonly synced: boolean;
}

/** One live bridge, with all that stands for it. */
export interface Copied {
  readonly live: Bridge;
  readonly level: Level;
  readonly shadow: OwnBridge | undefined;
  readonly adapter: OwnBridge | undefined;
  readonly follower: TableFollower | undefined;
  /** The rows that are planned for it. */
  readonly rows: readonly DesiredBridge[];
  /** Planned from live's rows as they are now. */
  readonly isPlanned: boolean;
  /** Differences of these rows and the database's, by the rows' names: what is still to be written, or to be made by ovs-vswitchd. */
  readonly pending: ReadonlySet<string>;
  /** It is not to follow at the moment. */
  readonly excused: boolean;
}

/** A comparison of large tables takes at most this share of the time. */
const compareShare = 20;

interface Compared {
  readonly live: number;
  readonly own: number;
  readonly parts: ReadonlyMap<TablePart, number>;
  readonly againMs: number;
}

export class ShadowObjects {
  private readonly nowMs: () => number;
  private readonly compared = new WeakMap<OwnBridge, Compared>();
  /** When the replica was last in step with its database. */
  private syncedMs: number | undefined;

  constructor(nowMs: () => number) {
    this.nowMs = nowMs;
  }

  *of(bridges: Iterable<Copied>, rows: RowsInPlace): Iterable<ObjectState> {
    if (rows.synced) this.syncedMs = this.nowMs();
    for (const copied of bridges) {
      yield this.bridge(copied, rows);
      yield* this.ports(copied, rows);
      yield* this.tables(copied);
    }
  }

  private bridge({ live, shadow, adapter, rows, isPlanned, pending, excused }: Copied, inPlace: RowsInPlace): ObjectState {
    const { name } = live;
    const missing = rows.find((row) => inPlace.bridge(row.name)?.datapathId === undefined)?.name;
    const waiting = [name, ...rows.map((row) => row.name)].find((row) => pending.has(row));
    const down = [shadow, adapter].find((own) => own?.downSinceMs !== undefined);
    const why = !isPlanned
      ? "a change of its rows is not taken in yet"
      : missing !== undefined
        ? `bridge ${missing} is not made yet`
        : waiting !== undefined
          ? `rows of bridge ${waiting} are not in force yet`
          : shadow === undefined || adapter === undefined || down !== undefined
            ? `no session with ${down?.session.bridge ?? "its bridges"}`
            : undefined;
    return { kind: "bridge", name, bridge: name, why, changedMs: why === undefined ? undefined : down?.downSinceMs, provedMs: this.syncedMs, excused };
  }

  private *ports({ live, level, shadow, rows, excused }: Copied, inPlace: RowsInPlace): Iterable<ObjectState> {
    const planned = rows.find(({ role }) => role === "shadow");
    if (planned === undefined) return;
    const row = inPlace.bridge(planned.name);
    const made = new Map(row?.ports.map((port) => [port.name, port]));
    const wrongBits = new Set(reaches(level, "configuration") ? shadow?.ports.pending() : []);
    const bitsMs = shadow?.ports.auditedMs;
    for (const port of planned.ports) {
      const known = made.get(port.name);
      const name = portKey({ bridge: live.name, ofport: port.ofport });
      const why =
        known === undefined
          ? "its port is not there yet"
          : known.error !== undefined
            ? known.error
            : known.ofport !== port.ofport
              ? `its port has number ${known.ofport ?? "none"} so far`
              : wrongBits.has(port.ofport)
                ? "it is configured otherwise"
                : undefined;
      const provedMs = this.syncedMs === undefined || bitsMs === undefined ? undefined : Math.min(this.syncedMs, bitsMs);
      yield { kind: "port", name, bridge: live.name, why, changedMs: undefined, provedMs, excused };
    }
  }

  private *tables({ live, level, shadow, follower, excused }: Copied): Iterable<ObjectState> {
    if (!reaches(level, "flows") || follower === undefined) return;
    const { name } = live;
    const differing = this.differing(shadow, follower);
    const parts: TablePart[] = [...new Set([...follower.tableSizes().keys(), ...differing.keys()])];
    if (follower.currentGroups().length > 0 && !differing.has("groups")) parts.push("groups");
    if (follower.currentMeters().length > 0 && !differing.has("meters")) parts.push("meters");
    const { auditedMs } = follower;
    const ownMs = shadow?.writer.auditedMs;
    // Both were read, and what was read is what was compared.
    const provedMs = auditedMs === undefined || ownMs === undefined ? undefined : Math.min(auditedMs, ownMs);
    const unfollowedMs = follower.unfollowedSinceMs;
    const downMs = shadow?.downSinceMs;
    for (const part of parts) {
      const count = differing.get(part);
      const why =
        unfollowedMs !== undefined
          ? "live's tables are not followed"
          : shadow === undefined || downMs !== undefined
            ? "no session with the shadow"
            : count !== undefined
              ? `${count} ${count === 1 ? "difference" : "differences"}`
              : undefined;
      const times = [unfollowedMs, downMs, follower.changedSinceMs(part)].filter((ms) => ms !== undefined);
      const changedMs = why === undefined || times.length === 0 ? undefined : Math.min(...times);
      const object = typeof part === "number" ? ({ kind: "table", name: `${name}/${part}` } as const) : ({ kind: part, name } as const);
      yield { ...object, bridge: name, why, changedMs, provedMs, excused };
    }
  }

  /** The parts of the tables that are others than live's. */
  private differing(shadow: OwnBridge | undefined, follower: TableFollower): ReadonlyMap<TablePart, number> {
    if (shadow === undefined || !follower.known) return new Map();
    // All was told, and the switch is known to hold it: there is nothing to compare.
    if (shadow.writer.settled && !follower.pending) {
      this.compared.delete(shadow);
      follower.shown(new Map<TablePart, number>());
      return new Map();
    }
    const before = this.compared.get(shadow);
    if (before !== undefined && ((before.live === follower.version && before.own === shadow.writer.version) || this.nowMs() < before.againMs)) return before.parts;
    const startMs = this.nowMs();
    const own = shadow.writer.version;
    const parts = differingParts({ flows: follower.currentFlows(), groups: follower.currentGroups(), meters: follower.currentMeters() }, shadow.writer.installed(), shadow.zones);
    const endMs = this.nowMs();
    this.compared.set(shadow, { live: follower.version, own, parts, againMs: endMs + compareShare * (endMs - startMs) });
    follower.shown(parts);
    return parts;
  }
}
