/** ovs-shadowctl shadow tracking: where live and its shadow track connections. */
import { TrackingServiceClient, type ListTrackingResponse } from "../api/generated/ovsshadow/v1/tracking.js";
import { callService, type GlobalOptions } from "./client.js";
import { printJson, printLine, printTable } from "./print.js";

export interface TrackingOptions extends GlobalOptions {
  readonly bridge?: string;
}

export async function tracking(options: TrackingOptions): Promise<void> {
  const answer = await callService<TrackingServiceClient, ListTrackingResponse>(options, TrackingServiceClient, (client, done) => client.listTracking({ bridge: options.bridge ?? "" }, done));
  if (options.output === "json") return printJson(answer);
  if (!answer.oneTable) printLine("the shadow has an ovs-vswitchd of its own, and a table of connections of its own");
  if (answer.inLiveZones) printLine("the shadow carries the traffic, and tracks in live's zones");
  const rows = answer.bridges.flatMap(({ bridge, zones }) => zones.map(({ live, shadow, colliding }) => [bridge, live, shadow, colliding ? "NOT ISOLATED: live uses the shadow's zone, too" : ""]));
  if (rows.length === 0) printLine("no zone is named by live's flows");
  else printTable(["live bridge", "zone", "shadow's zone", ""], rows);
  for (const { bridge, fromField, rangeTranslations, problems, problemCount } of answer.bridges) {
    if (fromField > 0) printLine(`${bridge}: ${fromField} flows and groups take a zone from a field; the shadow's is that with the top bit set`);
    if (rangeTranslations > 0) printLine(`${bridge}: ${rangeTranslations} flows and groups translate addresses in a range; the shadow chooses others of it than live`);
    for (const { where, why, shared } of problems) printLine(`${bridge}: ${shared ? "NOT ISOLATED" : "may act otherwise"}: ${where} ${why}`);
    if (problemCount > problems.length) printLine(`${bridge}: ${problemCount - problems.length} more`);
  }
}
