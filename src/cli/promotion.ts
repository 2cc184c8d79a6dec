/** ovs-shadowctl promote, demote */
import { call, type GlobalOptions } from "./client.js";
import { printJson, printTable } from "./print.js";

export async function promotion(options: GlobalOptions & { readonly why: string }, direction: "promote" | "demote"): Promise<void> {
  const { steps } = await call(options, (client) => (direction === "promote" ? client.promote : client.demote), { why: options.why });
  if (options.output === "json") return printJson(steps);
  printTable(["step", "took"], steps.map((step) => [step.step, `${step.tookMs.toFixed(1)} ms`]));
}
