/** ovs-shadowctl fidelity [--watch] */
import { FidelityServiceClient, type ListFidelityResponse, type MeasuredPort } from "../api/generated/ovsshadow/v1/fidelity.js";
import { callService, connectService, type GlobalOptions } from "./client.js";
import { percent, printJson, printLine, printTable, time } from "./print.js";

interface Column {
  readonly name: string;
  readonly of: (port: MeasuredPort) => string | number;
  /** Undefined: always. */
  readonly isShown?: (port: MeasuredPort) => boolean;
}

type Fate = "notAsked" | "notChosen" | "off" | "shed" | "unknown" | "surplus";
/** A column that is shown when a packet of any port is in it. */
const fate = (name: string, key: Fate): Column => ({ name, of: (port) => port[key], isShown: (port) => port[key] > 0 });

/** selected = copied + lost + off + shed + unknown + underway - surplus. */
const columns: readonly Column[] = [
  { name: "edge port", of: ({ port }) => port },
  { name: "asked", of: ({ asked }) => asked },
  { name: "in", of: ({ received }) => received },
  fate("not asked", "notAsked"),
  fate("not chosen", "notChosen"),
  { name: "selected", of: ({ selected }) => selected },
  { name: "copied", of: ({ copied }) => copied },
  { name: "lost", of: ({ lost }) => lost },
  { name: "underway", of: ({ underway }) => underway },
  fate("off", "off"),
  fate("shed", "shed"),
  fate("unknown", "unknown"),
  fate("surplus", "surplus"),
  { name: "share", of: ({ copied, lost, ratio }) => (copied + lost === 0 ? "-" : percent(ratio)) },
  { name: "looked at", of: ({ sample }) => (sample === undefined ? "-" : `${sample.matched} of ${sample.looked}`) },
  { name: "doubled", of: ({ sample }) => sample?.duplicated ?? "-" },
  { name: "reordered", of: ({ sample }) => sample?.reordered ?? "-" },
  { name: "delay p50/p99", of: ({ sample }) => (sample === undefined ? "-" : `${sample.delayP50Us.toFixed(0)}/${sample.delayP99Us.toFixed(0)} µs`) },
];

export async function fidelity(options: GlobalOptions & { readonly watch?: boolean }): Promise<void> {
  if (options.watch === true) return watch(options);
  show(options, await callService<FidelityServiceClient, ListFidelityResponse>(options, FidelityServiceClient, (client, done) => client.listFidelity({}, done)));
}

async function watch(options: GlobalOptions): Promise<void> {
  const client = connectService(options, FidelityServiceClient);
  try {
    for await (const { now } of client.watchFidelity({}) as AsyncIterable<{ readonly now?: ListFidelityResponse }>) {
      if (now === undefined) continue;
      if (options.output === "json") printLine(JSON.stringify(now));
      else show(options, now);
    }
  } finally {
    client.close();
  }
}

function show(options: GlobalOptions, now: ListFidelityResponse): void {
  if (options.output === "json") return printJson(now);
  printLine(`copies are ${now.mode}${now.shedWhy === "" ? "" : `: ${now.shedWhy}`}`);
  const shown = columns.filter(({ isShown }) => isShown === undefined || now.ports.some(isShown));
  printTable(shown.map(({ name }) => name), now.ports.map((port) => shown.map(({ of }) => of(port))));
  for (const { port, alert } of now.ports) if (alert !== "") printLine(`${port}: below the target: ${alert}`);
  for (const failure of now.failures) printLine(`not measured: ${failure}`);
  if (now.conflicts.length > 0) printTable(["bridge", "conflict", "what", "times", "first", "last"], now.conflicts.map((one) => [one.bridge, one.kind, one.detail, one.count, time(one.firstMs), time(one.lastMs)]));
}
