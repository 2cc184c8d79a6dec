/** What each session selects, port by port, with the counters of what selects it. Pure. */
import { portKey } from "../../network/model.js";
import { readCookie, table } from "../../network/pipeline.js";
import { readReplicateSerial } from "./flows.js";
import type { BridgePlan, ReplicationPlan } from "./plan.js";
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
  const asked = plan.asked.get(session.name);
  return [...bridge.mirrored]
    .filter((edge) => asked?.has(portKey({ bridge: bridge.bridge, ofport: edge })))
    .map((edge) => ({ edge, by: "mirror", selected: Number(counts.sent.get(replicaOf(edge)) ?? 0n) }));
}

function byFlows(session: Session, bridge: BridgePlan, counts: BridgeCounts): Count[] {
  const planned = bridge.sessions.find((one) => one.session.name === session.name);
  if (planned === undefined) return [];
  const totals = countsByFlow(counts);
  return [...planned.selections.keys()].map((edge) => ({ edge, by: "flows", selected: totals.get(`${planned.index} ${edge}`) ?? 0 }));
}
