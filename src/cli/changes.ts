/** ovs-shadowctl changes [--watch] */
import type { Change, ListChangesResponse } from "../api/generated/ovsshadow/v1/shadow.js";
import { call, connectTo, type GlobalOptions } from "./client.js";
import { percent, printJson, printLine, printTable, time } from "./print.js";

function row(change: Change): (string | number)[] {
  const { trial } = change;
  const tried = trial === undefined ? "-" : `${trial.verdict}: attack ${percent(trial.attackMatchedRatio)}, benign ${percent(trial.benignMatchedRatio)}`;
  return [change.id, change.state, change.by, change.described.join("\n"), tried, change.deadlineMs === undefined ? "-" : time(change.deadlineMs), change.verification ?? "-"];
}

export async function changes(options: GlobalOptions & { readonly watch?: boolean }): Promise<void> {
  if (options.watch === true) return watch(options);
  const { changes: list } = await call<ListChangesResponse>(options, (client, done) => client.listChanges({}, done));
  if (options.output === "json") return printJson(list);
  printTable(["id", "state", "by", "rules", "trial", "until", "verified"], list.map(row));
}

/** Prints each change as it moves, one line each, until interrupted or the server ends. */
async function watch(options: GlobalOptions): Promise<void> {
  const client = connectTo(options);
  const stream = client.watchChanges({});
  process.once("SIGINT", () => stream.cancel());
  try {
    for await (const message of stream as AsyncIterable<{ change?: Change; synced: boolean; missed: number }>) {
      if (options.output === "json") printLine(JSON.stringify(message));
      else if (message.change !== undefined) printLine(row(message.change).join("  "));
    }
  } catch (error) {
    if ((error as { code?: number }).code !== 1) throw error; // cancelled by us
  } finally {
    client.close();
  }
}
