#!/usr/bin/env node
/** ovs-shadowctl: the command line over gRPC. Exit status 0: done; 1: refused or failed; 2: wrong use. */
import { Command, InvalidArgumentError, Option } from "commander";
import { errorText } from "../base/error-text.js";
import { CallError, type GlobalOptions } from "./client.js";
import type { CriticalOptions } from "./critical.js";
import type { ConnectionsOptions } from "./connections.js";
import type { EventOptions } from "./edits.js";
import type { FeaturesOptions } from "./features.js";
import type { FlowsOptions } from "./flows.js";
import type { HistoryOptions } from "./history.js";
import type { ExplainOptions } from "./explain.js";
import type { RaiseOptions } from "./level.js";
import type { AddOptions } from "./mirror.js";
import type { StalenessOptions } from "./staleness.js";
import type { TrackingOptions } from "./tracking.js";
import type { SubsetOptions } from "./subset.js";
import type { PlanCliOptions } from "./plan.js";
import type { ProposeOptions } from "./propose.js";

const number = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError("expected a whole number");
  return value;
};

const program = new Command("ovs-shadowctl")
  .description("Looks at and steers ovs-shadowd.")
  .addOption(new Option("-s, --server <host:port>", "where ovs-shadowd listens").default("127.0.0.1:50051").env("OVS_SHADOW_SERVER"))
  .addOption(new Option("-o, --output <form>", "how to print").choices(["table", "json"]).default("table"))
  .addOption(new Option("-t, --timeout <seconds>", "how long to wait for an answer").default(10).argParser(number))
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));

/** A verb takes the global options behind it, too, as people type them. Its module is loaded when it runs. */
function verb(name: string, description: string, run: (options: never) => Promise<void>): Command {
  return program
    .command(name)
    .description(description)
    .addOption(new Option("-o, --output <form>", "how to print").choices(["table", "json"]))
    .action(async (_options: unknown, command: Command) => run(command.optsWithGlobals<never>()));
}

verb("status", "what the controller is doing", async (options: GlobalOptions) => (await import("./status.js")).status(options));
verb("topology", "the live network as discovered", async (options: GlobalOptions) => (await import("./topology.js")).topology(options));
verb("drift", "whether the live network's links are those intended", async (options: GlobalOptions & { accept?: boolean }) => (await import("./drift.js")).drift(options)).option("--accept", "from now on the network as it is is the intended one");
verb("plan", "what is replicated, how, why, and what it costs", async (options: PlanCliOptions) => (await import("./plan.js")).plan(options))
  .option("--ports", "every edge port with its reasons")
  .option("--dry", "read the database that the configuration names, with nobody attached; nothing is written")
  .option("--config <file>", "the configuration of a dry run; without it the defaults");
verb("fidelity", "how much of what came in was copied", async (options: GlobalOptions & { watch?: boolean }) => (await import("./fidelity.js")).fidelity(options)).option("-w, --watch", "go on, every second");
verb("predictions", "the latest predictions", async (options: GlobalOptions & { limit: number }) => (await import("./predictions.js")).predictions(options)).addOption(
  new Option("-n, --limit <count>", "at most this many").default(20).argParser(number),
);
verb("changes", "changes with their trials", async (options: GlobalOptions) => (await import("./changes.js")).changes(options)).option("-w, --watch", "go on, one line a step");
verb("propose", "propose a block; it is tried on the shadow first", async (options: ProposeOptions) => (await import("./propose.js")).proposeBlock(options))
  .requiredOption("--bridge <name>", "live bridge")
  .requiredOption("--dst <address>", "IPv4 destination")
  .addOption(new Option("--in-port <ofport>", "OpenFlow port it comes in by").argParser(number))
  .addOption(new Option("--ip-proto <number>", "IP protocol").argParser(number))
  .option("--tcp-syn", "only packets that open a TCP connection")
  .addOption(new Option("--tcp-dst <port>", "TCP destination port").argParser(number))
  .addOption(new Option("--udp-src <port>", "UDP source port").argParser(number))
  .addOption(new Option("--udp-dst <port>", "UDP destination port").argParser(number))
  .addOption(new Option("--lease <seconds>", "how long; 0 takes the configured lease").default(0).argParser(number))
  .option("--reason <text>", "why; recorded", "operator")
  .option("--override <text>", "push whatever the trial says; the text is recorded")
  .option("--what-if", "stop after the trial");
verb("features", "what is measured of both networks, or in a capture", async (options: FeaturesOptions) => (await import("./features.js")).features(options))
  .option("--list", "the catalogue: names, units, definitions")
  .option("--subject <name>", "of one subject")
  .addOption(new Option("--kind <kind>", "of one kind of subjects").choices(["host", "bridge", "pair", "port", "link", "process"]))
  .addOption(new Option("--window <seconds>", "length of the window; 0: all").default(5).argParser(number))
  .option("-w, --watch", "go on, one line an observation")
  .option("--pcap <file>", "of a capture instead: pcap or pcapng, also gzipped")
  .option("--sflow", "the capture holds sFlow datagrams")
  .option("--topology <file>", "whose interfaces they name: the output of topology --output json")
  .addOption(new Option("--of <vector>", "which vectors of a capture").choices(["traffic", "attack"]).default("traffic"))
  .addOption(new Option("--sampling <n>", "take one packet in n of a capture").default(1).argParser(number))
  .addOption(new Option("--seed <n>", "of the sampling").default(1).argParser(number))
  .addOption(new Option("--tunnels <headers>", "what counts of a tunnelled packet of a capture: the tunnel's ends, or what is inside").choices(["outer", "inner"]).default("outer"))
  .option("--out <file>", "FILE.parquet or FILE.csv; without: JSON lines");
verb("connections", "TCP connections, from the copies or in a capture", async (options: ConnectionsOptions) => (await import("./connections.js")).connections(options))
  .option("--address <address>", "only of this host")
  .addOption(new Option("-n, --limit <count>", "at most this many; default 100, of a capture all").argParser(number))
  .option("-w, --watch", "go on, once a second")
  .option("--pcap <file>", "of a capture instead: pcap or pcapng, also gzipped");
verb("flows", "flows of live: what sFlow, flow entries, connection tracking and captures say of each", async (options: FlowsOptions) => (await import("./flows.js")).flows(options))
  .option("--address <address>", "only of this host")
  .addOption(new Option("-n, --limit <count>", "at most this many; default 100, into a file 20,000").argParser(number))
  .option("--incomplete", "only those that a source is missing of, and why")
  .option("-w, --watch", "go on; those heard of since")
  .option("--parquet <file>", "into this file, one row a flow")
  .option("--pcap <file>", "of a capture instead: pcap or pcapng, also gzipped")
  .option("--differences", "those of which live and shadow do not deliver the same packets");
verb("deviations", "what the shadow does otherwise than live, with mirror loss kept apart", async (options: GlobalOptions) => (await import("./deviations.js")).deviations(options));
verb("nodes", "shadow nodes, and what probes between them say beside live", async (options: GlobalOptions & { all?: boolean }) => (await import("./nodes.js")).nodes(options)).option("-a, --all", "the light ones, too");
verb("anomalies", "what is out of the ordinary now", async (options: GlobalOptions) => (await import("./anomalies.js")).anomalies(options));
verb("profile", "the behavioural profile: who uses what, when, how much, and what needs what", async (options: GlobalOptions) => (await import("./profile.js")).profile(options)).option("-w, --watch", "then each change, one line each");
verb("history", "the past: the network as it was, what happened, how a metric went, what is still kept", async (options: HistoryOptions) => (await import("./history.js")).history(options))
  .option("--at <time>", "topology, tables' digests, predictions, changes and promotion at that moment")
  .option("--from <time>", "events, or a metric's values, from then on: a date, ms since the epoch, or -10m, -2h, -1d")
  .option("--to <time>", "until then; default: now")
  .option("--subject <subject>", "of this subject; with --metric as KIND:NAME, as port:l1:1")
  .option("--metric <name>", "values of this metric instead of events")
  .addOption(new Option("--side <side>", "of which network").choices(["live", "shadow"]).default("live"))
  .addOption(new Option("--bucket <ms>", "values by buckets of this length").argParser(number))
  .option("--aggregate <what>", "mean, sum, min, max, count, p50, p95 or p99 of a bucket", "mean")
  .option("--parquet <dir>", "export the range into this empty directory of the daemon's host, with a manifest");
verb("explain", "what a packet does on live and on the shadow, and which flow is the reason", async (options: ExplainOptions) => (await import("./explain.js")).explain(options))
  .requiredOption("--bridge <name>", "live bridge")
  .requiredOption("--packet <fields>", 'as ofproto/trace takes it: "in_port=1,tcp,nw_dst=10.0.0.1,tp_dst=80"');
for (const direction of ["promote", "demote"] as const) {
  verb(direction, direction === "promote" ? "the shadow takes over" : "live takes back over", async (options: GlobalOptions & { why: string }) => (await import("./promotion.js")).promotion(options, direction)).option(
    "--why <text>",
    "reason; recorded",
    "operator",
  );
}
verb("routes", "routes as their neighbours announce them", async (options: GlobalOptions & { prefix?: string; from?: string }) => (await import("./routes.js")).routes(options))
  .option("--prefix <prefix>", "only this destination")
  .option("--from <neighbour>", "only of this neighbour");
verb("neighbours", "neighbours by protocol; addresses, leases and names", async (options: GlobalOptions) => (await import("./neighbours.js")).neighbours(options));
for (const kind of ["edits", "routing-events"] as const) {
  verb(kind, kind === "edits" ? "who changed what on live" : "what happened in routing", async (options: EventOptions) => (await import("./edits.js")).events(options, kind === "edits" ? "edit" : "routing"))
    .addOption(new Option("-n, --limit <count>", "at most this many").default(50).argParser(number))
    .option("--others", "leave out what ovs-shadow did itself")
    .option("-w, --watch", "go on, one line an event");
}
verb("detach", "leave the live bridges as they were found, and end", async (options: GlobalOptions) => (await import("./detach.js")).detach(options));

// Whoever reads our output may have seen enough.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

const mirror = program.command("mirror").description("the sessions that say what is copied");
/** A verb of `mirror`, with the same global options. */
function mirrorVerb<O extends GlobalOptions>(name: string, description: string, run: (options: O, session: string) => Promise<void>): Command {
  return mirror
    .command(name)
    .description(description)
    .addOption(new Option("-o, --output <form>", "how to print").choices(["table", "json"]))
    .action(async (...given: unknown[]) => run((given.at(-1) as Command).optsWithGlobals<O>(), typeof given[0] === "string" ? given[0] : ""));
}
mirrorVerb("list", "all sessions", async (options) => (await import("./mirror.js")).mirrorList(options));
mirrorVerb("sinks", "collectors that get the copies, too: in a tunnel, or behind a device", async (options) => (await import("./sinks.js")).mirrorSinks(options));
mirrorVerb("show <session>", "one session, port by port", async (options, name) => (await import("./mirror.js")).mirrorShow(options, name));
mirrorVerb("remove <session>", "end a session", async (options, name) => (await import("./mirror.js")).mirrorRemove(options, name));
mirrorVerb<AddOptions>("add <session>", "copy more", async (options, name) => (await import("./mirror.js")).mirrorAdd(options, name))
  .option("--bridge <name>", "live bridge")
  .option("--port <port>", "edge port, by name or number")
  .addOption(new Option("--vlan <id>", "VLAN").argParser(number))
  .option("--host <address>", "MAC, IPv4 or IPv6 address")
  .option("--match <expression>", "as ovs-ofctl takes it")
  .option("--routes", "what goes to or comes from prefixes that routers announce")
  .option("--routes-from <address>", "only those of this neighbour")
  .option("--routes-within <prefix>", "only those within this prefix")
  .option("--routes-source <source>", "only those heard by bgp, bmp, ospf or ospf3")
  .addOption(new Option("--percent <share>", "of the connections").default(100).argParser(Number))
  .option("--auto", "the share follows the traffic within shadow.copyBudget, up to --percent")
  .addOption(new Option("--max-len <bytes>", "cut copies to this").argParser(number))
  .addOption(new Option("--direction <way>", "from the origin, to it").choices(["from", "to", "both"]).default("both"))
  .option("--replace", "in place of the session of that name");
const shadowVerb = verb("shadow", "how each bridge is copied", async (options: GlobalOptions) => (await import("./mirror.js")).shadow(options));
shadowVerb
  .command("subset")
  .description("draw a representative part of the edge ports")
  .addOption(new Option("-o, --output <form>", "how to print").choices(["table", "json"]))
  .addOption(new Option("--share <percent>", "of the edge ports").default(25).argParser(Number))
  .addOption(new Option("--seed <number>", "the same draws the same").default(1).argParser(number))
  .option("--critical <port...>", "always taken, as BRIDGE:PORT NUMBER")
  .option("--out <file>", "write the profile here; shadow.profile uses it")
  .action(async (_options: unknown, command: Command) => (await import("./subset.js")).subset(command.optsWithGlobals<SubsetOptions>()));
shadowVerb
  .command("critical")
  .description("the critical devices and links, as learned")
  .addOption(new Option("-o, --output <form>", "how to print").choices(["table", "json"]))
  .option("--out <file>", "write them here; shadow.criticalFile uses it")
  .action(async (_options: unknown, command: Command) => (await import("./critical.js")).critical(command.optsWithGlobals<CriticalOptions>()));
shadowVerb
  .command("staleness")
  .description("how current every bridge, port and table of the shadow is, and the share of time in which the target was kept")
  .addOption(new Option("-o, --output <form>", "how to print").choices(["table", "json"]))
  .option("--bridge <name>", "of this live bridge")
  .option("--all", "every object, not only those that are behind")
  .option("--digests", "tables with their digests on both sides")
  .option("-w, --watch", "go on, every second")
  .action(async (_options: unknown, command: Command) => (await import("./staleness.js")).staleness(command.optsWithGlobals<StalenessOptions>()));
shadowVerb
  .command("tracking")
  .description("in which zones live and its shadow track connections, and which flows' shadows are not isolated")
  .addOption(new Option("-o, --output <form>", "how to print").choices(["table", "json"]))
  .option("--bridge <name>", "of this live bridge")
  .action(async (_options: unknown, command: Command) => (await import("./tracking.js")).tracking(command.optsWithGlobals<TrackingOptions>()));
/** A verb of `shadow` about levels, with the same global options. */
function levelVerb<O extends GlobalOptions>(name: string, description: string, run: (options: O, bridge: string, level: string) => Promise<void>): Command {
  const word = (given: unknown): string => (typeof given === "string" ? given : "");
  return shadowVerb
    .command(name)
    .description(description)
    .addOption(new Option("-o, --output <form>", "how to print").choices(["table", "json"]))
    .action(async (...given: unknown[]) => run((given.at(-1) as Command).optsWithGlobals<O>(), word(given[0]), word(given[1])));
}
levelVerb("levels", "how much the shadow has of each bridge, and why", async (options) => (await import("./level.js")).levelList(options));
levelVerb("level <bridge> <level>", 'set a level: topology, configuration, flows, state, packets, or "default"; bridge "all" is every other', async (options, bridge, level) => (await import("./level.js")).levelSet(options, bridge, level));
levelVerb<RaiseOptions>("raise <bridge> <level>", "raise a bridge for a time", async (options, bridge, level) => (await import("./level.js")).levelRaise(options, bridge, level))
  .addOption(new Option("--for <seconds>", "how long").default(300).argParser(Number))
  .option("--reason <text>", "why", "operator");

program.parseAsync().catch((error: unknown) => {
  process.stderr.write(`ovs-shadowctl: ${errorText(error)}\n`);
  process.exitCode = error instanceof CallError && error.isUsage ? 2 : 1;
});
