/**
 * The plan, explained: of every bridge, port and session what is replicated and how, what is not, why, and what it costs. Each reason
 * names where it comes from: a line of the configuration, an entry of the schedule, an operator, the behavioural profile, the network.
 * Pure. docs/replication.md shows it.
 */
import type { Config } from "../../config/schema.js";
import type { Where } from "../../config/load.js";
import { reaches, type Level } from "../../config/level-schema.js";
import type { Session } from "../../config/session-schema.js";
import { portKey, type Network, type Port } from "../../network/model.js";
import type { DesiredPort } from "../../reconcile/database-state.js";
import type { BridgeLevel } from "../levels/levels.js";
import type { PlannedShadow } from "../plan.js";
import { ownExit, replicationFlows } from "./flows.js";
import { isWhole, maxMirrors, stateSession, type BridgePlan, type Demand } from "./plan.js";

export type ReasonBy = "configuration" | "default" | "schedule" | "operator" | "event" | "profile" | "network" | "limit";

export interface Reason {
  readonly by: ReasonBy;
  readonly text: string;
  /** "file:line"; empty where no file says it. */
  readonly where: string;
}

export interface PlannedPort {
  /** Live portKey. */
  readonly port: string;
  readonly name: string;
  /** "mirror": a Mirror row; "flows"; "nothing". */
  readonly by: "mirror" | "flows" | "nothing";
  readonly sessions: readonly string[];
  readonly why: readonly Reason[];
  /** Packets that come in a second; undefined: not known. */
  readonly receivedPerS: number | undefined;
  /** Copies a second: as counted, or as expected of what comes in, which is then the most there can be. */
  readonly copiesPerS: number | undefined;
}

export interface PlannedCost {
  /** Ports of ours, on live, adapter and shadow. */
  readonly ports: number;
  /** Rows of the database. */
  readonly rows: number;
  /** Flows of ours on live that copy, or guard. */
  readonly liveFlows: number;
  /** Flows of live that the shadow copies; undefined: not known before live's tables are read. */
  readonly shadowFlows: number | undefined;
  /** Ports on which ovs-vswitchd caches one flow a connection, for a fraction. */
  readonly fractionPorts: number;
  readonly copiesPerS: number | undefined;
}

export interface ExplainedBridge {
  readonly bridge: string;
  readonly level: Level;
  readonly levelWhy: readonly Reason[];
  /** Its place in the order in which bridges are brought in step, from 1. */
  readonly place: number;
  readonly isCritical: boolean;
  readonly placeWhy: readonly Reason[];
  readonly wiring: string;
  readonly wiringWhy: readonly Reason[];
  readonly ports: readonly PlannedPort[];
  readonly cost: PlannedCost;
}

export interface ExplainedSession {
  readonly name: string;
  readonly percent: number;
  readonly ports: number;
  readonly why: Reason;
  readonly problems: readonly string[];
}

export interface ExplainedPlan {
  readonly bridges: readonly ExplainedBridge[];
  readonly sessions: readonly ExplainedSession[];
  /** What is not replicated. */
  readonly left: readonly { readonly what: string; readonly why: Reason }[];
  readonly cost: PlannedCost;
  /** Flows in ovs-vswitchd's cache now, and the bound above which fractions are suspended. */
  readonly cachedFlows: number | undefined;
  readonly maxCachedFlows: number;
}

/** What the behavioural profile knows of a host. */
export interface Behaviour {
  readonly services: readonly { readonly service: string; readonly clients: number }[];
  readonly critical: readonly { readonly host: string; readonly dependents: number }[];
  readonly talkers: readonly { readonly pair: string; readonly share: number }[];
}

/** What decides a bridge's place in the order. */
export interface Place {
  readonly rank: number;
  readonly isCritical: boolean;
  /** The critical names that stand for it. */
  readonly names: readonly string[];
  readonly links: number;
  readonly hosts: number;
  readonly dependents: number;
}

export interface ExplainInput {
  readonly network: Network;
  readonly plan: PlannedShadow;
  readonly config: Config;
  readonly where: Where;
  /** Sessions in force, with those suspended, and whether each stands in the configuration. */
  readonly sessions: readonly { readonly session: Session; readonly configured: boolean }[];
  readonly suspended: string | undefined;
  readonly levels: (bridge: string) => BridgeLevel;
  readonly demand: (bridge: string) => Demand;
  readonly place: (bridge: string) => Place;
  /** Whether the bridge's own flows send to replica ports as to every other. */
  readonly sendsToEvery: (bridge: string) => boolean;
  /** Whether flows copy what Mirror rows could, too. */
  readonly copiesByFlows?: (bridge: string) => boolean;
  /** Mirror rows that are not ours. */
  readonly foreignMirrors: (bridge: string) => number;
  /** Why nothing is copied at all; undefined while copies are made. */
  readonly off: string | undefined;
  readonly behaviour: Behaviour | undefined;
  readonly shadowFlows: (bridge: string) => number | undefined;
  /** By live portKey. `copiedPerS` undefined: nothing is copied yet. */
  readonly rates: ReadonlyMap<string, { readonly receivedPerS: number; readonly copiedPerS: number | undefined }>;
  readonly cachedFlows: number | undefined;
}

const reason = (by: ReasonBy, text: string, where: string | undefined = undefined): Reason => ({ by, text, where: where ?? "" });

/** What a key of the configuration says: where it stands, or that it is the default. */
function configured(where: Where, path: readonly PropertyKey[], text: string): Reason {
  const at = where(path);
  return at === undefined ? reason("default", `${text} (default)`) : reason("configuration", text, at);
}

const keyText = (path: readonly PropertyKey[]): string => path.map((step, i) => (typeof step === "number" ? `[${step}]` : `${i === 0 ? "" : "."}${String(step)}`)).join("");

/** The first ports of an origin, and so on, in words. */
function sessionReason(session: Session, isConfigured: boolean, { config, where }: ExplainInput): Reason {
  if (session === stateSession) return reason("configuration", "level state copies what opens and closes TCP connections");
  if (!isConfigured) return reason("operator", "added while running (ovs-shadowctl mirror add)");
  const at = config.shadow.sessions?.findIndex(({ name }) => name === session.name) ?? -1;
  if (at >= 0) return reason("configuration", `shadow.sessions[${at}]`, where(["shadow", "sessions", at]));
  const { profile } = config.shadow;
  if (profile !== undefined && session.name === "profile") return reason("profile", `the chosen part in ${profile}: ${session.origins.length} edge ports`, where(["shadow", "profile"]));
  return reason("default", "no session is configured: everything that comes in by any edge port");
}

function levelReasons(bridge: string, input: ExplainInput): Reason[] {
  const { levels, demand, where, config } = input;
  const { level, base, why, untilMs, replicate, replicateEntry } = levels(bridge);
  const reasons: Reason[] = [];
  const has = demand(bridge).level;
  if (has !== level) reasons.push(reason("event", `${has} instead of ${level} while a trial runs there, or the shadow carries the traffic`));
  const entry = /^schedule entry (\d+)$/.exec(why)?.[1];
  if (untilMs !== undefined) reasons.push(reason("event", `raised from ${base} to ${level} until ${new Date(untilMs).toISOString()}: ${why}`, where(["shadow", "suspicion"])));
  else if (entry !== undefined) reasons.push(reason("schedule", `shadow.schedule[${Number(entry) - 1}] says ${level}`, where(["shadow", "schedule", Number(entry) - 1])));
  else if (why === "operator") reasons.push(reason("operator", `${level}, set by an operator (ovs-shadowctl shadow level)`));
  else {
    const path = Object.hasOwn(config.shadow.levels, bridge) ? ["shadow", "levels", bridge] : ["shadow", "level"];
    reasons.push(configured(where, path, `${keyText(path)} is ${level}`));
  }
  if (!replicate) reasons.push(reason("schedule", `no copies: shadow.schedule[${(replicateEntry ?? 1) - 1}] says replicate: false`, where(["shadow", "schedule", (replicateEntry ?? 1) - 1])));
  return reasons;
}

function placeReasons({ isCritical, names, links, hosts, dependents }: Place, { config, where }: ExplainInput): Reason[] {
  const named = names.map((name) => {
    const at = config.shadow.critical.indexOf(name);
    const { criticalFile } = config.shadow;
    return at >= 0 ? reason("configuration", `shadow.critical[${at}] names ${name}`, where(["shadow", "critical", at])) : reason("profile", `${criticalFile ?? "the file of critical devices"} names ${name}`, where(["shadow", "criticalFile"]));
  });
  const needed = dependents === 0 ? [] : [reason("profile", `${dependents} services need hosts at it`)];
  return [...named, ...needed, ...(isCritical ? [] : [reason("network", `${links} links and ${hosts} hosts`)])];
}

function wiringReasons(plan: BridgePlan, input: ExplainInput): { readonly wiring: string; readonly why: Reason[] } {
  const { config, where } = input;
  if (!plan.cabled) return { wiring: "none", why: [reason("configuration", "below level state nothing is copied, and there are no replica ports")] };
  const free = maxMirrors - input.foreignMirrors(plan.bridge);
  if (config.shadow.remote !== undefined) return { wiring: `one ${config.shadow.remote.type} tunnel`, why: [configured(where, ["shadow", "remote"], "the shadow is on another host")] };
  if (plan.wiring === "common" && input.sendsToEvery(plan.bridge)) return { wiring: "one replica port for all", why: [reason("network", "flows of the bridge send to every port: copies are marked, so that those are told from them")] };
  if (plan.wiring === "common") return { wiring: "one replica port for all", why: [reason("limit", `${plan.edges.length} edge ports, and ${free} of the ${maxMirrors} Mirror rows of a bridge are free`)] };
  return { wiring: "a replica port each", why: [reason("network", `${plan.edges.length} edge ports, ${free} free Mirror rows`)] };
}

/** What the profile knows of the hosts at a port, in words. */
function behaviourAt(port: string, { network, behaviour }: ExplainInput): Reason[] {
  if (behaviour === undefined) return [];
  return [...network.hosts.values()].flatMap(({ mac, addresses, at }) => {
    if (portKey(at) !== port) return [];
    const names = [mac, ...addresses];
    const words: string[] = [];
    const needed = behaviour.critical.find(({ host }) => names.includes(host));
    if (needed !== undefined) words.push(`${needed.dependents} services need it`);
    const services = behaviour.services.filter(({ service }) => addresses.some((address) => service.startsWith(`${address} `)));
    if (services.length > 0) words.push(`offers ${services.slice(0, 3).map(({ service, clients }) => `${service} to ${clients}`).join(", ")}${services.length > 3 ? ` and ${services.length - 3} more` : ""}`);
    const share = behaviour.talkers.filter(({ pair }) => addresses.some((address) => pair.split(" > ").includes(address))).reduce((sum, one) => sum + one.share, 0);
    if (share > 0) words.push(`${(Math.min(1, share) * 100).toFixed(0)} % of the bytes lately`);
    return words.length === 0 ? [] : [reason("profile", `${addresses[0] ?? mac}: ${words.join("; ")}`)];
  });
}

function explainPort(plan: BridgePlan, port: Port, input: ExplainInput): PlannedPort {
  const key = portKey({ bridge: plan.bridge, ofport: port.ofport });
  const { level, replicate } = input.demand(plan.bridge);
  const asking = [...input.plan.replication.asked].filter(([, ports]) => ports.has(key)).map(([name]) => name);
  const byFlows = plan.sessions.filter(({ selections }) => selections.has(port.ofport));
  const isMirrored = plan.mirrored.has(port.ofport);
  const by = input.off !== undefined ? "nothing" : isMirrored ? "mirror" : byFlows.length > 0 ? "flows" : "nothing";
  const why: Reason[] = [];
  if (input.off !== undefined) why.push(reason("operator", input.off));
  else if (by === "nothing") why.push(nothingReason(level, replicate, input));
  else if (isMirrored) why.push(reason("network", "one session asks for all of it, uncut: a Mirror row copies it"));
  else why.push(reason("network", flowsReason(plan, byFlows.map(({ session }) => session), input.copiesByFlows?.(plan.bridge) === true)));
  const rate = input.rates.get(key);
  return { port: key, name: port.name, by, sessions: asking, why: [...why, ...behaviourAt(key, input)], receivedPerS: rate?.receivedPerS, copiesPerS: copiesOf(by, byFlows.map(({ session, selections }) => ({ session, isAll: selections.get(port.ofport) === "all" })), isMirrored, rate) };
}

/** As counted where copies are made; else what comes in, or the largest fraction of it that is asked for. */
function copiesOf(by: PlannedPort["by"], asked: readonly { readonly session: Session }[], isMirrored: boolean, rate: { readonly receivedPerS: number; readonly copiedPerS: number | undefined } | undefined): number | undefined {
  if (by === "nothing") return 0;
  if (rate === undefined) return undefined;
  if (rate.copiedPerS !== undefined) return rate.copiedPerS;
  const share = isMirrored ? 1 : Math.min(1, asked.reduce((sum, { session }) => sum + session.percent / 100, 0));
  return rate.receivedPerS * share;
}

function nothingReason(level: Level, replicate: boolean, { suspended }: ExplainInput): Reason {
  if (!reaches(level, "state")) return reason("configuration", `level ${level} has no copies`);
  if (!replicate) return reason("schedule", "the schedule has copies off");
  if (suspended !== undefined) return reason("limit", `no session asks for it; those that take a fraction are suspended: ${suspended}`);
  return reason("configuration", "no session asks for it");
}

function flowsReason(plan: BridgePlan, sessions: readonly Session[], isByFlows: boolean): string {
  if (plan.wiring === "common") return "all copies share one way: flows say which port each came in by";
  if (sessions.some((session) => !isWhole(session))) return "a fraction is asked for, or copies are cut: flows choose";
  if (isByFlows) return "flows copy: ovs-vswitchd would forget the addresses that live's NORMAL has learned when a port goes that a Mirror row names (shadow.copyBy)";
  return "a part is asked for, or the port has VLAN rules that a Mirror row would apply once more: flows copy";
}

/** Rows that ports of ours are: a Port and an Interface each, and a Mirror where one is guarded. */
const rowsOf = (ports: readonly DesiredPort[]): number => ports.reduce((sum, { guard }) => sum + 2 + (guard === undefined ? 0 : 1), 0);
/** A bridge of ours: itself, its LOCAL port and that one's interface. */
const bridgeRows = 3;

function costOf(plan: BridgePlan, ports: readonly PlannedPort[], input: ExplainInput): PlannedCost {
  const own = input.plan.bridges.filter(({ live }) => live === plan.bridge);
  const onLive = input.plan.livePorts.get(plan.bridge) ?? [];
  const guards = !plan.cabled ? 0 : plan.wiring === "common" ? Math.min(1, plan.edges.length) : plan.edges.length;
  const copies = ports.map(({ copiesPerS }) => copiesPerS);
  const fractionPorts = plan.edges.filter(({ ofport }) => plan.sessions.some(({ session, selections }) => session.percent < 100 && selections.has(ofport))).length;
  return {
    ports: onLive.length + own.reduce((sum, bridge) => sum + bridge.ports.length, 0),
    rows: rowsOf(onLive) + own.reduce((sum, bridge) => sum + bridgeRows + rowsOf(bridge.ports), 0),
    // How a copy leaves changes no number of flows.
    liveFlows: guards + (input.off === undefined ? replicationFlows(plan, ownExit).length : 0),
    shadowFlows: reaches(input.demand(plan.bridge).level, "flows") ? input.shadowFlows(plan.bridge) : 0,
    fractionPorts,
    copiesPerS: sum(copies),
  };
}

/** Undefined when a part is not known. */
const sum = (parts: readonly (number | undefined)[]): number | undefined => parts.reduce<number | undefined>((all, one) => (all === undefined || one === undefined ? undefined : all + one), 0);

const total = (costs: readonly PlannedCost[]): PlannedCost => {
  const add = (key: "ports" | "rows" | "liveFlows" | "fractionPorts"): number => costs.reduce((all, cost) => all + cost[key], 0);
  return { ports: add("ports"), rows: add("rows"), liveFlows: add("liveFlows"), fractionPorts: add("fractionPorts"), shadowFlows: sum(costs.map(({ shadowFlows }) => shadowFlows)), copiesPerS: sum(costs.map(({ copiesPerS }) => copiesPerS)) };
};

export function explainPlan(input: ExplainInput): ExplainedPlan {
  const { network, plan } = input;
  const places = new Map([...network.bridges.keys()].map((name) => [name, input.place(name)]));
  const order = [...places].sort(([x, { rank: a }], [y, { rank: b }]) => a - b || (x < y ? -1 : 1)).map(([name]) => name);
  const bridges = order.flatMap((name, i): ExplainedBridge[] => {
    const own = plan.replication.bridges.get(name);
    const place = places.get(name);
    if (own === undefined || place === undefined) return [];
    const { wiring, why } = wiringReasons(own, input);
    const ports = own.edges.map((port) => explainPort(own, port, input));
    return [{ bridge: name, level: input.demand(name).level, levelWhy: levelReasons(name, input), place: i + 1, isCritical: place.isCritical, placeWhy: placeReasons(place, input), wiring, wiringWhy: why, ports, cost: costOf(own, ports, input) }];
  });
  const sessions = input.sessions.map(({ session, configured: isConfigured }): ExplainedSession => ({
    name: session.name,
    percent: session.percent,
    ports: plan.replication.asked.get(session.name)?.size ?? 0,
    why: sessionReason(session, isConfigured, input),
    problems: [...new Set(plan.replication.problems.get(session.name) ?? []), ...(input.suspended !== undefined && session.percent < 100 ? [`suspended: ${input.suspended}`] : [])],
  }));
  const left = [
    ...plan.left.map(({ port, why }) => ({ what: port, why: reason("limit", why) })),
    ...bridges.flatMap(({ ports }) => ports.filter(({ by }) => by === "nothing").map(({ port, why }) => ({ what: port, why: why[0] ?? reason("network", "") }))),
  ];
  return { bridges, sessions, left, cost: total(bridges.map(({ cost }) => cost)), cachedFlows: input.cachedFlows, maxCachedFlows: input.config.shadow.maxCachedFlows };
}
