/** Raw rows become seconds, seconds become minutes and hours; what is too old goes, and more when the file grows too large. */
import type { SubjectKind } from "../../base/observation.js";
import { tiers, tierStepMs, type Retention, type Tier } from "../store.js";
import type { DuckFile } from "./file.js";
import { hasSketch, tableOf, type Catalogue } from "./schema.js";
import { keySql } from "./sketch.js";

/** A bucket is rolled up this long after its end; rows that come later have it made again. */
const latenessMs = 5_000;
/** Rolled up in one transaction: longer ones cost more for each row (measured: an hour of 1,000 ports in one takes twice what it takes in pieces), and writing waits for them. */
const pieceMs: Readonly<Record<"1s" | "1m" | "1h", number>> = { "1s": 2 * tierStepMs["1m"], "1m": 10 * tierStepMs["1m"], "1h": tierStepMs["1h"] };
/** Minutes made again in one pass; the rest waits for the next. */
const maxDirty = 512;

export interface MaintainOptions {
  readonly nowMs: number;
  readonly retention: Retention;
  readonly maxBytes: number;
  /** False while the clock can't be trusted. */
  readonly mayDelete: boolean;
}
export interface Maintained {
  readonly bytes: number;
  /** Tiers cut because the file was too large. */
  readonly cuts: readonly string[];
}

/** Runs a piece of work when no other uses the writing connection. Batches are written between two pieces. */
export type Turn = <T>(work: () => Promise<T>) => Promise<T>;

const floor = (tMs: number, stepMs: number): number => Math.floor(tMs / stepMs) * stepMs;

/** Rows of [from, to) of a tier, from the finer one. `i` and `a` are left out where they equal `s`: one value is all three. */
function rollUpSql(tier: Tier, kind: SubjectKind, metrics: readonly number[]): string {
  const parts = metrics.flatMap((m) => {
    const own = (n: string, sum: string, min: string, max: string): string[] => [
      `nullif(${n}, 0) AS n${m}`,
      `${sum} AS s${m}`,
      `CASE WHEN ${n} > 1 THEN ${min} END AS i${m}`,
      `CASE WHEN ${n} > 1 THEN ${max} END AS a${m}`,
    ];
    if (tier === "1s") return own(`count(m${m})`, `sum(m${m})`, `min(m${m})`, `max(m${m})`);
    return [...own(`sum(n${m})`, `sum(s${m})`, `min(coalesce(i${m}, s${m}))`, `max(coalesce(a${m}, s${m}))`), ...(hasSketch(tier) ? [`histogram(${keySql(`(s${m} / n${m})`)}) AS q${m}`] : [])];
  });
  const step = tierStepMs[tier];
  return `INSERT INTO ${tableOf(tier, kind)} BY NAME SELECT t // ${step} * ${step} AS t, s, ${parts.join(", ")} FROM ${tableOf(tier === "1s" ? "raw" : "1s", kind)} WHERE t >= ? AND t < ? GROUP BY 1, 2`;
}

export class Keeper {
  private readonly file: DuckFile;
  private readonly catalogue: Catalogue;
  private readonly inTurn: Turn;

  /** `inTurn`: every piece of work is done in it. */
  constructor(file: DuckFile, catalogue: Catalogue, inTurn: Turn) {
    this.file = file;
    this.catalogue = catalogue;
    this.inTurn = inTurn;
  }

  /** One call at a time, by the owner's care. */
  async maintain(options: MaintainOptions): Promise<Maintained> {
    for (const kind of this.catalogue.kinds) await this.rollUp(kind, options.nowMs);
    return this.inTurn(async () => {
      if (options.mayDelete) await this.forget(options);
      await this.file.trim();
      const bytes = await this.file.bytes();
      if (bytes <= options.maxBytes) return { bytes, cuts: [] };
      const cuts = options.mayDelete ? await this.cut(options.nowMs) : [];
      await this.file.writer.run("CHECKPOINT");
      return { bytes: await this.file.bytes(), cuts };
    });
  }

  private async rollUp(kind: SubjectKind, nowMs: number): Promise<void> {
    const { catalogue, inTurn } = this;
    const first = await inTurn(async () => {
      const metrics = this.metricsOf(kind);
      if (metrics.length > 0) for (const tier of tiers) await catalogue.ensure(tier, kind, metrics);
      return metrics.length === 0 ? undefined : this.firstMs("raw", kind);
    });
    if (first === undefined) return;
    let until = floor(nowMs - latenessMs, tierStepMs["1s"]);
    for (const tier of ["1s", "1m", "1h"] as const) {
      until = floor(until, tierStepMs[tier]);
      const done = Math.max(catalogue.doneMs(kind, tier), floor(first, tierStepMs["1h"]));
      // After a step back of the clock there is nothing to do until it has caught up; late rows are seen to below.
      if (until <= done && catalogue.doneMs(kind, tier) !== -Infinity) continue;
      const to = Math.max(until, done);
      let from = done;
      do {
        const next = Math.min(to, floor(from, pieceMs[tier]) + pieceMs[tier]);
        await inTurn(() => this.rollUpPiece(kind, tier, from, next));
        from = next;
      } while (from < to);
    }
    await inTurn(() => this.repeat(kind));
  }

  private async rollUpPiece(kind: SubjectKind, tier: Tier, fromMs: number, toMs: number): Promise<void> {
    const { catalogue, file } = this;
    // A batch may have brought metrics since the last piece.
    const metrics = this.metricsOf(kind);
    await catalogue.ensure(tier, kind, metrics);
    const settled = await file.transaction(async () => {
      await file.writer.run(rollUpSql(tier, kind, metrics), [BigInt(fromMs), BigInt(toMs)]);
      return catalogue.setDone(kind, tier, toMs);
    });
    settled();
  }

  private metricsOf(kind: SubjectKind): number[] {
    return [...(this.catalogue.metrics.get(kind)?.values() ?? [])];
  }

  /** Makes the buckets again that late rows came for. */
  private async repeat(kind: SubjectKind): Promise<void> {
    const { catalogue, file } = this;
    const metrics = this.metricsOf(kind);
    for (const tier of tiers) await catalogue.ensure(tier, kind, metrics);
    const rows = await file.written("SELECT DISTINCT minute FROM dirty WHERE kind = ? ORDER BY minute LIMIT ?", [kind, maxDirty]);
    if (rows.length === 0) return;
    const again = async (tier: Tier, fromMs: number, toMs: number): Promise<void> => {
      if (toMs <= fromMs) return;
      await file.writer.run(`DELETE FROM ${tableOf(tier, kind)} WHERE t >= ? AND t < ?`, [BigInt(fromMs), BigInt(toMs)]);
      await file.writer.run(rollUpSql(tier, kind, metrics), [BigInt(fromMs), BigInt(toMs)]);
    };
    const minuteMs = tierStepMs["1m"];
    const hourMs = tierStepMs["1h"];
    await file.transaction(async () => {
      const hours = new Set<number>();
      for (const row of rows) {
        const minute = Number(row.minute);
        await again("1s", minute, Math.min(minute + minuteMs, catalogue.doneMs(kind, "1s")));
        if (minute + minuteMs <= catalogue.doneMs(kind, "1m")) await again("1m", minute, minute + minuteMs);
        const hour = floor(minute, hourMs);
        if (hour + hourMs <= catalogue.doneMs(kind, "1h")) hours.add(hour);
        await file.writer.run("DELETE FROM dirty WHERE kind = ? AND minute = ?", [kind, BigInt(minute)]);
      }
      for (const hour of hours) await again("1h", hour, hour + hourMs);
    });
  }

  /** Deletes what is older than it is to be kept: by tenths of that time, so that it is done rarely. */
  private async forget({ nowMs, retention }: MaintainOptions): Promise<void> {
    for (const tier of tiers) {
      const before = floor(nowMs - retention[tier], tier === "1h" ? tierStepMs["1h"] : tierStepMs["1m"]);
      const oldest = await this.oldestMs(tier);
      if (oldest === undefined || oldest >= before - retention[tier] / 10) continue;
      await this.deleteBefore(tier, before);
    }
    const before = floor(nowMs - retention.events, tierStepMs["1m"]);
    const [row] = await this.file.written("SELECT min(t) AS t FROM events WHERE t < ?", [BigInt(before)]);
    if (row?.t === null || row === undefined || before <= this.catalogue.deletedBeforeMs("events") + retention.events / 10) return;
    await this.file.transaction(async () => {
      // What was last said of each subject stays: it is the state at the beginning of what is kept.
      await this.file.writer.run(
        `DELETE FROM events WHERE t < $1 AND (detail = '{"gone":true}' OR seq NOT IN (SELECT arg_max(seq, t * 1000000 + seq % 1000000) FROM events WHERE t < $1 AND kind <> 'edit' GROUP BY kind, side, subject))`,
        [BigInt(before)],
      );
      await this.catalogue.setDeleted("events", before);
    });
  }

  /** Raw and second rows are only deleted where the tiers above have them. */
  private async deleteBefore(tier: Tier, beforeMs: number): Promise<boolean> {
    const { catalogue, file } = this;
    const needed: readonly Tier[] = tier === "raw" ? ["1s"] : tier === "1s" ? ["1m", "1h"] : [];
    const done = Math.min(...catalogue.kinds.flatMap((kind) => needed.map((above) => catalogue.doneMs(kind, above))));
    const before = floor(Math.min(beforeMs, done), tierStepMs["1m"]);
    if (!Number.isFinite(before) || before <= catalogue.deletedBeforeMs(tier)) return false;
    await file.transaction(async () => {
      for (const kind of catalogue.kinds) if (await catalogue.has(tier, kind)) await file.writer.run(`DELETE FROM ${tableOf(tier, kind)} WHERE t < ?`, [BigInt(before)]);
      if (tier === "raw") await file.writer.run("DELETE FROM dirty WHERE minute < ?", [BigInt(before)]);
      await catalogue.setDeleted(tier, before);
    });
    return true;
  }

  /** The file is too large: the older half of the finest tier that has more than a minute goes. */
  private async cut(nowMs: number): Promise<string[]> {
    for (const tier of tiers) {
      const oldest = await this.oldestMs(tier);
      if (oldest === undefined || nowMs - oldest < 4 * tierStepMs["1m"]) continue;
      const before = oldest + (nowMs - oldest) / 2;
      if (await this.deleteBefore(tier, Math.max(before, floor(oldest, tierStepMs["1m"]) + tierStepMs["1m"]))) return [tier];
    }
    return [];
  }

  private async oldestMs(tier: Tier): Promise<number | undefined> {
    let oldest: number | undefined;
    for (const kind of this.catalogue.kinds) {
      const first = await this.firstMs(tier, kind);
      if (first !== undefined) oldest = Math.min(first, oldest ?? Infinity);
    }
    return oldest;
  }

  private async firstMs(tier: Tier, kind: SubjectKind): Promise<number | undefined> {
    if (!(await this.catalogue.has(tier, kind))) return undefined;
    const [row] = await this.file.written(`SELECT min(t) AS t FROM ${tableOf(tier, kind)}`);
    return row?.t === null || row?.t === undefined ? undefined : Number(row.t);
  }
}
