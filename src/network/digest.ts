/** A digest of a flow table that does not depend on the order of its flows, kept up to date flow by flow. Pure. */
import { createHash } from "node:crypto";
import { instructionsKey } from "node-openflow";
import { flowKey, type FlowEntry } from "./flow-entry.js";

type DigestedFlow = Pick<FlowEntry, "tableId" | "priority" | "match" | "cookie" | "instructions">;

const mask = (1n << 128n) - 1n;

/** 128 bits of what a flow is and does: identity, cookie, instructions. Counters and timeouts are no part of it. */
export function flowDigest(flow: DigestedFlow): bigint {
  const text = `${flowKey(flow)} ${flow.cookie} ${instructionsKey(flow.instructions)}`;
  return BigInt(`0x${createHash("sha256").update(text).digest("hex").slice(0, 32)}`);
}

/** The sum of its flows' digests, modulo 2^128: adding and removing a flow are one addition each. */
export class TableDigest {
  flows = 0;
  private sum = 0n;

  add(flow: DigestedFlow): void {
    this.sum = (this.sum + flowDigest(flow)) & mask;
    this.flows++;
  }
  remove(flow: DigestedFlow): void {
    this.sum = (this.sum - flowDigest(flow)) & mask;
    this.flows--;
  }
  /** 32 hex digits. */
  get hex(): string {
    return this.sum.toString(16).padStart(32, "0");
  }
}

export interface DigestOfTable {
  readonly digest: string;
  readonly flows: number;
}

/** Digests by table number. */
export function digestTables(flows: Iterable<DigestedFlow>): Map<number, DigestOfTable> {
  const tables = new Map<number, TableDigest>();
  for (const flow of flows) {
    let table = tables.get(flow.tableId);
    if (table === undefined) tables.set(flow.tableId, (table = new TableDigest()));
    table.add(flow);
  }
  return new Map([...tables].sort(([x], [y]) => x - y).map(([id, table]) => [id, { digest: table.hex, flows: table.flows }]));
}
