/**
 * Keeps one session alive: dials, prepares it, dials again when it ends. At once after a stable connection; otherwise every
 * remote is tried once, then comes a wait that doubles, with jitter.
 */
import { OvsdbError } from "./errors.js";
import type { Session } from "./json-rpc/session.js";
import type { SessionSource } from "./json-rpc/source.js";

export interface ConnectionOptions {
  readonly backoff: { readonly initialMs: number; readonly maxMs: number };
  readonly random: () => number;
}

export interface ConnectionHooks {
  /** Makes a session ready for use; it counts as connected when this resolves, and is given up when it rejects. */
  prepare(session: Session): Promise<void>;
  connected(session: Session): void;
  /** A session ended that was connected, or was being prepared (`wasConnected` false). */
  lost(session: Session, reason: Error, wasConnected: boolean): void;
  /** An attempt failed. */
  failed(reason: Error, waitMs: number): void;
}

export class Connection {
  /** The session in use or being prepared. */
  session: Session | undefined;
  private readonly source: SessionSource;
  private readonly options: ConnectionOptions;
  private readonly hooks: ConnectionHooks;
  private readonly stopped = new AbortController();
  private isConnected = false;
  /** The wait before the next attempt, without jitter; 0 after a stable connection. */
  private waitMs = 0;
  /** Attempts in a row that failed without a wait. */
  private tries = 0;
  private connectedAtMs = 0;

  constructor(source: SessionSource, options: ConnectionOptions, hooks: ConnectionHooks) {
    this.source = source;
    this.options = options;
    this.hooks = hooks;
  }

  get closed(): boolean {
    return this.stopped.signal.aborted;
  }

  /** Dials until connected or closed. */
  async dial(): Promise<void> {
    const { signal } = this.stopped;
    for (;;) {
      if (this.tries >= this.source.freeTries) {
        this.tries = 0;
        await pause(this.waitMs * (0.5 + this.options.random()), signal);
      }
      if (signal.aborted) return;
      try {
        await this.adopt(await this.source.next(signal));
        return;
      } catch (error) {
        if (signal.aborted) return;
        const reason = error instanceof Error ? error : new Error(String(error));
        this.backOff(reason);
        this.hooks.failed(reason, this.tries >= this.source.freeTries ? this.waitMs : 0);
      }
    }
  }

  /** Ends it for good; resolves when no timer and no socket is left. */
  async close(): Promise<void> {
    const { session } = this;
    this.stopped.abort();
    session?.close();
    await this.source.close();
    await session?.ended;
  }

  private backOff(reason: Error): void {
    if (++this.tries < this.source.freeTries) return;
    const { initialMs, maxMs } = this.options.backoff;
    // While a cluster elects its leader its servers are there and answer: it is over within seconds.
    if (reason instanceof OvsdbError && (reason.kind === "not-leader" || reason.kind === "stale")) this.waitMs = initialMs / 4;
    else this.waitMs = this.waitMs === 0 ? initialMs : Math.min(this.waitMs * 2, maxMs);
  }

  private async adopt(session: Session): Promise<void> {
    this.session = session;
    let ended: Error | undefined;
    session.once("closed", (reason) => {
      ended = reason;
      this.lost(session, reason);
    });
    try {
      this.stopped.signal.throwIfAborted();
      await this.hooks.prepare(session);
      if (session.closed) throw ended ?? new OvsdbError("transport", "the connection ended at once");
    } catch (error) {
      const why = ended ?? error; // why the connection ended says more than that a request did not get its answer
      session.close();
      throw why;
    }
    this.isConnected = true;
    this.tries = 0;
    this.connectedAtMs = performance.now();
    this.hooks.connected(session);
  }

  private lost(session: Session, reason: Error): void {
    if (this.session !== session) return;
    this.session = undefined;
    const wasConnected = this.isConnected;
    this.isConnected = false;
    if (wasConnected && !this.closed) {
      // A server that takes connections and drops them is not dialled in a circle.
      const isStable = performance.now() - this.connectedAtMs >= Math.max(this.waitMs, this.options.backoff.initialMs);
      if (isStable) this.waitMs = 0;
      else {
        this.tries = this.source.freeTries;
        this.backOff(reason);
      }
      void this.dial();
    }
    this.hooks.lost(session, reason, wasConnected);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
    if (signal.aborted) done();
  });
}
