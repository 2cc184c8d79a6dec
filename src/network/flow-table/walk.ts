/**
 * One packet's way through the tables of one or more bridges. What Open vSwitch 3.1 does where the specification is silent (limits,
 * what an exit ends, what crosses a patch port) was taken from ovs-actions(7) and from what `ofproto/trace` says.
 */
import { printActions, type Action, type Instruction } from "node-openflow";
import { orderedActionSet } from "./action-set.js";
import { execute } from "./actions.js";
import type { Rule } from "./classifier.js";
import { at, type Words } from "./layout.js";
import { isMirrorOutput } from "./normal.js";
import { mirror } from "./outputs.js";
import { unsetPort } from "./packet.js";
import { setField } from "./set-fields.js";
import { Dropped, maxDepth, WalkState } from "./walk-state.js";

/** The walk itself: tables, flows' instructions, action sets, and what goes on after connection tracking. */
export class Walk extends WalkState {
  /** Runs to the end. Returns the packet as it was when the first pass ended, and why it was dropped as a whole. */
  run(): { readonly final: Words; readonly error: string | undefined } {
    let error = this.pass(() => {
      const input = this.bridge.ports.get(this.packet[at.inPort] as number);
      if (input?.noReceive === true) return this.say(`port ${input.name} takes nothing in (no-receive)`);
      if (input !== undefined && isMirrorOutput(this.bridge.state.mirrors ?? [], input.number)) return this.say(`dropped: port ${input.name} is reserved for mirroring`);
      if (input !== undefined) mirror(this, input, "selectSource");
      this.table(0, this.packet[at.inPort] as number);
      this.executeActionSet();
    });
    const final = this.packet;
    for (let next = this.later.shift(); next !== undefined; next = this.later.shift()) {
      if (++this.stage > maxDepth) return { final, error: "tracked too often" };
      const { bridge, packet, tableId, actionSet, stack, inner } = next;
      this.bridge = bridge;
      this.packet = packet;
      this.inner = inner;
      this.actionSet = [...actionSet];
      this.stack = [...stack];
      [this.depth, this.resubmits, this.exits, this.hasExited] = [0, 0, false, false];
      error = this.pass(() => {
        this.say("goes on after connection tracking");
        this.table(tableId, this.packet[at.inPort] as number);
        this.executeActionSet();
      }) ?? error;
    }
    return { final, error };
  }

  /** One stage: when it fails, nothing of it leaves. */
  private pass(work: () => void): string | undefined {
    const [outputs, meters] = [this.outputs.length, this.meters.length];
    try {
      work();
      return undefined;
    } catch (error) {
      if (!(error instanceof Dropped)) throw error;
      this.outputs.length = outputs;
      this.meters.length = meters;
      this.say(`dropped: ${error.message}`);
      return error.message;
    }
  }

  override table(tableId: number, inPort: number): void {
    this.checkLimits();
    const before = this.tableId;
    const rule = this.lookup(tableId, inPort);
    this.tableId = tableId;
    if (this.explains) {
      const text = rule === undefined ? "no flow matches" : "";
      this.steps.push({ depth: this.depth, bridge: this.bridge.state.name, tableId, flow: rule?.flow ?? null, text });
    }
    if (rule !== undefined) {
      const isDeeper = tableId <= before ? 1 : 0;
      this.resubmits++;
      this.depth += isDeeper;
      this.instructions(rule.flow.instructions);
      this.depth -= isDeeper;
    }
    this.tableId = before;
  }

  private lookup(tableId: number, inPort: number): Rule | undefined {
    this.lookups++;
    const table = this.bridge.tables[tableId];
    if (table === undefined) return undefined;
    const { packet } = this;
    const [ownPort, source, destination] = [packet[at.inPort] as number, packet[at.tpSrc] as number, packet[at.tpDst] as number];
    const isFragment = ((packet[at.frag] as number) & 1) !== 0;
    packet[at.inPort] = inPort;
    if (isFragment) [packet[at.tpSrc], packet[at.tpDst]] = [0, 0]; // ports of fragments are not looked at
    const ties: Rule[] = [];
    let found = table.lookup(packet, ties);
    packet[at.inPort] = ownPort;
    if (isFragment) [packet[at.tpSrc], packet[at.tpDst]] = [source, destination];
    if (ties.length > 0 && found !== undefined) {
      const all = [found, ...ties].sort((a, b) => a.order - b.order);
      found = all[this.choose(`${all.length} flows of priority ${found.flow.priority} in table ${tableId} match; OpenFlow does not say which counts`, all.length)];
    }
    return found;
  }

  private instructions(all: readonly Instruction[]): void {
    for (const item of all) if (item.type === "meter") this.meters.push({ bridge: this.bridge.state.name, meterId: item.meterId });
    let goesTo: number | undefined;
    for (const item of all) {
      if (this.exits) return;
      if (item.type === "applyActions") {
        if (!this.actions(item.actions)) return;
      } else if (item.type === "clearActions") {
        this.actionSet = [];
        this.packet[at.actsetOutput] = unsetPort;
      } else if (item.type === "writeActions") this.write(item.actions);
      else if (item.type === "writeMetadata") {
        const [high, low] = [Number(item.metadata >> 32n), Number(item.metadata & 0xffffffffn)];
        const [highMask, lowMask] = [Number(item.mask >> 32n), Number(item.mask & 0xffffffffn)];
        const { packet } = this;
        packet[at.metadata] = (((packet[at.metadata] as number) & ~highMask) | (high & highMask)) >>> 0;
        packet[at.metadata + 1] = (((packet[at.metadata + 1] as number) & ~lowMask) | (low & lowMask)) >>> 0;
      } else if (item.type === "gotoTable") goesTo = item.tableId;
      else if (item.type === "unknown") this.doubt("an instruction that is not known");
    }
    if (goesTo !== undefined && !this.exits) this.table(goesTo, this.packet[at.inPort] as number);
  }

  private write(actions: readonly Action[]): void {
    const hadGroup = this.actionSet.some(({ type }) => type === "group");
    this.actionSet.push(...actions);
    if (hadGroup) return;
    for (const one of actions) {
      if (one.type === "output") this.packet[at.actsetOutput] = one.port;
      if (one.type === "group") {
        this.packet[at.actsetOutput] = unsetPort;
        return;
      }
    }
  }

  override executeActionSet(): void {
    if (this.exits || this.actionSet.length === 0) return;
    const ordered = orderedActionSet(this.actionSet);
    this.actionSet = [];
    if (this.explains) this.say(`action set: ${ordered.length === 0 ? "leads nowhere" : printActions(ordered)}`);
    this.actions(ordered);
  }

  override actions(all: readonly Action[]): boolean {
    for (const one of all) {
      if (this.exits) return false;
      if (setField(one, this.packet)) continue;
      if (!execute(this, one)) return false;
    }
    return true;
  }
}
