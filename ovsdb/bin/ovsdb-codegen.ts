#!/usr/bin/env node
/**
 * ovsdb-codegen: TypeScript types of a database's rows, on standard output.
 *
 *   ovsdb-codegen SCHEMA_FILE|REMOTE [DATABASE]   from a schema file, or from a server (DATABASE: default Open_vSwitch)
 *
 * Exit status 1 when the schema cannot be read, 2 for bad arguments.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { generateTypes } from "../schema/codegen.js";
import { OvsdbClient, parseJson, parseSchema, type DatabaseSchema } from "../index.js";

const usage = "usage: ovsdb-codegen [--library NAME] SCHEMA_FILE|REMOTE [DATABASE]";
const connectTimeoutMs = 10_000;

async function schemaFrom(where: string, db: string): Promise<DatabaseSchema> {
  if (!/^(unix|tcp|ssl):/.test(where)) return parseSchema(parseJson(readFileSync(where, "utf8")));
  const client = await OvsdbClient.connect({ remote: where, signal: AbortSignal.timeout(connectTimeoutMs) });
  try {
    return await client.getSchema(db);
  } finally {
    await client.close();
  }
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { library: { type: "string", default: "ovsdb-client" } } });
  const [where, db = "Open_vSwitch"] = positionals;
  if (where === undefined || positionals.length > 2) throw new TypeError(usage);
  const schema = await schemaFrom(where, db).catch((error: unknown) => {
    process.stderr.write(`ovsdb-codegen: ${error instanceof Error ? error.message : String(error)}\n`);
    return undefined;
  });
  if (schema !== undefined) process.stdout.write(generateTypes(schema, values.library));
  return schema === undefined ? 1 : 0;
}

main().then(
  (status) => {
    process.exitCode = status;
  },
  (error: unknown) => {
    process.stderr.write(`ovsdb-codegen: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 2;
  },
);
