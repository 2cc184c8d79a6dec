import { readFileSync } from "node:fs";
import { generateTypes } from "./schema/codegen.js";
import { parseSchema } from "./schema/schema.js";
import type { OpenVSwitchTables } from "./open-vswitch.js";
import type { Selected, TypedReplica, TypedTransaction } from "./typed.js";

test("types say what the schema says: atoms, choices, optional columns, sets, maps, ranges", () => {
  const unlimited = { min: 0, max: "unlimited" };
  const types = generateTypes(
    parseSchema({
      name: "My_db",
      version: "1.2.3",
      tables: {
        T: {
          columns: {
            name: { type: "string", mutable: false },
            big: { type: "integer" },
            port: { type: { key: { type: "integer", minInteger: 0, maxInteger: 4095 }, min: 0, max: 1 } },
            mode: { type: { key: { type: "string", enum: ["set", ["a", "b"]] }, min: 0, max: 2 } },
            others: { type: { key: { type: "uuid", refTable: "T" }, ...unlimited } },
            map: { type: { key: "string", value: "real", ...unlimited } },
          },
        },
      },
    }),
  );
  expect(types).toContain('import type { Database } from "ovsdb-client";');
  expect(types.slice(types.indexOf("export type TRow"))).toBe(`export type TRow = {
  readonly _uuid: Uuid;
  /** fixed at insert */
  readonly name: string;
  readonly big: number | bigint;
  /** 0 to 4095 */
  readonly port: number | undefined;
  /** 0 to 2 elements */
  readonly mode: readonly ("a" | "b")[];
  /** refers to T */
  readonly others: readonly Uuid[];
  readonly map: ReadonlyMap<string, number>;
};

export type MyDbTables = {
  readonly T: TRow;
};

export const myDb: Database<MyDbTables> = { name: "My_db", version: "1.2.3" };
`);
});

const schemaFile = "/usr/share/openvswitch/vswitch.ovsschema";
test("the committed types are those of Open vSwitch 3.1", () => {
  const schema = parseSchema(JSON.parse(readFileSync(schemaFile, "utf8")));
  expect(readFileSync(`${__dirname}/open-vswitch.ts`, "utf8")).toBe(generateTypes(schema, "./typed.js"));
});

// Checked by the compiler, never run.
export function compiles(replica: TypedReplica<Selected<OpenVSwitchTables, { Bridge: readonly ["name", "fail_mode"]; Interface: "all" }>>, txn: TypedTransaction<OpenVSwitchTables>): void {
  for (const row of replica.table("Bridge").values()) {
    const mode: "secure" | "standalone" | undefined = row.fail_mode;
    const names: string = row.name + String(mode);
    // @ts-expect-error: a number is not a name
    const wrong: number = row.name;
    void [names, wrong];
  }
  const ofport: number | bigint | undefined = replica.index("Interface", ["name"]).one("eth0")?.ofport;
  // @ts-expect-error: not replicated
  replica.table("Port");
  const port = txn.insert("Port", { name: "p", interfaces: [txn.insert("Interface", { name: "p", ofport_request: Number(ofport) })], tag: [] });
  txn.update("Bridge", [], { fail_mode: "secure", ports: [port], other_config: new Map([["a", "b"]]) });
  // @ts-expect-error: no such choice
  txn.update("Bridge", [], { fail_mode: "brave" });
}
