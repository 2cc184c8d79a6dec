import type { BridgeRow, Tables } from "../../network/database-view.js";
import { mark } from "../../network/pipeline.js";
import { flowsCopy, copyByOf, hasBareGuards } from "./copy-by.js";

const config = (copyBy: "auto" | "mirrors" | "flows", enabled: boolean) => ({ shadow: { copyBy }, forward: { enabled } }) as Parameters<typeof copyByOf>[0];

test("where we forward Mirror rows copy; a guest asks live's tables; what is configured holds", () => {
  expect([copyByOf(config("auto", true)), copyByOf(config("auto", false)), copyByOf(config("flows", true)), copyByOf(config("mirrors", false))]).toEqual(["mirrors", "auto", "flows", "mirrors"]);
  expect([true, false, undefined].map((usesNormal) => flowsCopy("auto", usesNormal, false))).toEqual([true, false, false]);
  expect([true, false, undefined].map((usesNormal) => flowsCopy("auto", usesNormal, true))).toEqual([true, false, true]);
  expect([flowsCopy("flows", false, false), flowsCopy("mirrors", true, true)]).toEqual([true, false]);
});

test("guards that copy nothing are a sign that flows do; others' Mirror rows are none", () => {
  const ours = new Map([[mark.role, "guard"]]);
  const mirrors = new Map([
    ["bare", { external_ids: ours, select_src_port: [] }],
    ["copying", { external_ids: ours, select_src_port: ["p1"] }],
    ["theirs", { external_ids: new Map(), select_src_port: [] }],
  ]);
  const tables = { table: () => mirrors } as unknown as Tables;
  const bridge = (...uuids: string[]): BridgeRow => ({ mirrors: uuids }) as unknown as BridgeRow;
  expect([bridge("bare", "theirs"), bridge("bare", "copying"), bridge("theirs"), undefined].map((row) => hasBareGuards(tables, row))).toEqual([true, false, false, false]);
});
