/** The routes that each neighbour announced, as heard: one table for BGP, BMP and OSPF, with one bound. */
import type { Family } from "./bgp-attributes.js";
import type { Detail, Tell } from "./routing-event.js";

export type RouteSource = "bgp" | "bmp" | "ospf" | "ospf3";

export interface Route {
  readonly prefix: string;
  readonly family: Family;
  readonly pathId: number | undefined;
  /** Who announced it: an address (BGP) or router id (OSPF). */
  readonly from: string;
  /** To whom: the listening neighbour, the BMP router with its table, or the OSPF area. */
  readonly to: string;
  readonly source: RouteSource;
  readonly nextHop: string;
  /** Attributes as plain facts: asPath, communities, metric … Shared by the routes of one message. */
  readonly attributes: Detail;
  readonly sinceMs: number;
}

export type RouteFacts = Omit<Route, "from" | "to" | "source" | "sinceMs">;

export interface RibCounters {
  announced: number;
  withdrawn: number;
  /** Routes forgotten because the table was full. */
  evicted: number;
  /** Withdrawals of routes that were not there. */
  unknownWithdrawals: number;
}

export interface Speaker {
  readonly from: string;
  readonly to: string;
  readonly source: RouteSource;
}

/** Withdrawals that are told one by one when a neighbour goes; of more only the number is told. */
const maxToldWithdrawals = 1_000;

const routeKey = (route: { readonly prefix: string; readonly pathId: number | undefined }): string => (route.pathId === undefined ? route.prefix : `${route.prefix} ${route.pathId}`);
export const speakerKey = ({ source, from, to }: Speaker): string => `${source} ${from} ${to}`;

export class Rib {
  readonly counters: RibCounters = { announced: 0, withdrawn: 0, evicted: 0, unknownWithdrawals: 0 };
  private readonly tables = new Map<string, Map<string, Route>>();
  private count = 0;
  private readonly maxRoutes: number;
  private readonly tell: Tell;

  constructor(maxRoutes: number, tell: Tell) {
    this.maxRoutes = maxRoutes;
    this.tell = tell;
  }

  get size(): number {
    return this.count;
  }

  /** An announcement again with the same facts is no event. */
  announce(speaker: Speaker, facts: RouteFacts, nowMs: number): void {
    const table = this.table(speakerKey(speaker));
    const key = routeKey(facts);
    const old = table.get(key);
    if (old !== undefined && old.nextHop === facts.nextHop && sameFacts(old.attributes, facts.attributes)) return;
    const { from, to, source } = speaker;
    table.delete(key); // the newest stand last: what is evicted is the oldest
    if (old === undefined && ++this.count > this.maxRoutes) this.evict();
    this.table(speakerKey(speaker)).set(key, { ...facts, from, to, source, sinceMs: nowMs });
    this.counters.announced++;
    const before = old === undefined ? {} : { before: { nextHop: old.nextHop, ...old.attributes } };
    this.tell(nowMs, "route-announced", facts.prefix, { from, to, source, nextHop: facts.nextHop, ...pathIdOf(facts), ...facts.attributes, ...before });
  }

  withdraw(speaker: Speaker, which: { readonly prefix: string; readonly pathId: number | undefined }, nowMs: number, why: string): void {
    const key = speakerKey(speaker);
    const table = this.tables.get(key);
    const old = table?.get(routeKey(which));
    if (table === undefined || old === undefined) {
      this.counters.unknownWithdrawals++;
      return;
    }
    table.delete(routeKey(which));
    if (table.size === 0) this.tables.delete(key);
    this.count--;
    this.counters.withdrawn++;
    this.tell(nowMs, "route-withdrawn", old.prefix, { from: old.from, to: old.to, source: old.source, nextHop: old.nextHop, ...pathIdOf(old), why });
  }

  /** All routes of a speaker go. Returns how many they were; the first 1,000 are told one by one. */
  clear(speaker: Speaker, nowMs: number, why: string): number {
    const key = speakerKey(speaker);
    const table = this.tables.get(key);
    if (table === undefined) return 0;
    this.tables.delete(key);
    this.count -= table.size;
    this.counters.withdrawn += table.size;
    let told = 0;
    for (const { prefix, from, to, source, nextHop, pathId } of table.values()) {
      if (told++ === maxToldWithdrawals) break;
      this.tell(nowMs, "route-withdrawn", prefix, { from, to, source, nextHop, ...pathIdOf({ pathId }), why });
    }
    return table.size;
  }

  has(speaker: Speaker): boolean {
    return this.tables.has(speakerKey(speaker));
  }
  sizeOf(speaker: Speaker): number {
    return this.tables.get(speakerKey(speaker))?.size ?? 0;
  }

  *routes(): Iterable<Route> {
    for (const table of this.tables.values()) yield* table.values();
  }

  private table(key: string): Map<string, Route> {
    let table = this.tables.get(key);
    if (table === undefined) this.tables.set(key, (table = new Map<string, Route>()));
    return table;
  }

  /** The oldest route of the speaker with the most: one that floods pays with its own. */
  private evict(): void {
    const [key, largest] = [...this.tables].reduce((most, one) => (one[1].size > most[1].size ? one : most));
    const first = largest.keys().next();
    if (first.done === true) return;
    largest.delete(first.value);
    if (largest.size === 0) this.tables.delete(key);
    this.count--;
    this.counters.evicted++;
  }
}

const pathIdOf = ({ pathId }: { readonly pathId: number | undefined }): Detail => (pathId === undefined ? {} : { pathId });

/** Equal as plain data; the routes of one message share theirs. */
function sameFacts(x: Detail, y: Detail): boolean {
  return x === y || JSON.stringify(x) === JSON.stringify(y);
}
