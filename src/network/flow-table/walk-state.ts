/**
 * One packet on its way: what is known of it, what came of it so far, and what every part of the walk uses. The walk itself
 * (`walk.ts`) says how tables and lists of actions are gone through; actions come back to it through here.
 */
import type { Action } from "node-openflow";
import type { Classifier } from "./classifier.js";
import type { Words } from "./layout.js";
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

/** A packet that goes on after connection tracking. */
export interface Continuation {
  readonly bridge: BridgeTables;
  readonly packet: Words;
  readonly tableId: number;
  readonly actionSet: readonly Action[];
  readonly stack: readonly bigint[];
  readonly inner: Words | undefined;
}

/** The packet is dropped as a whole. */
export class Dropped extends Error {}

/** The state of a walk. What is known of the packet and its way is for the parts of the walk to change; what it came to is for all to read. */
export abstract class WalkState {
  readonly outputs: Output[] = [];
  readonly meters: { readonly bridge: string; readonly meterId: number }[] = [];
  readonly learned: LearnedFlow[] = [];
  readonly macs: { readonly bridge: string; readonly key: string; readonly port: number }[] = [];
  readonly steps: Step[] = [];
  readonly choices: Choice[] = [];
  readonly undecided: string[] = [];
  lookups = 0;
  readonly bridges: ReadonlyMap<string, BridgeTables>;
  readonly options: ProcessOptions;
  readonly explains: boolean;
  readonly later: Continuation[] = [];
  bridge: BridgeTables;
  packet: Words;
  /** What lies below the labels, where we have seen them pushed. */
  inner: Words | undefined;
  tableId = 0;
  depth = 0;
  resubmits = 0;
  stage = 0;
  queueId = 0;
  stack: bigint[] = [];
  actionSet: Action[] = [];
  exits = false;
  /** An exit was met in this stage, if only behind a patch port or in a group. */
  hasExited = false;
  mirrored = new Set<string>();

  constructor(bridges: ReadonlyMap<string, BridgeTables>, bridge: BridgeTables, packet: Words, options: ProcessOptions) {
    this.bridges = bridges;
    this.bridge = bridge;
    this.packet = packet;
    this.options = options;
    this.explains = options.explain === true;
  }

  /** Looks the packet up and executes the flow; `inPort` counts for the look-up only. */
  abstract table(tableId: number, inPort: number): void;
  /** False: the rest of this list, and of the flow, is not executed. */
  abstract actions(all: readonly Action[]): boolean;
  abstract executeActionSet(): void;

  say(text: string): void {
    if (this.explains) this.steps.push({ depth: this.depth, bridge: this.bridge.state.name, tableId: this.tableId, text });
  }
  doubt(why: string): void {
    if (!this.undecided.includes(why)) this.undecided.push(why);
    this.say(`undecided: ${why}`);
  }
  /** One of `of` ways, which nothing here can tell apart. */
  choose(what: string, of: number): number {
    if (of <= 1) return 0;
    const taken = Math.min(this.options.choices?.[this.choices.length] ?? 0, of - 1);
    this.choices.push({ what, taken, of });
    this.doubt(what);
    return taken;
  }

  checkLimits(): void {
    if (this.depth >= maxDepth) throw new Dropped(`more than ${maxDepth} levels deep`);
    if (this.resubmits >= maxResubmits) throw new Dropped(`more than ${maxResubmits} resubmits`);
    if (this.stack.length * 16 >= maxStack) throw new Dropped("the stack is full");
  }

  /** Runs with a copy of the packet; only what left it, and its exit, remain. */
  onCopy(work: () => void): void {
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
}
