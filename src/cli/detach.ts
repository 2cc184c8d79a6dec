/** ovs-shadowctl detach */
import type { DetachResponse } from "../api/generated/ovsshadow/v1/shadow.js";
import { call, type GlobalOptions } from "./client.js";
import { printJson, printLine } from "./print.js";

export async function detach(options: GlobalOptions): Promise<void> {
  await call<DetachResponse>(options, (client, done) => client.detach({}, done));
  if (options.output === "json") printJson({ detached: true });
  else printLine("detached: the live bridges are as they were, ovs-shadowd has ended");
}
