/** Gaps in sequence numbers: what was lost, what came late, twice, or from an agent that began anew. Pure: no clock. */

export interface SequenceCounters {
  readonly received: number;
  /** Missing by number; one that comes late is taken off again. */
  readonly lost: number;
  readonly late: number;
  readonly duplicates: number;
  readonly restarts: number;
}

/** lost / (lost + received), 0 to 1; 0 when nothing was expected. */
export const lossRatio = ({ received, lost }: { readonly received: number; readonly lost: number }): number => (received + lost === 0 ? 0 : lost / (received + lost));

export type Arrival = { readonly is: "first" | "next" | "late" | "duplicate" | "restart" } | { readonly is: "gap"; readonly missing: number };

/** A jump forward larger than this is a restarted agent, not a loss. A collector that stood still for seconds misses many. */
const restartJump = 1_000_000;
/** Behind the newest by up to this many is late or twice; more is a restart. */
const window = 64;
/** The agent's clock may stand this far behind that of the newest (Open vSwitch moves it once a second); more is a restart. */
const clockSlackMs = 1_000;

const first = { is: "first" } as const;
const next = { is: "next" } as const;
const late = { is: "late" } as const;
const duplicate = { is: "duplicate" } as const;
const restart = { is: "restart" } as const;

/** Follows one series of sequence numbers, which goes round at 2^32. */
export class Sequence {
  received = 0;
  lost = 0;
  late = 0;
  duplicates = 0;
  restarts = 0;
  private newest = -1;
  private newestUptime = 0;
  /** Which of the numbers before the newest came: bit i of `seen` is `newest - i`, in two words. */
  private seenLow = 0;
  private seenHigh = 0;

  /** `uptime`: the agent's, in ms; goes round at 2^32. A number seen now, with the clock gone back, is of an agent that restarted. */
  take(number: number, uptime: number): Arrival {
    if (this.newest < 0) {
      this.begin(number, uptime);
      this.received++;
      return first;
    }
    const ahead = (number - this.newest) | 0;
    const clockBehindMs = (this.newestUptime - uptime) | 0;
    if (ahead > 0 && ahead <= restartJump && clockBehindMs <= clockSlackMs) {
      this.received++;
      this.shift(ahead);
      this.newest = number;
      this.newestUptime = uptime;
      if (ahead === 1) return next;
      this.lost += ahead - 1;
      return { is: "gap", missing: ahead - 1 };
    }
    if (ahead <= 0 && ahead > -window && clockBehindMs <= clockSlackMs) {
      if (this.isSeen(-ahead)) {
        this.duplicates++;
        return duplicate;
      }
      this.mark(-ahead);
      this.received++;
      this.late++;
      this.lost = Math.max(0, this.lost - 1);
      return late;
    }
    this.received++;
    this.restarts++;
    this.begin(number, uptime);
    return restart;
  }

  private begin(number: number, uptime: number): void {
    this.newest = number;
    this.newestUptime = uptime;
    // What came before the first is not missed, so it counts as seen; should it come it is a duplicate or nothing of ours.
    this.seenLow = -1;
    this.seenHigh = -1;
  }

  private shift(by: number): void {
    if (by >= 64) this.seenLow = this.seenHigh = 0;
    else if (by >= 32) {
      this.seenHigh = by === 32 ? this.seenLow : this.seenLow << (by - 32);
      this.seenLow = 0;
    } else {
      this.seenHigh = (this.seenHigh << by) | (this.seenLow >>> (32 - by));
      this.seenLow <<= by;
    }
    this.seenLow |= 1;
  }
  private isSeen(back: number): boolean {
    return ((back < 32 ? this.seenLow >>> back : this.seenHigh >>> (back - 32)) & 1) === 1;
  }
  private mark(back: number): void {
    if (back < 32) this.seenLow |= 1 << back;
    else this.seenHigh |= 1 << (back - 32);
  }
}
