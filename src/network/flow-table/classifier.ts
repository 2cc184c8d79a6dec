/**
 * One flow table: finds the flow of highest priority that a packet matches, by tuple-space search: flows with one mask lie in one hash
 * table, and the tables are searched by their highest priority until none left can do better.
 */
import { isKnown, type Match } from "node-openflow";
import type { FlowEntry } from "../flow-entry.js";
import { at, ones, patchOf, slotOf, widePort, type Words } from "./layout.js";

export interface Rule {
  readonly flow: FlowEntry;
  readonly words: readonly number[];
  readonly masks: readonly number[];
  readonly values: readonly number[];
  /** Clauses of conjunctive matches this flow is part of; such a flow has no other actions. */
  readonly conjunctions: readonly { readonly id: number; readonly clause: number; readonly clauses: number }[];
  /** Where it came among the flows of its table. */
  readonly order: number;
}

interface Tuple {
  readonly words: readonly number[];
  readonly masks: readonly number[];
  /** Rules by the hash of their values; under one hash by falling priority. */
  readonly rules: Map<number, Rule[]>;
  maxPriority: number;
  hasSoft: boolean;
}

/** Words, masks and values of a match, in the order of words. Undefined when no packet can match it (a field no packet here has). */
export function compileMatch(match: Match): Pick<Rule, "words" | "masks" | "values"> | undefined {
  const masks = new Map<number, number>();
  const values = new Map<number, number>();
  const add = (word: number, mask: number, value: number): void => {
    masks.set(word, ((masks.get(word) ?? 0) | mask) >>> 0);
    values.set(word, ((values.get(word) ?? 0) | value) >>> 0);
  };
  for (const item of match) {
    if (!isKnown(item)) return undefined;
    const slot = slotOf(item.name);
    if (slot === undefined) {
      if ((item.value & (item.mask ?? -1n)) !== 0n) return undefined;
      continue; // such a field is 0 in every packet here
    }
    const value = item.name === "nxInPort" ? BigInt(widePort(Number(item.value))) : item.value;
    const patch = patchOf(slot, value, item.mask ?? ones(slot.bits));
    patch.words.forEach((word, i) => add(word, patch.masks[i] as number, patch.values[i] as number));
    if (item.name === "vlanPcp") add(at.vlanTci, 0x1000, 0x1000); // only a tag has a priority
    if (item.name === "vlanVid" && item.value === 0n && item.mask === undefined) add(at.vlanTci, 0xffff, 0); // OFPVID_NONE: no tag at all
  }
  const words = [...masks].filter(([, mask]) => mask !== 0).map(([word]) => word).sort((a, b) => a - b);
  return { words, masks: words.map((word) => masks.get(word) as number), values: words.map((word) => values.get(word) as number) };
}

const mix = (hash: number, value: number): number => {
  const h = Math.imul(hash ^ value, 0x9e3779b1);
  return h ^ (h >>> 15);
};

export class Classifier {
  size = 0;
  private tuples: Tuple[] = [];
  private readonly byMask = new Map<string, Tuple>();
  private isSorted = true;
  private hasSoft = false;

  /** Adds a flow. False when no packet can match it. */
  add(flow: FlowEntry): boolean {
    const compiled = compileMatch(flow.match);
    if (compiled === undefined) return false;
    const conjunctions = flow.instructions.flatMap((item) => (item.type === "applyActions" ? item.actions.flatMap((one) => (one.type === "conjunction" ? [{ id: one.id, clause: one.clause, clauses: one.clauses }] : [])) : []));
    const rule: Rule = { flow, ...compiled, conjunctions, order: this.size++ };
    const key = compiled.words.map((word, i) => `${word}:${compiled.masks[i]}`).join();
    let tuple = this.byMask.get(key);
    if (tuple === undefined) {
      tuple = { words: compiled.words, masks: compiled.masks, rules: new Map(), maxPriority: -1, hasSoft: false };
      this.byMask.set(key, tuple);
      this.tuples.push(tuple);
    }
    let hash = 0;
    for (const value of rule.values) hash = mix(hash, value);
    const found = tuple.rules.get(hash);
    if (found === undefined) tuple.rules.set(hash, [rule]);
    else {
      const before = found.findIndex((one) => one.flow.priority < flow.priority);
      found.splice(before < 0 ? found.length : before, 0, rule);
    }
    tuple.maxPriority = Math.max(tuple.maxPriority, flow.priority);
    tuple.hasSoft ||= conjunctions.length > 0;
    this.hasSoft ||= conjunctions.length > 0;
    this.isSorted = false;
    return true;
  }

  /** How many kinds of masks there are: what a search costs at worst. */
  get tupleCount(): number {
    return this.tuples.length;
  }

  /**
   * The flow that takes the packet, or undefined. `ties`, where given, gets the other flows of that priority that match as well: of
   * these OpenFlow says nothing. A conjunctive match counts as ovs-fields(7), "Conjunctive Match Fields", says.
   */
  lookup(packet: Words, ties?: Rule[]): Rule | undefined {
    if (!this.isSorted) {
      this.tuples.sort((a, b) => b.maxPriority - a.maxPriority);
      this.isSorted = true;
    }
    if (this.hasSoft) return this.lookupConjunctive(packet, ties);
    return this.best(packet, false, ties);
  }

  private best(packet: Words, skipsSoft: boolean, ties?: Rule[]): Rule | undefined {
    let best: Rule | undefined;
    let priority = -1;
    for (const tuple of this.tuples) {
      if (tuple.maxPriority < priority || (tuple.maxPriority === priority && ties === undefined)) break;
      const found = this.inTuple(tuple, packet, skipsSoft);
      if (found === undefined) continue;
      if (found.flow.priority > priority) {
        best = found;
        priority = found.flow.priority;
        if (ties !== undefined) ties.length = 0;
      } else if (found.flow.priority === priority) ties?.push(found);
    }
    return best;
  }

  private inTuple(tuple: Tuple, packet: Words, skipsSoft: boolean): Rule | undefined {
    const { words, masks } = tuple;
    let hash = 0;
    for (let i = 0; i < words.length; i++) hash = mix(hash, ((packet[words[i] as number] as number) & (masks[i] as number)) >>> 0);
    const rules = tuple.rules.get(hash);
    if (rules === undefined) return undefined;
    for (const rule of rules) if ((!skipsSoft || rule.conjunctions.length === 0) && matches(rule, packet)) return rule;
    return undefined;
  }

  private lookupConjunctive(packet: Words, ties?: Rule[]): Rule | undefined {
    const hard = this.best(packet, true, ties);
    const soft = this.soft(packet, hard?.flow.priority ?? -1);
    for (const priority of [...new Set(soft.map(({ flow }) => flow.priority))].sort((a, b) => b - a)) {
      const met = new Map<number, { clauses: number; seen: Set<number> }>();
      for (const rule of soft) {
        if (rule.flow.priority !== priority) continue;
        for (const { id, clause, clauses } of rule.conjunctions) {
          const one = met.get(id) ?? { clauses, seen: new Set<number>() };
          if (one.clauses === clauses) one.seen.add(clause);
          met.set(id, one);
        }
      }
      const complete = [...met].filter(([, { clauses, seen }]) => seen.size === clauses).map(([id]) => id).sort((a, b) => a - b);
      for (const id of complete) {
        const own = packet[at.conjId] as number;
        packet[at.conjId] = id;
        const found = this.best(packet, true, ties);
        packet[at.conjId] = own;
        if (found !== undefined) return found;
      }
    }
    return hard;
  }

  private soft(packet: Words, above: number): Rule[] {
    const found: Rule[] = [];
    for (const tuple of this.tuples) {
      if (tuple.maxPriority <= above) break;
      if (!tuple.hasSoft) continue;
      let hash = 0;
      for (let i = 0; i < tuple.words.length; i++) hash = mix(hash, ((packet[tuple.words[i] as number] as number) & (tuple.masks[i] as number)) >>> 0);
      for (const rule of tuple.rules.get(hash) ?? []) if (rule.conjunctions.length > 0 && rule.flow.priority > above && matches(rule, packet)) found.push(rule);
    }
    return found;
  }
}

export function matches({ words, masks, values }: Pick<Rule, "words" | "masks" | "values">, packet: Words): boolean {
  for (let i = 0; i < words.length; i++) if (((packet[words[i] as number] as number) & (masks[i] as number)) >>> 0 !== values[i]) return false;
  return true;
}

