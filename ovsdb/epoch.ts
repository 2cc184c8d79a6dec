/**
 * Fencing: a number in the database that each new writer raises. A writer that was deposed and does not know it yet finds
 * its transactions refused, also where a lock says nothing: at another server of the cluster, after a restart.
 */
import { OvsdbError } from "./errors.js";
import type { OvsdbClient } from "./client.js";
import type { Lock } from "./lock.js";
import type { Replica } from "./replica.js";
import { retry } from "./retry.js";
import type { Transaction } from "./transaction.js";

export interface EpochPlace {
  /** A table with one row, as Open_vSwitch; the replica must hold its external_ids. */
  readonly table: string;
  /** The key of external_ids that holds the epoch. */
  readonly key: string;
}

export class Epoch {
  readonly place: EpochPlace;
  readonly value: number;
  private readonly lock: Lock | undefined;

  /** Made by `takeEpoch`. */
  constructor(place: EpochPlace, value: number, lock: Lock | undefined) {
    this.place = place;
    this.value = value;
    this.lock = lock;
  }

  /** Makes `transaction` fail, with "not-owner" or as a guard does, when another writer has taken over. */
  guard(transaction: Transaction): void {
    this.lock?.guard(transaction);
    transaction.guardPresent(this.place.table, [["external_ids", "includes", new Map([[this.place.key, String(this.value)]])]]);
  }
}

/**
 * Becomes the writer: raises the epoch by one, while `lock` is held when one is given. Rejects with "schema" when the table
 * has no row, with "not-owner" without the lock, and as `retry` does.
 */
export async function takeEpoch(client: OvsdbClient, replica: Replica, place: EpochPlace, lock?: Lock): Promise<Epoch> {
  const { value } = await retry(client, replica, (txn) => {
    const [row] = replica.table(place.table).values();
    if (row === undefined) throw new OvsdbError("schema", `table ${place.table} has no row for the epoch`);
    const ids = row["external_ids"] as ReadonlyMap<string, string>;
    const next = (Number(ids.get(place.key) ?? 0) || 0) + 1;
    lock?.guard(txn);
    txn.guard(place.table, row, ["external_ids"]);
    txn.mutate(place.table, row._uuid, [["external_ids", "delete", [place.key]], ["external_ids", "insert", new Map([[place.key, String(next)]])]]);
    return next;
  });
  return new Epoch(place, value, lock);
}
