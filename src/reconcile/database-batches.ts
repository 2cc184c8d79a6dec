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

/** One transaction, and what ovs-vswitchd took for it. */
interface Taken {
  readonly rows: number;
  readonly tookMs: number;
}

/**
 * The size of the next transaction, in rows. ovs-vswitchd runs its whole configuration for each, which takes a time of its own that
 * grows with the switch, whatever is in it. The rows come on top. Both are estimated from the last transactions (a line through them,
 * held to what a row usually takes), and a transaction gets as many rows as take as long again: a bare `ovs-vsctl add-port` of a
 * device makes ovs-vswitchd run its configuration twice, and pauses forwarding for longer than such a transaction (docs/scale.md). Fewer
 * rows would make more pauses of nearly the same length. A machine that is busy with something else makes both longer, and the size is
 * much the same.
 */
export class BatchSize {
  private rows: number;
  private readonly taken: Taken[] = [];
  private count = 0;
  private readonly targetMs: number;
  private readonly least: number;
  private readonly most: number;

  /** `targetMs`: what a transaction may take in any case. */
  constructor({ targetMs = 150, first = 200, least = 200, most = 2_000 } = {}) {
    this.targetMs = targetMs;
    this.rows = first;
    this.least = least;
    this.most = most;
  }

  /** Every third one is smaller: without a difference in size nobody could tell what the rows cost. */
  get current(): number {
    return this.count % 3 === 2 ? Math.max(this.least, Math.round(smaller * this.rows)) : this.rows;
  }

  /** A transaction of `rows` rows kept ovs-vswitchd busy this long. */
  measured(rows: number, tookMs: number): void {
    this.count++;
    this.taken.push({ rows, tookMs });
    if (this.taken.length > keptTimes) this.taken.shift();
    const { bareMs, rowMs } = costs(this.taken);
    const wanted = Math.max(lengthening * bareMs, this.targetMs - bareMs) / rowMs;
    // One much smaller than allowed says nothing about larger ones.
    const mayGrow = rows >= this.rows / 2;
    this.rows = Math.round(Math.min(this.most, Math.max(this.least, Math.min(wanted, mayGrow ? 2 * this.rows : this.rows))));
  }
}

/** What a transaction takes without rows, and for each row, in ms: least squares, held to the usual by as much as a few transactions say. */
function costs(taken: readonly Taken[]): { readonly bareMs: number; readonly rowMs: number } {
  const meanRows = taken.reduce((sum, { rows }) => sum + rows, 0) / taken.length;
  const middle = [...taken].map(({ tookMs }) => tookMs).sort((x, y) => x - y)[taken.length >> 1] ?? 0;
  // One that the machine held up is no measure.
  const held = taken.map(({ rows, tookMs }) => ({ rows, tookMs: Math.min(tookMs, 3 * middle) }));
  const meanMs = held.reduce((sum, { tookMs }) => sum + tookMs, 0) / held.length;
  const together = held.reduce((sum, { rows, tookMs }) => sum + (rows - meanRows) * (tookMs - meanMs), 0);
  const spread = held.reduce((sum, { rows }) => sum + (rows - meanRows) ** 2, 0);
  const rowMs = Math.max(leastRowMs, (together + usualWeight * usualRowMs) / (spread + usualWeight));
  // The quicker ones say more about ovs-vswitchd than those that the machine was slow with.
  const bare = held.map(({ rows, tookMs }) => tookMs - rowMs * rows).sort((x, y) => x - y);
  return { bareMs: Math.max(0, bare[bare.length >> 2] ?? 0), rowMs };
}

const keptTimes = 24;
const smaller = 0.6;
/** How much longer than one without rows a transaction may be, as a share of it. */
const lengthening = 1;
/** What a row takes on a common machine (docs/scale.md); that counts as much as 12 transactions whose sizes lie 120 rows off their mean. */
const usualRowMs = 0.6;
const usualWeight = 12 * 120 ** 2;
const leastRowMs = 0.05;
