/** ovs-shadowctl profile [--watch] */
import { ObservationServiceClient, type GetProfileResponse, type Profile, type WatchProfileResponse } from "../api/generated/ovsshadow/v1/observation.js";
import { callService, connectService, type GlobalOptions } from "./client.js";
import { percent, printJson, printLine, printTable } from "./print.js";

const timeOfDay = (ms: number): string => new Date(ms).toISOString().slice(11, 16);
const bytes = (count: number): string => (count >= 1e6 ? `${(count / 1e6).toFixed(1)} MB` : count >= 1e3 ? `${(count / 1e3).toFixed(1)} kB` : `${count.toFixed(0)} B`);

export async function profile(options: GlobalOptions & { readonly watch?: boolean }): Promise<void> {
  if (options.watch === true) return watch(options);
  const { profile: now } = await callService<ObservationServiceClient, GetProfileResponse>(options, ObservationServiceClient, (client, done) => client.getProfile({}, done));
  if (now === undefined) throw new Error("the answer has no profile");
  if (options.output === "json") return printJson(now);
  print(now);
}

function print(now: Profile): void {
  printLine(`version ${now.version}, learned since ${new Date(now.sinceMs).toISOString()}`);
  printTable(["service", "clients", "conversations", "transfers p50", "p90", "p99"], now.services.map((one) => [one.service, one.clients, one.conversations, one.transfers === 0 ? "-" : bytes(one.p50Bytes), one.transfers === 0 ? "-" : bytes(one.p90Bytes), one.transfers === 0 ? "-" : bytes(one.p99Bytes)]));
  printTable(["client", "uses", "conversations", "carried"], now.edges.slice(0, 30).map((one) => [one.client, one.service, one.conversations, bytes(one.bytes)]));
  printTable(["service", "needs", "how", "lag", "confidence", "uses seen"], now.dependencies.map((one) => [one.dependent, one.on, one.way === "inside" ? "while it serves" : "its clients, first", `${one.lagMs.toFixed(0)} ms`, one.confidence.toFixed(2), one.support]));
  printTable(["busiest", "at (UTC)", "± min", "bit/s", "±", "holds", "days"], now.peaks.slice(0, 20).map((one) => [one.subject, timeOfDay(one.atMs), (one.atPlusMinusMs / 60_000).toFixed(0), one.height.toFixed(0), one.plusMinus.toFixed(0), percent(one.probability), one.seasons]));
  printTable(["heavy hitter", "lately", "share"], now.talkers.map((one) => [one.pair, bytes(one.bytes), percent(one.share)]));
  for (const { host, dependents } of now.critical) printLine(`critical: ${host}, needed by ${dependents} services`);
}

/** The profile, then a line for each change of it, until interrupted or the server ends. */
async function watch(options: GlobalOptions): Promise<void> {
  const client = connectService(options, ObservationServiceClient);
  const stream = client.watchProfile({});
  process.once("SIGINT", () => stream.cancel());
  try {
    for await (const message of stream as AsyncIterable<WatchProfileResponse>) {
      if (options.output === "json") printLine(JSON.stringify(message));
      else if (message.profile !== undefined) print(message.profile);
      for (const { section, key, what, detail } of options.output === "json" ? [] : message.changes) printLine(`version ${message.version}: ${section}: ${key} ${what}${detail === "" ? "" : `: ${detail}`}`);
    }
  } catch (error) {
    if ((error as { code?: number }).code !== 1) throw error; // cancelled by us
  } finally {
    client.close();
  }
}
