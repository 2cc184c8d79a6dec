/** What the switches count of copies, put together for the budget of copies. Pure. */
import { portKey, type PortRef } from "../../network/model.js";
import { readCookie, table } from "../../network/pipeline.js";
import type { BudgetState, CopyReading } from "./copy-budget.js";
import { readReplicateSerial } from "./flows.js";
import type { BridgePlan } from "./plan.js";
import type { Shares } from "./shares.js";

export type CopyBudgetLimit = { readonly packetsPerS: number } | { readonly bitsPerS: number };

/** What an operator sees of the budget of copies. */
export interface SteeringView {
  readonly limit: CopyBudgetLimit;
  readonly shares: Shares;
  /** Undefined until it was measured. */
  readonly state: BudgetState | undefined;
  /** Times that shares were changed. */
  readonly changes: number;
  /** Why it does not steer at the moment; undefined while it does. */
  readonly failure: string | undefined;
}

interface Counted {
  readonly packetCount: bigint;
  readonly byteCount: bigint;
}
export interface BridgeCopyCounts {
  readonly plan: BridgePlan;
  readonly flows: readonly (Counted & { readonly tableId: number; readonly cookie: bigint })[];
  /** What each port took in and gave out, and its age by the switch's clock, in ms. */
  readonly received: ReadonlyMap<number, Counted & { readonly ageMs: number }>;
  readonly sent: ReadonlyMap<number, Counted>;
}

/** Whether sessions with `auto` select on a bridge. */
export const isSteered = ({ sessions }: BridgePlan): boolean => sessions.some(({ session }) => session.auto === true);

/** Edge ports of which sessions with `auto` copy: not those that a Mirror row copies anyway. */
export function steeredPorts(plan: BridgePlan): PortRef[] {
  const edges = new Set(plan.sessions.flatMap(({ session, selections }) => (session.auto === true ? [...selections.keys()] : [])));
  return [...edges].filter((edge) => !plan.mirrored.has(edge)).map((ofport) => ({ bridge: plan.bridge, ofport }));
}

/** The counters of all bridges in the unit of `limit`. */
export function copyReading(tMs: number, bridges: readonly BridgeCopyCounts[], limit: CopyBudgetLimit): CopyReading {
  const amount = ({ packetCount, byteCount }: Counted): number => ("packetsPerS" in limit ? Number(packetCount) : 8 * Number(byteCount));
  const asked = new Map<string, number>();
  const delivered = new Map<string, number>();
  const cameIn = new Map<string, { readonly amount: number; readonly ageMs: number }>();
  let [copied, fixed] = [0, 0];
  for (const { plan, flows, received, sent } of bridges) {
    const steered = new Set(plan.sessions.flatMap(({ session, index }) => (session.auto === true ? [index] : [])));
    for (const port of steeredPorts(plan)) {
      const counted = sent.get(port.ofport);
      if (counted !== undefined) delivered.set(portKey(port), amount(counted));
      const taken = received.get(port.ofport);
      if (taken !== undefined) cameIn.set(portKey(port), { amount: amount(taken), ageMs: taken.ageMs });
    }
    for (const edge of plan.mirrored) {
      const counted = received.get(edge);
      if (counted === undefined) continue;
      copied += amount(counted);
      fixed += amount(counted);
    }
    for (const flow of flows) {
      const owner = readCookie(flow.cookie);
      if (owner?.kind !== "replicate") continue;
      const { index, edge } = readReplicateSerial(owner.serial);
      if (plan.mirrored.has(edge)) continue; // counted above; flows only count there
      if (flow.tableId === table.copy && index === 0) copied += amount(flow);
      else if (flow.tableId === table.copy && !steered.has(index)) fixed += amount(flow);
      else if (flow.tableId === table.select && steered.has(index)) {
        const port = portKey({ bridge: plan.bridge, ofport: edge });
        asked.set(port, (asked.get(port) ?? 0) + amount(flow));
      }
    }
  }
  return { tMs, asked, cameIn, delivered, copied, fixed };
}
