/** What a store still has of hosts and bridges, as the highest value of each slot of each day: for peaks that nobody here has seen. */
import type { Subject } from "../../base/observation.js";
import type { TimeSeriesStore } from "../../store/store.js";

export type PeakStore = Pick<TimeSeriesStore, "top" | "query">;

/** So far back, at most as far as the store keeps. */
const historyMs = 30 * 86_400_000;
/** The busiest so many of each kind. */
const maxSubjects = 500;
/** The windows that peaks are made of, see `Profile.observation`. */
const windowMs = 5_000;
const metric = "bitsPerS";

/**
 * Asks for the highest `bitsPerS` in each slot before `beforeMs`, and gives them to `learn`. The slot that `beforeMs` lies in is left out: it is
 * being seen. Resolves with their number; rejects with the store's error.
 */
export async function peakHistory(store: PeakStore, beforeMs: number, slotMs: number, learn: (subject: Subject, tMs: number, highest: number) => void): Promise<number> {
  const toMs = Math.floor(beforeMs / slotMs) * slotMs;
  const range = { fromMs: toMs - historyMs, toMs };
  let learned = 0;
  for (const kind of ["host", "bridge"] as const) {
    const { entries } = await store.top({ ...range, kind, side: "live", metric, count: maxSubjects, aggregate: "max" });
    for (const { subject } of entries) {
      const { points } = await store.query({ ...range, subject, side: "live", metric, windowMs, bucketMs: slotMs, aggregate: "max" });
      for (const { tMs, value } of points) learn(subject, tMs, value);
      learned += points.length;
    }
  }
  return learned;
}
