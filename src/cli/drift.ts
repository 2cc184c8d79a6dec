/** ovs-shadowctl drift */
import { DriftServiceClient, type AcceptTopologyResponse, type ListDriftResponse } from "../api/generated/ovsshadow/v1/drift.js";
import { callService, type GlobalOptions } from "./client.js";
import { printJson, printLine, printTable } from "./print.js";

export async function drift(options: GlobalOptions & { readonly accept?: boolean }): Promise<void> {
  if (options.accept === true) {
    const accepted = await callService<DriftServiceClient, AcceptTopologyResponse>(options, DriftServiceClient, (client, done) => client.acceptTopology({}, done));
    if (options.output === "json") return printJson(accepted);
    return printLine(`${accepted.links} links are intended from now on`);
  }
  const answer = await callService<DriftServiceClient, ListDriftResponse>(options, DriftServiceClient, (client, done) => client.listDrift({}, done));
  if (options.output === "json") return printJson(answer);
  printLine(`${answer.links} links are intended (${answer.source})`);
  printTable(["link", "is", "why", "since"], answer.drifts.map(({ link, kind, why, sinceMs }) => [link, kind, why, new Date(sinceMs).toISOString()]));
}
