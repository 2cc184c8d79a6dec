/**
 * Locks of a server, RFC 7047 sections 4.1.8 to 4.1.10. A lock belongs to the connection: it is lost with it, and asked for
 * again when the connection is back (never stolen again). In a cluster each server has locks of its own, so they are for
 * clients that stay with the leader.
 *
 * Knowing to hold a lock is knowing the past. What must not be done without it says so in the transaction: `assert`.
 */
import { EventEmitter } from "node:events";
import { OvsdbError } from "./errors.js";
import type { Session } from "./json-rpc/session.js";
import type { Transaction } from "./transaction.js";

export interface LockEvents {
  held: [];
  /** Stolen by another client, or gone with the connection. */
  lost: [why: "stolen" | "disconnected"];
}

export class Lock extends EventEmitter<LockEvents> {
  readonly name: string;
  private isHeld = false;
  private session: Session | undefined;
  private readonly onUnlock: (lock: Lock) => void;

  /** Made by `OvsdbClient.lock`. */
  constructor(name: string, onUnlock: (lock: Lock) => void) {
    super();
    this.name = name;
    this.onUnlock = onUnlock;
  }

  get held(): boolean {
    return this.isHeld;
  }

  /** Resolves when the lock is held; at once when it is. Rejects when `signal` aborts: the lock stays asked for. */
  whenHeld(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        this.off("held", held);
        signal?.removeEventListener("abort", aborted);
      };
      const held = (): void => {
        stop();
        resolve();
      };
      const aborted = (): void => {
        stop();
        reject(new OvsdbError("cancelled", `no longer waiting for lock ${this.name}`, {}, signal?.reason));
      };
      if (this.isHeld) return resolve();
      this.on("held", held);
      signal?.addEventListener("abort", aborted, { once: true });
      if (signal?.aborted) aborted();
    });
  }

  /** Makes `transaction` fail with "not-owner" unless the lock is held when it is done. */
  guard(transaction: Transaction): void {
    transaction.assert(this.name);
  }

  /** Gives it back, or stops waiting for it. */
  async unlock(): Promise<void> {
    this.onUnlock(this);
    this.isHeld = false;
    const { session } = this;
    this.session = undefined;
    if (session === undefined || session.closed) return; // it went with the connection
    await session.request("unlock", [this.name]);
  }

  /** Asks a session for the lock. */
  async request(session: Session, method: "lock" | "steal"): Promise<void> {
    this.session = session;
    const took = (reply: unknown): void => {
      if ((reply as { locked?: unknown } | null)?.locked === true) this.granted();
    };
    await session.request(method, [this.name], { onResult: took });
  }

  granted(): void {
    if (this.isHeld) return;
    this.isHeld = true;
    this.emit("held");
  }

  taken(why: "stolen" | "disconnected"): void {
    if (why === "disconnected") this.session = undefined;
    if (!this.isHeld) return;
    this.isHeld = false;
    this.emit("lost", why);
  }
}
