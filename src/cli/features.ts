/** ovs-shadowctl features: the catalogue, the latest values, or the features of a capture. */
import { readFileSync } from "node:fs";
import { ObservationServiceClient, type GetObservationsResponse, type ListFeaturesResponse, type Observation, type WatchObservationsResponse } from "../api/generated/ovsshadow/v1/observation.js";
import { emptyNetwork, type Network, type Port, type PortRole } from "../network/model.js";
import { callService, connectService, type GlobalOptions } from "./client.js";
import { printJson, printLine, printTable } from "./print.js";

export interface FeaturesOptions extends GlobalOptions {
  readonly list?: boolean;
  readonly subject?: string;
  readonly kind?: string;
  readonly window: number;
  readonly watch?: boolean;
  readonly pcap?: string;
  readonly sflow?: boolean;
  readonly topology?: string;
  readonly of: "traffic" | "attack";
  readonly sampling: number;
  readonly seed: number;
  readonly tunnels: "inner" | "outer";
  readonly out?: string;
}

export async function features(options: FeaturesOptions): Promise<void> {
  if (options.pcap !== undefined) return offline(options, options.pcap);
  if (options.list === true) return list(options);
  const filter = { subject: options.subject ?? "", kind: options.kind ?? "", windowMs: options.window * 1_000 };
  if (options.watch === true) return watch(options, filter);
  const { observations } = await callService<ObservationServiceClient, GetObservationsResponse>(options, ObservationServiceClient, (client, done) => client.getObservations(filter, done));
  if (options.output === "json") return printJson(observations);
  printTable(["subject", "side", "window", "values"], observations.map(row));
}

function row({ kind, subject, side, windowMs, values }: Observation): string[] {
  return [`${kind} ${subject}`, side, `${windowMs / 1_000} s`, Object.entries(values).filter(([, value]) => value !== 0).map(([name, value]) => `${name} ${Number(value.toPrecision(4))}`).join(", ")];
}

async function list(options: FeaturesOptions): Promise<void> {
  const { features: catalogue } = await callService<ObservationServiceClient, ListFeaturesResponse>(options, ObservationServiceClient, (client, done) => client.listFeatures({}, done));
  if (options.output === "json") return printJson(catalogue);
  printTable(["feature", "unit", "of", "windows", "sampling up to", "definition"], catalogue.map((one) => [one.name, one.unit, one.subjects.join(", "), one.windowsS.map((s) => `${s} s`).join(", "), one.maxSampling === undefined ? "-" : `1 in ${one.maxSampling}`, one.definition]));
}

async function watch(options: FeaturesOptions, filter: { subject: string; kind: string; windowMs: number }): Promise<void> {
  const client = connectService(options, ObservationServiceClient);
  const stream = client.watchObservations(filter);
  process.once("SIGINT", () => stream.cancel());
  try {
    for await (const { observations, missed } of stream as AsyncIterable<WatchObservationsResponse>) {
      if (missed > 0) printLine(options.output === "json" ? JSON.stringify({ missed }) : `(${missed} left out)`);
      for (const observation of observations) printLine(options.output === "json" ? JSON.stringify(observation) : row(observation).join("  "));
    }
  } catch (error) {
    if ((error as { code?: number }).code !== 1) throw error; // cancelled by us
  } finally {
    client.close();
  }
}

/** The network of `ovs-shadowctl topology --output json`, as far as samples are mapped by it. */
function readTopology(file: string): Network {
  const json = JSON.parse(readFileSync(file, "utf8")) as { bridges?: { name: string; ports: { ofport: number; name: string; role: PortRole; up: boolean; ifindex: number }[] }[] };
  if (!Array.isArray(json.bridges)) throw new Error(`${file}: not the output of "ovs-shadowctl topology --output json": it has no bridges`);
  const bridges = json.bridges.map(({ name, ports }) => [name, { name, datapathId: 0n, datapathType: "", failMode: undefined, ports: new Map(ports.map((port): [number, Port] => [port.ofport, { ...port, type: "" }])) }] as const);
  return { ...emptyNetwork, bridges: new Map(bridges) };
}

async function offline({ sflow, topology, of, sampling, seed, tunnels, out }: FeaturesOptions, file: string): Promise<void> {
  const { offlineFeatures, featureColumns } = await import("../telemetry/offline.js");
  if (sflow === true && topology === undefined) throw new Error("--sflow needs --topology FILE (ovs-shadowctl topology --output json): which interfaces are edge ports");
  const { writeFeatures } = await import("./feature-file.js");
  const counters = { packets: 0, unreadable: 0, broken: undefined as string | undefined };
  const rows = offlineFeatures(file, { kind: of, sampling, seed, tunnels, sflow: sflow === true && topology !== undefined ? readTopology(topology) : undefined }, counters);
  const written = await writeFeatures(out, featureColumns(of), rows);
  process.stderr.write(`${written} rows of ${counters.packets} packets${counters.unreadable > 0 ? `, ${counters.unreadable} unreadable` : ""}\n`);
  if (counters.broken !== undefined) throw new Error(`${counters.broken}; the rows up to there are written`);
}
