/** ovs-shadowctl edits, ovs-shadowctl routing-events */
import { credentials } from "@grpc/grpc-js";
import { RoutingServiceClient, type ListEventsResponse, type RoutingEvent, type WatchEventsResponse } from "../api/generated/ovsshadow/v1/routing.js";
import { callService, type GlobalOptions } from "./client.js";
import { printJson, printLine, printTable, time } from "./print.js";

export interface EventOptions extends GlobalOptions {
  readonly limit: number;
  readonly others?: boolean;
  readonly watch?: boolean;
}
type Facts = Readonly<Record<string, unknown>>;

export async function events(options: EventOptions, kind: "edit" | "routing"): Promise<void> {
  const othersOnly = options.others ?? false;
  if (options.watch === true) return watch(options, kind, othersOnly);
  const { events: list } = await callService<RoutingServiceClient, ListEventsResponse>(options, RoutingServiceClient, (client, done) => client.listEvents({ kind, limit: options.limit, othersOnly }, done));
  if (options.output === "json") return printJson(list.map((event) => ({ ...event, detail: JSON.parse(event.detail) as Facts })));
  printTable(["at", "subject", "what", "by", "facts"], list.map((event) => row(event)));
}

/** One line an event until interrupted; rejects when the daemon ends. */
async function watch(options: EventOptions, kind: string, othersOnly: boolean): Promise<void> {
  const client = new RoutingServiceClient(options.server, credentials.createInsecure());
  const stream = client.watchEvents({ kind, othersOnly });
  try {
    for await (const { event, missed } of stream as AsyncIterable<WatchEventsResponse>) {
      if (missed > 0) process.stderr.write(`${missed} events were left out: too slow\n`);
      if (event === undefined) continue;
      printLine(options.output === "json" ? JSON.stringify({ ...event, detail: JSON.parse(event.detail) as Facts }) : row(event).join("  "));
    }
  } finally {
    client.close();
  }
}

const maxFacts = 100;

function row(event: RoutingEvent): string[] {
  const facts = JSON.parse(event.detail) as Facts;
  const text = (name: string): string => (typeof facts[name] === "string" || typeof facts[name] === "number" ? String(facts[name]) : "");
  const what = [text("count"), event.what, text("op")].filter((one) => one !== "").join(" ");
  const shown = text("new") || text("old") || [text("from"), text("nextHop"), text("mac"), text("name"), text("why")].filter((one) => one !== "").join(" ") || Object.keys((facts["columns"] as Facts | undefined) ?? {}).join(", ");
  return [time(event.tMs), event.subject, what, text("by"), shown.length > maxFacts ? `${shown.slice(0, maxFacts)}…` : shown];
}
