/**
 * How soon the critical bridges of a large network are in step, and all: `node dist/lab/measure/critical.js BRIDGES EDGES`.
 * Prints one JSON object; times in ms since the controller was started.
 */
import { Attached, liveBridge } from "../attached.js";

const [bridges = 100, edges = 20] = process.argv.slice(2).map(Number);
const critical = [liveBridge(bridges - 1), liveBridge(bridges - 2)];
await using lab = await Attached.start({ bridges, edges }, { sflow: { pollingS: 60 }, forward: { enabled: false }, shadow: { critical } });
const { controller, startedMs } = lab;
const { shadow, discovery, database } = controller;
const at: Record<string, number> = {};
const transactions: { endMs: number; tookMs: number; rows: number; inStep: number }[] = [];
const since = (): number => Math.round(performance.now() - startedMs);
let rows = 0;
for (;;) {
  const status = shadow.status();
  const inStep = new Set(status.filter(({ state }) => state === "in step").map(({ live }) => live));
  if (discovery.settled) at["settled"] ??= since();
  if ([...discovery.sessions().values()].every(({ connected }) => connected)) at["connected"] ??= since();
  if (discovery.current.links.length > 0) at["firstLink"] ??= since();
  if (discovery.current.links.length === bridges) at["links"] ??= since();
  if (database.counters.transactions > transactions.length) {
    transactions.push({ endMs: since(), tookMs: Math.round(database.counters.lastMs), rows: database.counters.rows - rows, inStep: inStep.size });
    ({ rows } = database.counters);
  }
  if (critical.every((name) => inStep.has(name) && shadow.edges(name).length === edges)) at["critical"] ??= since();
  if (discovery.settled && inStep.size === bridges && status.length === bridges) break;
  if (since() > 400_000) throw new Error(`${inStep.size} of ${bridges} in step after 400 s`);
  await new Promise((resolve) => setTimeout(resolve, 40));
}
at["all"] = since();
process.stdout.write(`${JSON.stringify({ bridges, edges, at, criticalShare: (at["critical"] ?? NaN) / at["all"], longestMs: Math.round(database.counters.longestMs), transactions })}\n`);
