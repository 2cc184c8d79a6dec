import { SwitchCounters, type SwitchReading } from "./switch-counters.js";

const reading = (count: bigint): SwitchReading => ({
  bridge: "b1",
  tables: [
    { tableId: 0, activeCount: 3, lookupCount: count * 10n, matchedCount: count * 9n },
    { tableId: 1, activeCount: 4, lookupCount: 0n, matchedCount: 0n },
  ],
  meters: [{ meterId: 7, packetInCount: count, byteInCount: count * 100n, dropped: count / 2n }],
  groups: [{ groupId: 1, packetCount: count * 2n, byteCount: count * 200n }],
});

test("what moved between two readings is observed per second", () => {
  const counters = new SwitchCounters("live");
  expect(counters.take(1_000, reading(100n))).toEqual([]);
  expect(counters.take(3_000, reading(300n)).map(({ subject, windowMs, values }) => [subject.name, windowMs, values])).toEqual([
    ["b1", 2_000, { flows: 7, lookupsPerS: 1_000, matchesPerS: 900 }],
    ["b1 meter 7", 2_000, { packetsPerS: 100, bitsPerS: 80_000, droppedPerS: 50 }],
    ["b1 group 1", 2_000, { packetsPerS: 200, bitsPerS: 160_000 }],
  ]);
});

test("counters that went back give no rate, and a meter that is new has none yet", () => {
  const counters = new SwitchCounters("shadow");
  counters.take(1_000, { ...reading(100n), meters: [] });
  expect(counters.take(2_000, reading(50n)).map(({ values }) => values)).toEqual([{ flows: 7 }]);
});
