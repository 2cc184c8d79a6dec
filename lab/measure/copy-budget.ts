/**
 * How well the budget of copies is held while the load changes tenfold: node dist/lab/measure/copy-budget.js [PACKETS/S] [SECONDS]. The switch's counters are
 * read each second; prints a line of JSON for each load: when the mean over ten seconds came within 5 % of the budget to stay there (seconds since the load
 * was there), how far off it was at most from then on, and how often shares were changed.
 */
import { budgetConfig, budgetOf, counted, load, perS, type Counted } from "../budget-load.js";
import { PatchPanel } from "../patch-panel.js";
import { elapse } from "../wait.js";

const [limit = 200, seconds = 40] = process.argv.slice(2).map(Number);
const averagedS = 10;
const everyMs = 1_000;
/** Of the load it was asked for: less than this is not there yet, or no more. */
const isThere = (rate: number, offered: number): boolean => offered > 0.8 * rate && offered < 1.25 * rate;

await using panel = await PatchPanel.start({ l1: 2 });
panel.startDaemon(budgetConfig(limit));
await panel.inStep();
let first = 0;
for (const rate of [2, 20, 2, 20].map((times) => times * limit)) {
  const { changes: before } = await budgetOf(panel);
  let isSending = true;
  const sending = load(panel, first, rate, seconds).finally(() => (isSending = false));
  first += rate * seconds;
  const readings: Counted[] = [];
  while (isSending) {
    readings.push(await counted(panel));
    await elapse(everyMs);
  }
  await sending;
  const steady = readings.filter((one, i) => i > 0 && isThere(rate, perS(readings[i - 1] ?? one, one, "received")));
  const windows = steady.flatMap((from, i) => {
    const to = steady.find((one) => one.atMs - from.atMs >= averagedS * 1_000 - everyMs / 2);
    return to === undefined ? [] : [{ sinceS: (from.atMs - (steady[0]?.atMs ?? 0)) / 1_000, error: perS(from, to, "copied") / limit - 1, offered: perS(from, to, "received"), i }];
  });
  const lastOff = windows.findLastIndex(({ error }) => Math.abs(error) > 0.05);
  const held = windows.slice(lastOff + 1);
  const line = { offeredPerS: Math.round(windows.at(-1)?.offered ?? NaN), seconds: steady.length, windows: windows.length, heldSinceS: held[0]?.sinceS, worstPercent: Math.max(...held.map(({ error }) => 100 * Math.abs(error))), worstOfAllPercent: Math.max(...windows.map(({ error }) => 100 * Math.abs(error))), changes: (await budgetOf(panel)).changes - before };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
