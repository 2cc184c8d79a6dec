/** The shadow's sessions: with its own bridges, which are written to, and with the live bridges, whose tables are followed. */
import type { Histogram } from "../base/histogram.js";
import { BridgeSession, type Dial } from "../network/bridge-session.js";
import { PortConfigFollower } from "../network/port-config.js";
import { PortConfigWriter } from "../reconcile/port-config-writer.js";
import { ownsAll, SwitchWriter, type WriterCounters } from "../reconcile/switch-writer.js";
import { ownZones, type ZoneMap } from "./connection-zones.js";
import { TableFollower } from "./table-follower.js";

/** A shadow or adapter bridge with its session, its tables, and the configuration bits of its ports. */
export class OwnBridge {
  readonly writer: SwitchWriter;
  readonly ports: PortConfigWriter;
  readonly session: BridgeSession;
  /** What the writer was last told whole, so that equal parts are not told again. */
  told: unknown;
  /** How a shadow's zones of connection tracking come from live's, as its tables were last told. */
  zones: ZoneMap = ownZones;
  /** The flows to collectors that an adapter, or the collector bridge, was last told. */
  toldSinks: unknown;
  /** Since when there is no session; undefined while there is one. */
  downSinceMs: number | undefined;

  constructor(name: string, { dialOwn, dialOwnPorts, lag, nowMs, restored, changed }: SessionParts) {
    this.writer = new SwitchWriter(ownsAll, { lag, nowMs });
    this.ports = new PortConfigWriter(dialOwnPorts(name), nowMs);
    this.session = new BridgeSession(name, dialOwn(name), async () => {});
    this.downSinceMs = nowMs();
    this.session.on("up", (connection) => void restored().then(() => {
      if (this.session.connection !== connection) return;
      this.downSinceMs = undefined;
      this.writer.attach(connection);
      this.ports.doubt();
      // At once: the pass that is running may be at the database for long.
      return this.writer.flush().then(changed, changed);
    }));
    this.session.on("down", () => {
      this.downSinceMs ??= nowMs();
      this.writer.attach(undefined);
    });
  }

  async close(): Promise<void> {
    this.ports.close();
    await this.session.close();
  }
}

export interface SessionParts {
  /** Dials a live bridge, and one of ours. */
  readonly dial: (bridge: string) => Dial;
  readonly dialOwn: (bridge: string) => Dial;
  /** The same, for configuration bits of ports. */
  readonly dialPorts: (bridge: string) => Dial;
  readonly dialOwnPorts: (bridge: string) => Dial;
  readonly nowMs: () => number;
  /** Resolves when a switch that came up may be written to (`FlowRestore`). */
  readonly restored: () => Promise<void>;
  /** From a change of a live flow seen to the same on the shadow, in ms. */
  readonly lag: Histogram;
  /** A session of ours came up, so that there may be something to do. */
  readonly changed: () => void;
  /** A live bridge is followed from now on. */
  readonly following: (follower: TableFollower) => void;
}

export class ShadowSessions {
  readonly followers = new Map<string, TableFollower>();
  readonly portConfigs = new Map<string, PortConfigFollower>();
  readonly own = new Map<string, OwnBridge>();
  private readonly parts: SessionParts;

  constructor(parts: SessionParts) {
    this.parts = parts;
  }

  /** Follows these live bridges, besides those followed before. */
  follow(live: Iterable<string>): void {
    for (const name of live) {
      if (this.followers.has(name)) continue;
      const follower = new TableFollower(name, this.parts.dial(name), this.parts.nowMs);
      this.parts.following(follower);
      this.followers.set(name, follower);
      this.portConfigs.set(name, new PortConfigFollower(name, this.parts.dialPorts(name)).on("changed", this.parts.changed));
    }
  }

  /** Forgets the followers of bridges that are not `kept`: a held bridge's keeps its last tables, one that is let go is forgotten. */
  async unfollow(kept: (bridge: string) => boolean): Promise<void> {
    for (const [name, follower] of this.followers) {
      if (kept(name)) continue;
      this.followers.delete(name);
      const ports = this.portConfigs.get(name);
      this.portConfigs.delete(name);
      await Promise.all([follower.close(), ports?.close()]);
    }
  }

  /** Keeps sessions with the bridges of ours that are wanted and made, and with no others. */
  async keep(wanted: ReadonlySet<string>, isMade: (bridge: string) => boolean): Promise<void> {
    // A bridge that is not made yet has no socket: dialling it would only put the next try off.
    for (const name of wanted) if (!this.own.has(name) && isMade(name)) this.own.set(name, new OwnBridge(name, this.parts));
    for (const [name, own] of this.own) {
      if (wanted.has(name)) continue;
      this.own.delete(name);
      await own.close();
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.followers.values(), ...this.portConfigs.values()].map((follower) => follower.close()));
    await Promise.all([...this.own.values()].map((own) => own.close()));
    this.followers.clear();
    this.portConfigs.clear();
    this.own.clear();
  }

  /** Writes the configuration bits of ports where they are not yet as they should be. Rejects when a bridge can't be reached. */
  async flushPorts(): Promise<void> {
    await Promise.all([...this.own.values()].filter(({ ports, writer }) => writer.connected && ports.dirty).map(({ ports }) => ports.flush()));
  }

  writers(): SwitchWriter[] {
    return [...this.own.values()].map(({ writer }) => writer);
  }

  /** What was sent to our bridges, by their names. */
  counters(): ReadonlyMap<string, WriterCounters> {
    return new Map([...this.own].map(([name, { writer }]) => [name, writer.counters]));
  }

  /** What can be audited, each by its own name: live bridges as followed, and ours. */
  audited(): (readonly [name: string, audit: () => Promise<number>])[] {
    return [
      ...[...this.followers].map(([bridge, follower]) => [`${bridge} as followed`, () => follower.audit()] as const),
      ...[...this.own].flatMap(([bridge, { writer, ports }]) => [[`tables of ${bridge}`, () => writer.audit()] as const, [`ports of ${bridge}`, () => ports.audit()] as const]),
    ];
  }
}
