/** ovs-shadowctl detach */
import { call, type GlobalOptions } from "./client.js";
import { printJson, printLine } from "./print.js";

export async function detach(options: GlobalOptions): Promise<void> {
  await call(options, (client) => client.detach, {});
  if (options.output === "json") printJson({ detached: true });
  else printLine("detached: the live bridges are as they were, ovs-shadowd has ended");
}
