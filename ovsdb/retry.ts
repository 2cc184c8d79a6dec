/**
 * Read, decide, write, as if alone: a transaction guards what it was made from, and is made again from what is there when
 * another client was faster.
 */
import { OvsdbError } from "./errors.js";
import type { OvsdbClient } from "./client.js";
import type { Replica } from "./replica.js";
import type { CommitOptions, Committed, Transaction } from "./transaction.js";

export interface RetryOptions extends CommitOptions {
  /** Attempts in all, the first included. Default 20. */
  readonly attempts?: number;
}

export interface Retried<T> {
  /** What the last `build` returned. */
  readonly value: T;
  /** Undefined when there was nothing to change. */
  readonly committed: Committed | undefined;
  readonly attempts: number;
}

/** The longest wait for a change of the replica before another attempt: the guard may be about what it doesn't hold. */
const longestWaitMs = 1_000;

/**
 * Makes a transaction from what `replica` holds and commits it; when a guard did not hold, waits until the replica shows
 * something new and does so again. `build` adds operations, and a guard for what it relies on (`Transaction.guard`,
 * `guardAbsent`); without operations nothing is sent.
 *
 * Rejects with "conflict" after the last attempt, with what `build` throws, and as `commit` does. An "outcome-unknown" is
 * not tried again: whether that is safe is up to the guards (an `upsertOwned` is).
 */
export async function retry<T>(client: OvsdbClient, replica: Replica, build: (transaction: Transaction) => T | Promise<T>, options: RetryOptions = {}): Promise<Retried<T>> {
  const { attempts = 20, ...commit } = options;
  for (let attempt = 1; ; attempt++) {
    const transaction = await client.transaction(replica.db);
    const news = newsOf(replica, options.signal); // listens before what is there is read
    try {
      const value = await build(transaction);
      if (transaction.isEmpty) return { value, committed: undefined, attempts: attempt };
      try {
        return { value, committed: await transaction.commit(commit), attempts: attempt };
      } catch (error) {
        if (!transaction.isConflict(error)) throw error;
        if (attempt >= attempts) throw new OvsdbError("conflict", `another client was faster ${attempt} times`, {}, error);
      }
      await news.come;
    } finally {
      news.stop();
    }
  }
}

function newsOf(replica: Replica, signal: AbortSignal | undefined): { readonly come: Promise<void>; stop(): void } {
  let stop = (): void => {};
  const come = new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, longestWaitMs);
    const done = (): void => resolve();
    replica.on("changes", done).on("synced", done);
    signal?.addEventListener("abort", done, { once: true });
    stop = (): void => {
      clearTimeout(timer);
      replica.off("changes", done).off("synced", done);
      signal?.removeEventListener("abort", done);
    };
  });
  return { come, stop: () => stop() };
}
