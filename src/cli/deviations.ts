/** ovs-shadowctl deviations */
import { ObservationServiceClient, type ListDeviationsResponse } from "../api/generated/ovsshadow/v1/observation.js";
import { callService, type GlobalOptions } from "./client.js";
import { percent, printJson, printLine, printTable } from "./print.js";

export async function deviations(options: GlobalOptions): Promise<void> {
  const now = await callService<ObservationServiceClient, ListDeviationsResponse>(options, ObservationServiceClient, (client, done) => client.listDeviations({}, done));
  if (options.output === "json") return printJson(now);
  if (now.failure !== "") printLine(`counters can't be read: ${now.failure}`);
  if (now.deviations.length === 0) return printLine("the shadow does what live does, with all of its traffic");
  const shown = (ratio: number | undefined): string => (ratio === undefined ? "-" : percent(ratio));
  printTable(["subject", "cause", "in", "mirror loss", "deviation", "z"], now.deviations.map((one) => [`${one.kind} ${one.subject}`, one.cause, one.metric || "packets", shown(one.mirrorLoss), shown(one.deviation), one.z?.toFixed(1) ?? "-"]));
}
