/** Flows and groups as entries of a table, and the difference between two tables. Pure. */
import { flowMod, groupMod, instructionsKey, matchKey, type Bucket, type FlowMod, type GroupMod, type GroupType, type Instruction, type Match } from "node-openflow";

export interface FlowEntry {
  readonly tableId: number;
  readonly priority: number;
  readonly match: Match;
  readonly cookie: bigint;
  readonly instructions: readonly Instruction[];
  /** Seconds; 0 means never. */
  readonly idleTimeout: number;
  readonly hardTimeout: number;
  readonly flags: number;
}

export interface GroupEntry {
  readonly groupId: number;
  readonly groupType: GroupType;
  readonly buckets: readonly Bucket[];
}

/** OpenFlow's identity of a flow: table, priority and match. */
export function flowKey(flow: Pick<FlowEntry, "tableId" | "priority" | "match">): string {
  return `${flow.tableId}/${flow.priority}/${matchKey(flow.match)}`;
}

/** A flow without timeouts and flags. */
export function permanent(parts: Pick<FlowEntry, "tableId" | "priority" | "match" | "cookie" | "instructions">): FlowEntry {
  return { ...parts, idleTimeout: 0, hardTimeout: 0, flags: 0 };
}

export interface FlowChange {
  readonly op: "add" | "modify" | "delete" | "blocked";
  readonly flow: FlowEntry;
}

/**
 * Changes that turn `actual` into `desired`, deletes last. Equal states give none. Timeouts do not count as a difference: a
 * lease in force keeps the deadline it was installed with. A place held by a flow that is not `owned` gives "blocked". Of two
 * desired flows with one identity the later counts (an overlay comes behind the base).
 */
export function diffFlows(desired: Iterable<FlowEntry>, actual: Iterable<FlowEntry>, owned: (flow: FlowEntry) => boolean): FlowChange[] {
  const present = new Map([...actual].map((flow) => [flowKey(flow), flow]));
  const changes: FlowChange[] = [];
  for (const [key, flow] of new Map([...desired].map((one) => [flowKey(one), one]))) {
    const old = present.get(key);
    present.delete(key);
    if (old === undefined) changes.push({ op: "add", flow });
    else if (!owned(old)) changes.push({ op: "blocked", flow });
    else if (old.cookie !== flow.cookie || instructionsKey(old.instructions) !== instructionsKey(flow.instructions)) changes.push({ op: "modify", flow });
  }
  return [...changes, ...[...present.values()].filter(owned).map((flow): FlowChange => ({ op: "delete", flow }))];
}

export interface GroupChange {
  readonly op: "add" | "modify" | "delete";
  readonly group: GroupEntry;
}

const groupText = (group: GroupEntry): string =>
  `${group.groupType} ${group.buckets
    .map((bucket) => `${bucket.weight} ${bucket.watchPort} ${bucket.watchGroup} ${instructionsKey([{ type: "applyActions", actions: bucket.actions }])}`)
    .join("; ")}`;

/** Whether two groups do the same. */
export function sameGroup(x: GroupEntry, y: GroupEntry): boolean {
  return groupText(x) === groupText(y);
}

export function diffGroups(desired: Iterable<GroupEntry>, actual: Iterable<GroupEntry>): GroupChange[] {
  const present = new Map([...actual].map((group) => [group.groupId, group]));
  const changes: GroupChange[] = [];
  for (const group of desired) {
    const old = present.get(group.groupId);
    present.delete(group.groupId);
    if (old === undefined) changes.push({ op: "add", group });
    else if (!sameGroup(old, group)) changes.push({ op: "modify", group });
  }
  return [...changes, ...[...present.values()].map((group): GroupChange => ({ op: "delete", group }))];
}

/** The flow-mods of changes. An add replaces a flow of the same identity, so it serves for "modify", cookie included. */
export function flowMods(changes: readonly FlowChange[]): FlowMod[] {
  return changes.flatMap(({ op, flow }) => {
    if (op === "blocked") return [];
    const { tableId, priority, match } = flow;
    if (op === "delete") return [flowMod({ command: "deleteStrict", tableId, priority, match })];
    const { cookie, instructions, idleTimeout, hardTimeout, flags } = flow;
    return [flowMod({ command: "add", tableId, priority, match, cookie, instructions, idleTimeout, hardTimeout, flags })];
  });
}

export function groupMods(changes: readonly GroupChange[]): GroupMod[] {
  return changes.map(({ op, group }) =>
    groupMod({ command: op, groupId: group.groupId, groupType: group.groupType, buckets: op === "delete" ? [] : group.buckets }),
  );
}
