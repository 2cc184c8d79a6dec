/** Replication as seen from outside: sessions added and removed, what each selects, what it costs, and the gaps others made. */
import type { OpenFlowConnection } from "node-openflow";
import type { Announced, Origin, RouteSelector, Session } from "../../config/session-schema.js";
import { flowKey, type FlowEntry } from "../../network/flow-entry.js";
import { cookie, readCookie, replicaPort } from "../../network/pipeline.js";
import type { Asked } from "../fidelity/account.js";
import type { Shadow } from "../shadow.js";
import { CachedFlows } from "./cached-flows.js";
import { GapCounter } from "./gaps.js";
import type { SteeringView } from "./copy-reading.js";
import { copiesByFlows, isFraction } from "./plan.js";
import { askedOf, selectsParts, sessionPorts, type BridgeCounts, type SessionPortCount } from "./session-status.js";
import type { SessionStore } from "./session-store.js";

export interface ReplicationParts {
  readonly store: SessionStore;
  readonly shadow: Pick<Shadow, "replication" | "replicating" | "changed" | "settle" | "copyFlows">;
  readonly connection: (bridge: string) => OpenFlowConnection | undefined;
  /** Brings live to what is desired; resolves when it is. */
  readonly flushLive: () => Promise<void>;
  readonly readUpcalls: () => Promise<string>;
  readonly maxCachedFlows: number;
  /** Whether there is a budget that sessions with `auto` may spend. */
  readonly hasCopyBudget: () => boolean;
  /** How that is spent; undefined without one. */
  readonly steering: () => SteeringView | undefined;
  readonly foreignMirrors: (bridge: string) => number;
  readonly warn: (why: string) => void;
  readonly nowMs: () => number;
}

export interface SessionState {
  readonly session: Session;
  readonly configured: boolean;
  readonly state: "copying" | "selects nothing" | "suspended" | "off";
  readonly problems: readonly string[];
  readonly ports: readonly SessionPortCount[];
}

const followsRoutes = ({ routes }: Origin): boolean => routes !== undefined;

export class Replication {
  readonly gaps: GapCounter;
  readonly cachedFlows: CachedFlows;
  /** Why sessions that take fractions are suspended; undefined while they are not. */
  suspended: string | undefined;
  private readonly parts: ReplicationParts;
  private announcedBy: ((selector: RouteSelector) => Announced) | undefined;
  /** What is announced of the routes that sessions ask for, by the selector's text. */
  private readonly announced = new Map<string, Announced>();

  constructor(parts: ReplicationParts) {
    this.parts = parts;
    this.gaps = new GapCounter({ received: (bridge) => this.received(bridge), mended: parts.flushLive, nowMs: parts.nowMs });
    this.cachedFlows = new CachedFlows({
      read: parts.readUpcalls,
      max: parts.maxCachedFlows,
      isNeeded: () => this.suspended === undefined && parts.store.current.some(isFraction),
      exceeded: (flows) => {
        this.suspended = `ovs-vswitchd caches ${flows} flows, more than ${parts.maxCachedFlows}`;
        parts.warn(`sessions that take fractions are suspended: ${this.suspended}`);
        parts.shadow.changed();
      },
    });
  }

  /** The sessions to be carried out now, with what is announced of the routes they select. */
  active(): readonly Session[] {
    const { current } = this.parts.store;
    const now = current.filter((session) => this.whyNot(session) === undefined);
    return now.map((session) => (session.origins.some(followsRoutes) ? { ...session, origins: session.origins.map((origin) => this.withRoutes(origin)) } : session));
  }

  /** All sessions, also suspended ones, with whether each stands in the configuration. */
  sessions(): { readonly session: Session; readonly configured: boolean }[] {
    const { store } = this.parts;
    return store.current.map((session) => ({ session, configured: store.isConfigured(session.name) }));
  }

  /** Sessions that select by routes follow what `announcedBy` says from now on; call `routesChanged` when it says something else. */
  followRoutes(announcedBy: (selector: RouteSelector) => Announced): void {
    this.announcedBy = announcedBy;
    this.routesChanged();
  }

  /** Routes came or went: what is copied follows. */
  routesChanged(): void {
    const before = JSON.stringify([...this.announced]);
    this.announced.clear();
    for (const { origins } of this.parts.store.current) for (const origin of origins) this.withRoutes(origin);
    if (JSON.stringify([...this.announced]) !== before) this.parts.shadow.changed();
  }

  /** Why a session is suspended; undefined when it is not. */
  private whyNot(session: Session): string | undefined {
    if (session.auto === true && !this.parts.hasCopyBudget()) return "auto needs shadow.copyBudget";
    return isFraction(session) ? this.suspended : undefined;
  }

  /** How the budget of copies is spent; undefined without one. */
  get copyBudget(): SteeringView | undefined {
    return this.parts.steering();
  }

  /** Whether any session selects by routes. */
  get followsRoutes(): boolean {
    return this.parts.store.current.some(({ origins }) => origins.some(followsRoutes));
  }

  private withRoutes(origin: Origin): Origin {
    if (origin.routes === undefined || this.announcedBy === undefined) return origin;
    const key = JSON.stringify(origin.routes);
    let announced = this.announced.get(key);
    if (announced === undefined) this.announced.set(key, (announced = this.announcedBy(origin.routes)));
    return { ...origin, announced };
  }

  /** Adds a session and resolves when it is in force as far as the switches are there. Throws SessionError, having changed nothing. */
  async add(session: Session, replace: boolean): Promise<SessionState> {
    this.parts.store.add(session, replace);
    await this.take();
    const state = (await this.list()).find((one) => one.session.name === session.name);
    if (state === undefined) throw new Error(`session ${session.name} was removed meanwhile`);
    return state;
  }

  /** Takes other sessions of the configuration; resolves when they are in force. Throws SessionError, having changed nothing. */
  async configure(sessions: readonly Session[]): Promise<void> {
    this.parts.store.configure(sessions);
    await this.take();
  }

  async remove(name: string): Promise<void> {
    this.parts.store.remove(name);
    await this.take();
  }

  async list(): Promise<SessionState[]> {
    const { store, shadow } = this.parts;
    const plan = shadow.replication;
    const counts = new Map<string, BridgeCounts>();
    for (const bridge of plan.bridges.keys()) {
      const read = await this.counts(bridge);
      if (read !== undefined) counts.set(bridge, read);
    }
    return store.current.map((session) => {
      const whyNot = this.whyNot(session);
      // Bridges that are planned each by itself may have the same to say.
      const problems = [...new Set(plan.problems.get(session.name) ?? []), ...(whyNot === undefined ? [] : [whyNot])];
      const ports = shadow.replicating ? sessionPorts(session, plan, counts, replicaPort) : [];
      const state = !shadow.replicating ? "off" : whyNot !== undefined ? "suspended" : ports.length === 0 ? "selects nothing" : "copying";
      return { session, configured: store.isConfigured(session.name), state, problems, ports };
    });
  }

  /** How each bridge copies. */
  bridges(): { bridge: string; wiring: string; edgePorts: number; mirroredPorts: number; flows: number; foreignMirrors: number; gaps: number; gapMs: number; gapPackets: number }[] {
    const { shadow, foreignMirrors } = this.parts;
    return [...shadow.replication.bridges.values()].map((plan) => {
      const gap = this.gaps.of(plan.bridge);
      return {
        bridge: plan.bridge, wiring: plan.wiring, edgePorts: plan.edges.length, mirroredPorts: plan.mirrored.size, flows: shadow.copyFlows(plan.bridge).length,
        foreignMirrors: foreignMirrors(plan.bridge), gaps: gap.count, gapMs: gap.ms, gapPackets: gap.packets,
      };
    });
  }

  /** What sessions ask of each edge port of a bridge, read now; empty while the bridge is away. */
  async asked(bridge: string): Promise<ReadonlyMap<number, Asked>> {
    const plan = this.parts.shadow.replication.bridges.get(bridge);
    if (plan === undefined) return new Map();
    if (!selectsParts(plan)) return askedOf(plan, []);
    const flows = await this.parts.connection(bridge)?.flowStats({ cookie: cookie("replicate"), cookieMask: 0xffff_ff00_0000_0000n });
    return flows === undefined ? new Map() : askedOf(plan, flows);
  }

  /** Whether the switch selects packets one by one anywhere. */
  get selectsParts(): boolean {
    return [...this.parts.shadow.replication.bridges.values()].some(selectsParts);
  }

  get maxCachedFlows(): number {
    return this.parts.maxCachedFlows;
  }

  /** A flow went away on a live bridge. If it is one that copies and should be there, that is a gap. */
  flowRemoved(bridge: string, flow: FlowEntry, desired: () => readonly FlowEntry[] | undefined): void {
    const kind = readCookie(flow.cookie)?.kind;
    const plan = this.parts.shadow.replication.bridges.get(bridge);
    if ((kind !== "replicate" && kind !== "entry") || plan === undefined || !copiesByFlows(plan)) return;
    if (desired()?.some((one) => flowKey(one) === flowKey(flow)) !== true) return; // we took it away
    void this.gaps.lost(bridge);
  }

  private async take(): Promise<void> {
    this.suspended = undefined;
    this.parts.shadow.changed();
    await this.parts.shadow.settle();
    await this.parts.flushLive();
  }

  private async counts(bridge: string): Promise<BridgeCounts | undefined> {
    const connection = this.parts.connection(bridge);
    if (connection === undefined) return undefined;
    const [flows, ports] = await Promise.all([connection.flowStats({ cookie: cookie("replicate"), cookieMask: 0xffff_ff00_0000_0000n }), connection.portStats()]);
    return { flows, sent: new Map(ports.map((port) => [port.portNo, port.txPackets])) };
  }

  private async received(bridge: string): Promise<number | undefined> {
    const edges = new Set(this.parts.shadow.replication.bridges.get(bridge)?.edges.map((port) => port.ofport));
    const stats = await this.parts.connection(bridge)?.portStats();
    return stats?.filter((port) => edges.has(port.portNo)).reduce((sum, port) => sum + Number(port.rxPackets), 0);
  }
}
