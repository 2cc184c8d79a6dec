/** Flows, groups and meters as entries of a table, and the difference between two tables. Pure. */
import {
  flowMod,
  groupMod,
  instructionsKey,
  matchKey,
  meterMod,
  type Bucket,
  type FlowMod,
  type GroupMod,
  type GroupType,
  type Instruction,
  type Match,
  type MeterBand,
  type MeterMod,
} from "node-openflow";

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

export interface MeterEntry {
  readonly meterId: number;
  /** OFPMF_* (kbps or packets/s, burst, stats). */
  readonly flags: number;
  readonly bands: readonly MeterBand[];
}

/** Texts of matches and instructions by the value itself: both are immutable, and compared many times. */
const matchTexts = new WeakMap<Match, string>();
const instructionTexts = new WeakMap<readonly Instruction[], string>();

function textOf<K extends object>(known: WeakMap<K, string>, value: K, make: (value: K) => string): string {
  let text = known.get(value);
  if (text === undefined) known.set(value, (text = make(value)));
  return text;
}

/** OpenFlow's identity of a flow: table, priority and match. */
export function flowKey(flow: Pick<FlowEntry, "tableId" | "priority" | "match">): string {
  return `${flow.tableId}/${flow.priority}/${textOf(matchTexts, flow.match, matchKey)}`;
}

/** Whether two flows of one identity do the same and carry the same cookie. Timeouts and flags do not count. */
export function sameFlow(x: FlowEntry, y: FlowEntry): boolean {
  return x.cookie === y.cookie && sameInstructions(x.instructions, y.instructions);
}

export function sameInstructions(x: readonly Instruction[], y: readonly Instruction[]): boolean {
  return x === y || textOf(instructionTexts, x, instructionsKey) === textOf(instructionTexts, y, instructionsKey);
}

/** A flow without timeouts and flags. */
export function permanent(parts: Pick<FlowEntry, "tableId" | "priority" | "match" | "cookie" | "instructions">): FlowEntry {
  return { ...parts, idleTimeout: 0, hardTimeout: 0, flags: 0 };
}

export interface FlowChange {
  readonly op: "add" | "modify" | "delete";
  readonly flow: FlowEntry;
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
  return changes.map(({ op, flow }) => {
    const { tableId, priority, match } = flow;
    if (op === "delete") return flowMod({ command: "deleteStrict", tableId, priority, match });
    const { cookie, instructions, idleTimeout, hardTimeout, flags } = flow;
    return flowMod({ command: "add", tableId, priority, match, cookie, instructions, idleTimeout, hardTimeout, flags });
  });
}

export function groupMods(changes: readonly GroupChange[]): GroupMod[] {
  return changes.map(({ op, group }) =>
    groupMod({ command: op, groupId: group.groupId, groupType: group.groupType, buckets: op === "delete" ? [] : group.buckets }),
  );
}

export interface MeterChange {
  readonly op: "add" | "modify" | "delete";
  readonly meter: MeterEntry;
}

const dropBand = 1;
const meterText = ({ flags, bands }: MeterEntry): string =>
  `${flags} ${bands.map((band) => `${band.bandType ?? dropBand} ${band.rate} ${band.burstSize} ${band.precLevel ?? ""}`).join("; ")}`;

/** Whether two meters do the same. */
export function sameMeter(x: MeterEntry, y: MeterEntry): boolean {
  return meterText(x) === meterText(y);
}

export function diffMeters(desired: Iterable<MeterEntry>, actual: Iterable<MeterEntry>): MeterChange[] {
  const present = new Map([...actual].map((meter) => [meter.meterId, meter]));
  const changes: MeterChange[] = [];
  for (const meter of desired) {
    const old = present.get(meter.meterId);
    present.delete(meter.meterId);
    if (old === undefined) changes.push({ op: "add", meter });
    else if (!sameMeter(old, meter)) changes.push({ op: "modify", meter });
  }
  return [...changes, ...[...present.values()].map((meter): MeterChange => ({ op: "delete", meter }))];
}

export function meterMods(changes: readonly MeterChange[]): MeterMod[] {
  return changes.map(({ op, meter: { meterId, flags, bands } }) => meterMod({ command: op, meterId, flags, bands: op === "delete" ? [] : bands }));
}
