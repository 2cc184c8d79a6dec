/** Somebody else at what is ours: what they did, to which bridge, since when and how often. Bounded: the oldest goes. */
import type { NetworkEvent, ObservationSink } from "../../base/observation.js";
import type { FlowEntry, GroupEntry } from "../../network/flow-entry.js";
import { isOurGroup, isOurs, passedRegister, table } from "../../network/pipeline.js";

export type ConflictKind = "our flow deleted" | "our tables changed" | "our guard deleted" | "flow in our tables" | "our register used" | "place of our flow taken" | "flows send to replica ports" | "zone of shadows used" | "tracked in live's zone";

export interface Conflict {
  readonly bridge: string;
  readonly kind: ConflictKind;
  readonly detail: string;
  readonly firstMs: number;
  lastMs: number;
  count: number;
}

const maxConflicts = 256;
/** Told as an event again after this long. */
const tellEveryMs = 60_000;

export class Conflicts {
  private readonly sink: ObservationSink;
  private readonly epochMs: () => number;
  private readonly kept = new Map<string, Conflict & { toldMs: number }>();
  /** Different ones that were let go to make room. */
  forgotten = 0;

  constructor(sink: ObservationSink, epochMs: () => number) {
    this.sink = sink;
    this.epochMs = epochMs;
  }

  /** Notes one; the same one again is counted, and told once a minute. */
  note(bridge: string, kind: ConflictKind, detail: string, times = 1): void {
    const now = this.epochMs();
    const key = `${bridge} ${kind} ${detail}`;
    const known = this.kept.get(key);
    const conflict = known ?? { bridge, kind, detail, firstMs: now, lastMs: now, count: 0, toldMs: -Infinity };
    conflict.count += times;
    conflict.lastMs = now;
    this.kept.set(key, conflict);
    if (this.kept.size > maxConflicts) {
      const [oldest] = this.kept.keys();
      if (oldest !== undefined && this.kept.delete(oldest)) this.forgotten++;
    }
    if (now - conflict.toldMs < tellEveryMs) return;
    conflict.toldMs = now;
    const event: NetworkEvent = { tMs: now, kind: "alert", side: "live", subject: bridge, detail: { conflict: kind, what: detail, count: conflict.count } };
    this.sink.happened(event);
  }

  list(): readonly Conflict[] {
    return [...this.kept.values()].map(({ bridge, kind, detail, firstMs, lastMs, count }) => ({ bridge, kind, detail, firstMs, lastMs, count }));
  }
}

const numbered = Object.values(table).filter((number) => number !== table.operator);
const [firstTable, lastTable] = [Math.min(...numbered), Math.max(...numbered)];
const json = (value: unknown): string => JSON.stringify(value, (_key, item: unknown) => (typeof item === "bigint" ? item.toString() : item));

/** What foreign flows and groups of a bridge claim that is ours. `ourGroups`: the groups that we made. */
export function foreignClaims(flows: Iterable<FlowEntry>, groups: Iterable<GroupEntry>, ourGroups: ReadonlySet<number>): { readonly kind: ConflictKind; readonly detail: string }[] {
  const claims: { kind: ConflictKind; detail: string }[] = [];
  for (const flow of flows) {
    if (isOurs(flow.cookie)) continue;
    const named = `table ${flow.tableId}, priority ${flow.priority}, cookie 0x${flow.cookie.toString(16)}`;
    if (flow.tableId >= firstTable && flow.tableId <= lastTable) claims.push({ kind: "flow in our tables", detail: named });
    if (json([flow.match, flow.instructions]).includes(`"${passedRegister.field}"`)) claims.push({ kind: "our register used", detail: named });
  }
  for (const { groupId } of groups) if (isOurGroup(groupId) && !ourGroups.has(groupId)) claims.push({ kind: "our tables changed", detail: `group ${groupId} is in our range` });
  return claims;
}
