/** Indexes of a replica's table: kept with every change, before it is told. */
import { sameValue, type Atom, type Value } from "./schema/datum.js";
import type { Row } from "./schema/row-codec.js";

const none: ReadonlyMap<string, Row> = new Map();

/** One key of a row for each combination of what its columns hold: the elements of a set, the keys of a map. */
function keysOf(row: Row, columns: readonly string[]): string[] {
  let keys = [""];
  for (const name of columns) {
    const parts = elementsOf(row[name]).map(keyOf);
    keys = keys.length === 1 && parts.length === 1 ? [`${keys[0]}${parts[0]}`] : keys.flatMap((key) => parts.map((part) => key + part));
  }
  return keys;
}
function elementsOf(value: Value): readonly (Atom | undefined)[] {
  if (value instanceof Map) return [...(value as ReadonlyMap<Atom, Atom>).keys()];
  return Array.isArray(value) ? (value as readonly Atom[]) : [value as Atom | undefined];
}
/** Atoms of different types, and lists of them, never have the same key. */
const keyOf = (atom: Atom | undefined): string => (typeof atom === "string" ? `${atom.length}"${atom}` : `${String(atom)};`);

export class RowIndex<R extends Row = Row> {
  readonly columns: readonly string[];
  private readonly rows = new Map<string, Map<string, R>>();
  private sorted: readonly R[] | undefined;

  /** Made by `Replica.index`. */
  constructor(columns: readonly string[]) {
    this.columns = columns;
  }

  /** Rows by uuid whose columns hold these values: equal a scalar, are in a set, are a key of a map. */
  get(...values: readonly (Atom | undefined)[]): ReadonlyMap<string, R> {
    return this.rows.get(values.map(keyOf).join("")) ?? (none as ReadonlyMap<string, R>);
  }

  /** The only row of these values; undefined when there is none, or more than one. */
  one(...values: readonly (Atom | undefined)[]): R | undefined {
    const found = this.get(...values);
    return found.size === 1 ? found.values().next().value : undefined;
  }

  /**
   * Rows whose first column is from `from` to `to`, both included, in its order. Of a column that holds one value, with
   * rows without it left out. Sorted anew by the first question after a change.
   */
  range(from: Atom, to: Atom): R[] {
    const [column = ""] = this.columns;
    this.sorted ??= [...this.rows.values()].flatMap((rows) => [...rows.values()]).filter((row) => row[column] !== undefined).sort((x, y) => compare(x[column] as Atom, y[column] as Atom));
    const { sorted } = this;
    const first = lowerBound(sorted, (row) => compare(row[column] as Atom, from) >= 0);
    return sorted.slice(first, lowerBound(sorted, (row) => compare(row[column] as Atom, to) > 0));
  }

  /** A row came, went or changed. */
  change(uuid: string, old: R | undefined, next: R | undefined): void {
    if (old !== undefined && next !== undefined && this.columns.every((name) => sameValue(old[name], next[name]))) {
      // The same place, another object.
      for (const key of keysOf(next, this.columns)) this.rows.get(key)?.set(uuid, next);
      this.sorted = undefined;
      return;
    }
    this.sorted = undefined;
    if (old !== undefined) {
      for (const key of keysOf(old, this.columns)) {
        const rows = this.rows.get(key);
        rows?.delete(uuid);
        if (rows?.size === 0) this.rows.delete(key);
      }
    }
    if (next === undefined) return;
    for (const key of keysOf(next, this.columns)) {
      const rows = this.rows.get(key);
      if (rows === undefined) this.rows.set(key, new Map([[uuid, next]]));
      else rows.set(uuid, next);
    }
  }
}

const compare = (x: Atom, y: Atom): number => (x < y ? -1 : x > y ? 1 : 0);

function lowerBound<T>(sorted: readonly T[], isThere: (item: T) => boolean): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isThere(sorted[middle] as T)) high = middle;
    else low = middle + 1;
  }
  return low;
}
