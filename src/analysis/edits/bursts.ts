/** Many like edits in a short time become one: how many, in what time, the first and the last. A few are told one by one. */

export interface Edit {
  readonly tMs: number;
  /** Edits with the same key are alike. */
  readonly key: string;
  readonly subject: string;
  /** Asked for only when the edit is told: of a burst only the first and the last are. */
  readonly detail: () => Readonly<Record<string, unknown>>;
}

export interface Burst {
  readonly count: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly first: Edit;
  readonly last: Edit;
}

export interface BurstLimits {
  /** Like edits told one by one within a window. */
  readonly singles: number;
  /** A burst ends when nothing came for this long, in ms … */
  readonly quietMs: number;
  /** … or when it has lasted this long: then another begins. */
  readonly longestMs: number;
}
export const defaultLimits: BurstLimits = { singles: 10, quietMs: 500, longestMs: 5_000 };

interface State {
  sinceMs: number;
  lastMs: number;
  told: number;
  held: { first: Edit; last: Edit; count: number; fromMs: number } | undefined;
}

/** Kinds of edits followed at once; what is beyond is put together under one. */
const maxKeys = 4_096;
const otherKey = "other";

export class Bursts {
  private readonly states = new Map<string, State>();
  private readonly limits: BurstLimits;
  private readonly one: (edit: Edit) => void;
  private readonly many: (burst: Burst) => void;

  constructor(limits: BurstLimits, one: (edit: Edit) => void, many: (burst: Burst) => void) {
    this.limits = limits;
    this.one = one;
    this.many = many;
  }

  add(edit: Edit): void {
    const key = this.states.has(edit.key) || this.states.size < maxKeys ? edit.key : otherKey;
    let state = this.states.get(key);
    if (state !== undefined && this.isOver(state, edit.tMs)) {
      this.end(key, state);
      state = undefined;
    }
    if (state === undefined) this.states.set(key, (state = { sinceMs: edit.tMs, lastMs: edit.tMs, told: 0, held: undefined }));
    state.lastMs = edit.tMs;
    if (state.told < this.limits.singles) {
      state.told++;
      this.one(edit);
    } else if (state.held === undefined) state.held = { first: edit, last: edit, count: 1, fromMs: edit.tMs };
    else {
      state.held.count++;
      state.held.last = edit;
    }
  }

  /** Ends bursts whose time has come. */
  advance(nowMs: number): void {
    for (const [key, state] of this.states) if (this.isOver(state, nowMs)) this.end(key, state);
  }

  /** Ends all of them. */
  flush(): void {
    for (const [key, state] of this.states) this.end(key, state);
  }

  private isOver(state: State, nowMs: number): boolean {
    return nowMs - state.lastMs > this.limits.quietMs || nowMs - state.sinceMs > this.limits.longestMs;
  }

  private end(key: string, { held, lastMs }: State): void {
    this.states.delete(key);
    if (held === undefined) return;
    if (held.count === 1) this.one(held.first);
    else this.many({ count: held.count, fromMs: held.fromMs, toMs: lastMs, first: held.first, last: held.last });
  }
}
