/**
 * Which level each bridge of the shadow has now: what the configuration says, laid over by the schedule, laid over by what an operator
 * set; and raised by events for as long as they say. The schedule is looked at each second.
 */
import { levels, reaches, type BudgetLimits, type Level, type ScheduleEntry } from "../../config/level-schema.js";
import type { LevelStore } from "./level-store.js";
import { entriesInForce } from "./schedule.js";

/** The part of the configuration that is about levels. */
export interface LevelSettings {
  readonly level: Level;
  readonly levels: Readonly<Record<string, Level>>;
  readonly schedule: readonly ScheduleEntry[];
  readonly timeZone: string;
}

export interface BridgeLevel {
  readonly level: Level;
  /** What it would be without any event. */
  readonly base: Level;
  /** Who says so: "configuration", "schedule entry 2", "operator", or why it was raised. */
  readonly why: string;
  /** When it falls back, in ms since the epoch; undefined: nothing is raised. */
  readonly untilMs: number | undefined;
  /** False while the schedule has copying off. */
  readonly replicate: boolean;
  /** The entry of the schedule, from 1, that says whether there are copies; undefined: none does. */
  readonly replicateEntry?: number;
}

/** A wish of an event, a prediction or an operator: these bridges at least at this level, and these limits, for a time. */
export interface Raise {
  readonly bridges: readonly string[];
  readonly level: Level;
  /** ms since the epoch. */
  readonly untilMs: number;
  readonly why: string;
  /** Limits of the budget meanwhile. */
  readonly budget?: BudgetLimits;
}

/** What events may do to the levels. */
export interface Context {
  /** Of several for a bridge and level the one that lasts longest counts. RangeError when there are too many. */
  raise(request: Raise): void;
}

export interface LevelParts {
  readonly store: LevelStore;
  /** ms since the epoch. */
  readonly nowMs: () => number;
  /** Levels, or the budget, are others than before. */
  readonly changed: () => void;
}

type Raised = Pick<Raise, "level" | "untilMs" | "why" | "budget">;

const lookEveryMs = 1_000;
/** Bridges raised at once at most: beyond, a request is refused. */
const maxRaised = 10_000;

export class Levels implements Context {
  private readonly parts: LevelParts;
  private settings: LevelSettings;
  private inForce: readonly number[] = [];
  /** By bridge, one for each level at most. */
  private readonly raised = new Map<string, Raised[]>();
  private timer: NodeJS.Timeout | undefined;

  constructor(settings: LevelSettings, parts: LevelParts) {
    this.settings = settings;
    this.parts = parts;
    this.inForce = this.entries();
  }

  start(): void {
    this.timer = setInterval(() => this.look(), lookEveryMs);
    this.timer.unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** Takes another configuration. */
  configure(settings: LevelSettings): void {
    this.settings = settings;
    this.inForce = this.entries();
    this.parts.changed();
  }

  /** Looks at the clock: what begins or ends now is told by `changed`. */
  look(): void {
    const now = this.entries();
    const isSame = now.length === this.inForce.length && now.every((entry, i) => entry === this.inForce[i]);
    this.inForce = now;
    if (this.expire() || !isSame) this.parts.changed();
  }

  of(bridge: string): BridgeLevel {
    const { base, why } = this.base(bridge);
    const top = this.raised.get(bridge)?.reduce<Raised | undefined>((best, one) => (!reaches(base, one.level) && (best === undefined || !reaches(best.level, one.level)) ? one : best), undefined);
    const copies = this.last(bridge, ({ replicate }) => replicate);
    return { level: top?.level ?? base, base, why: top?.why ?? why, untilMs: top?.untilMs, replicate: copies?.value ?? true, ...(copies === undefined ? {} : { replicateEntry: copies.entry + 1 }) };
  }

  /** Limits of the budget that differ from the configured ones now. */
  budget(): BudgetLimits {
    const scheduled = this.inForce.flatMap((i) => this.settings.schedule[i]?.budget ?? []);
    const raised = [...this.raised.values()].flatMap((list) => list.flatMap(({ budget }) => budget ?? []));
    return Object.assign({}, ...scheduled, ...raised) as BudgetLimits;
  }

  /** An operator's word: it holds, whatever the schedule says, until it is taken back (`level` undefined). Undefined bridge: all others. */
  set(bridge: string | undefined, level: Level | undefined): void {
    this.parts.store.set(bridge, level);
    this.parts.changed();
  }

  raise({ bridges, level, untilMs, why, budget }: Raise): void {
    if (untilMs <= this.parts.nowMs()) return;
    const fresh = bridges.filter((bridge) => !this.raised.has(bridge)).length;
    if (this.raised.size + fresh > maxRaised) throw new RangeError(`${maxRaised} bridges are raised at most, ${this.raised.size} are`);
    let differs = false;
    for (const bridge of bridges) {
      const list = this.raised.get(bridge) ?? [];
      const known = list.find((one) => one.level === level);
      if (known !== undefined && known.untilMs >= untilMs) continue;
      const before = this.of(bridge).level;
      this.raised.set(bridge, [...list.filter((one) => one !== known), { level, untilMs, why, ...(budget === undefined ? {} : { budget }) }]);
      differs ||= budget !== undefined || this.of(bridge).level !== before;
    }
    if (differs) this.parts.changed();
  }

  private base(bridge: string): { readonly base: Level; readonly why: string } {
    const operator = this.parts.store.of(bridge);
    if (operator !== undefined) return { base: operator, why: "operator" };
    const scheduled = this.last(bridge, ({ level }) => level);
    if (scheduled !== undefined) return { base: scheduled.value, why: `schedule entry ${scheduled.entry + 1}` };
    const own = Object.hasOwn(this.settings.levels, bridge) ? this.settings.levels[bridge] : undefined;
    return { base: own ?? this.settings.level, why: "configuration" };
  }

  /** What the last entry in force that says something about a bridge says. */
  private last<T>(bridge: string, of: (entry: ScheduleEntry) => T | undefined): { readonly value: T; readonly entry: number } | undefined {
    for (let at = this.inForce.length - 1; at >= 0; at--) {
      const i = this.inForce[at] ?? 0;
      const entry = this.settings.schedule[i];
      const value = entry === undefined || entry.bridges?.includes(bridge) === false ? undefined : of(entry);
      if (value !== undefined) return { value, entry: i };
    }
    return undefined;
  }

  private entries(): number[] {
    return entriesInForce(this.settings.schedule, this.parts.nowMs(), this.settings.timeZone);
  }

  /** Forgets what has come to its end. Returns whether there was anything. */
  private expire(): boolean {
    const now = this.parts.nowMs();
    let found = false;
    for (const [bridge, list] of this.raised) {
      const left = list.filter(({ untilMs }) => untilMs > now);
      if (left.length === list.length) continue;
      found = true;
      if (left.length === 0) this.raised.delete(bridge);
      else this.raised.set(bridge, left);
    }
    return found;
  }
}

/** The level that a word names. RangeError naming the levels when it names none. */
export function readLevel(text: string): Level {
  const level = levels.find((one) => one === text);
  if (level === undefined) throw new RangeError(`there is no level ${JSON.stringify(text)}; levels are ${levels.join(", ")}`);
  return level;
}

