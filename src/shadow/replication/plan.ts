/**
 * How each bridge's copies are made: by Mirror rows, or by flows, and through a replica port for each edge port or one for all.
 * Pure. docs/replication.md says when which.
 */
import { createHash } from "node:crypto";
import { reaches, type Level } from "../../config/level-schema.js";
import { sessionSchema, type Session } from "../../config/session-schema.js";
import { portKey, type Bridge, type Network, type Port } from "../../network/model.js";
import { maxReplicatedPort } from "../../network/pipeline.js";
import { select, type PortVlans, type Selected, type Selection } from "./selector.js";

/** The most Mirror rows one bridge can have (ovs-vswitchd, MAX_MIRRORS). */
export const maxMirrors = 32;
/** Selecting flows on one bridge at most: sessions times ports times matches. */
export const maxSelectingFlows = 20_000;
/** Lengths to which copies of one bridge are cut: what five bits tell apart, one of them "whole". */
export const maxLengths = 30;

export interface PlannedSession {
  readonly session: Session;
  /** Its place in table 243, from 1 on, which follows from its name (`placesOf`). */
  readonly index: number;
  /** What flows select of it, by edge port. On a port that a Mirror row copies they only count. */
  readonly selections: ReadonlyMap<number, Selection>;
}

export interface BridgePlan {
  readonly bridge: string;
  /** "each": a replica port for each edge port. "common": one for all, the edge port's number goes along with the packet. */
  readonly wiring: "each" | "common";
  /** Edge ports that have a place in the shadow. */
  readonly edges: readonly Port[];
  /** Whether the edge ports have replica ports: not below level "state". */
  readonly cabled: boolean;
  /** Edge ports copied by a Mirror row. */
  readonly mirrored: ReadonlySet<number>;
  /** Sessions whose packets flows select: not those of which Mirror rows copy everything. */
  readonly sessions: readonly PlannedSession[];
  /** Interfaces of an edge port, where they are more than its own number. */
  readonly members: ReadonlyMap<number, readonly number[]>;
}

export interface ReplicationPlan {
  readonly bridges: ReadonlyMap<string, BridgePlan>;
  /** Edge ports that a session asks anything of, by session and live portKey. */
  readonly asked: ReadonlyMap<string, ReadonlySet<string>>;
  /** What sessions can't do at the moment, by session. */
  readonly problems: ReadonlyMap<string, readonly string[]>;
  /** Edge ports that can have no copy, with the reason. */
  readonly left: readonly { readonly port: string; readonly why: string }[];
}

/** Whether flows copy anything on a bridge: where Mirror rows do it all, they only count. */
export const copiesByFlows = ({ sessions, mirrored }: BridgePlan): boolean => sessions.some(({ selections }) => [...selections.keys()].some((edge) => !mirrored.has(edge)));

/** OpenFlow numbers of a bridge's edge ports that have a place in the shadow. */
export function edgeNumbers(plan: BridgePlan): number[] {
  let numbers = numbersOf.get(plan);
  if (numbers === undefined) numbersOf.set(plan, (numbers = plan.edges.map(({ ofport }) => ofport)));
  return numbers;
}
const numbersOf = new WeakMap<BridgePlan, number[]>();

export const nothingPlanned: ReplicationPlan = { bridges: new Map(), problems: new Map(), asked: new Map(), left: [] };

/**
 * Whether what sessions ask of a bridge follows from that bridge alone. Origins that name a bridge may ask others for what goes to its
 * hosts, and complain when it is not there.
 */
export function isLocal(sessions: readonly Session[]): boolean {
  return sessions.every(({ origins }) => origins.every(({ bridge }) => bridge === undefined));
}

export interface PlanInput {
  readonly network: Network;
  readonly sessions: readonly Session[];
  readonly vlans: ReadonlyMap<string, PortVlans>;
  /** Mirror rows on a bridge that are not ours, by its name. */
  readonly foreignMirrors: ReadonlyMap<string, number>;
  /** All bridges have one replica port for all edges, a tunnel: the shadow is on another host. */
  readonly tunnelled: boolean;
  /** Whether a bridge's own flows send to every port, replica ports too: its copies then go by one port, with a mark that those packets have not. */
  readonly sendsToEvery?: ((bridge: string) => boolean) | undefined;
  /** Whether flows copy what Mirror rows could, too (`flowsCopy`). */
  readonly byFlows?: ((bridge: string) => boolean) | undefined;
  /** What each bridge's shadow has; without it everything. */
  readonly demand?: ((bridge: string) => Demand) | undefined;
}

/** What the shadow of a bridge is to have now. */
export interface Demand {
  readonly level: Level;
  /** False: nothing is copied, and what it takes to copy stays in place. */
  readonly replicate: boolean;
}
export const everything: Demand = { level: "packets", replicate: true };

/**
 * What level "state" copies: the packets that open and close TCP connections, which tell which there are. Its name is none that a
 * configured session can have.
 */
export const stateSession: Session = { ...sessionSchema.parse({ name: "state", origins: ["syn", "fin", "rst"].map((flag) => ({ match: `tcp,tcp_flags=+${flag}` })), direction: "from" }), name: "(state)" };

/** The sessions that are carried out on bridges of these levels: at level "state" the one that it has, besides those of the others. */
export const sessionsAt = (sessions: readonly Session[], demands: Iterable<Demand>): readonly Session[] =>
  [...demands].some(({ level }) => level === "state") ? [...sessions, stateSession] : sessions;

/**
 * The place of each session in table 243: a hash of its name, so that sessions that come and go leave the others' flows as they are, and a
 * restart finds them. Of two names with one hash the later in the alphabet takes the next place that is free.
 */
export function placesOf(names: Iterable<string>): ReadonlyMap<string, number> {
  const places = new Map<string, number>();
  const taken = new Set<number>();
  for (const name of [...names].sort()) {
    let place = createHash("sha256").update(name).digest().readUInt16BE(0);
    while (place === 0 || taken.has(place)) place = (place + 1) % 0x10000;
    taken.add(place);
    places.set(name, place);
  }
  return places;
}

const isPlain = (port: PortVlans | undefined): boolean => port === undefined || (port.tag === undefined && port.mode === undefined && port.trunks.length === 0);
/** Whether a session takes part of what it selects, by a hash: its share is below 100 %, or is steered and may be. */
export const isFraction = ({ percent, auto }: Session): boolean => percent < 100 || auto === true;
/** Whether a session takes every packet that it selects, uncut: what a Mirror row can do. */
export const isWhole = (session: Session): boolean => !isFraction(session) && session.maxLen === undefined;

export function planReplication(input: PlanInput): ReplicationPlan {
  const { network, sessions, vlans } = input;
  const demand = input.demand ?? (() => everything);
  const places = placesOf(sessions.map(({ name }) => name));
  const selected = sessions.map((session) => demanded(session, select(session, network, vlans), demand));
  const problems = new Map<string, string[]>(sessions.map((session, i) => [session.name, [...(selected[i]?.problems ?? [])]]));
  const left: { port: string; why: string }[] = [];
  const bridges = new Map<string, BridgePlan>();
  for (const bridge of network.bridges.values()) {
    const edges: Port[] = [];
    for (const port of [...bridge.ports.values()].filter((one) => one.role === "edge").sort((x, y) => x.ofport - y.ofport)) {
      if (port.ofport <= maxReplicatedPort) edges.push(port);
      else left.push({ port: portKey({ bridge: bridge.name, ofport: port.ofport }), why: `OpenFlow port above ${maxReplicatedPort}` });
    }
    bridges.set(bridge.name, planBridge(bridge, edges, input, { selected: selected.map((one) => one.ports), places, demand: demand(bridge.name) }, problems));
  }
  const asked = new Map(sessions.map((session, i) => [session.name, new Set(selected[i]?.ports.keys() ?? [])]));
  return { bridges, problems, asked, left };
}

/** What a session selects, without bridges whose level has no place for it. */
function demanded(session: Session, selected: Selected, demand: (bridge: string) => Demand): Selected {
  const isWanted = (port: string): boolean => {
    const { level, replicate } = demand(port.slice(0, port.lastIndexOf(":")));
    return replicate && level === (session === stateSession ? "state" : "packets");
  };
  return { ports: new Map([...selected.ports].filter(([port]) => isWanted(port))), problems: selected.problems };
}

interface Demanded {
  readonly selected: readonly ReadonlyMap<string, Selection>[];
  readonly places: ReadonlyMap<string, number>;
  readonly demand: Demand;
}

function planBridge(bridge: Bridge, edges: readonly Port[], input: PlanInput, { selected, places, demand }: Demanded, problems: Map<string, string[]>): BridgePlan {
  const key = (port: Port): string => portKey({ bridge: bridge.name, ofport: port.ofport });
  // Guards need a Mirror row each.
  const free = maxMirrors - (input.foreignMirrors.get(bridge.name) ?? 0);
  const wiring = input.tunnelled || input.sendsToEvery?.(bridge.name) === true || edges.length > free ? "common" : "each";
  const mirrored = new Set<number>();
  if (wiring === "each" && input.byFlows?.(bridge.name) !== true) {
    for (const port of edges) {
      // One session that asks for everything decides, whatever others ask besides: they come and go, and the Mirror row stays.
      const isAll = input.sessions.some((session, i) => isWhole(session) && selected[i]?.get(key(port)) === "all");
      // A Mirror row takes the packet through the VLAN rules of both ports; a flow copies it as it came.
      if (isAll && isPlain(input.vlans.get(key(port)))) mirrored.add(port.ofport);
    }
  }
  let flows = 0;
  const sessions: PlannedSession[] = [];
  const lengths = new Set<number>();
  input.sessions.forEach((session, i) => {
    const refuse = (why: string): void => void problems.get(session.name)?.push(`${bridge.name}: ${why}`);
    const selections = new Map(edges.flatMap((port) => {
      const selection = selected[i]?.get(key(port));
      const isByMirror = mirrored.has(port.ofport) && selection === "all" && isWhole(session);
      return selection === undefined || isByMirror ? [] : [[port.ofport, selection] as const];
    }));
    if (selections.size === 0) return;
    const needed = [...selections.values()].reduce((sum, one) => sum + (one === "all" ? 1 : one.length), 0);
    if (flows + needed > maxSelectingFlows) return refuse(`needs ${needed} selecting flows, ${maxSelectingFlows - flows} are free`);
    if (session.maxLen !== undefined && !input.tunnelled) return refuse("maxLen: a switch cuts copies on the way into a tunnel, not into a patch port; needs shadow.remote");
    if (session.maxLen !== undefined && !lengths.has(session.maxLen) && lengths.size >= maxLengths) return refuse(`maxLen: more than ${maxLengths} lengths`);
    if (session.maxLen !== undefined) lengths.add(session.maxLen);
    flows += needed;
    sessions.push({ session, index: places.get(session.name) ?? 0, selections });
  });
  const members = new Map(edges.flatMap((port) => {
    const all = input.vlans.get(key(port))?.members ?? [];
    return all.length > 1 ? [[port.ofport, all] as const] : [];
  }));
  return { bridge: bridge.name, wiring, edges, cabled: reaches(demand.level, "state"), mirrored, sessions, members };
}
