/**
 * Holds the other bridges back until the critical ones are wholly in step: rows, sessions, tables. While ovs-vswitchd runs its
 * configuration it answers nobody, so a session that is set up beside further transactions takes many rounds of it.
 */
export interface FirstInStepParts {
  readonly isInStep: (bridge: string) => boolean;
  /** Takes the bridges a step on; called again and again while they are waited for. */
  readonly advance: () => Promise<void>;
  /** These were not in step in time: the others go on. */
  readonly late: (bridges: readonly string[]) => void;
  readonly nowMs: () => number;
  readonly waitMs?: number;
}

const lookAgainMs = 5;

export class FirstInStep {
  /** Bridges that were waited for in vain, until they are in step: nobody waits for them again. */
  readonly late = new Set<string>();
  private readonly parts: FirstInStepParts;

  constructor(parts: FirstInStepParts) {
    this.parts = parts;
  }

  /** Resolves when these bridges are in step, or 10 s (`waitMs`) have passed. */
  async wait(bridges: readonly string[]): Promise<void> {
    const { isInStep, advance, late, nowMs, waitMs = 10_000 } = this.parts;
    const end = nowMs() + waitMs;
    for (;;) {
      const behind = bridges.filter((bridge) => !isInStep(bridge));
      for (const bridge of this.late) if (!behind.includes(bridge)) this.late.delete(bridge);
      const waited = behind.filter((bridge) => !this.late.has(bridge));
      if (waited.length === 0) return;
      if (nowMs() >= end) {
        for (const bridge of waited) this.late.add(bridge);
        return late(waited);
      }
      await advance();
      await new Promise((resolve) => setTimeout(resolve, lookAgainMs));
    }
  }
}
