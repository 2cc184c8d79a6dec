/** Requests that wait for their reply, by xid, each with a time-out. */
import { OpenFlowError } from "../errors.js";
import type { Message } from "../messages/message.js";

interface Waiting {
  /** Takes a reply; true when it was the last. */
  readonly take: (message: Message) => boolean;
  readonly fail: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/** Beyond this many unanswered requests a further one is refused. */
const maxWaiting = 65_536;

export class Requests {
  private readonly waiting = new Map<number, Waiting>();
  private readonly timeoutMs: number;

  constructor(timeoutMs: number) {
    this.timeoutMs = timeoutMs;
  }

  get size(): number {
    return this.waiting.size;
  }
  has(xid: number): boolean {
    return this.waiting.has(xid);
  }

  /** Waits for replies to `xid`; each one restarts the time-out. OpenFlowError "overloaded" when too many wait. */
  add(xid: number, what: string, take: Waiting["take"], fail: Waiting["fail"]): void {
    if (this.waiting.size >= maxWaiting) throw new OpenFlowError("overloaded", `${maxWaiting} requests are unanswered`, { xid });
    const timer = setTimeout(() => {
      this.waiting.delete(xid);
      fail(new OpenFlowError("timeout", `no reply to ${what} within ${this.timeoutMs} ms`, { xid }));
    }, this.timeoutMs);
    this.waiting.set(xid, { take, fail, timer });
  }

  /** Hands a reply to its request; false when none waits for it. */
  settle(message: Message): boolean {
    const waiting = this.waiting.get(message.xid);
    if (waiting === undefined) return false;
    if (waiting.take(message)) this.remove(message.xid);
    else waiting.timer.refresh();
    return true;
  }

  /** Fails the request `xid`; false when none waits. */
  fail(xid: number, error: Error): boolean {
    const waiting = this.remove(xid);
    waiting?.fail(error);
    return waiting !== undefined;
  }

  failAll(error: Error): void {
    for (const xid of [...this.waiting.keys()]) this.fail(xid, error);
  }

  private remove(xid: number): Waiting | undefined {
    const waiting = this.waiting.get(xid);
    this.waiting.delete(xid);
    clearTimeout(waiting?.timer);
    return waiting;
  }
}
