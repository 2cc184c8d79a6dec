/** npm run bench -- [NAME…] [--json FILE]: runs the benchmarks named, or all. Exit status 1 when a bar is missed. */
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import type { Bench, Figure } from "./bench.js";
import { captureBench } from "./capture.bench.js";
import { copyCost } from "./copy-cost.bench.js";
import { flowTable } from "./flow-table.bench.js";
import { flowsBench } from "./flows.bench.js";
import { observation } from "./observation.bench.js";
import { openflow } from "./openflow.bench.js";
import { ovsdb } from "./ovsdb.bench.js";
import { sflowBench } from "./sflow.bench.js";
import { scaleBench } from "./scale.bench.js";
import { shadowBench } from "./shadow.bench.js";
import { storeBench } from "./store.bench.js";

const benches: readonly Bench[] = [flowTable, openflow, ovsdb, sflowBench, captureBench, observation, flowsBench, shadowBench, scaleBench, storeBench, copyCost];

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: "string" } } });
  const unknown = positionals.filter((name) => !benches.some((bench) => bench.name === name));
  if (unknown.length > 0) {
    process.stderr.write(`no benchmark ${unknown.join(", ")}; there are ${benches.map(({ name }) => name).join(", ")}\n`);
    return 2;
  }
  const chosen = benches.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  const results: { readonly bench: string; readonly figures: readonly Figure[] }[] = [];
  for (const bench of chosen) {
    process.stdout.write(`\n${bench.name}: ${bench.about}\n`);
    const figures: Figure[] = [];
    await bench.run((figure) => void figures.push(figure));
    results.push({ bench: bench.name, figures });
    const table = new Table({ head: ["figure", "who", "value", "bar"], style: { head: [] } });
    for (const { what, who, value, unit, bar } of figures) {
      const shown = value >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);
      table.push([what, who, `${shown} ${unit}`, bar === undefined ? "" : `${bar.ok ? "✓" : "✗"} ${bar.text}`]);
    }
    process.stdout.write(`${table.toString()}\n`);
  }
  const machine = { cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length, node: process.version };
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ machine, results }, undefined, 2)}\n`);
  return results.some(({ figures }) => figures.some(({ bar }) => bar?.ok === false)) ? 1 : 0;
}

process.exitCode = await main();
