/**
 * The tables of one live bridge, as they are: a flow monitor for the flows, dumps for groups.
 *
 * It has a connection of its own, because OVS reports a connection's own changes only in short form. When the bridge
 * is gone the last tables are kept: the shadow may have to live by them.
 */
import { EventEmitter } from "node:events";
import { allForwards, instructionsKey, type FlowUpdate, type GroupMod, type MeterConfig, type MeterMod, type OpenFlowConnection, type PortStatus } from "node-openflow";
import { flowKey, type FlowEntry, type GroupEntry } from "../network/flow-entry.js";
import { BridgeSession, type Dial } from "../network/bridge-session.js";

/** One flow that somebody changed, with what was there before. */
export interface FlowEdit {
  readonly op: "added" | "modified" | "removed";
  readonly old: FlowEntry | undefined;
  readonly now: FlowEntry | undefined;
  /** ofp_flow_removed_reason, for "removed" as it was told. */
  readonly reason: number | undefined;
  /** Found by a comparison, after a time in which nothing was told. */
  readonly isFound: boolean;
}

export interface FollowerEvents {
  /** The tables changed; flows removed by time-out or by anyone come one event a message of the switch. */
  changed: [];
  /** A flow was removed from live, whoever did it. */
  removed: [flow: FlowEntry];
  /** Flows that came, changed and went, by anyone's hand; not those there were when following began. */
  edits: [edits: readonly FlowEdit[]];
  /** A group-mod or meter-mod of another connection, ours that write included. */
  forwarded: [request: GroupMod | MeterMod];
  portStatus: [status: PortStatus];
}

export interface FollowerCounters {
  updates: number;
  /** Differences that a dump found and the monitor had not told. */
  missed: number;
  /** Times the switch paused the monitor for back-pressure. */
  pauses: number;
}

type FlowBearing = Extract<FlowUpdate, { readonly match: unknown }>;

function toEntry(update: FlowBearing): FlowEntry {
  const { tableId, priority, match, cookie, instructions, idleTimeout, hardTimeout } = update;
  return { tableId, priority, match, cookie, instructions, idleTimeout, hardTimeout, flags: 0 };
}

export class TableFollower extends EventEmitter<FollowerEvents> {
  readonly counters: FollowerCounters = { updates: 0, missed: 0, pauses: 0 };
  readonly bridge: string;
  private readonly session: BridgeSession;
  private flows = new Map<string, FlowEntry>();
  private groups: readonly GroupEntry[] = [];
  private meters: readonly MeterConfig[] = [];
  private hasFollowed = false;
  private isSynced = false;

  constructor(bridge: string, dial: Dial) {
    super();
    this.bridge = bridge;
    this.session = new BridgeSession(bridge, dial, (connection) => this.follow(connection));
    this.session.on("down", () => {
      this.isSynced = false;
    });
  }

  /** Whether the tables are those of the switch now; else they are the last known. */
  get synced(): boolean {
    return this.isSynced;
  }

  /** All flows of the live bridge, ours included. */
  currentFlows(): Iterable<FlowEntry> {
    return this.flows.values();
  }

  currentGroups(): readonly GroupEntry[] {
    return this.groups;
  }

  /** Meters as they were when following began. */
  currentMeters(): readonly MeterConfig[] {
    return this.meters;
  }

  /** Compares with a dump and takes over what differs. Returns the number of differing flows. */
  async audit(): Promise<number> {
    const { connection } = this.session;
    if (connection === undefined || !this.isSynced) return 0;
    const [dump, groups] = await Promise.all([connection.flowStats(), connection.groupDescs()]);
    const present = new Map(dump.map((flow) => [flowKey(flow), flow as FlowEntry]));
    let missed = 0;
    for (const key of present.keys()) if (!this.flows.has(key)) missed++;
    for (const key of this.flows.keys()) if (!present.has(key)) missed++;
    const groupsDiffer = JSON.stringify(groups, bigints) !== JSON.stringify(this.groups, bigints);
    this.counters.missed += missed;
    const before = this.flows;
    this.flows = present;
    this.groups = groups;
    if (missed > 0) this.tellFound(before);
    if (missed > 0 || groupsDiffer) this.emit("changed");
    return missed;
  }

  close(): Promise<void> {
    return this.session.close();
  }

  private async follow(connection: OpenFlowConnection): Promise<void> {
    connection.on("flowUpdates", (updates) => this.apply(updates));
    connection.on("requestForward", ({ request }) => {
      if (request.type === "groupMod" || request.type === "meterMod") this.emit("forwarded", request);
      void this.readGroups(connection);
    });
    connection.on("portStatus", (status) => this.emit("portStatus", status));
    const before = this.flows;
    this.flows = new Map();
    // Group and meter changes of others are told as forwarded requests, from 1.4 on; before, the audit finds them. A
    // management connection is told nothing of the kind while its miss_send_len is 0; packets are not wanted here.
    if (connection.version >= 5) {
      await connection.setAsync({ requestForwardMaster: allForwards, packetInMaster: 0, flowRemovedMaster: 0 });
      await connection.setConfig({ missSendLen: 0xffff });
    }
    const initial = await connection.monitorFlows();
    this.apply(initial);
    await this.readGroups(connection);
    this.meters = await connection.meterConfigs().catch(() => []); // a switch without meters says so by an error
    this.isSynced = true;
    if (this.hasFollowed) this.tellFound(before);
    this.hasFollowed = true;
    this.emit("changed");
  }

  private async readGroups(connection: OpenFlowConnection): Promise<void> {
    try {
      this.groups = await connection.groupDescs();
    } catch {
      return; // the connection is going down; the next one reads them again
    }
    if (this.isSynced) this.emit("changed");
  }

  /** Tells in what the flows of now differ from those before. */
  private tellFound(before: ReadonlyMap<string, FlowEntry>): void {
    if (this.listenerCount("edits") === 0) return;
    const edits: FlowEdit[] = [];
    for (const [key, now] of this.flows) {
      const old = before.get(key);
      if (old === undefined) edits.push({ op: "added", old, now, reason: undefined, isFound: true });
      else if (old.cookie !== now.cookie || instructionsKey(old.instructions) !== instructionsKey(now.instructions)) edits.push({ op: "modified", old, now, reason: undefined, isFound: true });
    }
    for (const [key, old] of before) if (!this.flows.has(key)) edits.push({ op: "removed", old, now: undefined, reason: undefined, isFound: true });
    if (edits.length > 0) this.emit("edits", edits);
  }

  private apply(updates: readonly FlowUpdate[]): void {
    const edits: FlowEdit[] = [];
    const isFollowed = this.isSynced && this.listenerCount("edits") > 0;
    for (const update of updates) {
      this.counters.updates++;
      switch (update.event) {
        case "initial":
        case "added":
        case "modified": {
          const flow = toEntry(update);
          const key = flowKey(flow);
          if (isFollowed) {
            const old = this.flows.get(key);
            edits.push({ op: old === undefined ? "added" : "modified", old, now: flow, reason: undefined, isFound: false });
          }
          this.flows.set(key, flow);
          break;
        }
        case "removed": {
          const flow = toEntry(update);
          this.flows.delete(flowKey(flow));
          if (isFollowed) edits.push({ op: "removed", old: flow, now: undefined, reason: update.reason, isFound: false });
          this.emit("removed", flow);
          break;
        }
        case "paused":
          this.counters.pauses++;
          break;
        case "resumed":
        case "abbreviated":
          break;
      }
    }
    if (edits.length > 0) this.emit("edits", edits);
    if (this.isSynced && updates.length > 0) this.emit("changed");
  }
}

const bigints = (_key: string, value: unknown): unknown => (typeof value === "bigint" ? value.toString() : value);
