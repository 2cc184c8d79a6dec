/**
 * The tables of one live bridge, as they are: a flow monitor for the flows, dumps for groups.
 *
 * It has a connection of its own, because OVS reports a connection's own changes only in short form. When the bridge
 * is gone the last tables are kept: the shadow may have to live by them.
 */
import { EventEmitter } from "node:events";
import { allForwards, type FlowUpdate, type OpenFlowConnection } from "node-openflow";
import { flowKey, type FlowEntry, type GroupEntry } from "../network/flow-entry.js";
import { BridgeSession, type Dial } from "../network/bridge-session.js";

export interface FollowerEvents {
  /** The tables changed; flows removed by time-out or by anyone come one event a message of the switch. */
  changed: [];
  /** A flow was removed from live, whoever did it. */
  removed: [flow: FlowEntry];
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
    this.flows = present;
    this.groups = groups;
    if (missed > 0 || groupsDiffer) this.emit("changed");
    return missed;
  }

  close(): Promise<void> {
    return this.session.close();
  }

  private async follow(connection: OpenFlowConnection): Promise<void> {
    connection.on("flowUpdates", (updates) => this.apply(updates));
    connection.on("requestForward", () => void this.readGroups(connection));
    this.flows.clear();
    // Group and meter changes of others are told as forwarded requests, from 1.4 on; before, the audit finds them.
    if (connection.version >= 5) await connection.setAsync({ requestForwardMaster: allForwards });
    const initial = await connection.monitorFlows();
    this.apply(initial);
    await this.readGroups(connection);
    this.isSynced = true;
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

  private apply(updates: readonly FlowUpdate[]): void {
    for (const update of updates) {
      this.counters.updates++;
      switch (update.event) {
        case "initial":
        case "added":
        case "modified": {
          const flow = toEntry(update);
          this.flows.set(flowKey(flow), flow);
          break;
        }
        case "removed": {
          const flow = toEntry(update);
          this.flows.delete(flowKey(flow));
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
    if (this.isSynced && updates.length > 0) this.emit("changed");
  }
}

const bigints = (_key: string, value: unknown): unknown => (typeof value === "bigint" ? value.toString() : value);
