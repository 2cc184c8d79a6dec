/** Which rows of a replica's tables are wanted, and which of that the server knows (ovsdb-server(7), section 4.1.12). */
import { OvsdbError } from "./errors.js";
import { encodeWhere, type Condition } from "./schema/condition.js";
import type { TableSchema } from "./schema/schema.js";

/** Rows for which any of the conditions holds; `false`: none. Undefined stands for every row. */
export type AnyOf = readonly Condition[] | false | undefined;

interface Waiter {
  readonly version: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class Conditions {
  /** Counts the changes. */
  version = 0;
  /** The version the replica's rows are of. */
  private known = 0;
  private readonly wanted = new Map<string, AnyOf>();
  private waiters: Waiter[] = [];

  constructor(initial: Iterable<readonly [table: string, anyOf: AnyOf]>) {
    for (const [table, anyOf] of initial) if (anyOf !== undefined) this.wanted.set(table, anyOf);
  }

  get isAny(): boolean {
    return this.wanted.size > 0;
  }
  get acknowledged(): number {
    return this.known;
  }
  set acknowledged(version: number) {
    this.known = version;
  }

  /** Wants other rows of a table. Throws OvsdbError "schema", and wants what it did, when they do not fit it. */
  change(table: TableSchema, anyOf: AnyOf): void {
    if (anyOf !== undefined && anyOf !== false) encodeWhere(table, anyOf);
    if (anyOf === undefined) this.wanted.delete(table.name);
    else this.wanted.set(table.name, anyOf);
    this.version++;
  }

  /** The `where` of a table for the wire; undefined for every row. Throws OvsdbError "schema". */
  encode(table: TableSchema): unknown[] | undefined {
    const anyOf = this.wanted.get(table.name);
    if (anyOf === undefined) return undefined;
    // No condition at all would be every row.
    return anyOf === false || anyOf.length === 0 ? [false] : encodeWhere(table, anyOf);
  }

  /** The parameters of monitor_cond_change. */
  changeRequests(tables: Iterable<TableSchema>): Record<string, unknown> {
    return Object.fromEntries([...tables].map((table) => [table.name, [{ where: this.encode(table) ?? [true] }]]));
  }

  /** Resolves when the rows are those wanted now. */
  settled(): Promise<void> {
    if (this.known >= this.version) return Promise.resolve();
    return new Promise((resolve, reject) => this.waiters.push({ version: this.version, resolve, reject }));
  }

  /** To be called when rows of `acknowledged` are there. */
  settle(): void {
    const done = this.waiters.filter(({ version }) => version <= this.known);
    this.waiters = this.waiters.filter(({ version }) => version > this.known);
    for (const { resolve } of done) resolve();
  }

  close(): void {
    for (const { reject } of this.waiters.splice(0)) reject(new OvsdbError("transport", "the replica was closed"));
  }
}
