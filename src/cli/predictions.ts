/** ovs-shadowctl predictions */
import { call, type GlobalOptions } from "./client.js";
import { percent, printJson, printTable, time } from "./print.js";

export async function predictions(options: GlobalOptions & { readonly limit: number }): Promise<void> {
  const { predictions: list } = await call(options, (client) => client.listPredictions, { limit: options.limit });
  if (options.output === "json") return printJson(list);
  printTable(["id", "at", "subject", "kind", "confidence", "model", "against it"], list.map((one) => [one.id, time(one.atMs), one.subject, one.kind, percent(one.confidence), one.model, one.counterEvidence]));
}
