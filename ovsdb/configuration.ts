/**
 * Waiting until ovs-vswitchd has done what the database says. A transaction adds 1 to Open_vSwitch.next_cfg; when
 * ovs-vswitchd has applied everything up to there it sets cur_cfg to it (ovs-vswitchd.conf.db(5)). This is what
 * ovs-vsctl does unless told --no-wait.
 */
import { OvsdbError } from "./errors.js";
import type { OvsdbClient } from "./client.js";
import type { Replica } from "./replica.js";
import type { Committed, Transaction } from "./transaction.js";

export interface ApplyOptions {
  /** How long ovs-vswitchd may take once the transaction is committed. Default 10,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** One that holds Open_vSwitch with cur_cfg; without it one is made for the call. */
  readonly replica?: Replica;
}

export interface Applied extends Committed {
  /** The value of next_cfg this transaction set. */
  readonly nextCfg: number;
}

const database = "Open_vSwitch";
const table = "Open_vSwitch";

/**
 * Commits `transaction`, of database Open_vSwitch, and resolves when ovs-vswitchd has applied it. Applied does not mean
 * well: what it could not do it writes into the rows (Interface.error, ofport -1).
 *
 * Rejects as `commit` does; and with "timed-out" or "cancelled" when ovs-vswitchd does not follow, with the transaction
 * committed all the same (the message says so).
 */
export async function applyAndWait(client: OvsdbClient, transaction: Transaction, options: ApplyOptions = {}): Promise<Applied> {
  transaction.mutate(table, [], [["next_cfg", "+=", 1]]);
  transaction.select(table, [], ["next_cfg"]);
  const committed = await transaction.commit(options.signal === undefined ? {} : { signal: options.signal });
  const nextCfg = committed.results.at(-1)?.rows?.[0]?.["next_cfg"];
  if (typeof nextCfg !== "number") throw new OvsdbError("protocol", "the database has no row in Open_vSwitch: it was not initialised");
  const replica = options.replica ?? (await client.replica(database, { [table]: ["cur_cfg"] }));
  try {
    await reached(replica, nextCfg, options);
  } finally {
    if (options.replica === undefined) replica.close();
  }
  return { ...committed, nextCfg };
}

/** Resolves when ovs-vswitchd has applied all that is committed by now. */
export async function waitForConfig(client: OvsdbClient, options: ApplyOptions = {}): Promise<number> {
  return (await applyAndWait(client, await client.transaction(database), options)).nextCfg;
}

function currentCfg(replica: Replica): number {
  for (const row of replica.table(table).values()) return Number(row["cur_cfg"]);
  return 0;
}

function reached(replica: Replica, nextCfg: number, { timeoutMs = 10_000, signal }: ApplyOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      replica.off("changes", check);
      signal?.removeEventListener("abort", aborted);
    };
    const check = (): void => {
      if (currentCfg(replica) < nextCfg) return;
      stop();
      resolve();
    };
    const giveUp = (kind: "timed-out" | "cancelled", why: string): void => {
      stop();
      reject(new OvsdbError(kind, `committed, but ${why}: ovs-vswitchd is at ${currentCfg(replica)} of ${nextCfg}`));
    };
    const aborted = (): void => giveUp("cancelled", "no longer waited for");
    const timer = setTimeout(() => giveUp("timed-out", `not applied within ${timeoutMs} ms`), timeoutMs);
    replica.on("changes", check);
    signal?.addEventListener("abort", aborted, { once: true });
    if (signal?.aborted) aborted();
    else check();
  });
}
