/** The rows of the shadow as they should be now: planned, and told to the databases. */
import type { Network } from "../network/model.js";
import type { DesiredDatabase, DesiredPort, DesiredSflow } from "../reconcile/database-state.js";
import { NodeRows, type ShadowNode } from "./nodes/node.js";
import type { ShadowParts } from "./parts.js";
import { ShadowPlan, type PlannedShadow, type PlanOptions } from "./plan.js";
import { nothingPlanned } from "./replication/plan.js";

export class PlannedRows {
  rows: PlannedShadow = { bridges: [], livePorts: new Map(), left: [], replication: nothingPlanned };
  /** sFlow sampling rates by live bridge; bridges without one keep the configured rate. */
  sampling: ReadonlyMap<string, number> = new Map();
  /** Shadow nodes by live bridge. */
  nodes: ReadonlyMap<string, readonly ShadowNode[]> = new Map();
  private readonly nodeRows = new NodeRows();
  private readonly parts: Pick<ShadowParts, "database" | "index" | "remote" | "sflow" | "sinks" | "tables">;
  private readonly planner: ShadowPlan;
  private isPlanned = false;
  private told: DesiredDatabase | undefined;

  constructor(parts: Pick<ShadowParts, "database" | "index" | "remote" | "sflow" | "sinks" | "tables">) {
    this.parts = parts;
    this.planner = new ShadowPlan(parts.tables);
  }

  /** Plans the rows for what the shadow stands for. Returns whether that was the first time. */
  take({ network, live }: { readonly network: Network; readonly live: Network }, options: Omit<PlanOptions, "tunnels" | "sinks">): boolean {
    const { database, index, remote, sinks } = this.parts;
    this.rows = this.planner.rows(network, live, (name) => index.bridge(name), { ...options, tunnels: remote?.tunnels, sinks });
    const { livePorts } = this.rows;
    const bridges = this.nodeRows.added(this.rows.bridges, this.nodes);
    remote?.database.setDesired({ bridges, livePorts: new Map(), sflow: new Map() });
    database.setDesired((this.told = { bridges: remote === undefined ? bridges : [], livePorts, sflow: this.sflow(live) }));
    const isFirst = !this.isPlanned;
    this.isPlanned = true;
    return isFirst;
  }

  /** Tells live's database the rows as last planned, with Mirror rows that copy nothing. */
  withoutCopies(): void {
    if (this.told === undefined) return;
    const bare = (port: DesiredPort): DesiredPort => (port.guard === undefined ? port : { ...port, guard: { name: port.guard.name } });
    this.parts.database.setDesired({ ...this.told, livePorts: new Map([...this.told.livePorts].map(([bridge, ports]) => [bridge, ports.map(bare)])) });
  }

  /** Whether the rows of a live bridge's shadow follow from what it is now. */
  isCurrent(name: string, network: Network, live: Network): boolean {
    const bridge = network.bridges.get(name);
    return bridge !== undefined && this.planner.isPlanned(bridge, live.bridges.get(name), this.parts.index.bridge(name));
  }

  private sflow(live: Network): Map<string, DesiredSflow> {
    const configured = this.parts.sflow;
    if (configured === undefined) return new Map();
    return new Map([...live.bridges.keys()].map((name) => {
      const sampling = this.sampling.get(name);
      return [name, sampling === undefined ? configured : { ...configured, sampling }];
    }));
  }
}
