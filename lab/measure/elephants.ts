/**
 * How well large transfers are told after ten packets, and after more:
 *
 *   node dist/lab/measure/elephants.js [--large BYTES] PCAP PCAP …
 *   node dist/lab/measure/elephants.js --sizes [--large BYTES] [--transfers N] DISTRIBUTION …
 *
 * Of captures each in turn is judged with what the others taught. Of distributions of flow sizes each is a service, N transfers of which are made
 * to learn from and as many to judge. What counts as large is BYTES, or else what one transfer in ten of the learned ones reaches. Prints
 * precision and recall of what is told at a probability of 0.8 and of 0.5, and the mean precision over all recalls, beside naive ways; and of what the
 * profile tells at any of its stages (10, 20, 40 … packets) at 0.8, and how much of each transfer had passed by then.
 */
import { basename } from "node:path";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { HeaderReader } from "sflow-collector";
import { Conversations, type Conversation } from "../../src/analysis/profile/conversations.js";
import { Transfers } from "../../src/analysis/profile/transfers.js";
import { seeded } from "../../src/base/seeded.js";
import { capturedPackets } from "../../src/telemetry/capture/capture-file.js";
import { headerOf } from "../../src/telemetry/extract.js";
import type { ObservedPacket } from "../../src/telemetry/observed-packet.js";
import { readDistribution, sizeAt, transfer } from "./flow-sizes.js";
import { mean, quantile } from "./series-file.js";

/** Those that reached their tenth packet, as they were then and in the end. */
interface Seen {
  readonly all: readonly Conversation[];
  readonly grown: readonly { readonly then: Conversation; readonly end: Conversation }[];
  /** As they were at each of their stages. */
  readonly stages: readonly { readonly then: readonly Conversation[]; readonly end: Conversation }[];
}

class Watch {
  private readonly all: Conversation[] = [];
  private readonly then = new Map<Conversation, Conversation[]>();
  private readonly conversations = new Conversations({ started: () => {}, grown: (one) => void this.then.set(one, [...(this.then.get(one) ?? []), { ...one, stages: [...one.stages] }]), ended: (one) => void this.all.push(one) });

  add(packet: ObservedPacket): void {
    this.conversations.add(packet);
  }

  end(): Seen {
    this.conversations.advance(Number.MAX_SAFE_INTEGER);
    const stages = [...this.then].map(([end, then]) => ({ then, end }));
    return { all: this.all, grown: stages.flatMap(({ then: [first], end }) => (first === undefined ? [] : [{ then: first, end }])), stages };
  }
}

async function fromCapture(file: string): Promise<Seen> {
  const watch = new Watch();
  const reader = new HeaderReader("outer");
  for await (const read of capturedPackets(file, (why) => process.stderr.write(`${file}: ${why}\n`))) {
    for (const captured of read) {
      const header = headerOf(captured, reader);
      if (header !== undefined) watch.add({ tMs: captured.tMs, weight: 1, frameLength: captured.frameLength, ingress: undefined, header });
    }
  }
  return watch.end();
}

/** Transfers of all services in turn, ten clients; each service has a port and a server of its own. */
function made(files: readonly string[], transfers: number, seed: number): Seen {
  const random = seeded(seed);
  const watch = new Watch();
  const services = files.map(readDistribution);
  for (let i = 0; i < transfers; i++) {
    services.forEach((sizes, which) => {
      for (const packet of transfer(i * 20 + which, `10.0.1.${i % 10}`, 1_024 + (i % 60_000), `10.0.0.${which}`, 8_000 + which, sizeAt(sizes, random()))) watch.add(packet);
    });
  }
  return watch.end();
}

type Forecast = (conversation: Conversation) => number;
type Learner = (learned: Seen, large: number) => Forecast;
const serviceOf = ({ service: { server, protocol, port } }: Conversation): string => `${server} ${protocol} ${port}`;

function grouped(all: readonly Conversation[], key: (one: Conversation) => string): Map<string, Conversation[]> {
  const groups = new Map<string, Conversation[]>();
  for (const one of all) groups.set(key(one), [...(groups.get(key(one)) ?? []), one]);
  return groups;
}

const naive: Readonly<Record<string, Learner>> = {
  "all of them": () => () => 1,
  "port's mean size": ({ all }, large) => {
    const ports = new Map([...grouped(all, ({ service: { port } }) => String(port))].map(([port, list]) => [port, mean(list.map(({ bytes }) => bytes))]));
    return ({ service: { port } }) => ((ports.get(String(port)) ?? 0) >= large ? 1 : 0);
  },
  "size so far": ({ all }, large) => {
    const services = grouped(all, serviceOf);
    return (one) => {
      const alike = (services.get(serviceOf(one)) ?? []).filter(({ bytes }) => bytes >= one.bytes);
      return (alike.filter(({ bytes }) => bytes >= large).length + 1) / (alike.length + 2);
    };
  },
};

const profile: Learner = ({ all }, large) => {
  const transfers = new Transfers(large);
  for (const one of all) transfers.ended(one);
  return (one) => transfers.guess(one).probability;
};
const learners: Readonly<Record<string, Learner>> = { ...naive, "the profile": profile };

interface Split {
  readonly learned: Seen;
  readonly judged: Seen;
}
interface Judged {
  readonly probability: number;
  readonly isLarge: boolean;
}

/** Precision averaged over the large ones, the surest first; those of one probability count together. */
function averagePrecision(judged: readonly Judged[]): number {
  const large = judged.filter(({ isLarge }) => isLarge).length;
  let [told, hits, sum] = [0, 0, 0];
  for (const probability of [...new Set(judged.map((one) => one.probability))].sort((x, y) => y - x)) {
    const here = judged.filter((one) => one.probability === probability);
    const found = here.filter(({ isLarge }) => isLarge).length;
    told += here.length;
    hits += found;
    sum += (found * hits) / told;
  }
  return large === 0 ? NaN : sum / large;
}

/** What the profile tells at any stage before a transfer is large. */
function toldEver(splits: readonly Split[], larges: readonly number[]): string {
  const judged = splits.flatMap(({ learned, judged: { stages } }, i) => {
    const large = larges[i] ?? 0;
    const forecast = profile(learned, large);
    return stages.map(({ then, end }) => ({ told: then.find((one) => one.bytes < large && forecast(one) >= 0.8), end, isLarge: end.bytes >= large }));
  });
  const told = judged.filter((one) => one.told !== undefined);
  const hits = told.filter(({ isLarge }) => isLarge);
  const passed = hits.map((one) => (one.told?.bytes ?? 0) / one.end.bytes);
  const count = judged.filter(({ isLarge }) => isLarge).length;
  return `the profile at any stage, at 0.8: ${told.length} told, precision ${percent(hits.length / told.length)}, recall ${percent(hits.length / count)}; of a large one ${percent(quantile(passed, 0.5))} had passed by then (p90 ${percent(quantile(passed, 0.9))})\n`;
}

const percent = (share: number): string => (Number.isNaN(share) ? "-" : `${(100 * share).toFixed(0)} %`);

function show(title: string, splits: readonly Split[], givenLarge: number | undefined): void {
  const table = new Table({ head: ["told by", "≥ 0.8: told", "precision", "recall", "≥ 0.5: told", "precision", "recall", "mean precision"], style: { head: [], border: [] } });
  const larges = splits.map(({ learned }) => givenLarge ?? quantile(learned.grown.map(({ end }) => end.bytes), 0.9));
  let [count, large] = [0, 0];
  for (const [name, learn] of Object.entries(learners)) {
    const judged = splits.flatMap(({ learned, judged: { grown } }, i): Judged[] => {
      const forecast = learn(learned, larges[i] ?? 0);
      // What is large already is no forecast.
      return grown.filter(({ then }) => then.bytes < (larges[i] ?? 0)).map(({ then, end }) => ({ probability: forecast(then), isLarge: end.bytes >= (larges[i] ?? 0) }));
    });
    [count, large] = [judged.length, judged.filter(({ isLarge }) => isLarge).length];
    const at = (threshold: number): string[] => {
      const told = judged.filter(({ probability }) => probability >= threshold);
      const hits = told.filter(({ isLarge }) => isLarge).length;
      return [String(told.length), percent(hits / told.length), percent(hits / large)];
    };
    table.push([name, ...at(0.8), ...at(0.5), percent(averagePrecision(judged))]);
  }
  process.stdout.write(`${title}: large is ${[...new Set(larges.map((one) => one.toFixed(0)))].join(", ")} bytes; ${count} transfers judged at their tenth packet, ${large} became large (${percent(large / count)})\n${table.toString()}\n${toldEver(splits, larges)}`);
}

const { values, positionals } = parseArgs({ allowPositionals: true, options: { sizes: { type: "boolean" }, large: { type: "string" }, transfers: { type: "string", default: "2000" } } });
if (positionals.length < (values.sizes === true ? 1 : 2)) throw new Error("name at least two captures, or with --sizes one distribution");
const large = values.large === undefined ? undefined : Number(values.large);
if (values.sizes === true) {
  const count = Number(values.transfers);
  show(positionals.map((file) => basename(file)).join(", "), [{ learned: made(positionals, count, 1), judged: made(positionals, count, 2) }], large);
} else {
  const seen = await Promise.all(positionals.map(fromCapture));
  const merged = (list: readonly Seen[]): Seen => ({ all: list.flatMap(({ all }) => all), grown: list.flatMap(({ grown }) => grown), stages: list.flatMap(({ stages }) => stages) });
  show(positionals.map((file) => basename(file)).join(", "), seen.map((judged, i) => ({ learned: merged(seen.filter((_, other) => other !== i)), judged })), large);
}
