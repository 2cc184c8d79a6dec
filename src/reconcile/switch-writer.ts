/**
 * Brings one switch to a desired state and keeps it there: the only code that changes flows and groups.
 *
 * It remembers what it installed, so that an equal desired state sends nothing; it learns of losses by `forget` (a flow
 * removed, tables wiped) and by `audit` (a dump), and the next pass mends them. Used for live bridges, shadows and adapters.
 */
import { instructionsKey, type ModBody, type OpenFlowConnection, type OpenFlowError } from "node-openflow";
import {
  diffFlows,
  diffGroups,
  flowKey,
  flowMods,
  groupMods,
  type FlowEntry,
  type GroupEntry,
} from "../network/flow-entry.js";

export interface SwitchState {
  readonly flows: readonly FlowEntry[];
  readonly groups: readonly GroupEntry[];
}

/** What of a switch's tables is ours to change. */
export interface Ownership {
  readonly flow: (flow: { readonly cookie: bigint }) => boolean;
  readonly group: (group: { readonly groupId: number }) => boolean;
}
export const ownsAll: Ownership = { flow: () => true, group: () => true };

export interface WriterCounters {
  passes: number;
  flowMods: number;
  groupMods: number;
  /** Desired flows whose place a foreign flow holds, at the last pass. */
  blocked: number;
  /** Changes the switch refused. */
  refused: number;
  /** Flows or groups found missing, changed or left over by an audit. */
  repaired: number;
}

const maxRememberedErrors = 16;

export class SwitchWriter {
  readonly counters: WriterCounters = { passes: 0, flowMods: 0, groupMods: 0, blocked: 0, refused: 0, repaired: 0 };
  /** The last errors a switch gave, newest last, at most 16. */
  readonly errors: OpenFlowError[] = [];
  private readonly ownership: Ownership;
  private connection: OpenFlowConnection | undefined;
  private desired: SwitchState | undefined;
  private flows = new Map<string, FlowEntry>();
  private groups = new Map<number, GroupEntry>();
  /** False until a dump has told us what is there. */
  private known = false;
  private dirty = false;
  private running: Promise<void> | undefined;

  constructor(ownership: Ownership) {
    this.ownership = ownership;
  }

  /** A new connection to the switch, or none. What is on the switch must be read again. */
  attach(connection: OpenFlowConnection | undefined): void {
    this.connection = connection;
    this.known = false;
    this.dirty = true;
  }

  get connected(): boolean {
    return this.connection !== undefined;
  }

  /** What is known to be installed of ours (or of all, where all is ours). */
  installed(): SwitchState {
    return { flows: [...this.flows.values()], groups: [...this.groups.values()] };
  }

  setDesired(state: SwitchState): void {
    this.desired = state;
    this.dirty = true;
  }

  /**
   * A flow of ours is gone from the switch (expired, or deleted by someone). The next pass puts it back if still desired.
   * Returns whether it was: then it was not us who took it away.
   */
  forget(flow: { readonly tableId: number; readonly priority: number; readonly match: FlowEntry["match"] }): boolean {
    const key = flowKey(flow);
    if (!this.flows.delete(key)) return false;
    this.dirty = true;
    return this.desired?.flows.some((one) => flowKey(one) === key && one.hardTimeout === 0 && one.idleTimeout === 0) === true;
  }

  /**
   * Resolves when the switch holds the last desired state, as far as it accepted it. One pass runs at a time; states set
   * meanwhile are taken together by the next. Rejects when the connection fails; the state stays dirty for the next one.
   */
  async flush(): Promise<void> {
    while (this.dirty && this.connection !== undefined && this.desired !== undefined) {
      this.running ??= this.pass().finally(() => {
        this.running = undefined;
      });
      await this.running;
    }
    await this.running;
  }

  /** Reads the switch's tables and mends what differs from what we believe is there. Returns how many entries differed. */
  async audit(): Promise<number> {
    await this.flush();
    if (this.connection === undefined || this.desired === undefined) return 0;
    const before = new Map(this.flows);
    const groupsBefore = new Map(this.groups);
    await this.read(this.connection);
    let differing = 0;
    for (const [key, flow] of before) {
      const now = this.flows.get(key);
      if (now === undefined || instructionsKey(now.instructions) !== instructionsKey(flow.instructions)) differing++;
    }
    for (const key of this.flows.keys()) if (!before.has(key)) differing++;
    differing += diffGroups([...groupsBefore.values()], [...this.groups.values()]).length;
    this.counters.repaired += differing;
    if (differing > 0) {
      this.dirty = true;
      await this.flush();
    }
    return differing;
  }

  private async read(connection: OpenFlowConnection): Promise<void> {
    const [flows, groups] = await Promise.all([connection.flowStats(), connection.groupDescs()]);
    this.flows = new Map(flows.filter((flow) => this.ownership.flow(flow)).map((flow) => [flowKey(flow), flow]));
    this.foreign = new Set(flows.filter((flow) => !this.ownership.flow(flow)).map((flow) => flowKey(flow)));
    this.groups = new Map(groups.filter((group) => this.ownership.group(group)).map((group) => [group.groupId, group]));
    this.known = true;
  }

  /** Places held by flows that are not ours, as of the last dump. */
  private foreign = new Set<string>();

  private async pass(): Promise<void> {
    const connection = this.connection;
    const desired = this.desired;
    if (connection === undefined || desired === undefined) return;
    this.dirty = false;
    try {
      if (!this.known) await this.read(connection);
      const wanted = desired.flows.filter((flow) => !this.foreign.has(flowKey(flow)));
      this.counters.blocked = desired.flows.length - wanted.length;
      const flowChanges = diffFlows(wanted, this.flows.values(), this.ownership.flow);
      const groupChanges = diffGroups(desired.groups, [...this.groups.values()]);
      // Make before break: groups that flows will name come first, groups that nothing names any more go last.
      // A group is never deleted while a flow may still name it (deleting one in a bundle can abort vswitchd 3.1).
      const mods: ModBody[] = [
        ...groupMods(groupChanges.filter((change) => change.op !== "delete")),
        ...flowMods(flowChanges.filter((change) => change.op !== "delete")),
        ...flowMods(flowChanges.filter((change) => change.op === "delete")),
        ...groupMods(groupChanges.filter((change) => change.op === "delete")),
      ];
      this.counters.passes++;
      if (mods.length === 0) return;
      this.counters.flowMods += flowChanges.length;
      this.counters.groupMods += groupChanges.length;
      const errors = await connection.apply(mods);
      this.flows = new Map(wanted.map((flow) => [flowKey(flow), flow]));
      this.groups = new Map(desired.groups.map((group) => [group.groupId, group]));
      if (errors.length > 0) {
        this.counters.refused += errors.length;
        this.errors.push(...errors);
        this.errors.splice(0, this.errors.length - maxRememberedErrors);
        this.known = false; // what the switch took of this is best read from it
      }
    } catch (error) {
      this.dirty = true;
      this.known = false;
      throw error;
    }
  }
}
