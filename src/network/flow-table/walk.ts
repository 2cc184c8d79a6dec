/**
 * One packet's way through the tables of one or more bridges. What Open vSwitch 3.1 does where the specification is silent (limits,
 * what an exit ends, what crosses a patch port) was taken from ovs-actions(7) and from what `ofproto/trace` says.
 */
import { port, printActions, type Action, type Bucket, type Instruction } from "node-openflow";
import { orderedActionSet } from "./action-set.js";
import type { Classifier, Rule } from "./classifier.js";
import { labelCount, popMpls, popVlan, pushMpls, pushVlan } from "./headers.js";
import { at, etherType, firstHiddenByMpls, isMpls, type Words } from "./layout.js";
import { learnedFlow } from "./learn.js";
import { carries, inputVlan, isMirrorOutput, macKey, isGroupAddress, normalWay, tagFor } from "./normal.js";
import { unsetPort } from "./packet.js";
import { readBits, setField, writeBits } from "./set-fields.js";
import type { BridgeState, Choice, LearnedFlow, Output, ProcessOptions, Step, SwitchGroup, SwitchPort } from "./state.js";

export interface BridgeTables {
  readonly state: BridgeState;
  readonly ports: ReadonlyMap<number, SwitchPort>;
  readonly groups: ReadonlyMap<number, SwitchGroup>;
  readonly tables: readonly (Classifier | undefined)[];
}

/** Open vSwitch's limits for one packet. */
export const maxDepth = 64;
export const maxResubmits = 4_096;
const maxStack = 65_536;
const trackedNew = 0x21;
const noRecirculation = 0xff;
const wholeTable = 0xff;

/** A packet that goes on after connection tracking. */
interface Continuation {
  readonly bridge: BridgeTables;
  readonly packet: Words;
  readonly tableId: number;
  readonly actionSet: readonly Action[];
  readonly stack: readonly bigint[];
  readonly inner: Words | undefined;
}

/** The packet is dropped as a whole. */
class Dropped extends Error {}

export class Walk {
  readonly outputs: Output[] = [];
  readonly meters: { readonly bridge: string; readonly meterId: number }[] = [];
  readonly learned: LearnedFlow[] = [];
  readonly macs: { readonly bridge: string; readonly key: string; readonly port: number }[] = [];
  readonly steps: Step[] = [];
  readonly choices: Choice[] = [];
  readonly undecided: string[] = [];
  lookups = 0;
  private readonly bridges: ReadonlyMap<string, BridgeTables>;
  private readonly options: ProcessOptions;
  private readonly explains: boolean;
  private readonly later: Continuation[] = [];
  private bridge: BridgeTables;
  private packet: Words;
  /** What lies below the labels, where we have seen them pushed. */
  private inner: Words | undefined;
  private tableId = 0;
  private depth = 0;
  private resubmits = 0;
  private stage = 0;
  private queueId = 0;
  private stack: bigint[] = [];
  private actionSet: Action[] = [];
  private exits = false;
  /** An exit was met in this stage, if only behind a patch port or in a group. */
  private hasExited = false;
  private mirrored = new Set<string>();

  constructor(bridges: ReadonlyMap<string, BridgeTables>, bridge: BridgeTables, packet: Words, options: ProcessOptions) {
    this.bridges = bridges;
    this.bridge = bridge;
    this.packet = packet;
    this.options = options;
    this.explains = options.explain === true;
  }

  /** Runs to the end. Returns the packet as it was when the first pass ended, and why it was dropped as a whole. */
  run(): { readonly final: Words; readonly error: string | undefined } {
    let error = this.pass(() => {
      const input = this.bridge.ports.get(this.packet[at.inPort] as number);
      if (input?.noReceive === true) return this.say(`port ${input.name} takes nothing in (no-receive)`);
      if (input !== undefined && isMirrorOutput(this.bridge.state.mirrors ?? [], input.number)) return this.say(`dropped: port ${input.name} is reserved for mirroring`);
      if (input !== undefined) this.mirror(input, "selectSource");
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

  private say(text: string): void {
    if (this.explains) this.steps.push({ depth: this.depth, bridge: this.bridge.state.name, tableId: this.tableId, text });
  }
  private doubt(why: string): void {
    if (!this.undecided.includes(why)) this.undecided.push(why);
    this.say(`undecided: ${why}`);
  }
  /** One of `of` ways, which nothing here can tell apart. */
  private choose(what: string, of: number): number {
    if (of <= 1) return 0;
    const taken = Math.min(this.options.choices?.[this.choices.length] ?? 0, of - 1);
    this.choices.push({ what, taken, of });
    this.doubt(what);
    return taken;
  }

  private checkLimits(): void {
    if (this.depth >= maxDepth) throw new Dropped(`more than ${maxDepth} levels deep`);
    if (this.resubmits >= maxResubmits) throw new Dropped(`more than ${maxResubmits} resubmits`);
    if (this.stack.length * 16 >= maxStack) throw new Dropped("the stack is full");
  }

  /** Looks the packet up and executes the flow; `inPort` counts for the look-up only. */
  private table(tableId: number, inPort: number): void {
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

  private executeActionSet(): void {
    if (this.exits || this.actionSet.length === 0) return;
    const ordered = orderedActionSet(this.actionSet);
    this.actionSet = [];
    if (this.explains) this.say(`action set: ${ordered.length === 0 ? "leads nowhere" : printActions(ordered)}`);
    this.actions(ordered);
  }

  /** False: the rest of this list, and of the flow, is not executed. */
  private actions(all: readonly Action[]): boolean {
    for (const one of all) {
      if (this.exits) return false;
      if (setField(one, this.packet)) continue;
      if (!this.action(one)) return false;
    }
    return true;
  }

  private action(one: Action): boolean {
    const { packet } = this;
    switch (one.type) {
      case "output":
        this.output(one.port, one.maxLen);
        return true;
      case "enqueue": {
        const own = this.queueId;
        this.queueId = one.queueId;
        this.output(one.port, 0);
        this.queueId = own;
        return true;
      }
      case "outputTrunc":
        this.output(one.port, one.maxLen);
        return true;
      case "outputReg":
      case "outputReg2": {
        const to = readBits(packet, one.source, one.range.offset, one.range.bits);
        if (to !== undefined && to <= 0xffffn) this.output(to >= 0xff00n ? Number(to) + 0xffff0000 : Number(to), one.maxLen);
        return true;
      }
      case "controller":
      case "controller2":
        this.toController(one.type === "controller" ? one.maxLen : (one.options.maxLen ?? 0xffff));
        if (one.type === "controller2" && one.options.pause === true) this.doubt("a controller decides how a paused packet goes on");
        return true;
      case "group":
        this.group(one.groupId);
        return true;
      case "resubmit16":
        this.table(this.tableId, one.inPort === port.inPort ? (packet[at.inPort] as number) : one.inPort);
        return true;
      case "resubmit":
        this.table(one.tableId === wholeTable ? this.tableId : one.tableId, one.inPort === port.inPort ? (packet[at.inPort] as number) : one.inPort);
        return true;
      case "clone":
        // Open vSwitch executes the action set for a clone as well.
        this.onCopy(() => {
          this.actions(one.actions);
          this.executeActionSet();
        });
        return true;
      case "exit":
        this.exits = true;
        this.hasExited = true;
        return false;
      case "meter":
        this.meters.push({ bridge: this.bridge.state.name, meterId: one.meterId });
        return true;
      case "setQueue":
        this.queueId = one.queueId;
        return true;
      case "popQueue":
        this.queueId = 0;
        return true;
      case "learn":
      case "learn2": {
        const flow = learnedFlow(one, packet);
        if (flow === undefined) this.doubt("a learn action names a field that is not known here");
        else this.learned.push({ bridge: this.bridge.state.name, flow });
        if (one.type === "learn2" && one.limit > 0) this.doubt("whether a learn action's limit is reached");
        return true;
      }
      case "regMove":
      case "copyField": {
        const value = readBits(packet, one.source, one.sourceOffset, one.bits);
        if (value !== undefined) writeBits(packet, one.target, one.targetOffset, one.bits, value);
        return true;
      }
      case "stackPush":
        this.stack.push(readBits(packet, one.field, one.offset, one.bits) ?? 0n);
        return true;
      case "stackPop": {
        const value = this.stack.pop();
        if (value !== undefined) writeBits(packet, one.field, one.offset, one.bits, value);
        return true;
      }
      case "multipath":
        writeBits(packet, one.target, one.range.offset, one.range.bits, BigInt(this.choose("a multipath action's hash", one.maxLink + 1)));
        return true;
      case "bundle":
      case "bundleLoad":
        this.bundle(one);
        return true;
      case "ct":
        this.track(one);
        return true;
      case "ctClear":
        this.clearTracking();
        return true;
      case "checkPktLarger": {
        const { frameLength } = this.options;
        const isLarger = frameLength === undefined ? this.choose(`whether the packet has more than ${one.pktLen} bytes`, 2) === 1 : frameLength > one.pktLen;
        writeBits(packet, one.field, one.offset, 1, isLarger ? 1n : 0n);
        return true;
      }
      case "resubmitCt":
        this.doubt("a look-up by a connection's first packet");
        return true;
      case "note":
      case "sample":
      case "sample2":
      case "sample3":
      case "finTimeout":
      case "conjunction":
      case "debugSlow":
        return true;
      default:
        return this.header(one);
    }
  }

  /** Actions that put headers on and take them off, and count times to live down. */
  private header(one: Action): boolean {
    const { packet } = this;
    switch (one.type) {
      case "pushVlan":
        pushVlan(packet, one.ethType);
        return true;
      case "popVlan":
      case "stripVlan":
        popVlan(packet);
        return true;
      case "pushMpls": {
        const inner = pushMpls(packet, one.ethType);
        if (inner === false) throw new Dropped("no room for another label");
        if (inner.length > 0) this.inner = inner;
        return true;
      }
      case "popMpls": {
        if (popMpls(packet, one.ethType) !== "inner") return true;
        if (this.inner !== undefined && !isMpls(one.ethType)) packet.set(this.inner, firstHiddenByMpls);
        else this.doubt("what is below the label");
        this.inner = undefined;
        return true;
      }
      case "decNwTtl":
      case "decTtlCntIds": {
        const type = packet[at.ethType] as number;
        if (type !== etherType.ipv4 && type !== etherType.ipv6) return true;
        if ((packet[at.ttl] as number) > 1) {
          packet[at.ttl] = (packet[at.ttl] as number) - 1;
          return true;
        }
        for (let i = 0; i < (one.type === "decTtlCntIds" ? one.controllerIds.length : 1); i++) this.toController(0xffff);
        this.say("its time to live has run out");
        return false;
      }
      case "decMplsTtl": {
        if (!isMpls(packet[at.ethType] as number)) return true;
        const entry = packet[at.mpls] as number;
        if ((entry & 0xff) > 1) {
          packet[at.mpls] = entry - 1;
          return true;
        }
        this.toController(0xffff);
        this.say("its label's time to live has run out");
        return false;
      }
      case "copyTtlOut":
      case "copyTtlIn":
        if (labelCount(packet) > 0) this.doubt(`what ${one.type} does: Open vSwitch has no such action`);
        return true;
      default:
        this.doubt(`what the action ${one.type} does`);
        return true;
    }
  }

  /** Runs with a copy of the packet; only what left it, and its exit, remain. */
  private onCopy(work: () => void): void {
    const [packet, inner, stack, actionSet, queueId] = [this.packet, this.inner, this.stack, this.actionSet, this.queueId];
    this.packet = packet.slice();
    this.stack = [...stack];
    this.actionSet = [...actionSet];
    try {
      work();
    } finally {
      [this.packet, this.inner, this.stack, this.actionSet, this.queueId] = [packet, inner, stack, actionSet, queueId];
    }
  }

  private output(to: number, maxLen: number): void {
    const input = this.packet[at.inPort] as number;
    switch (to) {
      case port.inPort:
        return this.outPort(input, 0);
      case port.table:
        return this.table(0, input);
      case port.normal:
        return this.normal();
      case port.flood:
      case port.all:
        for (const one of this.bridge.state.ports) if (one.number !== input && (to === port.all || one.noFlood !== true)) this.outPort(one.number, 0);
        return;
      case port.controller:
        return this.toController(maxLen);
      case port.any:
        return;
      default:
        if (to !== input) this.outPort(to, maxLen);
        else this.say("not sent back to the port it came from");
    }
  }

  private toController(maxLen: number): void {
    if (this.explains) this.say("to the controller");
    this.outputs.push({ bridge: this.bridge.state.name, port: port.controller, packet: this.packet.slice(), maxLen, queueId: 0, stage: this.stage });
  }

  private outPort(number: number, maxLen: number): void {
    const to = this.bridge.ports.get(number);
    if (to === undefined) return this.say(`there is no port ${number}`);
    if (to.noForward === true) return this.say(`port ${to.name} takes nothing out (no-forward)`);
    if (to.peer !== undefined) return this.crossPatch(to.peer);
    if (this.explains) this.say(`leaves by port ${to.name}`);
    this.outputs.push({ bridge: this.bridge.state.name, port: number, packet: this.packet.slice(), maxLen, queueId: this.queueId, stage: this.stage });
    this.mirror(to, "selectDestination");
  }

  /**
   * Into the bridge at the other end. Registers, metadata and the tunnel stay behind; the mark of the packet goes along. What makes
   * that bridge give up (too many resubmits) ends its part alone, and what it has sent is sent.
   */
  private crossPatch({ bridge: name, port: number }: { readonly bridge: string; readonly port: number }): void {
    const peer = this.bridges.get(name);
    const input = peer?.ports.get(number);
    if (peer === undefined || input === undefined) return this.doubt(`bridge ${name}, at the other end of a patch port, is not known`);
    if (input.noReceive === true) return;
    const [bridge, tableId, mirrored, exits, depth] = [this.bridge, this.tableId, this.mirrored, this.exits, this.depth];
    const work = (): void => {
      this.bridge = peer;
      this.tableId = 0;
      this.mirrored = new Set();
      this.stack = [];
      this.actionSet = [];
      this.packet.fill(0, 0, at.inPort);
      this.packet[at.inPort] = number;
      this.packet[at.actsetOutput] = unsetPort;
      this.clearTracking();
      this.mirror(input, "selectSource");
      this.table(0, number);
      this.executeActionSet();
    };
    try {
      this.onCopy(work);
    } catch (error) {
      if (!(error instanceof Dropped)) throw error;
      this.say(`bridge ${name} gives up: ${error.message}`);
    }
    [this.bridge, this.tableId, this.mirrored, this.exits, this.depth] = [bridge, tableId, mirrored, exits, depth];
  }

  private normal(): void {
    const { state, ports } = this.bridge;
    const way = normalWay(state, ports, this.packet);
    if ("drop" in way) return this.say(`NORMAL drops it: ${way.drop}`);
    if ((this.packet[at.vlanTci1] as number) !== 0) this.doubt("what NORMAL makes of a second tag");
    const input = this.packet[at.inPort] as number;
    if (!isGroupAddress(this.packet, at.ethSrc)) this.macs.push({ bridge: state.name, key: macKey(way.vlan, this.packet, at.ethSrc), port: input });
    this.say(`NORMAL: ${way.why}`);
    for (const one of way.to) this.outTagged(one, way.vlan);
  }

  private outTagged(to: SwitchPort, vlan: number): void {
    const { packet } = this;
    const [tci, tpids] = [packet[at.vlanTci] as number, packet[at.vlanTpids] as number];
    tagFor(to, vlan, packet);
    this.outPort(to.number, 0);
    [packet[at.vlanTci], packet[at.vlanTpids]] = [tci, tpids];
  }

  /** Copies of what comes in or goes out by a port, each mirror once a packet. */
  private mirror(through: SwitchPort, select: "selectSource" | "selectDestination"): void {
    const { state, ports } = this.bridge;
    for (const one of state.mirrors ?? []) {
      if (this.mirrored.has(one.name) || !(one.selectAll || one[select].includes(through.number))) continue;
      const vlan = inputVlan(through, this.packet[at.vlanTci] as number);
      if (vlan === undefined || (one.selectVlans.length > 0 && !one.selectVlans.includes(vlan))) continue;
      this.mirrored.add(one.name);
      if (one.outputVlan !== undefined) this.doubt(`where mirror ${one.name} sends its copies: it fills a VLAN`);
      if ((this.packet[at.vlanTci1] as number) !== 0) this.doubt("what a mirror makes of a second tag");
      const to = one.outputPort === undefined ? undefined : ports.get(one.outputPort);
      if (to !== undefined && carries(to, vlan)) this.outTagged(to, vlan);
    }
  }

  private group(groupId: number): void {
    this.checkLimits();
    const group = this.bridge.groups.get(groupId);
    if (group === undefined) return this.say(`there is no group ${groupId}`);
    for (const [bucket, number] of this.buckets(group)) {
      if (this.explains) this.say(`group ${groupId}, bucket ${bucket.bucketId ?? number}: ${printActions(bucket.actions)}`);
      const exits = this.exits;
      this.depth++;
      this.onCopy(() => this.actions(orderedActionSet(bucket.actions)));
      this.depth--;
      this.exits = exits;
    }
  }

  private buckets(group: SwitchGroup): (readonly [Bucket, number])[] {
    const all = group.buckets.map((bucket, i) => [bucket, i] as const);
    switch (group.groupType) {
      case "all":
        return all;
      case "indirect":
        return all.slice(0, 1);
      case "ff":
        return all.filter(([bucket]) => this.isLive(bucket, 0)).slice(0, 1);
      case "select": {
        const live = all.filter(([bucket]) => bucket.weight > 0 && this.isLive(bucket, 0));
        return live.slice(this.choose(`the hash of select group ${group.groupId}`, live.length)).slice(0, 1);
      }
    }
  }

  /** A bucket that watches nothing is live; one that watches is while what it watches is. */
  private isLive({ watchPort, watchGroup }: Bucket, depth: number): boolean {
    if (watchPort === port.any && watchGroup === port.any) return true;
    if (watchPort !== port.any && this.bridge.ports.get(watchPort)?.up === true) return true;
    const group = watchGroup === port.any ? undefined : this.bridge.groups.get(watchGroup);
    return group !== undefined && depth < maxDepth && group.buckets.some((bucket) => this.isLive(bucket, depth + 1));
  }

  private bundle(one: Extract<Action, { readonly type: "bundle" | "bundleLoad" }>): void {
    const { slaves, range, target } = one.to;
    const isUp = (to: number): boolean => this.bridge.ports.get(to)?.up === true;
    const usable = slaves.filter(isUp);
    const first = usable[0];
    const to = one.algorithm === 0 ? first : usable[this.choose("a bundle action's hash", usable.length)];
    if (range !== undefined && target !== undefined) writeBits(this.packet, target, range.offset, range.bits, BigInt((to ?? 0xffff) & 0xffff));
    else if (to !== undefined) this.output(to, 0);
  }

  private clearTracking(): void {
    this.packet.fill(0, at.ctState, at.packetType);
  }

  /** Through connection tracking: with a table, a copy goes on there once it is tracked, and this one goes on untracked. */
  private track(one: Extract<Action, { readonly type: "ct" }>): void {
    const { packet } = this;
    const type = packet[at.ethType] as number;
    const zone = typeof one.zone === "number" ? one.zone : Number(readBits(packet, one.zone.source, one.zone.range.offset, one.zone.range.bits) ?? 0n);
    if (type !== etherType.ipv4 && type !== etherType.ipv6) {
      this.doubt("what connection tracking says of a packet that is not IP");
    }
    if (one.actions.some((inner) => inner.type === "nat" && inner.flags !== 0)) this.doubt("what address translation makes of the packet");
    if (one.recircTable !== noRecirculation) {
      // Seen on Open vSwitch 3.1: the actions behind the exit are executed when the tracked packet goes on.
      if (this.hasExited) this.doubt("what an exit behind a patch port leaves to a packet that is tracked later");
      const copy = packet.slice();
      const known = this.options.track?.(copy, zone) ?? { state: trackedNew };
      copy[at.ctState] = known.state;
      copy[at.ctZone] = zone;
      if (known.mark !== undefined) copy[at.ctMark] = known.mark;
      if (known.label !== undefined) writeBits(copy, "ctLabel", 0, 128, known.label);
      for (const inner of one.actions) setField(inner, copy);
      this.later.push({ bridge: this.bridge, packet: copy, tableId: one.recircTable, actionSet: [...this.actionSet], stack: [...this.stack], inner: this.inner });
    }
    this.clearTracking();
  }
}
