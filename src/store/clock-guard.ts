/**
 * Forgetting goes by the clock, so a clock set wrong must not make us forget: after a leap forward nothing is deleted until the new
 * time has stood for a while. Pure.
 */

export interface ClockState {
  readonly wallMs: number;
  readonly steadyMs: number;
  /** Deleting waits until then, by the steady clock. */
  readonly heldUntilMs: number;
}

/** The wall clock may run ahead of the steady one by this much between two looks. */
const maxLeapMs = 300_000;
/** So long must a new time stand. */
const graceMs = 3_600_000;

/** The next state; `mayDelete` is false while a leap forward is fresh. A step back deletes less, so it holds nothing up. */
export function lookAtClock(before: ClockState | undefined, wallMs: number, steadyMs: number): ClockState & { readonly mayDelete: boolean } {
  const leapt = before !== undefined && wallMs - before.wallMs - (steadyMs - before.steadyMs) > maxLeapMs;
  const heldUntilMs = leapt ? steadyMs + graceMs : (before?.heldUntilMs ?? -Infinity);
  return { wallMs, steadyMs, heldUntilMs, mayDelete: steadyMs >= heldUntilMs };
}
