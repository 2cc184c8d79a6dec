/** ovs-shadowctl flows [--address A] [--incomplete] [--limit N] [--watch | --parquet FILE | --differences | --pcap FILE] */
import { FlowServiceClient, type Flow, type FlowDirection, type ListFlowDifferencesResponse, type ListFlowsResponse } from "../api/generated/ovsshadow/v1/flow.js";
import { callService, type GlobalOptions } from "./client.js";
import { percent, printJson, printLine, printTable, time } from "./print.js";

export type FlowsOptions = GlobalOptions & { readonly address?: string; readonly limit?: number; readonly incomplete?: boolean; readonly watch?: boolean; readonly parquet?: string; readonly differences?: boolean; readonly pcap?: string };

const watchEveryMs = 2_000;
const defaultLimit = 100;
const exportLimit = 20_000;

export async function flows(options: FlowsOptions): Promise<void> {
  if (options.pcap !== undefined) return ofCapture(options, options.pcap);
  if (options.differences === true) return differences(options);
  const limit = options.limit ?? (options.parquet === undefined ? defaultLimit : exportLimit);
  const ask = (): Promise<ListFlowsResponse> =>
    callService<FlowServiceClient, ListFlowsResponse>(options, FlowServiceClient, (client, done) => client.listFlows({ address: options.address ?? "", limit, incomplete: options.incomplete === true }, done));
  if (options.parquet !== undefined) {
    if (options.watch === true) throw new Error("--watch and --parquet exclude each other: a file is of one moment");
    const { writeFlows } = await import("./flow-file.js");
    const { flows: found } = await ask();
    await writeFlows(options.parquet, found);
    return printLine(options.output === "json" ? JSON.stringify({ file: options.parquet, flows: found.length }) : `${found.length} flows are in ${options.parquet}`);
  }
  for (let told = new Map<string, number>(); ; ) {
    const answer = await ask();
    if (options.watch !== true) return print(answer, options);
    // Those heard of since they were last told.
    const fresh = answer.flows.filter(({ name, lastMs }) => told.get(name) !== lastMs);
    told = new Map(answer.flows.map(({ name, lastMs }) => [name, lastMs]));
    if (options.output === "json") for (const flow of fresh) printLine(JSON.stringify(flow));
    else if (fresh.length > 0) print({ ...answer, flows: fresh }, options);
    await new Promise((resolve) => setTimeout(resolve, watchEveryMs));
  }
}

/** The flows of a capture, without the daemon. What can be read is shown; why it is not all is the error. */
async function ofCapture({ output, address = "", limit = Infinity }: FlowsOptions, file: string): Promise<void> {
  const { flowsOf } = await import("../telemetry/flows/offline.js");
  const { flows: found, frames, unreadable, leftOut, broken } = await flowsOf(file);
  const shown = found.filter(({ ends }) => address === "" || ends.from.address === address || ends.to.address === address).slice(0, limit);
  if (output === "json") printJson({ flows: shown, frames, unreadable, leftOut });
  else {
    printTable(["flow", "application", "by", "name", "packets", "bytes"], shown.map(({ name, app, packets, bytes }) => [name, app?.label ?? "-", app?.evidence ?? "-", app?.detail ?? "", packets, bytes]));
    printLine(`${found.length} flows of ${frames} frames, ${unreadable} without IP${leftOut > 0 ? `, ${leftOut} packets of further flows` : ""}`);
  }
  if (broken !== undefined) throw new Error(`${broken}; the flows up to there are shown`);
}

/** Flows of which live and shadow do not deliver the same. */
async function differences(options: FlowsOptions): Promise<void> {
  for (;;) {
    const answer = await callService<FlowServiceClient, ListFlowDifferencesResponse>(options, FlowServiceClient, (client, done) => client.listFlowDifferences({}, done));
    if (options.output === "json") {
      if (options.watch === true) printLine(JSON.stringify(answer));
      else printJson(answer);
    } else {
      const share = (one: ListFlowDifferencesResponse["differences"][number]): string => `${percent(one.difference)} ± ${percent(one.error)}`;
      printTable(["flow", "what", "of its packets", "z", "p", "q", "not copied", "samples"], answer.differences.map((one) => [one.name, one.cause, share(one), one.z.toFixed(1), one.p.toExponential(1), one.q.toExponential(1), one.mirrorLoss === undefined ? "-" : percent(one.mirrorLoss), one.samples]));
      printLine(answer.paused === undefined ? `${answer.compared} directions of flows compared; ${answer.judged} samples looked for, ${answer.uncaptured} of flows that are not copied, ${answer.unjudged + answer.leftOut} could not be` : `nothing is compared: ${answer.paused}`);
    }
    if (options.watch !== true) return;
    await new Promise((resolve) => setTimeout(resolve, watchEveryMs));
  }
}

const count = (value: number): string => (Number.isInteger(value) ? String(value) : value.toFixed(0));

function entryText(direction: FlowDirection | undefined): string {
  const entry = direction?.entry;
  return entry === undefined ? "-" : `${entry.bridge} ${entry.tableId}/${entry.priority} ${entry.match} (${entry.owner}): ${entry.packets}${entry.carries > 1 ? `, of ${entry.carries} flows` : ""}`;
}

function sampledText(direction: FlowDirection | undefined): string {
  const sampled = direction?.sampled;
  return sampled === undefined ? "-" : `${count(sampled.packets)}${sampled.errorRatio > 0 ? ` ± ${percent(sampled.errorRatio)}` : ""}`;
}

function row({ name, lastMs, out, back, tracked, tcp, app, missing }: Flow): (string | number)[][] {
  const track = tracked.map(({ zone, mark, state, isTranslated }) => `zone ${zone}${mark === 0 ? "" : ` mark ${mark}`}${state === "" ? "" : ` ${state}`}${isTranslated ? ", translated" : ""}`).join("; ");
  const rtt = tcp?.clientRttMs === undefined ? "-" : tcp.clientRttMs.toFixed(2);
  const open = missing.filter(({ notApplicable }) => !notApplicable).map(({ source, why }) => `${source}: ${why}`).join("; ");
  return [
    [name, app === undefined ? "-" : `${app.label}${app.detail === "" ? (app.resolvedName === "" ? "" : ` to ${app.resolvedName}`) : ` ${app.detail}`} (${app.evidence}, ${app.confidence.toFixed(2)})`, time(lastMs), sampledText(out), out?.captured?.packets ?? "-", entryText(out), track || "-", rtt, tcp?.clientRetransmissions ?? "-"],
    [open === "" ? "  answers" : `  without ${open}`, "", "", sampledText(back), back?.captured?.packets ?? "-", entryText(back), "", tcp?.serverRttMs?.toFixed(2) ?? "-", tcp?.serverRetransmissions ?? "-"],
  ];
}

function print(answer: ListFlowsResponse, { output }: FlowsOptions): void {
  if (output === "json") return printJson(answer);
  printTable(["flow", "application", "last", "sampled", "captured", "flow entry", "tracked", "rtt ms", "sent again"], answer.flows.flatMap(row));
  const { counters } = answer;
  if (counters === undefined) return;
  printLine(`${counters.complete} of ${counters.flows} flows are joined of all sources that apply; room for ${counters.capacity}, ${counters.evicted} forgotten for want of it, ${counters.expired} after silence`);
  for (const why of [counters.conntrackFailure, counters.openflowFailure]) if (why !== undefined && why !== "") printLine(why);
}
