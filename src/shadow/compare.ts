/** Whether a shadow's tables equal those of its live bridge, flow by flow. Pure. */
import { diffMeters, flowKey, sameGroup, sameInstructions, type FlowEntry, type GroupEntry, type MeterEntry } from "../network/flow-entry.js";
import { readCookie } from "../network/pipeline.js";
import { ownZones, type ZoneMap } from "./connection-zones.js";

/** Flows that exist on one side only by design: promotion rules and replication (live), trials (shadow), revalidation pokes. */
export function isCompared(flow: { readonly cookie: bigint }): boolean {
  const kind = readCookie(flow.cookie)?.kind;
  return kind !== "promotion" && kind !== "trial" && kind !== "poke" && kind !== "replicate";
}

export interface ComparedTables {
  readonly flows: Iterable<FlowEntry>;
  readonly groups: Iterable<GroupEntry>;
  readonly meters?: Iterable<MeterEntry>;
}

/** One difference, and the part of the tables it is in. */
export interface Difference {
  readonly part: number | "groups" | "meters";
  readonly text: string;
}

/**
 * All differences between two bridges' tables. Timeouts are left out: a copy has none, because it goes when the original goes. Zones of
 * connection tracking are to differ, as `zones` says. Flows are named as on live.
 */
export function* differences(live: ComparedTables, shadow: ComparedTables, { toShadow, toLive }: ZoneMap = ownZones): Iterable<Difference> {
  const copies = new Map([...shadow.flows].filter(isCompared).map((flow) => [flowKey(flow), flow]));
  for (const flow of live.flows) {
    if (!isCompared(flow)) continue;
    const twin = toShadow.flow(flow);
    const place = flowKey(twin);
    const copy = copies.get(place);
    copies.delete(place);
    const part = flow.tableId;
    const key = flowKey(flow);
    if (copy === undefined) yield { part, text: `flow ${key} is missing in the shadow` };
    else if (copy.cookie !== flow.cookie) yield { part, text: `flow ${key} has another cookie in the shadow` };
    else if (!sameInstructions(copy.instructions, twin.instructions)) yield { part, text: `flow ${key} acts otherwise in the shadow` };
  }
  for (const copy of copies.values()) yield { part: copy.tableId, text: `flow ${flowKey(toLive.flow(copy))} is in the shadow only` };
  const groups = new Map([...shadow.groups].map((group) => [group.groupId, group]));
  for (const group of live.groups) {
    const copy = groups.get(group.groupId);
    groups.delete(group.groupId);
    if (copy === undefined) yield { part: "groups", text: `group ${group.groupId} is missing in the shadow` };
    else if (!sameGroup(copy, toShadow.group(group))) yield { part: "groups", text: `group ${group.groupId} differs in the shadow` };
  }
  for (const id of groups.keys()) yield { part: "groups", text: `group ${id} is in the shadow only` };
  const words = { add: "is missing in the shadow", modify: "differs in the shadow", delete: "is in the shadow only" };
  for (const { op, meter } of diffMeters(live.meters ?? [], shadow.meters ?? [])) yield { part: "meters", text: `meter ${meter.meterId} ${words[op]}` };
}

/** Differences as text, at most `limit`. */
export function tableDifferences(live: ComparedTables, shadow: ComparedTables, limit = 20, zones: ZoneMap = ownZones): string[] {
  const texts: string[] = [];
  for (const { text } of differences(live, shadow, zones)) {
    if (texts.length >= limit) break;
    texts.push(text);
  }
  return texts;
}

/** The parts that differ, each with how many differences it has. */
export function differingParts(live: ComparedTables, shadow: ComparedTables, zones: ZoneMap = ownZones): Map<Difference["part"], number> {
  const parts = new Map<Difference["part"], number>();
  for (const { part } of differences(live, shadow, zones)) parts.set(part, (parts.get(part) ?? 0) + 1);
  return parts;
}
