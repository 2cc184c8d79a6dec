/** The flow that a learn action adds for a packet (ovs-actions(7), "The learn action"). */
import { port, type Action, type FieldName, type Instruction, type KnownField, type LearnSpec } from "node-openflow";
import type { FlowEntry } from "../flow-entry.js";
import { getSlot, nameOf, ones, slotOf, type Words } from "./layout.js";

export type LearnAction = Extract<Action, { readonly type: "learn" | "learn2" }>;

const value = (spec: LearnSpec, packet: Words): bigint => {
  if ("immediate" in spec.source) return spec.source.immediate.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n) & ones(spec.bits);
  const slot = slotOf(nameOf(spec.source.field) ?? "");
  return slot === undefined ? 0n : (getSlot(packet, slot) >> BigInt(spec.source.offset)) & ones(spec.bits);
};

/** Ports an output that is learned may name. */
const mayLearn = (to: number): boolean => to < 0xff00 || ([port.inPort, port.flood, port.local, port.all] as readonly number[]).includes(to);

/** Undefined when it names a field that no packet here has. */
export function learnedFlow(learn: LearnAction, packet: Words): FlowEntry | undefined {
  const match = new Map<FieldName, KnownField>();
  const actions: Action[] = [];
  for (const spec of learn.specs) {
    const bits = value(spec, packet);
    if (spec.target === "output") {
      const to = Number(bits);
      const wide = to >= 0xff00 && to <= 0xffff ? to + 0xffff0000 : to;
      if (mayLearn(wide)) actions.push({ type: "output", port: wide, maxLen: 0 });
      continue;
    }
    const target = "load" in spec.target ? spec.target.load : spec.target.match;
    const name = nameOf(target.field);
    const slot = name === undefined ? undefined : slotOf(name);
    if (name === undefined || slot === undefined) return undefined;
    if ("load" in spec.target) actions.push({ type: "regLoad", field: name, offset: target.offset, bits: spec.bits, value: bits });
    else {
      const old = match.get(name);
      const mask = (ones(spec.bits) << BigInt(target.offset)) | (old?.mask ?? (old === undefined ? 0n : ones(slot.bits)));
      const all = (bits << BigInt(target.offset)) | (old === undefined ? 0n : old.value & ~(ones(spec.bits) << BigInt(target.offset)));
      match.set(name, mask === ones(slot.bits) ? { name, value: all } : { name, value: all, mask });
    }
  }
  const { tableId, priority, cookie, idleTimeout, hardTimeout, flags } = learn;
  const instructions: readonly Instruction[] = actions.length === 0 ? [] : [{ type: "applyActions", actions }];
  return { tableId, priority, match: [...match.values()], cookie, instructions, idleTimeout, hardTimeout, flags: flags & 1 };
}
