/**
 * Rows that are ours by a mark in their external_ids: made once however often it is asked for, also when the outcome of the
 * last time is unknown, and never taken for another's.
 */
import { OvsdbError } from "./errors.js";
import type { Replica } from "./replica.js";
import { sameValue, type NamedUuid, type Value } from "./schema/datum.js";
import type { Row } from "./schema/row-codec.js";
import type { Mutation, RowIn, Transaction } from "./transaction.js";

/** A pair of external_ids no other row of the table has: who owns it, and which one it is. */
export interface OwnerMark {
  readonly key: string;
  readonly value: string;
}

const column = "external_ids";
const idsOf = (row: Row): ReadonlyMap<string, string> => row[column] as ReadonlyMap<string, string>;

/** The rows with this mark. Throws OvsdbError "schema" when the replica does not hold external_ids of the table. */
export function findOwned(replica: Replica, table: string, mark: OwnerMark): Row[] {
  const [any] = replica.table(table).values();
  if (any !== undefined && !(column in any)) throw new OvsdbError("schema", `${table} is replicated without ${column}`);
  return [...replica.index(table, [column]).get(mark.key).values()].filter((row) => idsOf(row).get(mark.key) === mark.value);
}

/**
 * Adds to `transaction` what makes the row with this mark be as `row` says: an insert, an update of what differs, or
 * nothing. Columns not in `row` stay as they are, and so do keys of external_ids not in it. Columns that are fixed at insert
 * are set there only. Guarded: the transaction fails, for `retry`, when another client made or removed the row meanwhile.
 *
 * Returns the row's uuid. Throws OvsdbError "conflict" when several rows have the mark.
 */
export function upsertOwned(transaction: Transaction, replica: Replica, table: string, mark: OwnerMark, row: RowIn): string | NamedUuid {
  const found = findOwned(replica, table, mark);
  const [present] = found;
  if (found.length > 1) throw new OvsdbError("conflict", `${found.length} rows of ${table} have ${mark.key}=${mark.value} in external_ids`);
  const given = row[column] instanceof Map ? (row[column] as ReadonlyMap<string, string>) : new Map<string, string>();
  const ids = new Map([...given, [mark.key, mark.value]]);
  if (present === undefined) {
    transaction.guardAbsent(table, [[column, "includes", new Map([[mark.key, mark.value]])]]);
    return transaction.insert(table, { ...row, [column]: ids });
  }
  const columns = replica.schemaOf(table)?.columns;
  const changed = Object.entries(row).filter(([name, value]) => name !== column && value !== undefined && columns?.get(name)?.mutable !== false && !isSame(present[name], value as Value | readonly []));
  const stale = [...ids].filter(([key, value]) => idsOf(present).get(key) !== value);
  if (changed.length === 0 && stale.length === 0) return present._uuid;
  transaction.guard(table, present, [column]);
  if (changed.length > 0) transaction.update(table, present._uuid, Object.fromEntries(changed));
  if (stale.length > 0) {
    const mutations: Mutation[] = [[column, "delete", stale.map(([key]) => key)], [column, "insert", new Map(stale)]];
    transaction.mutate(table, present._uuid, mutations);
  }
  return present._uuid;
}

/** Adds what removes the rows with this mark; returns how many. What refers to them strongly is the caller's to change. */
export function deleteOwned(transaction: Transaction, replica: Replica, table: string, mark: OwnerMark): number {
  const found = findOwned(replica, table, mark);
  for (const row of found) {
    transaction.guard(table, row, [column]);
    transaction.delete(table, row._uuid);
  }
  return found.length;
}

/** What is given to be written may be a bare atom for a set, or an empty list for anything without a value. */
function isSame(present: Value, given: Value): boolean {
  if (sameValue(present, given)) return true;
  if (Array.isArray(given) && given.length === 0) return present === undefined || (present instanceof Map && present.size === 0);
  if (Array.isArray(given) && given.length === 1) return sameValue(present, given[0] as Value);
  return Array.isArray(present) && present.length === 1 && sameValue(present[0] as Value, given);
}
