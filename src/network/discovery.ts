/**
 * Discovery: builds the network model of the live side from OVSDB (bridges, ports), OpenFlow (port state), LLDP (links)
 * and packet-ins (hosts), and says when it changed.
 *
 * A new port is in the model only after it had the time to answer LLDP: taking a cable between bridges for an edge, even
 * for a moment, could close a loop.
 */
import { EventEmitter } from "node:events";
import { isKnown, type OpenFlowConnection, type PacketIn, type PortDesc } from "node-openflow";
import { BridgeSession } from "./bridge-session.js";
import { openflowLocal, type BridgeRow } from "./database-view.js";
import type { DiscoveryCounters, DiscoveryEvents, DiscoveryParts, LiveBridge, PortState } from "./discovery-parts.js";
import { HeardLinks, splitKey, type Ends } from "./heard-links.js";
import { emptyHostTable, hostsFromFlows, learnHost, type HostTable } from "./hosts.js";
import { modelOf, sameBridge, sameHosts, sameLinks } from "./live-model.js";
import { decodeLldp } from "./lldp.js";
import { LldpSender, type LldpSenderParts } from "./lldp-sender.js";
import { missedAfterMs, turnEveryS, turnOf } from "./lldp-turns.js";
import { emptyNetwork, portKey, type Bridge, type Network, type PortRef } from "./model.js";
import { cookiePrefix, cookiePrefixMask, readCookie, table } from "./pipeline.js";
import { Settling } from "./settling.js";

/** How long a new port may take to show that a bridge of ours is behind it. */
const settlePortMs = 60;
/** LLDP goes out this often, out of links as `lldp-turns.ts` says. */
const lldpIntervalMs = 1_000;
/** Packet-ins looked at per bridge and second. */
const packetInsPerSecond = 500;

export class Discovery extends EventEmitter<DiscoveryEvents> {
  readonly counters: DiscoveryCounters = { packetIns: 0, packetInsShed: 0, lldpForged: 0, lldpSeen: 0 };
  private readonly parts: DiscoveryParts;
  private readonly bridges = new Map<string, LiveBridge>();
  private readonly sender: LldpSender;
  private readonly heard = new HeardLinks();
  private hosts: HostTable = emptyHostTable;
  private network: Network = emptyNetwork;
  private timer: NodeJS.Timeout | undefined;
  private settleTimer: NodeJS.Timeout | undefined;
  private settling: Settling;
  /** How often LLDP went out, for the turns. */
  private second = 0;
  private isSettled = false;
  private isStopping = false;
  private frozen = false;
  /** Ports that links end at, as of the last model. */
  private fabric: ReadonlySet<string> = new Set();
  /** Ports that had a bridge behind them when a controller before us made the shadow: the rows it left say so. */
  private linkedBefore: ReadonlySet<string> = new Set();

  constructor(parts: DiscoveryParts) {
    super();
    this.parts = parts;
    this.settling = new Settling(parts.nowMs, 2 * settlePortMs);
    this.sender = new LldpSender({ key: parts.lldpKey, at: (port) => this.speaker(port) });
  }

  start(): void {
    this.settling = new Settling(this.parts.nowMs, 2 * settlePortMs);
    const ofBefore = this.parts.index.bridges().flatMap((row) => row.ports.filter((port) => port.role === "fabric"));
    this.linkedBefore = new Set(ofBefore.flatMap((port) => port.live ?? []));
    this.databaseChanged();
    this.timer = setInterval(() => this.everySecond(), lldpIntervalMs);
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    clearInterval(this.timer);
    clearTimeout(this.settleTimer);
    await Promise.all([...this.bridges.values()].map((bridge) => bridge.session.close()));
    this.bridges.clear();
  }

  get current(): Network {
    return this.network;
  }

  /** True once every bridge had its chance to connect and to be heard: only then is what is missing known to be missing. */
  get settled(): boolean {
    return this.isSettled;
  }

  connection(bridge: string): OpenFlowConnection | undefined {
    return this.bridges.get(bridge)?.session.connection;
  }

  /** Whether a bridge had flows of ours when this controller first came to it. */
  inherited(bridge: string): boolean {
    return this.bridges.get(bridge)?.inherited === true;
  }

  sessions(): ReadonlyMap<string, { readonly connected: boolean; readonly why: string | undefined }> {
    return new Map(
      [...this.bridges].map(([name, { session }]) => [name, { connected: session.connection !== undefined, why: session.lastFailure }]),
    );
  }

  /** While the database is away the model stays as it was. */
  freeze(frozen: boolean): void {
    this.frozen = frozen;
    if (!frozen) this.databaseChanged();
  }

  /** Rows of the database changed. */
  databaseChanged(): void {
    if (this.frozen) return;
    const rows = this.liveRows();
    const present = new Map(rows.map((row) => [row.name, row]));
    for (const [name, bridge] of this.bridges) {
      const row = present.get(name);
      // A bridge made anew under its old name is another bridge.
      if (row !== undefined && row.datapathId === bridge.datapathId) continue;
      this.bridges.delete(name);
      this.forgetPorts([...bridge.ports.values()].map((port) => port.ref));
      void bridge.session.close();
      this.emit("down", name, present.has(name) ? "made anew" : "removed");
    }
    for (const row of rows) {
      if (row.datapathId !== undefined && !this.bridges.has(row.name)) this.addBridge(row.name, row.datapathId);
      this.updatePorts(row);
    }
    this.rebuild();
  }

  private liveRows(): BridgeRow[] {
    const { bridges } = this.parts;
    return this.parts.index.bridges().filter((row) => row.role === undefined && (bridges === "all" || bridges.includes(row.name)));
  }

  private addBridge(name: string, datapathId: bigint): void {
    const session = new BridgeSession(name, this.parts.dial(name), (connection) => this.setUp(name, connection));
    this.bridges.set(name, { session, datapathId, ports: new Map(), packetInBudget: packetInsPerSecond, recovered: false, row: undefined, dirty: true, frames: new Map(), came: new Map(), inherited: false, listens: false, round: "none" });
    session.on("up", (connection) => {
      this.emit("up", name, connection);
    });
    session.on("down", (reason) => {
      const bridge = this.bridges.get(name);
      if (bridge !== undefined) bridge.listens = false;
      if (!this.isStopping) this.parts.log.warn({ bridge: name, reason }, "OpenFlow session of a live bridge ended");
      this.emit("down", name, reason);
    });
  }

  private async setUp(name: string, connection: OpenFlowConnection): Promise<void> {
    connection.on("packetIn", (packet) => this.packetIn(name, packet));
    connection.on("portStatus", ({ desc }) => this.portStatus(name, desc));
    // Without a miss_send_len a management connection is told neither packet-ins nor port changes.
    await connection.setConfig({ missSendLen: 0xffff });
    for (const desc of await connection.portDescs()) this.portStatus(name, desc);
    const bridge = this.bridges.get(name);
    if (bridge === undefined || bridge.recovered) return;
    bridge.recovered = true;
    // After a restart our own learning flows still say who is where.
    const flows = await connection.flowStats({ cookie: cookiePrefix, cookieMask: cookiePrefixMask });
    bridge.inherited = flows.some((flow) => readCookie(flow.cookie)?.kind === "entry");
    const known = hostsFromFlows(name, flows.filter((flow) => flow.tableId === table.learn && readCookie(flow.cookie)?.kind === "learn"));
    for (const host of known) {
      if (!this.hosts.hosts.has(host.mac)) this.hosts = { ...this.hosts, hosts: new Map(this.hosts.hosts).set(host.mac, host) };
    }
  }

  private updatePorts(row: BridgeRow): void {
    const bridge = this.bridges.get(row.name);
    if (bridge === undefined || bridge.row === row) return;
    bridge.row = row;
    bridge.dirty = true;
    const present = new Set<number>();
    const fresh: PortRef[] = [];
    for (const port of row.ports) {
      if (port.role !== undefined || port.ofport === undefined || port.ofport <= 0 || port.ofport === openflowLocal) continue;
      present.add(port.ofport);
      if (bridge.ports.has(port.ofport)) continue;
      const ref = { bridge: row.name, ofport: port.ofport };
      bridge.ports.set(port.ofport, { ref, key: portKey(ref), bornMs: this.parts.nowMs(), up: port.up });
      fresh.push(ref);
    }
    const gone = [...bridge.ports.values()].filter((port) => !present.has(port.ref.ofport)).map((port) => port.ref);
    for (const { ofport } of gone) {
      bridge.ports.delete(ofport);
      bridge.came.delete(ofport);
    }
    this.forgetPorts(gone);
    if (fresh.length > 0) void this.probe(fresh);
  }

  private forgetPorts(gone: readonly PortRef[]): void {
    const keys = new Set(gone.map(portKey));
    this.heard.forget(keys);
    this.hosts = { ...this.hosts, hosts: new Map([...this.hosts.hosts].filter(([, host]) => !keys.has(portKey(host.at)))) };
  }

  /** Sends LLDP out of new ports before they count as edges. */
  private probe(ports: readonly PortRef[]): Promise<void> {
    setTimeout(() => this.rebuild(), settlePortMs + 2);
    return this.sender.probe(ports);
  }

  /** A bridge has our LLDP flow: its ports' clocks start now, because before nobody could have heard them. */
  listening(name: string): void {
    const bridge = this.bridges.get(name);
    if (bridge === undefined || bridge.listens) return;
    bridge.listens = true;
    this.settling.news();
    const now = this.parts.nowMs();
    bridge.dirty = true;
    if (!this.isSettled) for (const port of bridge.ports.values()) port.bornMs = now;
    this.heard.renew(name, now);
    // Nothing is sent before all listen; then all ports are due, and the far ends' as well when a bridge comes later.
    if (!this.isSettled && !this.allListen()) return;
    const all = [...this.bridges.values()];
    const sent = this.probe(all.flatMap((one) => [...one.ports.values()].map((port) => port.ref)));
    if (!this.isSettled) void this.settling.sweep(sent, all.flatMap(({ session }) => session.connection ?? []));
  }

  /** Where LLDP can be sent from. A bridge that does not listen yet would flood it on, and make a link of two cables. */
  private speaker(ref: PortRef): ReturnType<LldpSenderParts["at"]> {
    const bridge = this.bridges.get(ref.bridge);
    const connection = bridge?.session.connection;
    if (bridge === undefined || connection === undefined || !bridge.ports.has(ref.ofport)) return undefined;
    if (!bridge.listens || (!this.isSettled && !this.allListen())) return undefined;
    return { connection, datapathId: bridge.datapathId, frames: bridge.frames };
  }

  private allListen(): boolean {
    for (const bridge of this.bridges.values()) if (!bridge.listens) return false;
    return true;
  }

  private packetIn(name: string, packet: PacketIn): void {
    const bridge = this.bridges.get(name);
    if (bridge === undefined) return;
    this.counters.packetIns++;
    if (bridge.packetInBudget <= 0) {
      this.counters.packetInsShed++;
      return;
    }
    bridge.packetInBudget--;
    const inPort = packet.match.filter(isKnown).find((field) => field.name === "inPort");
    if (inPort === undefined) return;
    const at = { bridge: name, ofport: Number(inPort.value) };
    const { data } = packet;
    const before = bridge.came.get(at.ofport);
    if (before !== undefined && Buffer.compare(before.frame, data) === 0) return this.lldpHeard(at, before.from);
    const lldp = decodeLldp(data, this.parts.lldpKey);
    if (lldp.is === "ours") {
      const from = { bridge: lldp.from.bridge, ofport: lldp.from.ofport };
      if (bridge.ports.has(at.ofport)) bridge.came.set(at.ofport, { frame: Buffer.from(data), from });
      this.lldpHeard(at, from);
    }
    else if (lldp.is === "forged") this.counters.lldpForged++;
    else if (lldp.is === "not lldp") this.hostSeen(at, data);
  }

  private lldpHeard(at: PortRef, from: PortRef): void {
    this.counters.lldpSeen++;
    if (!this.bridges.get(from.bridge)?.ports.has(from.ofport) || !this.bridges.get(at.bridge)?.ports.has(at.ofport)) return;
    if (!this.heard.hear(at, from, this.parts.nowMs())) return;
    this.settling.news();
    this.rebuild();
  }

  private hostSeen(at: PortRef, data: Uint8Array): void {
    const port = this.network.bridges.get(at.bridge)?.ports.get(at.ofport);
    if (port?.role !== "edge") return;
    const before = this.hosts.hosts;
    this.hosts = learnHost(this.hosts, { ...at, data }, this.parts.nowMs());
    if (this.hosts.hosts !== before) this.rebuild();
  }

  private portStatus(name: string, desc: PortDesc): void {
    const port = this.bridges.get(name)?.ports.get(desc.portNo);
    // OFPPC_PORT_DOWN and OFPPS_LINK_DOWN are both bit 0.
    const up = (desc.config & 1) === 0 && (desc.state & 1) === 0;
    if (port === undefined || port.up === up) return;
    port.up = up;
    const bridge = this.bridges.get(name);
    if (bridge !== undefined) bridge.dirty = true;
    if (up) void this.probe([port.ref]);
    this.rebuild();
  }

  private everySecond(): void {
    const everyS = turnEveryS(this.fabric.size);
    const doubtful = everyS === 1 ? undefined : this.heard.doubtful(this.ends, this.parts.nowMs(), missedAfterMs(everyS));
    const [links, others]: [PortRef[], PortRef[]] = [[], []];
    const asked: LiveBridge[] = [];
    let place = 0;
    this.second++;
    for (const [name, bridge] of this.bridges) {
      this.closeRound(name, bridge);
      const { sends, isAsked } = turnOf(place++, this.second, everyS, doubtful?.has(name) === true);
      if (isAsked) asked.push(bridge);
      for (const { ref, key, up } of bridge.ports.values()) {
        if (!up) continue;
        if (!this.fabric.has(key)) others.push(ref);
        else if (sends) links.push(ref);
      }
    }
    this.sender.everySecond(links, others);
    for (const bridge of asked) this.openRound(bridge);
    this.rebuild();
  }

  /** Asks a switch to say when it has sent this second's LLDP, which has just gone out of all its links. */
  private openRound(bridge: LiveBridge): void {
    const { connection } = bridge.session;
    if (connection === undefined || bridge.round === "open") return;
    bridge.round = "open";
    const ends = (round: "answered" | "none") => (): void => {
      bridge.round = round;
    };
    void connection.barrier().then(ends("answered"), ends("none"));
  }

  /**
   * A round in which packet-ins were shed does not count: LLDP may have been among them. Nor does one of a bridge that has no flow of ours
   * for LLDP: it may be one that forwards nothing until its flows are restored, and answers all the same.
   */
  private closeRound(name: string, bridge: LiveBridge): void {
    if (bridge.round === "answered" && bridge.listens && bridge.packetInBudget > 0) this.heard.answered(name);
    if (bridge.round === "answered") bridge.round = "none";
    bridge.packetInBudget = packetInsPerSecond;
  }

  private isUp(ref: PortRef): boolean {
    return this.bridges.get(ref.bridge)?.ports.get(ref.ofport)?.up === true;
  }

  private readonly ends: Ends = { isUp: (port) => this.isUp(port), isAudible: (bridge) => this.connection(bridge) !== undefined };

  /** Makes the model again and tells when it differs. */
  private rebuild(): void {
    const now = this.parts.nowMs();
    const found = this.heard.links(this.ends, now);
    const links = sameLinks(found, this.network.links) ? this.network.links : found;
    if (links !== this.network.links) this.fabricChanged(new Set(links.flatMap((link) => [portKey(link.a), portKey(link.b)])));
    const bridges = new Map<string, Bridge>();
    let differs = links !== this.network.links;
    for (const row of this.liveRows()) {
      const known = this.bridges.get(row.name);
      if (known === undefined) continue;
      const before = this.network.bridges.get(row.name);
      const bridge = before !== undefined && !known.dirty ? before : this.model(row, known, now, before);
      if (bridge !== before) differs = true;
      bridges.set(row.name, bridge);
    }
    if (bridges.size !== this.network.bridges.size) differs = true;
    this.noteSettled();
    if (differs || this.hosts.hosts !== this.hostsModelled) {
      this.hostsModelled = this.hosts.hosts;
      const hosts = new Map([...this.hosts.hosts].filter(([, host]) => bridges.get(host.at.bridge)?.ports.get(host.at.ofport)?.role === "edge"));
      const network: Network = { bridges, links, hosts };
      if (differs || !sameHosts(hosts, this.network.hosts)) {
        this.network = network;
        this.announced = this.isSettled;
        this.emit("network", network);
        return;
      }
    }
    if (this.announced === this.isSettled) return;
    this.announced = this.isSettled;
    this.emit("network", this.network);
  }

  private hostsModelled: HostTable["hosts"] | undefined;

  /** Bridges that a link came to, or went from, are to be made anew. */
  private fabricChanged(fabric: ReadonlySet<string>): void {
    for (const key of [...fabric, ...this.fabric]) {
      if (fabric.has(key) === this.fabric.has(key)) continue;
      const bridge = this.bridges.get(splitKey(key)[0]);
      if (bridge !== undefined) bridge.dirty = true;
    }
    this.fabric = fabric;
  }

  /** A bridge of the model; the value of before when nothing differs. */
  private model(row: BridgeRow, known: LiveBridge, now: number, before: Bridge | undefined): Bridge {
    const isSettling = (state: PortState | undefined): boolean => state === undefined || now - state.bornMs < settlePortMs;
    const { bridge, isComplete } = modelOf(row, { datapathId: known.datapathId, port: (ofport) => known.ports.get(ofport), isSettling, isFabric: (key) => this.fabric.has(key) });
    known.dirty = !isComplete; // what is left out will be in with time
    return before !== undefined && sameBridge(bridge, before) ? before : bridge;
  }

  private announced = false;

  private noteSettled(): void {
    if (this.isSettled) return;
    this.isSettled = this.settling.isOver(this.bridges.size > 0 && this.allListen() && this.knownLinksHeard());
    if (!this.isSettled && this.settleTimer === undefined) {
      this.settleTimer = setTimeout(() => {
        this.settleTimer = undefined;
        this.rebuild();
      }, settlePortMs);
    }
  }

  private knownLinksHeard(): boolean {
    const heard = this.heard.ends();
    return [...this.linkedBefore].every((key) => {
      const [bridge, ofport] = splitKey(key);
      return heard.has(key) || !this.isUp({ bridge, ofport });
    });
  }
}
