/**
 * Zones of connection tracking: in its shadow each of a live flow is another one, so that nothing that is sent inside the shadow meets
 * an entry of live's. Pure.
 *
 * The datapath keeps one table of connections for all its bridges, and an entry is found by zone and addresses. A zone that a flow
 * names has `shadowZoneBit` turned over: one to one, its own inverse, and two live zones never become one. Where the zone is taken from a
 * field, the shadow's copy takes it to `zoneField`, sets the bit there, and names that: live's field stays as it is for what reads it
 * later, also behind the recirculation. A flow that can't be said so is left as it is, and `zoneUse` says which.
 */
import { isKnown, type Action, type Bucket, type CtAction, type FieldRef, type Instruction, type LearnSpec, type Match } from "node-openflow";
import type { FlowEntry, GroupEntry } from "../network/flow-entry.js";
import { shadowZoneBit, zoneField } from "../network/pipeline.js";

/** How a shadow's tables are made from live's, and what of live's they stand for. */
export interface ZoneMap {
  readonly toShadow: TableMap;
  readonly toLive: TableMap;
}
/** What needs no change is the same value afterwards. */
export interface TableMap {
  flow<F extends Pick<FlowEntry, "match" | "instructions">>(flow: F): F;
  group<G extends Pick<GroupEntry, "buckets">>(group: G): G;
}

const zoneBits = 16;
const bitOfZone = 15;
const trackedBit = 0x20n;

/** The shadow's zone for one of live's, and live's for one of the shadow's. */
export const otherZone = (zone: number): number => zone ^ shadowZoneBit;

export const nameOf = (ref: FieldRef): string => (typeof ref === "string" ? ref : ref.name);

type Direction = "toShadow" | "toLive";

/** The list itself where nothing in it is another. */
function mapped<T>(list: readonly T[], map: (one: T) => T): readonly T[] {
  let changed: T[] | undefined;
  for (const [i, one] of list.entries()) {
    const now = map(one);
    if (now !== one) (changed ??= [...list])[i] = now;
  }
  return changed ?? list;
}

/** Whether a match lets only packets through that were tracked, which alone have a zone; of others `ct_zone` is 0. */
const demandsTracked = (match: Match): boolean => match.some((item) => isKnown(item) && item.name === "ctState" && (item.value & (item.mask ?? item.value)) !== 0n);
const demandsUntracked = (match: Match): boolean => match.some((item) => isKnown(item) && item.name === "ctState" && ((item.mask ?? trackedBit) & trackedBit) !== 0n && (item.value & trackedBit) === 0n);
/** Matches zone 0, or the shadow's zone for it, and not tracked packets alone: what it says of the others must stay. */
const leavesZone = (match: Match): boolean => match.some((item) => isKnown(item) && item.name === "ctZone" && (item.value === 0n || item.value === BigInt(shadowZoneBit))) && !demandsTracked(match);
/** Whether such a match is of untracked packets and of those in a zone alike, so that the shadow's can't say the same. */
export const isAmbiguous = (match: Match): boolean => leavesZone(match) && !demandsUntracked(match);

function mapMatch(match: Match): Match {
  if (!match.some(({ name }) => name === "ctZone") || leavesZone(match)) return match;
  return match.map((item) => (isKnown(item) && item.name === "ctZone" ? { ...item, value: BigInt(otherZone(Number(item.value))) } : item));
}

/** A constant that a learned flow is to match its ct_zone by. */
function mapSpec(spec: LearnSpec): LearnSpec {
  const { bits, source, target } = spec;
  if (target === "output" || !("match" in target) || !("immediate" in source) || nameOf(target.match.field) !== "ctZone") return spec;
  const place = bitOfZone - target.match.offset;
  if (place < 0 || place >= bits) return spec;
  const immediate = Uint8Array.from(source.immediate);
  // Right-aligned in its bytes.
  const at = immediate.length - 1 - (place >> 3);
  immediate[at] = (immediate[at] ?? 0) ^ (1 << (place & 7));
  return { ...spec, source: { immediate } };
}

const isFromField = (one: Action): one is CtAction & { readonly zone: Exclude<CtAction["zone"], number> } => one.type === "ct" && typeof one.zone !== "number";
export const isOwnZone = (zone: Exclude<CtAction["zone"], number>): boolean => nameOf(zone.source) === zoneField;
const ownZone: CtAction["zone"] = { source: zoneField, range: { offset: 0, bits: zoneBits } };

/** To `zoneField`, with the shadow's bit; then the ct that names it. */
function zoneFromField(one: CtAction & { readonly zone: Exclude<CtAction["zone"], number> }): readonly Action[] {
  const { source, range } = one.zone;
  return [
    { type: "regMove", bits: range.bits, sourceOffset: range.offset, targetOffset: 0, source, target: zoneField },
    { type: "regLoad", field: zoneField, offset: bitOfZone, bits: 1, value: 1n },
    { ...one, zone: ownZone },
  ];
}

const setsBit = (one: Action | undefined): boolean =>
  one?.type === "regLoad"
    ? nameOf(one.field) === zoneField && one.offset === bitOfZone && one.bits === 1 && BigInt(one.value) === 1n
    : (one?.type === "setField" || one?.type === "regLoad2") && one.field.name === zoneField && one.field.value === BigInt(shadowZoneBit) && one.field.mask === BigInt(shadowZoneBit);

/** The field that `zoneFromField` took the zone from, when these three are what it makes. A switch may tell them in other words. */
function takenFrom(move: Action | undefined, load: Action | undefined, track: Action | undefined): CtAction["zone"] | undefined {
  if (move?.type !== "regMove" && move?.type !== "copyField") return undefined;
  if (nameOf(move.target) !== zoneField || move.targetOffset !== 0 || move.bits !== zoneBits || !setsBit(load)) return undefined;
  if (track === undefined || !isFromField(track) || !isOwnZone(track.zone)) return undefined;
  return { source: move.source, range: { offset: move.sourceOffset, bits: zoneBits } };
}

function mapAction(one: Action, direction: Direction): Action {
  switch (one.type) {
    case "ct": {
      const actions = mapActions(one.actions, direction);
      if (typeof one.zone === "number") return { ...one, zone: otherZone(one.zone), actions };
      return actions === one.actions ? one : { ...one, actions };
    }
    case "clone": {
      const actions = mapActions(one.actions, direction);
      return actions === one.actions ? one : { ...one, actions };
    }
    case "learn":
    case "learn2": {
      const specs = mapped(one.specs, mapSpec);
      return specs === one.specs ? one : { ...one, specs };
    }
    default:
      return one;
  }
}

function mapActions(given: readonly Action[], direction: Direction): readonly Action[] {
  const actions = mapped(given, (one) => mapAction(one, direction));
  if (!actions.some(isFromField)) return actions;
  const list: Action[] = [];
  let isChanged = false;
  for (let i = 0; i < actions.length; i++) {
    const one = actions[i] as Action;
    const zone = direction === "toLive" ? takenFrom(one, actions[i + 1], actions[i + 2]) : undefined;
    if (zone !== undefined) {
      list.push({ ...(actions[i + 2] as CtAction), zone });
      i += 2;
      isChanged = true;
    } else if (direction === "toShadow" && isFromField(one) && !isOwnZone(one.zone)) {
      list.push(...zoneFromField(one));
      isChanged = true;
    } else list.push(one);
  }
  return isChanged ? list : actions;
}

/** An action set has one ct and no order: a zone from a field stays as it is there. */
const mapInstruction = (item: Instruction, direction: Direction): Instruction => {
  if (item.type !== "applyActions" && item.type !== "writeActions") return item;
  const actions = item.type === "applyActions" ? mapActions(item.actions, direction) : mapped(item.actions, (one) => mapAction(one, direction));
  return actions === item.actions ? item : { ...item, actions };
};

const mapBucket = (bucket: Bucket, direction: Direction): Bucket => {
  const actions = mapped(bucket.actions, (one) => mapAction(one, direction));
  return actions === bucket.actions ? bucket : { ...bucket, actions };
};

/** Once for each value, which is immutable: others keep what they know about the result by the value itself. */
function remembered<T extends object>(make: (value: T) => T): (value: T) => T {
  const known = new WeakMap<T, T>();
  return (value) => {
    let result = known.get(value);
    if (result !== undefined) return result;
    result = make(value);
    if (result !== value) known.set(value, result);
    return result;
  };
}

function tableMap(direction: Direction): TableMap {
  const matchOf = remembered<Match>(mapMatch);
  const instructionsOf = remembered<readonly Instruction[]>((list) => mapped(list, (item) => mapInstruction(item, direction)));
  const bucketsOf = remembered<readonly Bucket[]>((list) => mapped(list, (bucket) => mapBucket(bucket, direction)));
  return {
    flow: (flow) => {
      const [match, instructions] = [matchOf(flow.match), instructionsOf(flow.instructions)];
      return match === flow.match && instructions === flow.instructions ? flow : { ...flow, match, instructions };
    },
    group: (group) => {
      const buckets = bucketsOf(group.buckets);
      return buckets === group.buckets ? group : { ...group, buckets };
    },
  };
}

/** The shadow tracks in zones of its own. */
export const ownZones: ZoneMap = { toShadow: tableMap("toShadow"), toLive: tableMap("toLive") };

const unchanged: TableMap = { flow: (flow) => flow, group: (group) => group };
/** The shadow tracks in live's zones. */
export const liveZones: ZoneMap = { toShadow: unchanged, toLive: unchanged };

/**
 * In which zones a shadow tracks connections: its own, and live's while it carries live's traffic, because those are the connections that
 * live has tracked and goes on with afterwards. In an ovs-vswitchd of its own it never has live's entries.
 */
export const zonesOf = (isPromoted: boolean, isRemote: boolean): ZoneMap => (isPromoted && !isRemote ? liveZones : ownZones);
