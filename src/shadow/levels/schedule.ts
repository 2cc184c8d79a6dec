/** The schedule of levels: which entries are in force at a moment. Pure. */
import { weekdays, type ScheduleEntry } from "../../config/level-schema.js";

/** A moment as the clock on the wall and the calendar show it. */
export interface WallTime {
  /** "2026-03-29" */
  readonly date: string;
  readonly weekday: (typeof weekdays)[number];
  readonly secondOfDay: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function format(timeZone: string): Intl.DateTimeFormat {
  let known = formats.get(timeZone);
  if (known === undefined) {
    known = new Intl.DateTimeFormat("en-GB", { timeZone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" });
    formats.set(timeZone, known);
  }
  return known;
}

const weekdayOf = (date: string): WallTime["weekday"] => weekdays[new Date(`${date}T00:00:00Z`).getUTCDay()] as WallTime["weekday"];

/** What the wall shows in a time zone. RangeError for a zone that does not exist. */
export function wallTime(epochMs: number, timeZone: string): WallTime {
  const parts = new Map(format(timeZone).formatToParts(epochMs).map(({ type, value }) => [type, value]));
  const number = (type: Intl.DateTimeFormatPartTypes): number => Number(parts.get(type));
  const date = `${parts.get("year")}-${parts.get("month")}-${parts.get("day")}`;
  return { date, weekday: weekdayOf(date), secondOfDay: number("hour") * 3_600 + number("minute") * 60 + number("second") };
}

function dayBefore(date: string): string {
  return new Date(Date.parse(`${date}T00:00:00Z`) - 86_400_000).toISOString().slice(0, 10);
}

/** Seconds since midnight of "HH:MM" or "HH:MM:SS". */
export function secondOf(time: string): number {
  const [hours = 0, minutes = 0, seconds = 0] = time.split(":").map(Number);
  return hours * 3_600 + minutes * 60 + seconds;
}

/**
 * Whether an entry is in force: from `from`, inclusive, to `to`, exclusive, by the clock on the wall. One whose `to` is not after its
 * `from` ends on the next day. So when clocks are put forward, what begins in the hour that is left out begins with the hour after
 * it, and when they are put back, the hour that comes twice counts twice.
 */
export function isInForce({ days, from, to }: Pick<ScheduleEntry, "days" | "from" | "to">, wall: WallTime): boolean {
  const begins = (date: string, weekday: string): boolean => days.some((day) => day === weekday || day === date);
  const [start, end] = [secondOf(from), secondOf(to)];
  const isToday = begins(wall.date, wall.weekday);
  if (start < end) return isToday && wall.secondOfDay >= start && wall.secondOfDay < end;
  const yesterday = dayBefore(wall.date);
  return (isToday && wall.secondOfDay >= start) || (begins(yesterday, weekdayOf(yesterday)) && wall.secondOfDay < end);
}

/** Places in the list, from 0, of the entries that are in force, in their order. */
export function entriesInForce(schedule: readonly ScheduleEntry[], epochMs: number, timeZone: string): number[] {
  if (schedule.length === 0) return [];
  const wall = wallTime(epochMs, timeZone);
  return schedule.flatMap((entry, i) => (isInForce(entry, wall) ? [i] : []));
}
