/**
 * When discovery has heard enough to say that what is missing is missing: every bridge listens, our LLDP has gone out of every port and
 * come back, and the links that a controller before us knew are heard again. A bridge that does not come is waited for as long as there is
 * something new elsewhere, and three seconds more: a network without its links would have us take flows away that work, and make
 * replicas of ports between bridges.
 */
import type { OpenFlowConnection } from "node-openflow";

/** Nothing new for this long: what has not come will not come soon. */
const quietMs = 3_000;
/** Something new all the time, and yet not settled: then as it is. */
const longestMs = 30_000;

export class Settling {
  private readonly nowMs: () => number;
  private readonly startedMs: number;
  private readonly heardOutMs: number;
  private newsMs: number;
  /** How often LLDP was sent out of all ports, and the last time that it had come back. */
  private sweeps = 0;
  private returned = 0;
  private sweptMs = Infinity;

  /** `heardOutMs`: how long LLDP may take beside the OpenFlow sessions, through devices of the kernel. */
  constructor(nowMs: () => number, heardOutMs: number) {
    this.nowMs = nowMs;
    this.heardOutMs = heardOutMs;
    this.startedMs = this.newsMs = nowMs();
  }

  /** A bridge listens, or a link was heard for the first time. */
  news(): void {
    this.newsMs = this.nowMs();
  }

  /**
   * LLDP is sent out of all ports. `sent` resolves when it has been; then every switch is asked twice: what it was asked to send, it has sent
   * when it answers, and what came in of that, it has told when it answers again.
   */
  async sweep(sent: Promise<void>, connections: readonly OpenFlowConnection[]): Promise<void> {
    const sweep = ++this.sweeps;
    await sent;
    // One that goes down meanwhile comes again, and makes another sweep.
    for (let times = 0; times < 2; times++) await Promise.allSettled(connections.map((connection) => connection.barrier()));
    if (sweep <= this.returned) return;
    this.returned = sweep;
    this.sweptMs = this.nowMs();
    this.news();
  }

  /** `isComplete`: every bridge listens, and links known before are heard again. */
  isOver(isComplete: boolean): boolean {
    const now = this.nowMs();
    const isHeardOut = this.returned === this.sweeps && this.sweeps > 0 && now - this.sweptMs >= this.heardOutMs;
    return (isComplete && isHeardOut) || now - this.newsMs > quietMs || now - this.startedMs > longestMs;
  }
}
