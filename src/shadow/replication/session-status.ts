/** What each session selects, port by port, with the counters of what selects it. Pure. */
import { portKey } from "../../network/model.js";
import { readCookie, table } from "../../network/pipeline.js";
import { readReplicateSerial } from "./flows.js";
import { isFraction, isWhole, type BridgePlan, type PlannedSession, type ReplicationPlan } from "./plan.js";
import type { Asked } from "../fidelity/account.js";
import type { Session } from "../../config/session-schema.js";

export interface SessionPortCount {
  /** Live portKey. */
  readonly port: string;
  readonly by: "mirror" | "flows";
  /** Packets selected since the row or the flow came. */
  readonly selected: number;
}

/** What a live bridge's switch counts. */
export interface BridgeCounts {
  readonly flows: readonly { readonly tableId: number; readonly cookie: bigint; readonly packetCount: bigint }[];
  /** Packets sent out of each port. */
  readonly sent: ReadonlyMap<number, bigint>;
}

/** Packets that `flows` of table 247 counted, by session index and edge port. */
function countsByFlow(counts: BridgeCounts): Map<string, number> {
  const totals = new Map<string, number>();
  for (const { tableId, cookie, packetCount } of counts.flows) {
    const owner = readCookie(cookie);
    if (tableId !== table.copy || owner?.kind !== "replicate") continue;
    const { index, edge } = readReplicateSerial(owner.serial);
    const key = `${index} ${edge}`;
    totals.set(key, (totals.get(key) ?? 0) + Number(packetCount));
  }
  return totals;
}

/**
 * Selected packets of a session by port. `asks` says which mirrored ports it asks for, `replicaOf` the port through which a
 * Mirror row's copies of an edge port leave.
 */
export function sessionPorts(session: Session, plan: ReplicationPlan, counts: ReadonlyMap<string, BridgeCounts>, replicaOf: (edge: number) => number): SessionPortCount[] {
  return [...plan.bridges.values()].flatMap((bridge) => {
    const here = counts.get(bridge.bridge);
    if (here === undefined) return [];
    return [...mirrored(session, plan, bridge, here, replicaOf), ...byFlows(session, bridge, here)].sort((x, y) => x.edge - y.edge).map(({ edge, by, selected }) => ({ port: portKey({ bridge: bridge.bridge, ofport: edge }), by, selected }));
  });
}

type Count = { readonly edge: number; readonly by: "mirror" | "flows"; readonly selected: number };

function mirrored(session: Session, plan: ReplicationPlan, bridge: BridgePlan, counts: BridgeCounts, replicaOf: (edge: number) => number): Count[] {
  if (!isWhole(session)) return [];
  const asked = plan.asked.get(session.name);
  const byFlows = bridge.sessions.find((one) => one.session.name === session.name)?.selections;
  return [...bridge.mirrored]
    .filter((edge) => byFlows?.has(edge) !== true && asked?.has(portKey({ bridge: bridge.bridge, ofport: edge })))
    .map((edge) => ({ edge, by: "mirror", selected: Number(counts.sent.get(replicaOf(edge)) ?? 0n) }));
}

function byFlows(session: Session, bridge: BridgePlan, counts: BridgeCounts): Count[] {
  const planned = bridge.sessions.find((one) => one.session.name === session.name);
  if (planned === undefined) return [];
  const totals = countsByFlow(counts);
  return [...planned.selections.keys()].map((edge) => ({ edge, by: "flows", selected: totals.get(`${planned.index} ${edge}`) ?? 0 }));
}

/** A flow as a switch counts it, with the time since it was put there. */
export interface CountedFlow {
  readonly tableId: number;
  readonly cookie: bigint;
  readonly packetCount: bigint;
  readonly durationSec: number;
  readonly durationNsec: number;
}

const isAll = ({ session, selections }: PlannedSession, edge: number): boolean => !isFraction(session) && selections.get(edge) === "all";

/** Whether somebody has to count flows to know what is asked of a bridge's ports. */
export const selectsParts = (plan: BridgePlan): boolean => plan.sessions.some(({ selections }) => [...selections.keys()].some((edge) => !plan.mirrored.has(edge) && !plan.sessions.some((one) => isAll(one, edge))));

/**
 * What is asked of each edge port of a bridge. `flows`: those of tables 244 and 247. Session 0's flows of table 247 are met by a
 * packet once, however many sessions select it; what a fraction left out is what met the session in 244 and not in 247.
 */
export function askedOf(plan: BridgePlan, flows: readonly CountedFlow[]): Map<number, Asked> {
  const count = new Map<string, { packets: bigint; ageS: number }>();
  for (const { tableId, cookie, packetCount, durationSec, durationNsec } of flows) {
    const owner = readCookie(cookie);
    if (owner?.kind !== "replicate") continue;
    const { index, edge } = readReplicateSerial(owner.serial);
    const key = `${tableId} ${index} ${edge}`;
    const sum = count.get(key) ?? { packets: 0n, ageS: Infinity };
    count.set(key, { packets: sum.packets + packetCount, ageS: Math.min(sum.ageS, durationSec + durationNsec / 1e9) });
  }
  const packets = (tableId: number, index: number, edge: number): bigint => count.get(`${tableId} ${index} ${edge}`)?.packets ?? 0n;
  return new Map(
    plan.edges.map(({ ofport: edge }): [number, Asked] => {
      const sessions = plan.sessions.filter(({ selections }) => selections.has(edge));
      if (plan.mirrored.has(edge) || sessions.some((one) => isAll(one, edge))) return [edge, "all"];
      if (sessions.length === 0) return [edge, "nothing"];
      const left = sessions.filter(({ session }) => isFraction(session)).map(({ index }) => packets(table.select, index, edge) - packets(table.copy, index, edge));
      // The two tables are not read at one moment of the switch: below 0 is none.
      const notChosen = left.reduce((sum, one) => sum + (one > 0n ? one : 0n), 0n);
      return [edge, { selected: packets(table.copy, 0, edge), notChosen, ageS: count.get(`${table.copy} 0 ${edge}`)?.ageS ?? 0 }];
    }),
  );
}
