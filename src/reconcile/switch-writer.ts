/**
 * Brings one switch to a desired state and keeps it there: the only code that changes flows, groups and meters.
 *
 * It remembers what it installed, so that an equal desired state sends nothing; it learns of losses by `forget` (a flow
 * removed, tables wiped) and by `audit` (a dump), and the next pass mends them. A state can be given whole, or flow by flow:
 * then only the flows named are looked at, and a pass costs what changed. Used for live bridges, shadows and adapters.
 */
import { OpenFlowError, type ModBody, type OpenFlowConnection } from "node-openflow";
import { Histogram } from "../base/histogram.js";
import {
  diffGroups,
  diffMeters,
  flowKey,
  flowMods,
  groupMods,
  meterMods,
  sameFlow,
  sameInstructions,
  type FlowChange,
  type FlowEntry,
  type GroupChange,
  type GroupEntry,
  type MeterEntry,
} from "../network/flow-entry.js";

export interface SwitchState {
  readonly flows: readonly FlowEntry[];
  readonly groups: readonly GroupEntry[];
  readonly meters?: readonly MeterEntry[];
}

/** What of a switch's tables is ours to change. */
export interface Ownership {
  readonly flow: (flow: { readonly cookie: bigint }) => boolean;
  readonly group: (group: { readonly groupId: number }) => boolean;
  /** Absent: no meter is, and meters are not read. */
  readonly meter?: (meter: { readonly meterId: number }) => boolean;
}
export const ownsAll: Ownership = { flow: () => true, group: () => true, meter: () => true };

export interface WriterOptions {
  readonly lag?: Histogram;
  readonly nowMs?: () => number;
  /**
   * No packet meets half of a pass: its flows go in one bundle, up to `maxAtOnce`. For tables that lead from one to the next, where half of a
   * change would send packets nowhere until the switch looks at its cached flows again. Costs three round trips more.
   */
  readonly atOnce?: boolean;
}

export interface WriterCounters {
  passes: number;
  flowMods: number;
  groupMods: number;
  meterMods: number;
  /** Of the modifications sent. */
  bytes: number;
  /** Desired flows whose place a foreign flow holds, at the last pass over all. */
  blocked: number;
  /** Changes the switch refused. */
  refused: number;
  /** Entries found missing, changed or left over by an audit. */
  repaired: number;
}

const maxRememberedErrors = 16;
/**
 * Modifications that go out together, with a barrier behind them. Of a large pass each slice is known to be installed as soon as it is,
 * and between two of them other work of this process goes on; the switch always has the next one waiting.
 */
const sliceLength = 256;
/** Changes of flows that are made all at once where that is asked for: a bundle of 1,000 stops forwarding for 32 ms (docs/shared-fate.md). */
const maxAtOnce = 256;
/** Slices that the switch may have before it; the bound of what is in flight. */
const slicesAhead = 8;
/** A switch that is being changed is audited when it was left alone for this long, or was not audited for `auditLatestMs`. */
const quietMs = 1_000;
const auditLatestMs = 20_000;

export class SwitchWriter {
  readonly counters: WriterCounters = { passes: 0, flowMods: 0, groupMods: 0, meterMods: 0, bytes: 0, blocked: 0, refused: 0, repaired: 0 };
  /** The last errors a switch gave, newest last, at most 16. */
  readonly errors: OpenFlowError[] = [];
  /** Told of changes just before they are sent: who sees them on the switch can tell them from others'. */
  sending: ((flows: readonly FlowChange[], groups: readonly GroupChange[]) => void) | undefined;
  /** From a flow change seen (as `change` was told) to installed, in ms. */
  readonly lag: Histogram;
  private readonly ownership: Ownership;
  private readonly nowMs: () => number;
  private readonly atOnce: boolean;
  private connection: OpenFlowConnection | undefined;
  private isDesired = false;
  private desired = new Map<string, FlowEntry>();
  private desiredGroups: readonly GroupEntry[] = [];
  private desiredMeters: readonly MeterEntry[] = [];
  private flows = new Map<string, FlowEntry>();
  private groups = new Map<number, GroupEntry>();
  private meters = new Map<number, MeterEntry>();
  /** Places held by flows that are not ours, as of the last dump. */
  private foreign = new Set<string>();
  /** False until a dump has told us what is there. */
  private known = false;
  /** What the next pass has to look at: all, or these flows (with when each change was seen), and groups and meters. */
  private whole = false;
  private changed = new Map<string, number | undefined>();
  private listsChanged = false;
  /** The switch refused something since the last audit: the next one tries it again. */
  private hasRefused = false;
  private running: Promise<void> | undefined;
  private edition = 0;
  /** When a followed change was last taken, and when the tables were last read. */
  private changedMs = -Infinity;
  private readMs = -Infinity;

  constructor(ownership: Ownership, { lag = new Histogram(), nowMs = () => performance.now(), atOnce = false }: WriterOptions = {}) {
    this.ownership = ownership;
    this.lag = lag;
    this.nowMs = nowMs;
    this.atOnce = atOnce;
  }

  /** A new connection to the switch, or none. What is on the switch must be read again. */
  attach(connection: OpenFlowConnection | undefined): void {
    this.connection = connection;
    this.known = false;
    this.whole = true;
  }

  get connected(): boolean {
    return this.connection !== undefined;
  }

  /** What is known to be installed of ours (or of all, where all is ours). */
  installed(): SwitchState {
    return { flows: [...this.flows.values()], groups: [...this.groups.values()], meters: [...this.meters.values()] };
  }

  /** Another number whenever what is known to be installed is something else. */
  get version(): number {
    return this.edition;
  }

  /** When the switch's tables were last read, which proved what we believe is there; undefined: never yet. */
  get auditedMs(): number | undefined {
    return this.readMs === -Infinity ? undefined : this.readMs;
  }

  /** How many flows are known to be installed. */
  get size(): number {
    return this.flows.size;
  }

  /** Whether there is something to send or to find out. */
  get dirty(): boolean {
    return this.whole || this.listsChanged || this.changed.size > 0;
  }

  /** Whether the switch is known to hold the last desired state. */
  get settled(): boolean {
    return this.connected && this.isDesired && !this.dirty && this.running === undefined;
  }

  /** The whole state. Of two flows with one identity the later counts (an overlay comes behind the base). */
  setDesired({ flows, groups, meters = [] }: SwitchState): void {
    this.desired = new Map(flows.map((flow) => [flowKey(flow), flow]));
    this.isDesired = true;
    this.whole = true;
    this.setLists(groups, meters);
  }

  /** Changes single flows of the desired state: by flowKey, undefined takes one out. `seenMs`: when the change was seen. */
  change(flows: Iterable<readonly [key: string, flow: FlowEntry | undefined, seenMs?: number]>): void {
    this.changedMs = this.nowMs();
    for (const [key, flow, seenMs] of flows) {
      if (flow === undefined) this.desired.delete(key);
      else this.desired.set(key, flow);
      // Of several changes to one flow before a pass the oldest time counts.
      if (!this.changed.has(key)) this.changed.set(key, seenMs);
    }
  }

  /** Changes the desired groups and meters, and leaves the flows. */
  setLists(groups: readonly GroupEntry[], meters: readonly MeterEntry[] = []): void {
    this.desiredGroups = groups;
    this.desiredMeters = meters;
    this.listsChanged = true;
  }

  /**
   * A flow of ours is gone from the switch (expired, or deleted by someone). The next pass puts it back if still desired.
   * Returns whether it was: then it was not us who took it away.
   */
  forget(flow: { readonly tableId: number; readonly priority: number; readonly match: FlowEntry["match"] }): boolean {
    const key = flowKey(flow);
    if (!this.flows.delete(key)) return false;
    this.edition++;
    if (!this.changed.has(key)) this.changed.set(key, undefined);
    const wanted = this.desired.get(key);
    return wanted !== undefined && wanted.hardTimeout === 0 && wanted.idleTimeout === 0;
  }

  /**
   * Resolves when the switch holds the last desired state, as far as it accepted it. One pass runs at a time; states set
   * meanwhile are taken together by the next. Rejects when the connection fails; the state stays dirty for the next one.
   */
  async flush(): Promise<void> {
    while (this.dirty && this.connection !== undefined && this.isDesired) {
      this.running ??= this.pass().finally(() => {
        this.running = undefined;
      });
      await this.running;
    }
    await this.running;
  }

  /**
   * Reads the switch's tables and mends what differs from what we believe is there. Returns how many entries differed. While changes
   * come in it is put off, within bounds: the reading of a large table would hold them up.
   */
  async audit(): Promise<number> {
    const now = this.nowMs();
    if (now - this.changedMs < quietMs && now - this.readMs < auditLatestMs) return 0;
    await this.flush();
    if (this.connection === undefined || !this.isDesired) return 0;
    const before = this.flows;
    const groupsBefore = [...this.groups.values()];
    const metersBefore = [...this.meters.values()];
    // In the place of a pass, so that none runs while the tables are read.
    await (this.running = this.read(this.connection).finally(() => {
      this.running = undefined;
    }));
    let differing = 0;
    for (const [key, flow] of before) {
      const now = this.flows.get(key);
      if (now === undefined || !sameInstructions(now.instructions, flow.instructions)) differing++;
    }
    for (const key of this.flows.keys()) if (!before.has(key)) differing++;
    differing += diffGroups(groupsBefore, this.groups.values()).length + diffMeters(metersBefore, this.meters.values()).length;
    this.counters.repaired += differing;
    // A place that was taken may be free again.
    if (differing > 0 || this.hasRefused || this.counters.blocked > 0) {
      this.hasRefused = false;
      this.whole = true;
      await this.flush();
    }
    return differing;
  }

  private async read(connection: OpenFlowConnection): Promise<void> {
    const { ownership } = this;
    const owns = ownership.meter;
    const [flows, groups, meters] = await Promise.all([connection.flowStats(), connection.groupDescs(), owns === undefined ? [] : connection.meterConfigs()]);
    this.edition++;
    this.flows = new Map();
    this.foreign = new Set();
    for (const flow of flows) {
      if (ownership.flow(flow)) this.flows.set(flowKey(flow), flow);
      else this.foreign.add(flowKey(flow));
    }
    this.groups = new Map(groups.filter((group) => ownership.group(group)).map((group) => [group.groupId, group]));
    this.meters = new Map(meters.filter((meter) => owns?.(meter) === true).map((meter) => [meter.meterId, meter]));
    this.known = true;
    this.readMs = this.nowMs();
  }

  private async pass(): Promise<void> {
    const connection = this.connection;
    if (connection === undefined) return;
    const { changed } = this;
    try {
      if (!this.known) {
        await this.read(connection);
        this.whole = true;
      }
      const whole = this.whole;
      const lists = whole || this.listsChanged;
      this.whole = this.listsChanged = false;
      this.changed = new Map();
      this.counters.passes++;
      await this.send(connection, this.flowChanges(whole ? undefined : changed.keys()), lists, changed);
    } catch (error) {
      this.whole = true;
      this.known = false;
      throw error;
    }
    // What needed nothing to be sent.
    this.addLags(changed.values());
  }

  private addLags(seen: Iterable<number | undefined>): void {
    const now = this.nowMs();
    for (const seenMs of seen) if (seenMs !== undefined) this.lag.add(now - seenMs);
  }

  /** What to do about the flows named, or about all. Deletes come last. */
  private flowChanges(keys: Iterable<string> | undefined): FlowChange[] {
    const puts: FlowChange[] = [];
    const deletes: FlowChange[] = [];
    let blocked = 0;
    const look = (key: string): void => {
      const wanted = this.desired.get(key);
      const present = this.flows.get(key);
      if (wanted !== undefined && this.foreign.has(key)) blocked++;
      else if (wanted !== undefined && present === undefined) puts.push({ op: "add", flow: wanted });
      else if (wanted !== undefined && present !== undefined && !sameFlow(present, wanted)) puts.push({ op: "modify", flow: wanted });
      else if (wanted === undefined && present !== undefined) deletes.push({ op: "delete", flow: present });
    };
    for (const key of keys ?? this.desired.keys()) look(key);
    if (keys === undefined) {
      for (const key of this.flows.keys()) if (!this.desired.has(key)) look(key);
      this.counters.blocked = blocked;
    }
    return [...puts, ...deletes];
  }

  /** `seen`: when changes of flows were seen, by key; those that are installed are taken out. */
  private async send(connection: OpenFlowConnection, flows: readonly FlowChange[], lists: boolean, seen: Map<string, number | undefined>): Promise<void> {
    const groups = lists ? diffGroups(this.desiredGroups, this.groups.values()) : [];
    const meters = lists ? diffMeters(this.desiredMeters, this.meters.values()) : [];
    // Make before break: meters and groups that flows will name come first, those that nothing names any more go last.
    // A group is never deleted while a flow may still name it (deleting one in a bundle can abort vswitchd 3.1).
    const before: ModBody[] = [...meterMods(meters.filter(({ op }) => op !== "delete")), ...groupMods(groups.filter(({ op }) => op !== "delete"))];
    const after: ModBody[] = [...groupMods(groups.filter(({ op }) => op === "delete")), ...meterMods(meters.filter(({ op }) => op === "delete"))];
    if (before.length + flows.length + after.length === 0) return;
    this.counters.flowMods += flows.length;
    this.counters.groupMods += groups.length;
    this.counters.meterMods += meters.length;
    this.sending?.(flows, groups);
    const slices: Promise<void>[] = [];
    const isAtOnce = this.atOnce && flows.length > 1 && flows.length <= maxAtOnce;
    const step = isAtOnce ? flows.length : sliceLength;
    const go = (mods: readonly ModBody[], of: readonly FlowChange[]): void => {
      const wrote = (bytes: number): void => void (this.counters.bytes += bytes);
      const slice = this.sent(isAtOnce && of.length > 0 ? allOrEach(connection, mods, wrote) : connection.apply(mods, wrote), of, seen);
      slice.catch(() => undefined); // looked at when all have been sent
      slices.push(slice);
    };
    if (before.length > 0) go(before, []);
    for (let at = 0; at < flows.length; at += step) {
      if (slices.length > 0) await new Promise((resolve) => setImmediate(resolve));
      const slice = flows.slice(at, at + step);
      go(flowMods(slice), slice);
      if (slices.length > slicesAhead) await slices[slices.length - 1 - slicesAhead];
    }
    if (after.length > 0) go(after, []);
    const failure = (await Promise.allSettled(slices)).find((result) => result.status === "rejected");
    if (failure !== undefined) throw failure.reason;
    this.edition++;
    for (const { op, group } of groups) {
      if (op === "delete") this.groups.delete(group.groupId);
      else this.groups.set(group.groupId, group);
    }
    for (const { op, meter } of meters) {
      if (op === "delete") this.meters.delete(meter.meterId);
      else this.meters.set(meter.meterId, meter);
    }
  }

  /** Takes in what the switch did of a slice. `flows`: the changes of which it was made, where it was about flows. */
  private async sent(answer: Promise<readonly OpenFlowError[]>, flows: readonly FlowChange[], seen: Map<string, number | undefined>): Promise<void> {
    const errors = await answer;
    this.edition++;
    const lags: (number | undefined)[] = [];
    for (const { op, flow } of flows) {
      const key = flowKey(flow);
      if (op === "delete") this.flows.delete(key);
      else this.flows.set(key, flow);
      lags.push(seen.get(key));
      seen.delete(key);
    }
    this.addLags(lags);
    if (errors.length > 0) this.refused(errors, flows);
  }

  /** A flow refused is not there; it is tried again when it changes or an audit comes. Of other refusals the switch must tell. */
  private refused(errors: readonly OpenFlowError[], flows: readonly FlowChange[]): void {
    this.counters.refused += errors.length;
    this.hasRefused = true;
    this.edition++;
    this.errors.push(...errors.slice(-maxRememberedErrors));
    this.errors.splice(0, this.errors.length - maxRememberedErrors);
    for (const { facts: { index } } of errors) {
      const change = index === undefined ? undefined : flows[index];
      if (change === undefined || change.op !== "add") this.known = false;
      else this.flows.delete(flowKey(change.flow));
    }
  }
}

/** All at once; where the switch refuses one, each by itself, so that the others are done. */
async function allOrEach(connection: OpenFlowConnection, mods: readonly ModBody[], wrote: (bytes: number) => void): Promise<readonly OpenFlowError[]> {
  try {
    await connection.bundle(mods, { wrote });
    return [];
  } catch (error) {
    if (!(error instanceof OpenFlowError) || error.code !== "switch-rejected") throw error;
    return connection.apply(mods, wrote);
  }
}
