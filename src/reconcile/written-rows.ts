/**
 * The rows that our latest transactions wrote, so that others' edits can be told from ours. A server may tell several transactions in
 * one update (ovsdb-server(7): a slow client gets them merged), so this goes by row and column, and by the values of next_cfg that an
 * update spans.
 */
import type { Operation, OperationResult } from "ovsdb-client";
import type { BridgeRow, PortRow } from "../network/database-view.js";
import type { DatabaseChange } from "./database-state.js";

/** By row uuid: the columns written, or "whole" for a row inserted or deleted. */
export type WrittenRows = ReadonlyMap<string, ReadonlySet<string> | "whole">;

/** Transactions remembered; of older ones an edit looks like somebody else's. */
const keptTransactions = 64;

export class WrittenLog {
  /** By the value of next_cfg that the transaction set. */
  private readonly kept = new Map<number, WrittenRows>();

  keep(target: number, rows: WrittenRows): void {
    this.kept.set(target, rows);
    if (this.kept.size > keptTransactions) this.kept.delete([...this.kept.keys()][0] as number);
  }

  /** What our transactions wrote that raised next_cfg above `after`, to `upTo` at most. */
  between(after: number, upTo: number): WrittenRows {
    const found = [...this.kept].filter(([target]) => target > after && target <= upTo).map(([, rows]) => rows);
    const [only] = found;
    if (only !== undefined && found.length === 1) return only;
    const all = new Map<string, ReadonlySet<string> | "whole">();
    for (const rows of found) {
      for (const [uuid, columns] of rows) {
        const before = all.get(uuid);
        all.set(uuid, before === "whole" || columns === "whole" ? "whole" : new Set([...(before ?? []), ...columns]));
      }
    }
    return all;
  }
}

/** What a transaction wrote. `removed`: rows that went because nothing refers to them any more, which no operation names. */
export function writtenRows(operations: readonly Operation[], results: readonly OperationResult[], removed: Iterable<string>): WrittenRows {
  const rows = new Map<string, Set<string> | "whole">([...removed].map((uuid) => [uuid, "whole"]));
  operations.forEach((operation, i) => {
    const uuid = operation.op === "insert" ? results[i]?.uuid?.[1] : rowOf(operation["where"]);
    if (uuid === undefined || rows.get(uuid) === "whole") return;
    if (operation.op === "insert") rows.set(uuid, "whole");
    else if (operation.op === "update" || operation.op === "mutate") rows.set(uuid, new Set([...(rows.get(uuid) ?? []), ...columnsOf(operation)]));
  });
  return rows;
}

/** The rows that go with changes because nothing refers to them any more. `bridges`: before. */
export function removedRows(changes: readonly DatabaseChange[], bridges: readonly BridgeRow[]): string[] {
  const ofPort = ({ uuid, interfaceUuid }: PortRow): string[] => [uuid, interfaceUuid];
  const bridge = (uuid: string): BridgeRow | undefined => bridges.find((row) => row.uuid === uuid);
  const sflow = (row: BridgeRow | undefined): string[] => (row?.sflow === undefined ? [] : [row.sflow]);
  return changes.flatMap((change): string[] => {
    switch (change.op) {
      case "delete-bridge": {
        const row = bridge(change.uuid);
        return [change.uuid, ...(row?.ports ?? []).flatMap(ofPort), ...(row?.mirrors ?? []), ...sflow(row)];
      }
      case "delete-port":
        return (bridge(change.bridgeUuid)?.ports ?? []).filter(({ uuid }) => uuid === change.uuid).flatMap(ofPort);
      case "delete-guard":
        return [change.uuid];
      case "delete-sflow":
        return sflow(bridge(change.bridgeUuid));
      default:
        return [];
    }
  });
}

function columnsOf(operation: Operation): string[] {
  if (operation.op === "mutate") return (operation["mutations"] as readonly (readonly [string, ...unknown[]])[]).map(([column]) => column);
  return Object.keys(operation["row"] as object);
}

/** The uuid of a condition that names one row. */
function rowOf(where: unknown): string | undefined {
  const [condition] = (where ?? []) as readonly (readonly [string, string, readonly [string, string]])[];
  return condition?.[0] === "_uuid" && condition[1] === "==" ? condition[2][1] : undefined;
}
