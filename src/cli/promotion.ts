/** ovs-shadowctl promote, demote */
import type { PromoteResponse } from "../api/generated/ovsshadow/v1/shadow.js";
import { call, type GlobalOptions } from "./client.js";
import { printJson, printTable } from "./print.js";

export async function promotion(options: GlobalOptions & { readonly why: string }, direction: "promote" | "demote"): Promise<void> {
  const { steps } = await call<PromoteResponse>(options, (client, done) => (direction === "promote" ? client.promote({ why: options.why }, done) : client.demote({ why: options.why }, done)));
  if (options.output === "json") return printJson(steps);
  printTable(["step", "took"], steps.map((step) => [step.step, `${step.tookMs.toFixed(1)} ms`]));
}
