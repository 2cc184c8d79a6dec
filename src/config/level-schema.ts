/** How much of a bridge the shadow has, and when: levels, their schedule, and what suspicion does. docs/levels.md explains them. */
import { z } from "zod";

/** Each level has all that those before it have. */
export const levels = ["topology", "configuration", "flows", "state", "packets"] as const;
export type Level = (typeof levels)[number];
export const levelSchema = z.enum(levels);

/** Whether `level` has all that `other` has. */
export const reaches = (level: Level, other: Level): boolean => levels.indexOf(level) >= levels.indexOf(other);

export const weekdays = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;
const timeOfDay = z.string().regex(/^(([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?|24:00)$/, "expected HH:MM or HH:MM:SS, up to 24:00");

/** What the switch may bear before the copy is shed; each limit that is not named stays as it is. */
export const budgetLimitsSchema = z.strictObject({
  cpu: z.number().min(0).max(1).optional(),
  upcallsPerS: z.number().min(0).optional(),
  megaflows: z.number().min(0).optional(),
  receiveDropsPerS: z.number().min(0).optional(),
});

const scheduleEntrySchema = z
  .strictObject({
    /** Days of the week, or dates: those on which it begins. */
    days: z.array(z.union([z.enum(weekdays), z.iso.date()])).min(1).max(400).default([...weekdays]),
    from: timeOfDay,
    /** Not after `from`: on the next day. */
    to: timeOfDay,
    level: levelSchema.optional(),
    /** Off: nothing is copied, and all that it takes stays in place. */
    replicate: z.boolean().optional(),
    budget: budgetLimitsSchema.optional(),
    /** Live bridges; none: all of them. */
    bridges: z.array(z.string().min(1)).min(1).max(10_000).optional(),
  })
  .refine((entry) => entry.level !== undefined || entry.replicate !== undefined || entry.budget !== undefined, { message: "says neither level nor replicate nor budget", path: ["level"] })
  .refine((entry) => entry.budget === undefined || entry.bridges === undefined, { message: "the budget is one for all bridges", path: ["budget"] })
  .refine((entry) => entry.from !== entry.to, { message: "is the same as from: the entry would never be in force", path: ["to"] });
export type ScheduleEntry = z.output<typeof scheduleEntrySchema>;
export type BudgetLimits = z.output<typeof budgetLimitsSchema>;

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}

/** The keys of `shadow` that are about levels. */
export const levelKeys = {
  /** What the shadow has of every bridge … */
  level: levelSchema.default("packets"),
  /** … and of some, by the live bridge's name. */
  levels: z.record(z.string().min(1), levelSchema).default({}),
  /** When it is otherwise. Of entries that are in force together the last one counts. */
  schedule: z.array(scheduleEntrySchema).max(1_000).default([]),
  /** Of the schedule, as in the IANA data base. */
  timeZone: z.string().refine(isTimeZone, "expected a time zone, as Europe/Berlin").default("UTC"),
  /** A bridge with a host that is suspected behind it is raised to this level for so long. */
  suspicion: z.strictObject({ level: levelSchema.default("packets"), holdS: z.number().int().min(0).max(86_400).default(300) }).prefault({}),
};
