/** Whether copies are made: what was asked for, what the budget sheds, and what harm to live has switched off. */
import type { Logger } from "pino";
import type { CopyMode } from "./fidelity/account.js";

export interface CopyingParts {
  /** Whether copies are asked for at the start. */
  readonly wanted: boolean;
  readonly isPromoted: () => boolean;
  readonly apply: (replicating: boolean) => void;
  readonly log: Logger;
}

export class Copying {
  /** Why copying was switched off by ourselves; undefined while it was not. */
  stopped: string | undefined;
  /** Why the budget has shed the copy; undefined while it has not. */
  shedWhy: string | undefined;
  private readonly parts: CopyingParts;
  private isWanted: boolean;
  /** Trials that need copies at this moment. */
  private trials = 0;

  constructor(parts: CopyingParts) {
    this.parts = parts;
    this.isWanted = parts.wanted;
  }

  /** What is asked for the copies now. */
  get mode(): CopyMode {
    if (this.parts.isPromoted() || !this.isWanted || this.stopped !== undefined) return "off";
    return this.shedWhy === undefined ? "on" : "shed";
  }

  /** Why nothing is copied, in words. */
  get why(): string {
    if (this.parts.isPromoted()) return "the shadow carries the traffic";
    if (!this.isWanted) return "copying is switched off (shadow.replicate)";
    return this.stopped ?? (this.shedWhy === undefined ? "the guards are not in place yet" : `shed: ${this.shedWhy}`);
  }

  /** Copies on or off, as asked for; also after they were switched off by ourselves. */
  ask(on: boolean): void {
    this.stopped = undefined;
    this.isWanted = on;
    this.apply();
  }

  /** The budget sheds the copy, or (undefined) lets it come back. */
  shed(why: string | undefined): void {
    if (this.shedWhy === why) return;
    this.shedWhy = why;
    this.apply();
  }

  /** Harm to live that the copy may have a part in: no more copies until somebody asks for them again. */
  stop(why: string): void {
    if (this.stopped !== undefined || this.parts.isPromoted()) return;
    this.stopped = why;
    this.parts.log.error({ why }, "copying is switched off");
    this.apply();
  }

  /**
   * Copies while `body` runs, also when they are shed: a trial has to see what comes, and what it proves is what ends the
   * pressure. Not when copying is switched off or did harm.
   */
  async during<T>(body: () => Promise<T>): Promise<T> {
    this.trials++;
    if (this.shedWhy !== undefined) this.apply();
    try {
      return await body();
    } finally {
      this.trials--;
      if (this.shedWhy !== undefined) this.apply();
    }
  }

  private apply(): void {
    this.parts.apply(this.isWanted && this.stopped === undefined && (this.shedWhy === undefined || this.trials > 0));
  }
}
