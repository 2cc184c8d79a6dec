/**
 * How well a drawn part of the devices stands for all, on measured loads: node dist/lab/measure/subset.js [--share 25] [--seeds 200] FILE:MINUTES …
 *
 * A device is a port (columns NAME_in and NAME_out of one name) or a pair of a traffic matrix. The part is drawn by the first half of the time; it is
 * judged by figures of the second half: the largest distance of the two distributions (Kolmogorov and Smirnov) over many seeds, and how
 * often the 95 % intervals of quartiles and of the 90th percentile hold the whole's. Beside it: heavy devices favoured, and equal chances without any order.
 */
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { seeded } from "../../src/base/seeded.js";
import { drawSubset, representation, type Device, type Taken } from "../../src/shadow/subset.js";
import { mean, quantile, readSeries } from "./series-file.js";

interface Measured extends Device {
  /** Of the second half. */
  readonly figures: Readonly<Record<string, number>>;
}

const variation = (values: readonly number[]): number => {
  const middle = mean(values);
  return middle === 0 ? 0 : Math.sqrt(mean(values.map((value) => (value - middle) ** 2))) / middle;
};

function devicesOf(path: string, minutes: number): Measured[] {
  const { series } = readSeries(path, minutes * 60_000, true);
  const byName = new Map<string, { in: Float64Array | undefined; out: Float64Array | undefined }>();
  for (const [column, values] of series) {
    const [, name = column, way] = /^(.+)_(in|out)$/.exec(column) ?? [];
    const one = byName.get(name) ?? { in: undefined, out: undefined };
    one[way === "out" ? "out" : "in"] = values;
    byName.set(name, one);
  }
  return [...byName].flatMap(([name, { in: into, out }]): Measured[] => {
    const length = (into ?? out)?.length ?? 0;
    const total = Array.from({ length }, (_, i) => (into?.[i] ?? 0) + (out?.[i] ?? 0)).map((value) => (Number.isNaN(value) ? 0 : value));
    const [before, after] = [total.slice(0, length >> 1), total.slice(length >> 1)];
    const outAfter = out === undefined ? [] : [...out.subarray(length >> 1)].map((value) => (Number.isNaN(value) ? 0 : value));
    const figures = { "mean load": mean(after), "95th percentile": quantile(after, 0.95), variation: variation(after), ...(into === undefined || out === undefined ? {} : { "share out": mean(after) === 0 ? 0 : mean(outAfter) / mean(after) }) };
    return [{ name, role: "port", critical: false, traffic: mean(before), figures: figures, traits: [variation(before), outShare(out, before)] }];
  });
}

function outShare(out: Float64Array | undefined, before: readonly number[]): number {
  const all = mean(before);
  return out === undefined || all === 0 ? 0 : mean([...out.subarray(0, before.length)].map((value) => (Number.isNaN(value) ? 0 : value))) / all;
}

/** The plainest way: any devices with equal chances. */
function drawnByChance(devices: readonly Device[], share: number, seed: number): Taken[] {
  const random = seeded(seed);
  const count = Math.round(devices.length * share);
  return devices.map((device) => ({ device, at: random() })).sort((x, y) => x.at - y.at).slice(0, count).map(({ device: { name } }) => ({ name, chance: share }));
}

const { values, positionals } = parseArgs({ allowPositionals: true, options: { share: { type: "string", default: "25" }, seeds: { type: "string", default: "200" } } });
const share = Number(values.share) / 100;
for (const argument of positionals) {
  const [path = "", minutes = ""] = argument.split(":");
  const devices = devicesOf(path, Number(minutes));
  const table = new Table({ head: ["figure of the second half", "drawn", "KS median", "p90", "below 0.1", "intervals hold the whole's quantile"], style: { head: [], border: [] } });
  const ways: Readonly<Record<string, (seed: number) => Taken[]>> = {
    "as the product does": (seed) => drawSubset(devices, { share, seed }),
    "heavy ones favoured": (seed) => drawSubset(devices, { share, seed, floor: 0.5 }),
    "equal chances": (seed) => drawnByChance(devices, share, seed),
  };
  for (const figure of Object.keys(devices[0]?.figures ?? {})) {
    for (const [name, draw] of Object.entries(ways)) {
      const distances: number[] = [];
      let [held, asked] = [0, 0];
      for (let seed = 0; seed < Number(values.seeds); seed++) {
        const found = representation(devices, draw(seed), (device) => (device as Measured).figures[figure] ?? 0, seed, 200);
        distances.push(found.ks);
        asked += found.quantiles.length;
        held += found.quantiles.filter(({ low, high, whole }) => low <= whole && whole <= high).length;
      }
      table.push([figure, name, quantile(distances, 0.5).toFixed(3), quantile(distances, 0.9).toFixed(3), `${((100 * distances.filter((one) => one < 0.1).length) / distances.length).toFixed(0)} %`, `${((100 * held) / asked).toFixed(0)} %`]);
    }
  }
  process.stdout.write(`${path}: ${devices.length} devices, ${Math.round(devices.length * share)} drawn, ${values.seeds} seeds\n${table.toString()}\n`);
}
