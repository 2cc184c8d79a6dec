/** ovs-shadowctl mirror sinks: collectors that get the copies, too. */
import { SinkServiceClient, type ListSinksResponse } from "../api/generated/ovsshadow/v1/sink.js";
import { callService, type GlobalOptions } from "./client.js";
import { printJson, printLine, printTable } from "./print.js";

export async function mirrorSinks(options: GlobalOptions): Promise<void> {
  const answer = await callService<SinkServiceClient, ListSinksResponse>(options, SinkServiceClient, (client, done) => client.listSinks({}, done));
  if (options.output === "json") return printJson(answer);
  printTable(
    ["sink", "type", "collector", "live bridge", "its number there", "packets", "bytes", "problem"],
    answer.sinks.map(({ sink, type, collector, bridge, number, packets, bytes, problem }) => [sink, type, collector, bridge, number ?? (type === "device" ? "" : "none"), packets ?? "not known", bytes ?? "not known", problem]),
  );
  for (const problem of answer.problems) printLine(`problem: ${problem}`);
}
