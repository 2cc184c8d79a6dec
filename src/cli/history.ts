/** ovs-shadowctl history: a moment, a range, what is kept, an export. */
import path from "node:path";
import { HistoryServiceClient, type ExportParquetResponse, type GetRetentionResponse, type GetStateAtResponse, type Gone, type QueryEventsResponse, type QuerySeriesResponse } from "../api/generated/ovsshadow/v1/history.js";
import { callService, type GlobalOptions } from "./client.js";
import { printJson, printLine, printTable } from "./print.js";

export interface HistoryOptions extends GlobalOptions {
  readonly at?: string;
  readonly from?: string;
  readonly to?: string;
  readonly subject?: string;
  readonly metric?: string;
  readonly side: string;
  readonly bucket?: number;
  readonly aggregate: string;
  readonly parquet?: string;
}

const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A time as people write it: a date, ms since the epoch, "now", or so long ago. Throws when it is none. */
export function readTime(text: string, nowMs: number): number {
  const ago = /^-(\d+(?:\.\d+)?)([smhd])$/.exec(text);
  if (ago !== null) return Math.round(nowMs - Number(ago[1]) * (units[ago[2] ?? ""] ?? 0));
  const time = text === "now" ? nowMs : /^\d{10,}$/.test(text) ? Number(text) : Date.parse(text);
  if (Number.isNaN(time)) throw new RangeError(`"${text}" is no time: expected a date, ms since the epoch, now, or -10m, -2h, -1d`);
  return time;
}

const iso = (ms: number): string => new Date(ms).toISOString();
const service = HistoryServiceClient;

function tellGone(gone: Gone | undefined): void {
  if (gone !== undefined) printLine(`gone: ${iso(gone.fromMs)} to ${iso(gone.toMs)}: ${gone.why}`);
}

export async function history(options: HistoryOptions): Promise<void> {
  const nowMs = Date.now();
  if (options.at !== undefined) return showMoment(options, readTime(options.at, nowMs));
  if (options.from === undefined) return showRetention(options);
  const range = { fromMs: readTime(options.from, nowMs), toMs: readTime(options.to ?? "now", nowMs) };
  if (options.parquet !== undefined) {
    const dir = path.resolve(options.parquet);
    const done = await callService<HistoryServiceClient, ExportParquetResponse>(options, service, (client, reply) => client.exportParquet({ dir, ...range }, reply));
    if (options.output === "json") return printJson(done);
    return printTable(["file", "rows"], done.files.map(({ file, rows }) => [path.join(dir, file), rows]));
  }
  return options.metric === undefined ? showEvents(options, range) : showSeries(options, options.metric, range);
}

async function showMoment(options: HistoryOptions, atMs: number): Promise<void> {
  const state = await callService<HistoryServiceClient, GetStateAtResponse>(options, service, (client, reply) => client.getStateAt({ atMs }, reply));
  if (options.output === "json") return printJson(state);
  tellGone(state.gone);
  printLine(`${iso(atMs)}: ${state.recording ? "recorded" : "nobody recorded then; what follows is the last that was seen"}; promotion ${state.promotion || "unknown"}`);
  printTable(["element", "detail"], state.topology.map(({ name, detail }) => [name, detail]));
  printTable(["side", "bridge", "table", "flows", "digest"], state.digests.map(({ side, bridge, table, flows, digest }) => [side, bridge, table, flows, digest]));
  printTable(["prediction or change", "since", "detail"], [...state.predictions, ...state.changes].map(({ subject, timeMs, detail }) => [subject, iso(timeMs), detail.slice(0, 100)]));
}

async function showEvents(options: HistoryOptions, range: { readonly fromMs: number; readonly toMs: number }): Promise<void> {
  const answer = await callService<HistoryServiceClient, QueryEventsResponse>(options, service, (client, reply) => client.queryEvents({ ...range, kinds: [], subject: options.subject ?? "", limit: 0 }, reply));
  if (options.output === "json") return printJson(answer);
  tellGone(answer.gone);
  if (answer.cut) printLine("there are more; these are the newest");
  printTable(["time", "kind", "side", "subject", "detail"], answer.events.map(({ timeMs, kind, side, subject, detail }) => [iso(timeMs), kind, side, subject, detail.slice(0, 100)]));
}

async function showSeries(options: HistoryOptions, metric: string, range: { readonly fromMs: number; readonly toMs: number }): Promise<void> {
  const [kind = "", ...name] = (options.subject ?? "").split(":");
  if (name.length === 0) throw new RangeError("--metric needs --subject KIND:NAME, as port:l1:1");
  const request = { kind, subject: name.join(":"), side: options.side, metric, ...range, bucketMs: options.bucket ?? 0, aggregate: options.aggregate, windowMs: 0 };
  const answer = await callService<HistoryServiceClient, QuerySeriesResponse>(options, service, (client, reply) => client.querySeries(request, reply));
  if (options.output === "json") return printJson(answer);
  tellGone(answer.gone);
  printTable(["time", `${metric} (${answer.tier})`, "observations"], answer.points.map(({ timeMs, value, count }) => [iso(timeMs), value, count]));
}

async function showRetention(options: HistoryOptions): Promise<void> {
  const kept = await callService<HistoryServiceClient, GetRetentionResponse>(options, service, (client, reply) => client.getRetention({}, reply));
  if (options.output === "json") return printJson(kept);
  if (kept.failure !== "") printLine(`the store does not take anything at this moment: ${kept.failure}`);
  printTable(["tier", "kept for", "since", "rows"], kept.tiers.map(({ tier, keepMs, keptSinceMs, rows }) => [tier, `${(keepMs / 3_600_000).toFixed(1)} h`, keptSinceMs === undefined ? "-" : iso(keptSinceMs), rows]));
}
