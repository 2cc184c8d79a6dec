/** Peaks from the past: a profile that has seen nothing says of a real store's history what one says that saw it all. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import type { PeakProfile } from "../../src/analysis/profile/document.js";
import { Profile } from "../../src/analysis/profile/profile.js";
import type { Observation } from "../../src/base/observation.js";
import { seeded } from "../../src/base/seeded.js";
import { DuckDbStore } from "../../src/store/duckdb/store.js";
import { NoStore } from "../../src/store/none.js";
import { Clock, hour, start } from "./store-contract.js";

/** A "day" of an hour, in slots of five minutes; the store keeps raw values for two of them, minutes for all. */
const season = { periodMs: hour, slots: 12, weekends: false };
const retention = { raw: 2 * hour, "1s": 3 * hour, "1m": 100 * hour, "1h": 400 * hour, events: hour };
const seasons = 6;
const peakMinute = 32;
const windowMs = 5_000;

const dir = mkdtempSync(`${tmpdir()}/profile-`);
afterAll(() => rmSync(dir, { recursive: true }));

const profile = (): Profile => new Profile({ peaks: season, happened: () => undefined });

/** Mbit/s that rise to about 1,000 once an hour, with noise; of a host, and a quarter of it of a bridge. */
function* traffic(): Generator<Observation> {
  const random = seeded(3);
  for (let tMs = start; tMs < start + seasons * hour; tMs += windowMs) {
    const minute = ((tMs - start) % hour) / 60_000;
    const bitsPerS = 100 + 900 * Math.exp(-(((minute - peakMinute) / 6) ** 2)) + 40 * random();
    yield { tMs, windowMs, side: "live", subject: { kind: "host", name: "10.0.0.1" }, values: { bitsPerS } };
    yield { tMs, windowMs, side: "live", subject: { kind: "bridge", name: "l1" }, values: { bitsPerS: bitsPerS / 4 } };
  }
}

test("the peak's time and height are found in the history, as by who saw it", async () => {
  const clock = new Clock();
  const store = await DuckDbStore.open({ file: `${dir}/s.duckdb`, retention, maxBytes: 1 << 30, memoryMb: 256, maxWaiting: 100_000, flushMs: 200, maintainMs: 0, nowMs: clock.read, steadyMs: clock.read });
  try {
    const saw = profile();
    let count = 0;
    for (const observation of traffic()) {
      clock.nowMs = Math.max(clock.nowMs, observation.tMs + windowMs);
      store.observe(observation);
      saw.observation(observation);
      if (++count % 1_000 !== 0) continue;
      await store.flush();
      await store.maintain();
    }
    await store.flush();
    await store.maintain();
    const learned = profile();
    // All slots but the one that is being seen.
    expect(await learned.learnPeaks(store, clock.nowMs + 1_000)).toBe(2 * seasons * season.slots);
    const [ofHost, ofBridge] = ["10.0.0.1", "bridge l1"].map((subject) => learned.document(clock.nowMs).peaks.find((peak) => peak.subject === subject)) as [PeakProfile, PeakProfile];
    expect(ofHost).toMatchObject({ seasons });
    expect(Math.abs(ofHost.atMs / 60_000 - peakMinute)).toBeLessThanOrEqual(5);
    expect(Math.abs(ofHost.height - 1_000)).toBeLessThan(100);
    expect(Math.abs(ofBridge.height - 250)).toBeLessThan(25);
    const seen = saw.document(clock.nowMs).peaks.find(({ subject }) => subject === "10.0.0.1");
    expect([ofHost.atMs, ofHost.height, ofHost.plusMinus]).toEqual([seen?.atMs, expect.closeTo(seen?.height ?? NaN, 6), expect.closeTo(seen?.plusMinus ?? NaN, 3)]);
  } finally {
    await store.close();
  }
}, 120_000);

test("what is seen from now on adds to what was learned, in whichever order", async () => {
  const both = profile();
  const now = start + 2 * hour + 10 * 60_000;
  const seen = (tMs: number, bitsPerS: number): void => both.observation({ tMs, windowMs, side: "live", subject: { kind: "host", name: "h" }, values: { bitsPerS } });
  seen(now, 300);
  const store = {
    top: ({ kind }: { readonly kind: string }) => Promise.resolve({ entries: kind === "host" ? [{ subject: { kind: "host" as const, name: "h" }, value: 900 }] : [] }),
    query: ({ toMs }: { readonly toMs: number }) => Promise.resolve({ tier: "1m" as const, points: [{ tMs: now - 2 * hour, value: 700, count: 1 }, { tMs: now - hour, value: 500, count: 1 }].filter(({ tMs }) => tMs < toMs) }),
  };
  await both.learnPeaks(store, now);
  seen(now + 5_000, 600);
  expect(both.document(now).peaks[0]).toMatchObject({ subject: "h", seasons: 3, height: 600 });
});

test("a store that keeps nothing says so, and the profile stays as it was", async () => {
  const none = profile();
  await expect(none.learnPeaks(new NoStore(), start)).rejects.toThrow("nothing is kept");
  expect(none.document(start).peaks).toEqual([]);
});
