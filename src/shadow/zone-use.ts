/** How flows and groups of a live bridge use connection tracking, and what of it a shadow can't do in zones of its own. Pure. */
import { isKnown, type Action, type FieldRef } from "node-openflow";
import type { FlowEntry, GroupEntry } from "../network/flow-entry.js";
import { isOurGroup, isOurs, shadowZoneBit, zoneField } from "../network/pipeline.js";
import { isAmbiguous, isOwnZone, nameOf, otherZone } from "./connection-zones.js";

/** A flow or group whose shadow is not as it should be. */
export interface ZoneProblem {
  /** "table 1, priority 10, cookie 0x0", "group 7". */
  readonly where: string;
  readonly why: string;
  /** Its shadow tracks in live's zone, where what is sent inside the shadow meets live's connections; else it may only act otherwise. */
  readonly isShared: boolean;
}

export interface ZoneUse {
  /** Zones that are named by number. */
  readonly zones: ReadonlySet<number>;
  /** Flows and groups that take a zone from a field. */
  readonly fromField: number;
  /** Flows and groups that translate addresses in a range: which one is taken depends on the zone (`nat_range_hash`), so the shadow takes another. */
  readonly rangeTranslations: number;
  /** At most `maxProblems`, and how many there are in all. */
  readonly problems: readonly ZoneProblem[];
  readonly problemCount: number;
}

const maxProblems = 100;
/** NXAST_CT of Nicira, in an action that could not be read. */
const niciraCt = [0xff, 0xff, undefined, undefined, 0x00, 0x00, 0x23, 0x20, 0x00, 35];
const isUnreadCt = (bytes: Uint8Array): boolean => bytes.length >= niciraCt.length && niciraCt.every((byte, i) => byte === undefined || bytes[i] === byte);

interface Found {
  readonly zones: Set<number>;
  fromField: boolean;
  translates: boolean;
  readonly shared: Set<string>;
  readonly otherwise: Set<string>;
}

const usesField = (one: Action, name: string): boolean =>
  Object.entries(one).some(([key, value]) => key !== "actions" && key !== "zone" && (value === name || (typeof value === "object" && value !== null && "name" in value && (value as { readonly name: unknown }).name === name)));

/** `inSet`: the actions are an action set's, a bucket's included. */
function look(actions: readonly Action[], inSet: boolean, found: Found): void {
  for (const one of actions) {
    switch (one.type) {
      case "ct":
        if (typeof one.zone === "number") found.zones.add(one.zone);
        else {
          found.fromField = true;
          if (isOwnZone(one.zone)) found.shared.add(`takes the zone from ${zoneField}, in which a shadow makes its own`);
          else if (inSet) found.shared.add("takes the zone from a field in an action set, where nothing can be done to it before");
        }
        look(one.actions, false, found);
        break;
      case "clone":
        look(one.actions, false, found);
        break;
      case "nat":
        found.translates ||= isRange(one.range.ipv4Min, one.range.ipv4Max) || isRange(one.range.ipv6Min, one.range.ipv6Max) || isRange(one.range.protoMin, one.range.protoMax);
        break;
      case "learn":
      case "learn2":
        for (const { source, target } of one.specs) {
          const into: FieldRef | undefined = target === "output" ? undefined : "match" in target ? target.match.field : target.load.field;
          if ("field" in source && nameOf(source.field) === "ctZone" && (into === undefined || nameOf(into) !== "ctZone")) found.otherwise.add("reads ct_zone, which is another in the shadow");
        }
        break;
      case "unknown":
        if (isUnreadCt(one.bytes)) found.shared.add("has a ct action that can't be read");
        break;
      default:
        if (usesField(one, "ctZone")) found.otherwise.add("reads ct_zone, which is another in the shadow");
    }
  }
}
const isRange = (min: bigint | undefined, max: bigint | undefined): boolean => min !== undefined && max !== undefined && max !== min;

const newFound = (): Found => ({ zones: new Set(), fromField: false, translates: false, shared: new Set(), otherwise: new Set() });

/** Of foreign flows and groups; ours track nothing. */
export function zoneUse(flows: Iterable<FlowEntry>, groups: Iterable<GroupEntry>): ZoneUse {
  const zones = new Set<number>();
  const problems: ZoneProblem[] = [];
  const scratch: string[] = [];
  let [fromField, rangeTranslations, problemCount] = [0, 0, 0];
  const problem = (where: string, why: string, isShared: boolean): void => {
    problemCount++;
    if (problems.length < maxProblems) problems.push({ where, why, isShared });
  };
  const take = (where: string, found: Found): void => {
    for (const zone of found.zones) zones.add(zone);
    if (found.fromField) fromField++;
    if (found.translates) rangeTranslations++;
    for (const why of found.shared) problem(where, why, true);
    for (const why of found.otherwise) problem(where, why, false);
  };
  for (const flow of flows) {
    if (isOurs(flow.cookie)) continue;
    const where = `table ${flow.tableId}, priority ${flow.priority}, cookie 0x${flow.cookie.toString(16)}`;
    const found = newFound();
    let isScratch = flow.match.some(({ name }) => name === zoneField);
    for (const item of flow.instructions) {
      if (item.type !== "applyActions" && item.type !== "writeActions") continue;
      look(item.actions, item.type === "writeActions", found);
      isScratch ||= item.actions.some((one) => usesField(one, zoneField));
    }
    for (const item of flow.match) if (isKnown(item) && item.name === "ctZone") found.zones.add(Number(item.value));
    if (isAmbiguous(flow.match)) found.otherwise.add("matches ct_zone of tracked and untracked packets alike, and stays as it is");
    if (isScratch) scratch.push(where);
    take(where, found);
  }
  for (const { groupId, buckets } of groups) {
    if (isOurGroup(groupId)) continue;
    const found = newFound();
    for (const { actions } of buckets) look(actions, true, found);
    take(`group ${groupId}`, found);
  }
  if (fromField > 0) for (const where of scratch) problem(where, `uses ${zoneField}, in which the shadow makes zones that others take from a field`, false);
  return { zones, fromField, rangeTranslations, problems, problemCount };
}

/** Live zones whose shadow is a zone that live uses, too: there nothing keeps the two apart. `used`: zones of all bridges of one ovs-vswitchd. */
export function collidingZones(used: ReadonlySet<number>): number[] {
  return [...used].filter((zone) => used.has(otherZone(zone))).sort((a, b) => a - b);
}

/** Live zones that are in the shadows' range. */
export function claimedZones(used: Iterable<number>): number[] {
  return [...used].filter((zone) => (zone & shadowZoneBit) !== 0).sort((a, b) => a - b);
}
