import type { Observation } from "../base/observation.js";
import { seeded } from "../base/seeded.js";
import { Anomalies } from "./anomalies.js";

const at = (tMs: number, values: Record<string, number>, name = "10.0.0.1"): Observation => ({ tMs, windowMs: 5_000, side: "live", subject: { kind: "host", name }, values });
const random = seeded(2);
const usual = (): number => 100 + 30 * random();

test("a jump is told with its metric once, and again when it is over", () => {
  const anomalies = new Anomalies();
  const events = Array.from({ length: 120 }, (_, i) => anomalies.take(at(i * 5_000, { packetsPerS: usual(), bitsPerS: usual() }))).flat();
  expect(events).toEqual([]);
  const during = [120, 121, 122].flatMap((i) => anomalies.take(at(i * 5_000, { packetsPerS: 5_000, bitsPerS: usual() })));
  expect(during).toHaveLength(1);
  expect(during[0]).toMatchObject({ kind: "alert", subject: "host 10.0.0.1", detail: { what: "anomaly", metric: "packetsPerS", unit: "packets/s", value: 5_000 } });
  expect(anomalies.active()).toMatchObject([{ subject: { name: "10.0.0.1" }, side: "live", sinceMs: 120 * 5_000 }]);
  const after = [123, 124, 125, 126].flatMap((i) => anomalies.take(at(i * 5_000, { packetsPerS: usual(), bitsPerS: usual() })));
  expect(after.map(({ detail }) => detail["what"])).toEqual(["anomaly over"]);
  expect(anomalies.active()).toEqual([]);
});

test("a day of usual noise is at most one alarm", () => {
  const anomalies = new Anomalies();
  let alarms = 0;
  for (let i = 0; i < 17_280; i++) alarms += anomalies.take(at(i * 5_000, { packetsPerS: 100 * Math.exp(0.4 * (random() + random() + random() - 1.5)) })).length;
  expect(alarms).toBeLessThanOrEqual(1);
});

test("what stays becomes usual", () => {
  const anomalies = new Anomalies({ baseline: { kept: 60, minCount: 30, minRelativeSpread: 0.1 }, threshold: 8, onset: 2, clear: 3 });
  for (let i = 0; i < 60; i++) anomalies.take(at(i * 5_000, { packetsPerS: usual() }));
  let last: readonly unknown[] = [];
  for (let i = 60; i < 3_000; i++) last = anomalies.take(at(i * 5_000, { packetsPerS: 50 * usual() })).concat(last as never[]);
  expect(anomalies.active()).toEqual([]);
  expect(last).toHaveLength(2);
});

test("other windows, other metrics and a second look within 5 s are left alone; subjects are bounded", () => {
  const anomalies = new Anomalies();
  expect(anomalies.take({ ...at(0, { packetsPerS: 1 }), windowMs: 1_000 })).toEqual([]);
  anomalies.take(at(0, { tcpRatio: 1 }));
  for (let i = 0; i < 4_200; i++) anomalies.take(at(0, { packetsPerS: 1 }, `host ${i}`));
  expect(anomalies.overflow).toBe(104);
});
