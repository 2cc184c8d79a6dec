#!/usr/bin/env node
/** `npm run demo`: the whole loop on a lab of its own, ending in a table of measured figures. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { errorText } from "../../src/base/error-text.js";
import { acts } from "./acts.js";
import { Stage, type Figure } from "./stage.js";

/** The probe runs at most this long; the demo takes less. */
const probeSeconds = 600;

const picture = `
        s1          s2            live: 2 spines, 2 leaves, 4 hosts, secure bridges with the
       /  \\        /  \\           operator's own static flows. Every edge port is copied into
     l1    l2 -- each leaf        the shadow: the same bridges again, with the same port numbers
    /  \\  /  \\   to each spine    and the same tables, from which nothing comes back.
   h1  h2 h3  h4                  A probe of 1,000 packets/s runs from h2 to h4 all the time.
`;

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { json: { type: "string" }, pcap: { type: "string" }, act: { type: "string", multiple: true }, help: { type: "boolean", short: "h" } } });
  if (values.help === true) {
    process.stdout.write("usage: npm run demo -- [--json FILE] [--pcap FILE] [--act NAME]...\n");
    return;
  }
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const start = performance.now();
  const seconds = (): string => `${((performance.now() - start) / 1_000).toFixed(0).padStart(3)} s`;
  say("ovs-shadow: the loop on real Open vSwitch, in namespaces of its own");
  say(picture);
  await using stage = await Stage.build({ say, ...(values.pcap === undefined ? {} : { pcap: path.resolve(values.pcap) }) });
  // The lab's namespaces go with this process; this only makes the way out quick and quiet.
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      say(`\n${signal}: taking the lab down`);
      void stage[Symbol.asyncDispose]().then(() => process.exit(130));
    });
  }
  await stage.startProbe(probeSeconds);
  let failure: string | undefined;
  for (const [i, act] of acts.entries()) {
    if (values.act !== undefined && act.name !== "Attach" && !values.act.includes(act.name)) continue;
    say(`\n[${seconds()}] ${i + 1}. ${act.name}`);
    try {
      await act.run(stage);
    } catch (error) {
      failure = `${act.name}: ${errorText(error)}`;
      say(`    FAILED: ${failure}`);
      for (const line of stage.daemonLog.slice(-15)) say(`    | ${line.slice(0, 300)}`);
      break;
    }
  }
  report(stage.figures, say);
  const missed = stage.figures.filter((figure) => figure.bar?.ok === false).length;
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ tookS: (performance.now() - start) / 1_000, failure, figures: stage.figures }, null, 2)}\n`);
  say(`${seconds()}; ${missed === 0 && failure === undefined ? "every promise was kept" : `${missed} figures miss their bar${failure === undefined ? "" : `; stopped at ${failure}`}`}`);
  process.exitCode = missed === 0 && failure === undefined ? 0 : 1;
}

function report(figures: readonly Figure[], say: (line: string) => void): void {
  const table = new Table({ head: ["act", "figure", "value", "promise"], style: { head: [], border: [] } });
  for (const { act, what, value, unit, bar } of figures) {
    table.push([act, what, `${Number.isInteger(value) ? value : value.toFixed(1)} ${unit}`.slice(0, 60), bar === undefined ? "" : `${bar.ok ? "✓" : "✗"} ${bar.text}`]);
  }
  say(`\n${table.toString()}`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
});
