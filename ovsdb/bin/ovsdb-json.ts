#!/usr/bin/env node
/**
 * ovsdb-json: a database as JSON lines.
 *
 *   ovsdb-json [--db NAME] monitor REMOTE [TABLE[:COL,…]]…   a line for each row that is there, then for each change
 *   ovsdb-json [--db NAME] transact REMOTE JSON              an array of operations (RFC 7047 section 5.2); prints the results
 *
 * Exit status 1 and a line {"error": …} when the server refuses or can't be reached within 10 s; 2 for bad arguments.
 */
import { parseArgs } from "node:util";
import { OvsdbClient, OvsdbError, parseJson, stringifyJson, type Operation, type Row, type RowChange, type TableRequest, type Value } from "../index.js";

const usage = "usage: ovsdb-json [--db NAME] monitor REMOTE [TABLE[:COL,…]]… | transact REMOTE JSON";
const connectTimeoutMs = 10_000;

function print(line: unknown): void {
  process.stdout.write(`${stringifyJson(line)}\n`);
}

/** Sets as arrays, maps as objects, an optional column without a value as null. */
function plain(value: Value): unknown {
  if (value instanceof Map) return Object.fromEntries([...(value as ReadonlyMap<unknown, unknown>)].map(([key, item]) => [String(key), item]));
  return value ?? null;
}

function plainRow(row: Row | undefined): unknown {
  return row === undefined ? null : Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)]));
}

function printChange({ table, uuid, old, new: row, columns }: RowChange): void {
  print({ table, uuid, op: old === undefined ? "insert" : row === undefined ? "delete" : "modify", columns, old: plainRow(old), new: plainRow(row) });
}

/** "TABLE" or "TABLE:COL,COL"; nothing at all stands for every table of the database. */
function tableRequest(words: readonly string[], all: Iterable<string>): TableRequest {
  if (words.length === 0) return Object.fromEntries([...all].map((table) => [table, "all"]));
  return Object.fromEntries(
    words.map((word) => {
      const [table = "", columns] = word.split(":");
      return [table, columns === undefined ? "all" : columns.split(",").filter((name) => name !== "")];
    }),
  );
}

async function monitor(client: OvsdbClient, db: string, words: readonly string[]): Promise<void> {
  client.on("warning", (message) => process.stderr.write(`ovsdb-json: ${message}\n`));
  const tables = tableRequest(words, (await client.getSchema(db)).tables.keys());
  const replica = await client.replica(db, tables);
  for (const name of Object.keys(tables)) {
    for (const [uuid, row] of replica.table(name)) print({ table: name, uuid, op: "initial", old: null, new: plainRow(row) });
  }
  replica.on("changes", (changes) => changes.forEach(printChange));
  const stop = (): void => void client.close();
  process.once("SIGINT", stop).once("SIGTERM", stop);
  process.stdout.on("error", stop); // the reader has gone
  await new Promise<void>((resolve) => client.once("closed", resolve));
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { db: { type: "string", default: "Open_vSwitch" } } });
  const [verb, remote, ...rest] = positionals;
  if (remote === undefined || !(verb === "monitor" || (verb === "transact" && rest.length === 1))) throw new TypeError(usage);
  const operations = verb === "transact" ? parseJson(rest[0] ?? "") : [];
  if (!Array.isArray(operations)) throw new TypeError("the operations are not a JSON array");
  const client = await OvsdbClient.connect({ remote, signal: AbortSignal.timeout(connectTimeoutMs) });
  try {
    if (verb === "monitor") await monitor(client, values.db, rest);
    else print(await client.transact(values.db, operations as Operation[]));
  } finally {
    await client.close();
  }
  return 0;
}

main().then(
  (status) => {
    process.exitCode = status;
  },
  (error: unknown) => {
    if (error instanceof OvsdbError) print({ error: { kind: error.kind, message: error.message, ...error.facts } });
    else process.stderr.write(`ovsdb-json: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = error instanceof OvsdbError ? 1 : 2;
  },
);
