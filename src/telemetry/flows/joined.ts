/** Records made of known flows: which entries carry how many of them, which sources are missing and why. Pure. */
import { matchKey } from "node-openflow";
import { flowKey } from "../../network/flow-entry.js";
import { ownerOf } from "../../network/explain.js";
import type { KnownDirection, KnownFlow } from "./known-flows.js";
import type { DirectionRecord, EntryPart, FlowRecord, Missing } from "./record.js";
import { flowName } from "./tuple.js";

/** Counters of one flow entry, as read. */
export interface EntryCounters {
  readonly packets: bigint;
  readonly bytes: bigint;
  readonly durationS: number;
  readonly readMs: number;
}

/** What is known beside the flows themselves. */
export interface JoinContext {
  /** Counters by "bridge " + the entry's identity (`flowKey`). */
  readonly entries: ReadonlyMap<string, EntryCounters>;
  /** Directions whose most specific entry it is, likewise. */
  readonly carried: ReadonlyMap<string, number>;
  /** Text of an entry's match. */
  readonly matchText: (match: Parameters<typeof matchKey>[0]) => string;
  /** TCP connections are captured. */
  readonly hasTcp: boolean;
  readonly isCapturing: boolean;
  /** One packet in so many is sampled, by bridge, as its latest sample said. */
  readonly samplingRates: ReadonlyMap<string, number>;
  readonly conntrackFailure: string | undefined;
  readonly openflowFailure: string | undefined;
}

const tcp = 6;
export const entryKey = (bridge: string, entry: Parameters<typeof flowKey>[0]): string => `${bridge} ${flowKey(entry)}`;

/** How many directions each entry carries. */
export function carriedBy(flows: Iterable<KnownFlow>): Map<string, number> {
  const carried = new Map<string, number>();
  for (const { directions } of flows) {
    for (const { way } of directions) {
      if (way?.entry === undefined) continue;
      const key = entryKey(way.bridge, way.entry);
      carried.set(key, (carried.get(key) ?? 0) + 1);
    }
  }
  return carried;
}

function entryPart({ way }: KnownDirection, { entries, carried, matchText }: JoinContext): EntryPart | undefined {
  if (way?.entry === undefined) return undefined;
  const { bridge, entry, undecided } = way;
  const key = entryKey(bridge, entry);
  const counters = entries.get(key);
  if (counters === undefined) return undefined;
  const { tableId, priority, match, cookie } = entry;
  return { bridge, tableId, priority, match: matchText(match), cookie, owner: ownerOf(cookie), ...counters, carries: carried.get(key) ?? 1, undecided };
}

/** 95 % of a normal distribution lie within so many standard deviations. */
const z95 = 1.96;

function directionRecord(known: KnownDirection, context: JoinContext): DirectionRecord {
  const { from, to, samples, packets, bytes, variance, captured } = known;
  return { from, to, sampled: samples === 0 ? undefined : { samples, packets, bytes, errorRatio: (z95 * Math.sqrt(variance)) / packets }, captured, entry: entryPart(known, context) };
}

/** Rarer than this that no packet was sampled is taken for a loss of samples. */
const leastChance = 0.001;

/** The chance that of a direction's packets none is sampled; 0 where the sampling rate is not known. */
function chanceOfNone({ captured, ingress }: KnownDirection, { samplingRates }: JoinContext): number {
  const rate = ingress === undefined ? undefined : samplingRates.get(ingress.bridge);
  return rate === undefined || captured === undefined ? 0 : (1 - 1 / rate) ** captured.packets;
}

const wasSeen = ({ samples, captured }: KnownDirection): boolean => samples > 0 || (captured?.packets ?? 0) > 0;

/** Which sources say nothing, and why. A direction in which nothing was ever seen asks for no source. */
function missingOf(flow: KnownFlow, records: readonly DirectionRecord[], context: JoinContext): Missing[] {
  const missing: Missing[] = [];
  const seen = flow.directions.filter(wasSeen);
  const unsampled = seen.filter(({ samples }) => samples === 0);
  const say = (source: Missing["source"], why: string, notApplicable = false): void => void missing.push({ source, why, notApplicable });
  if (seen.length === 0) say("sflow", "none of its packets was sampled, and none captured: only the tracker tells of it");
  else if (unsampled.length > 0) {
    // That a sampler chose none of a few packets is what it says of them; of many it is a loss.
    const chances = unsampled.map((direction) => chanceOfNone(direction, context));
    const text = unsampled.map(({ from, captured }, i) => `of ${captured?.packets ?? 0} packets from ${from.address} none was sampled, by a chance of ${(chances[i] ?? 0).toPrecision(2)}`);
    say("sflow", text.join("; "), chances.every((chance) => chance >= leastChance));
  }
  const without = records.flatMap((record, i) => {
    const direction = flow.directions[i];
    return direction !== undefined && wasSeen(direction) && record.entry === undefined ? [direction] : [];
  });
  if (seen.length === 0) say("openflow", "no packet of it is known that could be followed");
  else if (without.length > 0) say("openflow", [...new Set(without.map((direction) => whyNoEntry(direction, context)))].join("; "));
  const zones = new Set(seen.flatMap(({ way }) => way?.zones ?? []));
  if (flow.tracked.size === 0) {
    const isFollowed = seen.length > 0 && seen.every(({ way }) => way !== undefined);
    if (zones.size > 0) say("conntrack", context.conntrackFailure ?? `zone ${[...zones].join(", ")} has no connection of it: over, or never committed`);
    else if (isFollowed) say("conntrack", "no entry that it meets where it comes in tracks connections", true);
    else say("conntrack", context.conntrackFailure ?? "the tracker has no connection of it, and whether it is tracked is not known");
  }
  if (flow.protocol !== tcp) say("tcp", "it is not TCP", true);
  else if (!context.hasTcp) say("tcp", "TCP is not captured (telemetry.tcp.enabled)", true);
  else if (flow.tcp === undefined) say("tcp", "the capture has no such connection: its edge is not copied, or it is over and forgotten");
  if (!context.isCapturing) say("capture", "copies are not counted by flow (telemetry.flows.capture)", true);
  else if (seen.every(({ captured }) => captured === undefined)) say("capture", "no copy of it was captured: its edges are not copied");
  return missing;
}

function whyNoEntry({ way, ingress, header }: KnownDirection, { openflowFailure }: JoinContext): string {
  if (openflowFailure !== undefined) return openflowFailure;
  if (way === undefined) return header === undefined || ingress === undefined ? "where it comes in is not known" : "its way was not followed yet";
  return way.entry === undefined ? `no entry of ${way.bridge} that is of any flow takes it` : "its entry is gone";
}

/** The record of a flow as it is known now. */
export function recordOf(flow: KnownFlow, context: JoinContext): FlowRecord {
  const records = flow.directions.map((direction) => directionRecord(direction, context)) as [DirectionRecord, DirectionRecord];
  const [out, back] = flow.clientDirection === 0 ? records : [records[1], records[0]];
  const missing = missingOf(flow, records, context);
  const isComplete = !missing.some(({ source, notApplicable }) => !notApplicable && (source === "sflow" || source === "openflow" || source === "conntrack"));
  return {
    name: flowName(flow.protocol, out.from, back.from), protocol: flow.protocol, client: out.from, server: back.from, firstMs: flow.firstMs, lastMs: flow.lastMs,
    out, back, tracked: [...flow.tracked.values()], tcp: flow.tcp, app: flow.app, missing, isComplete,
  };
}
