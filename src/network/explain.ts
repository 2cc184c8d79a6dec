/** A packet's way in words: which flow, whose it is and why it took the packet; and where two ways part. Pure. */
import { flowMod, port, printFlow } from "node-openflow";
import { flowKey, type FlowEntry } from "./flow-entry.js";
import { printPacket, type SwitchAnswer } from "./flow-table.js";
import { readCookie, table } from "./pipeline.js";

export interface ExplainedStep {
  readonly depth: number;
  readonly tableId: number;
  /** The flow as ovs-ofctl writes it; empty where the step is not a flow. */
  readonly flow: string;
  /** Whose the flow is and what it is for: "ours: change 12", "operator". */
  readonly owner: string;
  readonly text: string;
}

export interface ExplainedOutput {
  readonly port: number;
  readonly name: string;
  /** The packet as it leaves. */
  readonly packet: string;
  /** It may be for connection tracking: 0 is the first pass. */
  readonly stage: number;
}

export interface Explanation {
  readonly steps: readonly ExplainedStep[];
  readonly outputs: readonly ExplainedOutput[];
  readonly undecided: readonly string[];
  /** Why all of it was dropped; empty when it was not. */
  readonly error: string;
}

/** Whose flow it is by its cookie: ours with its kind and serial number, or another's. */
export function ownerOf(cookie: bigint): string {
  const ours = readCookie(cookie);
  if (ours === undefined) return "operator";
  const { kind, serial } = ours;
  return kind === "change" || kind === "trial" ? `ours: ${kind} ${serial}` : `ours: ${kind}`;
}

const flowText = (flow: FlowEntry): string => {
  const { tableId, priority, match, cookie, instructions, idleTimeout, hardTimeout } = flow;
  return printFlow(flowMod({ tableId, priority, match, cookie, instructions, idleTimeout, hardTimeout }));
};

/** `names`: ports by number. The answer must have been asked for with `explain`. */
export function explain(answer: SwitchAnswer, names: ReadonlyMap<number, string>): Explanation {
  return {
    steps: answer.steps.map(({ depth, tableId, flow, text }): ExplainedStep => {
      if (flow === undefined || flow === null) return { depth, tableId, flow: "", owner: "", text: flow === null ? `table ${tableId}: ${text}` : text };
      return { depth, tableId, flow: flowText(flow), owner: ownerOf(flow.cookie), text: `table ${tableId}: priority ${flow.priority} matches` };
    }),
    outputs: answer.outputs.map((one) => ({ port: one.port, name: one.port === port.controller ? "controller" : (names.get(one.port) ?? String(one.port)), packet: printPacket(one.packet, true), stage: one.stage })),
    undecided: answer.undecided,
    error: answer.error ?? "",
  };
}

/** How a packet is copied concerns live alone: the shadow has the call of these tables, and nothing in them. */
const isReplication = (id: number): boolean => id >= table.replicate && id <= table.copy;
const stepKey = (step: SwitchAnswer["steps"][number]): string =>
  step.flow === undefined || isReplication(step.tableId) ? "" : `${step.tableId} ${step.flow === null ? "no flow" : flowKey(step.flow)}`;
const outputKey = (one: SwitchAnswer["outputs"][number]): string => `${one.port} ${printPacket(one.packet, true)}`;

export interface Parting {
  /** Number of the first step that differs, in either list of steps; -1 when only the outputs do. */
  readonly step: number;
  readonly text: string;
}

/**
 * Where two ways of one packet part: at the first table that another flow answers, else in what leaves. Undefined: nowhere. `leavesOut`
 * names ports that do not count, as those our copies leave by.
 */
export function parting(live: SwitchAnswer, shadow: SwitchAnswer, leavesOut: (port: number) => boolean = () => false): Parting | undefined {
  const [ours, theirs] = [live, shadow].map(({ steps }) => steps.map((step, index) => ({ index, step, key: stepKey(step) })).filter(({ key }) => key !== "")) as [Keyed, Keyed];
  for (let i = 0; i < Math.max(ours.length, theirs.length); i++) {
    const [a, b] = [ours[i], theirs[i]];
    if (a?.key === b?.key) continue;
    const of = (one: Keyed[number] | undefined): string => (one === undefined ? "ends" : one.step.flow === null || one.step.flow === undefined ? `table ${one.step.tableId}: no flow matches` : flowText(one.step.flow).trim());
    return { step: (a ?? b)?.index ?? -1, text: `live: ${of(a)}; shadow: ${of(b)}` };
  }
  const left = (answer: SwitchAnswer): string[] => answer.outputs.filter((one) => !leavesOut(one.port)).map(outputKey).sort();
  const [a, b] = [left(live), left(shadow)];
  const only = (some: readonly string[], others: readonly string[]): string => some.filter((one) => !others.includes(one)).join("; ") || "nothing more";
  return a.join("\n") === b.join("\n") ? undefined : { step: -1, text: `only on live: ${only(a, b)}; only on the shadow: ${only(b, a)}` };
}
type Keyed = { readonly index: number; readonly step: SwitchAnswer["steps"][number]; readonly key: string }[];
