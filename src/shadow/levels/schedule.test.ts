import { configSchema } from "../../config/schema.js";
import { entriesInForce, isInForce, wallTime } from "./schedule.js";

const at = (text: string): number => Date.parse(text);
const schedule = (...entries: object[]) => configSchema.parse({ shadow: { schedule: entries } }).shadow.schedule;
const inForce = (text: string, timeZone: string, ...entries: object[]): number[] => entriesInForce(schedule(...entries), at(text), timeZone);

test("the wall's time in a zone, across its clock changes", () => {
  expect(wallTime(at("2026-03-28T23:30:00Z"), "Europe/Berlin")).toEqual({ date: "2026-03-29", weekday: "sun", secondOfDay: 1_800 });
  expect(wallTime(at("2026-03-29T00:59:59Z"), "Europe/Berlin").secondOfDay).toBe(2 * 3_600 - 1);
  expect(wallTime(at("2026-03-29T01:00:00Z"), "Europe/Berlin").secondOfDay).toBe(3 * 3_600);
  expect(wallTime(at("2026-11-21T00:00:00Z"), "UTC")).toEqual({ date: "2026-11-21", weekday: "sat", secondOfDay: 0 });
});

test("an entry holds from its first second up to, and without, its last", () => {
  const entry = { days: ["mon"], from: "08:00", to: "17:30:10", level: "flows" };
  expect(inForce("2026-11-23T07:59:59Z", "UTC", entry)).toEqual([]);
  expect(inForce("2026-11-23T08:00:00Z", "UTC", entry)).toEqual([0]);
  expect(inForce("2026-11-23T17:30:09Z", "UTC", entry)).toEqual([0]);
  expect(inForce("2026-11-23T17:30:10Z", "UTC", entry)).toEqual([]);
  expect(inForce("2026-11-24T12:00:00Z", "UTC", entry)).toEqual([]);
});

test("over midnight: the day on which it begins counts, for weekdays and for dates", () => {
  const friday = { days: ["fri"], from: "22:00", to: "06:00", level: "packets" };
  expect(inForce("2026-11-20T23:00:00Z", "UTC", friday)).toEqual([0]);
  expect(inForce("2026-11-21T05:59:59Z", "UTC", friday)).toEqual([0]);
  expect(inForce("2026-11-21T06:00:00Z", "UTC", friday)).toEqual([]);
  expect(inForce("2026-11-20T05:00:00Z", "UTC", friday)).toEqual([]); // that of Thursday
  const eve = { days: ["2026-12-31"], from: "20:00", to: "04:00", level: "packets" };
  expect(inForce("2027-01-01T03:00:00Z", "UTC", eve)).toEqual([0]);
  expect(inForce("2026-12-31T03:00:00Z", "UTC", eve)).toEqual([]);
  expect(inForce("2026-11-20T23:59:59Z", "UTC", { from: "20:00", to: "24:00", level: "flows" })).toEqual([0]);
});

test("clocks put forward leave an hour out, clocks put back have it twice", () => {
  const night = { from: "02:00", to: "03:00", level: "flows" };
  // Berlin, 29 March 2026: after 01:59:59 comes 03:00.
  expect(inForce("2026-03-29T00:59:59Z", "Europe/Berlin", night)).toEqual([]);
  expect(inForce("2026-03-29T01:00:00Z", "Europe/Berlin", night)).toEqual([]);
  expect(inForce("2026-03-29T01:00:00Z", "Europe/Berlin", { ...night, from: "02:30", to: "04:00" })).toEqual([0]);
  // 25 October 2026: 02:00 to 03:00 comes twice.
  for (const time of ["00:30", "01:30"]) expect(inForce(`2026-10-25T${time}:00Z`, "Europe/Berlin", night)).toEqual([0]);
  expect(inForce("2026-10-25T02:00:00Z", "Europe/Berlin", night)).toEqual([]);
});

test("entries that overlap are all in force, in their order", () => {
  const day = { from: "00:00", to: "24:00", level: "flows" };
  const noon = { from: "12:00", to: "13:00", level: "packets" };
  expect(inForce("2026-11-20T12:30:00Z", "UTC", day, noon, day)).toEqual([0, 1, 2]);
  expect(isInForce({ days: ["sat"], from: "12:00", to: "11:00" }, wallTime(at("2026-11-22T10:00:00Z"), "UTC"))).toBe(true);
});

test("entries that say nothing, or could never be in force, are refused", () => {
  const refused = (entry: object, extra: object = {}): string => configSchema.safeParse({ shadow: { schedule: [entry], ...extra } }).error?.issues[0]?.message ?? "taken";
  expect(refused({ from: "08:00", to: "09:00" })).toMatch(/neither level nor replicate nor budget/);
  expect(refused({ from: "08:00", to: "08:00", level: "flows" })).toMatch(/never/);
  expect(refused({ from: "8:00", to: "09:00", level: "flows" })).toMatch(/HH:MM/);
  expect(refused({ from: "08:00", to: "09:00", level: "all" })).toMatch(/topology/);
  expect(refused({ from: "08:00", to: "09:00", budget: { cpu: 0.5 }, bridges: ["s1"] })).toMatch(/one for all/);
  expect(refused({ from: "08:00", to: "09:00", level: "flows" }, { timeZone: "Mars/Olympus" })).toMatch(/time zone/);
});
