/** Rows as a schema says they are, for the compiler; what runs is Replica and Transaction. Types come from ovsdb-codegen. */
import type { AnyOf } from "./conditions.js";
import type { OvsdbClient } from "./client.js";
import type { Replica, Row, RowChange } from "./replica.js";
import type { RowIndex } from "./row-index.js";
import type { NamedUuid } from "./schema/datum.js";
import type { Where } from "./schema/condition.js";
import type { InsertOptions, Transaction } from "./transaction.js";

export type Tables = Readonly<Record<string, Row>>;

/** Stands for a database whose rows are of these types. */
export interface Database<D extends Tables> {
  readonly name: string;
  /** Of the schema the types were made from; a server may have another one. */
  readonly version: string;
  /** Of no value: it carries the type. */
  readonly tables?: D;
}

type Columns<R> = readonly (Exclude<keyof R, "_uuid"> & string)[] | "all";
export type TypedRequest<D extends Tables> = { readonly [T in keyof D]?: Columns<D[T]> | { readonly columns: Columns<D[T]>; readonly anyOf?: AnyOf } };
type Chosen<R, C> = C extends readonly (infer K)[] ? Pick<R, (K | "_uuid") & keyof R> : C extends { readonly columns: infer L } ? Chosen<R, L> : R;
/** The tables and columns a request asks for. */
export type Selected<D extends Tables, Q> = { readonly [T in keyof Q & keyof D]: Chosen<D[T], Q[T]> & Row };

export interface TypedReplica<S extends Tables> extends Replica {
  table<T extends keyof S & string>(name: T): ReadonlyMap<string, S[T]>;
  index<T extends keyof S & string>(table: T, columns: readonly (keyof S[T] & string)[]): RowIndex<S[T]>;
}

export interface TypedChange<R extends Row> extends RowChange {
  readonly old: R | undefined;
  readonly new: R | undefined;
}

/** What can be written to a column: rows inserted in the same transaction too; an empty list clears. */
type In<V> =
  V extends ReadonlyMap<infer K, infer X> ? ReadonlyMap<K, X | NamedUuid> | readonly []
  : V extends readonly (infer E)[] ? readonly (E | NamedUuid)[] | E | NamedUuid
  : V extends string ? V | NamedUuid
  : V extends undefined ? undefined | readonly []
  : V;
export type TypedRowIn<R> = { readonly [K in Exclude<keyof R, "_uuid">]?: In<R[K]> };

export interface TypedTransaction<D extends Tables> extends Transaction {
  insert<T extends keyof D & string>(table: T, row: TypedRowIn<D[T]>, options?: string | InsertOptions): NamedUuid;
  update<T extends keyof D & string>(table: T, where: Where, row: TypedRowIn<D[T]>): void;
}

/** `OvsdbClient.replica`, with rows that have the columns asked for, in their types. */
export async function replicate<D extends Tables, const Q extends TypedRequest<D>>(client: OvsdbClient, database: Database<D>, request: Q): Promise<TypedReplica<Selected<D, Q>>> {
  return (await client.replica(database.name, request as Parameters<OvsdbClient["replica"]>[1])) as TypedReplica<Selected<D, Q>>;
}

/** `OvsdbClient.transaction`, with rows checked by the compiler. */
export async function transactionOf<D extends Tables>(client: OvsdbClient, database: Database<D>): Promise<TypedTransaction<D>> {
  return client.transaction(database.name);
}

/** Of an event "changes", those of one table. */
export function changesOf<S extends Tables, T extends keyof S & string>(_replica: TypedReplica<S>, table: T, changes: readonly RowChange[]): TypedChange<S[T]>[] {
  return changes.filter((change) => change.table === table) as TypedChange<S[T]>[];
}
