/** ovs-shadowctl predictions */
import type { ListPredictionsResponse } from "../api/generated/ovsshadow/v1/shadow.js";
import { call, type GlobalOptions } from "./client.js";
import { percent, printJson, printTable, time } from "./print.js";

export async function predictions(options: GlobalOptions & { readonly limit: number }): Promise<void> {
  const { predictions: list } = await call<ListPredictionsResponse>(options, (client, done) => client.listPredictions({ limit: options.limit }, done));
  if (options.output === "json") return printJson(list);
  printTable(["id", "at", "subject", "kind", "confidence", "model", "against it"], list.map((one) => [one.id, time(one.atMs), one.subject, one.kind, percent(one.confidence), one.model, one.counterEvidence]));
}
