/**
 * The tables of one live bridge, as they are: a flow monitor for the flows, forwarded requests and dumps for groups and meters.
 *
 * It has a connection of its own, because OVS reports a connection's own changes only in short form. When the bridge
 * is gone the last tables are kept: the shadow may have to live by them. What changed is kept by flow until it is taken
 * (`take`), at most once for each flow of the table, so a burst costs one round however many messages it came in.
 */
import { EventEmitter } from "node:events";
import { allForwards, port as reserved, type FlowUpdate, type GroupMod, type MeterMod, type OpenFlowConnection, type PortStatus } from "node-openflow";
import { diffGroups, diffMeters, flowKey, sameFlow, type FlowEntry, type GroupEntry, type MeterEntry } from "../network/flow-entry.js";
import { BridgeSession, type Dial } from "../network/bridge-session.js";
import { isOurGroup, isOurs } from "../network/pipeline.js";
import { isCompared } from "./compare.js";

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
  /** The tables changed: `take` says what. */
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

/** What of a bridge's tables is looked at by itself: a flow table by its number, all groups, all meters. */
export type TablePart = number | "groups" | "meters";

/** A flow that changed, and when that was first seen. */
export interface ChangedFlow {
  /** Undefined for one that is gone. */
  readonly flow: FlowEntry | undefined;
  /** The flow, or for one that is gone as it was last known. */
  readonly last: FlowEntry | undefined;
  readonly seenMs: number;
}

/** What changed since it was last taken. */
export interface TableChanges {
  /** Flows by flowKey, or that all have to be looked at. */
  readonly flows: "all" | ReadonlyMap<string, ChangedFlow>;
  /** Groups or meters changed. */
  readonly lists: boolean;
}

/** No dump is asked for while changes came in within this time, as long as the last one is not older than `auditLatestMs`. */
const quietMs = 1_000;
const auditLatestMs = 20_000;

/** Reserved ports that stand for many: NORMAL, too, sends to whichever it finds. */
type Every = "all" | "flood" | "normal";
const sendsTo = (actions: readonly { readonly type: string; readonly port?: number }[], every: Every): boolean => actions.some((one) => one.type === "output" && one.port === reserved[every]);

type FlowBearing = Extract<FlowUpdate, { readonly match: unknown }>;

function toEntry(update: FlowBearing): FlowEntry {
  const { tableId, priority, match, cookie, instructions, idleTimeout, hardTimeout } = update;
  return { tableId, priority, match, cookie, instructions, idleTimeout, hardTimeout, flags: 0 };
}

export class TableFollower extends EventEmitter<FollowerEvents> {
  readonly counters: FollowerCounters = { updates: 0, missed: 0, pauses: 0 };
  readonly bridge: string;
  private readonly session: BridgeSession;
  private readonly nowMs: () => number;
  private flows = new Map<string, FlowEntry>();
  private groups: readonly GroupEntry[] = [];
  private meters: readonly MeterEntry[] = [];
  private isSynced = false;
  private edition = 0;
  private changed = new Map<string, ChangedFlow>();
  private allChanged = true;
  private listsChanged = true;
  /** A read of groups and meters that has not begun, and one that is on its way: forwarded requests come in bursts. */
  private reading: Promise<void> | undefined;
  private readAgain = false;
  private knownEqualMs: number | undefined;
  /** When the switch last told of a change. */
  private toldMs = -Infinity;
  /** How many flows each table has that a shadow shows, too. */
  private sizes = new Map<number, number>();
  /** When the oldest change was seen of each part that is not yet known to be in the shadow. */
  private readonly outstanding = new Map<TablePart, number>();
  private unfollowedMs: number | undefined;
  /** How many foreign flows send to every port, by reserved port. */
  private flowsToEvery: Record<Every, number> = { all: 0, flood: 0, normal: 0 };

  constructor(bridge: string, dial: Dial, nowMs: () => number = () => performance.now()) {
    super();
    this.bridge = bridge;
    this.nowMs = nowMs;
    this.unfollowedMs = nowMs();
    this.session = new BridgeSession(bridge, dial, (connection) => this.follow(connection));
    this.session.on("down", () => {
      this.isSynced = false;
      this.unfollowedMs ??= this.nowMs();
    });
  }

  /** Whether the tables are those of the switch now; else they are the last known. */
  get synced(): boolean {
    return this.isSynced;
  }

  /** Another number whenever the tables are others. */
  get version(): number {
    return this.edition;
  }

  /** Whether the tables were ever those of the switch. Before, nothing is known, and nothing may be concluded. */
  get known(): boolean {
    return this.knownEqualMs !== undefined;
  }

  /** When a dump last proved these tables to be the switch's. */
  get auditedMs(): number | undefined {
    return this.knownEqualMs;
  }

  /** Since when live may have changed without our being told; undefined while its tables are followed. */
  get unfollowedSinceMs(): number | undefined {
    return this.unfollowedMs;
  }

  /** Whether changes wait to be taken. */
  get pending(): boolean {
    return this.allChanged || this.listsChanged || this.changed.size > 0;
  }

  /** Flows by table, of those that a shadow shows, too; tables without any are left out. */
  tableSizes(): ReadonlyMap<number, number> {
    return this.sizes;
  }

  /** When the oldest change of a part was seen that nobody has said is in the shadow (`shown`). */
  changedSinceMs(part: TablePart): number | undefined {
    return this.outstanding.get(part);
  }

  /** All changes up to now are in the shadow, except those of these parts. */
  shown(except: { has(part: TablePart): boolean }): void {
    for (const part of this.outstanding.keys()) if (!except.has(part)) this.outstanding.delete(part);
  }

  /** All flows of the live bridge, ours included. */
  currentFlows(): Iterable<FlowEntry> {
    return this.flows.values();
  }
  currentGroups(): readonly GroupEntry[] {
    return this.groups;
  }
  currentMeters(): readonly MeterEntry[] {
    return this.meters;
  }

  /** How many flows and groups of others have the action ALL, FLOOD or NORMAL. */
  sendTo(every: Every): number {
    const inGroups = this.groups.filter(({ groupId, buckets }) => !isOurGroup(groupId) && buckets.some(({ actions }) => sendsTo(actions, every))).length;
    return this.flowsToEvery[every] + inGroups;
  }

  /** Whether any flow or bucket of others leaves to NORMAL what to do. */
  usesNormal(): boolean {
    return this.sendTo("normal") > 0;
  }

  /** What changed since the last call. The first call says all. */
  take(): TableChanges {
    const changes: TableChanges = { flows: this.allChanged ? "all" : this.changed, lists: this.listsChanged };
    this.changed = new Map();
    this.allChanged = this.listsChanged = false;
    return changes;
  }

  /** Compares with a dump and takes over what differs. Returns the number of differing flows. */
  async audit(): Promise<number> {
    const { connection } = this.session;
    if (connection === undefined || !this.isSynced) return 0;
    // A dump made while changes are told proves nothing, and holds them up. Changes that never stop are another matter.
    const startMs = this.nowMs();
    if (startMs - this.toldMs < quietMs && startMs - (this.knownEqualMs ?? startMs) < auditLatestMs) return 0;
    const updatesBefore = this.counters.updates;
    const [dump, groups, meters] = await Promise.all([connection.flowStats(), connection.groupDescs(), connection.meterConfigs()]);
    this.takeLists(groups, meters);
    // Changes told while the dump was made are not in it, or are: such a dump proves nothing.
    if (this.counters.updates !== updatesBefore) return 0;
    const now = this.nowMs();
    let missed = 0;
    const present = new Map(dump.map((flow) => [flowKey(flow), flow as FlowEntry]));
    const found = this.differing(present);
    for (const [key, flow] of present) {
      const known = this.flows.get(key);
      if (known !== undefined && sameFlow(known, flow)) continue;
      missed++;
      this.note(key, flow, now);
    }
    for (const key of [...this.flows.keys()]) {
      if (present.has(key)) continue;
      missed++;
      this.note(key, undefined, now);
    }
    this.counters.missed += missed;
    this.knownEqualMs = now;
    if (found.length > 0) this.emit("edits", found);
    if (missed > 0) this.emit("changed");
    return missed;
  }

  close(): Promise<void> {
    return this.session.close();
  }

  private async follow(connection: OpenFlowConnection): Promise<void> {
    // Kept apart until the snapshot is complete: the tables of before serve until then.
    const fresh = new Map<string, FlowEntry>();
    connection.on("flowUpdates", (updates) => this.apply(updates, this.isSynced ? undefined : fresh));
    connection.on("requestForward", ({ request }) => {
      if (request.type === "groupMod" || request.type === "meterMod") this.emit("forwarded", request);
      this.readLists(connection);
    });
    connection.on("portStatus", (status) => this.emit("portStatus", status));
    // Group and meter changes of others are told as forwarded requests, from 1.4 on; before, the audit finds them. A
    // management connection is told nothing of the kind while its miss_send_len is 0; packets are not wanted here.
    if (connection.version >= 5) {
      await connection.setAsync({ requestForwardMaster: allForwards, packetInMaster: 0, flowRemovedMaster: 0 });
      await connection.setConfig({ missSendLen: 0xffff });
    }
    this.apply(await connection.monitorFlows(), fresh);
    const [groups, meters] = await Promise.all([connection.groupDescs(), connection.meterConfigs()]);
    const found = this.known ? this.differing(fresh) : [];
    this.flows = fresh;
    this.sizes = new Map();
    this.flowsToEvery = { all: 0, flood: 0, normal: 0 };
    for (const flow of fresh.values()) this.resize(flow, 1);
    this.edition++;
    this.takeLists(groups, meters);
    this.allChanged = true;
    this.knownEqualMs = this.nowMs();
    if (found.length > 0) this.emit("edits", found);
    this.isSynced = true;
    this.unfollowedMs = undefined;
    this.emit("changed");
  }

  /** Reads groups and meters; requests that come meanwhile make one more read together. */
  private readLists(connection: OpenFlowConnection): void {
    if (this.reading !== undefined) {
      this.readAgain = true;
      return;
    }
    const read = async (): Promise<void> => {
      do {
        this.readAgain = false;
        const [groups, meters] = await Promise.all([connection.groupDescs(), connection.meterConfigs()]);
        this.takeLists(groups, meters);
      } while (this.readAgain);
    };
    // A failure means that the connection is going down; the next one reads them again.
    this.reading = read().catch(() => undefined).finally(() => {
      this.reading = undefined;
    });
  }

  private takeLists(groups: readonly GroupEntry[], meters: readonly MeterEntry[]): void {
    const isSameGroups = diffGroups(groups, this.groups).length === 0;
    const isSameMeters = diffMeters(meters, this.meters).length === 0;
    this.groups = groups;
    this.meters = meters;
    if (isSameGroups && isSameMeters) return;
    const now = this.nowMs();
    if (!isSameGroups) this.touch("groups", now);
    if (!isSameMeters) this.touch("meters", now);
    this.edition++;
    this.listsChanged = true;
    if (this.isSynced) this.emit("changed");
  }

  /** In what `now` differs from the flows known before, as edits that were found and not told; none when nobody asks for them. */
  private differing(now: ReadonlyMap<string, FlowEntry>): FlowEdit[] {
    if (this.listenerCount("edits") === 0) return [];
    const edits: FlowEdit[] = [];
    for (const [key, flow] of now) {
      const old = this.flows.get(key);
      if (old === undefined || !sameFlow(old, flow)) edits.push({ op: old === undefined ? "added" : "modified", old, now: flow, reason: undefined, isFound: true });
    }
    for (const [key, old] of this.flows) if (!now.has(key)) edits.push({ op: "removed", old, now: undefined, reason: undefined, isFound: true });
    return edits;
  }

  private touch(part: TablePart, seenMs: number): void {
    if (!this.outstanding.has(part)) this.outstanding.set(part, seenMs);
  }

  private resize(flow: FlowEntry, by: 1 | -1): void {
    if (!isOurs(flow.cookie)) for (const every of ["all", "flood", "normal"] as const) if (flow.instructions.some((item) => "actions" in item && sendsTo(item.actions, every))) this.flowsToEvery[every] += by;
    if (!isCompared(flow)) return;
    const { tableId } = flow;
    const size = (this.sizes.get(tableId) ?? 0) + by;
    if (size > 0) this.sizes.set(tableId, size);
    else this.sizes.delete(tableId);
  }

  private note(key: string, flow: FlowEntry | undefined, seenMs: number): void {
    this.edition++;
    const old = this.flows.get(key);
    const tableId = (flow ?? old)?.tableId;
    if (tableId !== undefined) this.touch(tableId, seenMs);
    if (old !== undefined) this.resize(old, -1);
    if (flow !== undefined) this.resize(flow, 1);
    if (flow === undefined) this.flows.delete(key);
    else this.flows.set(key, flow);
    // The oldest time of several changes to one flow counts: the lag is that of the longest waiting.
    const before = this.changed.get(key);
    this.changed.set(key, { flow, last: flow ?? old ?? before?.last, seenMs: before?.seenMs ?? seenMs });
  }

  /** `into`: the snapshot that is being made; undefined: the tables in use. */
  private apply(updates: readonly FlowUpdate[], into: Map<string, FlowEntry> | undefined): void {
    const now = (this.toldMs = this.nowMs());
    const edits: FlowEdit[] = [];
    const isFollowed = into === undefined && this.listenerCount("edits") > 0;
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
          if (into !== undefined) into.set(key, flow);
          else this.note(key, flow, now);
          break;
        }
        case "removed": {
          const flow = toEntry(update);
          if (into !== undefined) into.delete(flowKey(flow));
          else this.note(flowKey(flow), undefined, now);
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
    if (into === undefined && updates.length > 0) this.emit("changed");
  }
}
