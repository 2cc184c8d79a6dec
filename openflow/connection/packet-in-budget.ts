/** How many packet-ins are handed on: a bucket that holds those of one second. */
export class PacketInBudget {
  private readonly perSecond: number;
  private tokens: number;
  private sinceMs: number;

  /** `perSecond`: Infinity hands on all. `nowMs`: monotonic. */
  constructor(perSecond: number, nowMs: number) {
    this.perSecond = perSecond;
    this.tokens = perSecond;
    this.sinceMs = nowMs;
  }
  /** Takes one; false when there is none. The clock is read only where there is a limit. */
  take(clock: () => number = () => performance.now()): boolean {
    if (this.perSecond === Infinity) return true;
    const nowMs = clock();
    this.tokens = Math.min(this.perSecond, this.tokens + ((nowMs - this.sinceMs) / 1000) * this.perSecond);
    this.sinceMs = nowMs;
    if (this.tokens < 1) return false;
    this.tokens--;
    return true;
  }
}
