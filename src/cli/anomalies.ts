/** ovs-shadowctl anomalies */
import { ObservationServiceClient, type ListAnomaliesResponse } from "../api/generated/ovsshadow/v1/observation.js";
import { callService, type GlobalOptions } from "./client.js";
import { printJson, printLine, printTable, time } from "./print.js";

export async function anomalies(options: GlobalOptions): Promise<void> {
  const now = await callService<ObservationServiceClient, ListAnomaliesResponse>(options, ObservationServiceClient, (client, done) => client.listAnomalies({}, done));
  if (options.output === "json") return printJson(now);
  if (now.overflow > 0) printLine("there are more subjects than are watched");
  if (now.anomalies.length === 0) return printLine("nothing is out of the ordinary, as far as it is known what is ordinary");
  printTable(
    ["subject", "side", "since", "metric", "value", "usual", "z"],
    now.anomalies.map(({ kind, subject, side, sinceMs, metric, unit, value, usual, z }) => [`${kind} ${subject}`, side, time(sinceMs), metric, `${Number(value.toPrecision(4))} ${unit}`, Number(usual.toPrecision(4)), z.toFixed(1)]),
  );
}
