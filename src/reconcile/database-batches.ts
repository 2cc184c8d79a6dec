/**
 * Splits the changes of one pass into transactions. Every transaction makes vswitchd run its whole configuration and pauses
 * forwarding meanwhile, so it must be short; it costs something whatever is in it, so there must be few.
 */
import type { DatabaseChange } from "./database-state.js";

/** Rows that a change inserts, deletes or updates. */
export function weight(change: DatabaseChange): number {
  return change.op === "add-bridge" ? 3 + 2 * change.bridge.ports.length : change.op === "add-port" ? 2 : 1;
}

const liveName = (change: DatabaseChange): string | undefined =>
  change.op === "add-bridge" || change.op === "update-bridge" ? change.bridge.live : change.op === "add-port" || change.op === "update-port" ? liveOfPort(change.port.live) : change.op === "add-sflow" || change.op === "update-sflow" ? change.bridge : undefined;

/** The bridge of "bridge:ofport", or of a port that stands for the whole bridge. */
const liveOfPort = (live: string): string => (live.includes(":") ? live.slice(0, live.lastIndexOf(":")) : live);

/**
 * Batches of at most `most` rows, except where one unit is larger. A unit stays together: a replica port and its guard; what goes
 * from one bridge and comes in its place. Units follow `rank` (lower first) of the live bridge they are for, and those of a rank below
 * 1 share no batch with others; what only deletes comes last, so that what replaces it is there before.
 */
export function batches(changes: readonly DatabaseChange[], most: number, rank: (live: string) => number = () => 1): DatabaseChange[][] {
  const units = new Map<string, DatabaseChange[]>();
  // What is done to a live bridge goes with what is done for it: both ends of a patch come in one transaction.
  const liveOf = new Map<string, string>();
  for (const change of changes) if (change.op === "add-port" && change.bridge === liveName(change)) liveOf.set(change.bridgeUuid, change.bridge);
  const ranks = new Map<string, number>();
  for (const change of changes) {
    const key = "bridgeUuid" in change ? (liveName(change) ?? liveOf.get(change.bridgeUuid) ?? change.bridgeUuid) : (liveName(change) ?? ("name" in change ? change.name : ""));
    const unit = units.get(key);
    if (unit === undefined) units.set(key, [change]);
    else unit.push(change);
    const live = liveName(change);
    if (live !== undefined) ranks.set(key, Math.min(ranks.get(key) ?? Infinity, rank(live)));
  }
  const order = (key: string, unit: readonly DatabaseChange[]): number => (unit.every(({ op }) => op.startsWith("delete")) ? Infinity : (ranks.get(key) ?? 1));
  const sorted = [...units].map(([key, unit]) => ({ unit, at: order(key, unit) })).sort((x, y) => (x.at < y.at ? -1 : x.at > y.at ? 1 : 0));
  const result: DatabaseChange[][] = [];
  let current: DatabaseChange[] = [];
  let size = 0;
  let before: number | undefined;
  for (const { unit, at } of sorted) {
    const heavy = unit.reduce((sum, change) => sum + weight(change), 0);
    // What comes first does not wait for company.
    const isOtherRank = before !== undefined && before < 1 && at >= 1;
    before = at;
    if (current.length > 0 && (isOtherRank || size + heavy > most)) {
      result.push(current);
      current = [];
      size = 0;
    }
    current.push(...unit);
    size += heavy;
  }
  if (current.length > 0) result.push(current);
  return result;
}

/**
 * The size of the next transaction, in rows. ovs-vswitchd runs its whole configuration for each, which takes a time of its own
 * that grows with the switch; the rows come on top. So a transaction may take half as long again as the quickest of the last
 * ones, up to a second: shorter ones would not make the pauses much shorter, and there would be many more of them. When less in it did
 * not make it quicker, it was not the rows.
 */
export class BatchSize {
  private rows: number;
  private readonly recentMs: number[] = [];
  private last: { readonly rows: number; readonly tookMs: number } | undefined;
  private readonly targetMs: number;
  private readonly least: number;
  private readonly most: number;

  /** `targetMs`: what a transaction may take in any case. */
  constructor({ targetMs = 150, first = 200, least = 50, most = 2_000 } = {}) {
    this.targetMs = targetMs;
    this.rows = first;
    this.least = least;
    this.most = most;
  }

  get current(): number {
    return this.rows;
  }

  /** A transaction of `rows` rows took this long. */
  measured(rows: number, tookMs: number): void {
    this.recentMs.push(tookMs);
    if (this.recentMs.length > keptTimes) this.recentMs.shift();
    const quickest = Math.min(...this.recentMs);
    const target = Math.max(this.targetMs, Math.min(1.5 * quickest, Math.max(longestMs, quickest)));
    const { last } = this;
    this.last = { rows, tookMs };
    const isOfRows = last === undefined || rows > 0.8 * last.rows || tookMs < 0.8 * last.tookMs;
    if (tookMs > target && !isOfRows) return;
    if (tookMs > target) this.rows = Math.max(this.least, Math.floor(this.rows * Math.max(0.5, target / tookMs)));
    // One much smaller than allowed says nothing about larger ones.
    else if (rows >= this.rows / 2) this.rows = Math.min(this.most, Math.ceil(this.rows * 1.5));
  }
}

const keptTimes = 6;
/** The longest pause of ovs-vswitchd to aim at. */
const longestMs = 1_000;
