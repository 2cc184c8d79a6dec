/** Tells each bridge of ours what its tables should hold: whole when something of ours is another, else what changed on live. */
import { reaches } from "../config/level-schema.js";
import type { FlowEntry } from "../network/flow-entry.js";
import type { PortConfigs } from "../network/port-config.js";
import type { Network } from "../network/model.js";
import type { SwitchState, SwitchWriter } from "../reconcile/switch-writer.js";
import { adapterFlows, type Wiring } from "./desired-shadow.js";
import { adapterBridge, collectorBridge, shadowBridge } from "./names.js";
import { nodeFlows, type ShadowNode } from "./nodes/node.js";
import type { Compose } from "./parts.js";
import type { Demand } from "./replication/plan.js";
import type { OwnBridge, ShadowSessions } from "./sessions.js";
import { tellChanges, tellNothing, tellShadow } from "./shadow-tables.js";
import type { Trials } from "./trials.js";

export interface TellerParts {
  readonly sessions: ShadowSessions;
  readonly trials: Trials;
  readonly compose: Compose;
  readonly demand: (bridge: string) => Demand;
  readonly edges: (bridge: string) => readonly number[];
  readonly wiring: (bridge: string) => Wiring;
  readonly showSink: boolean;
  readonly deliveries: boolean;
  /** Flows of a bridge's adapter that lead to collectors, the same value while they are the same; and their tables. */
  readonly sinks: (bridge: string) => readonly FlowEntry[];
  readonly sinkTables: readonly number[];
  /** Flows of the collector bridge, the same value while they are the same. */
  readonly collector: () => readonly FlowEntry[];
  /** Shadow nodes of a live bridge, and whether they are to send nothing now. */
  readonly nodes: (bridge: string) => readonly ShadowNode[];
  readonly nodesHeld: () => boolean;
}

/** What the bridges' tables depend on besides. */
export interface Telling {
  /** The network the shadow stands for, and the live one. */
  readonly network: Network;
  readonly live: Network;
  readonly promoted: boolean;
}

const noBits: PortConfigs = new Map();

export class Teller {
  private readonly parts: TellerParts;
  /** Bridges whose live tables changed since they were last told. */
  private readonly changed = new Set<string>();

  constructor(parts: TellerParts) {
    this.parts = parts;
  }

  /** A live bridge's tables changed. */
  note(bridge: string): void {
    this.changed.add(bridge);
  }

  /** Tells all bridges what is new to them. */
  tell({ network, live, promoted }: Telling): void {
    const { sessions, trials, compose, edges, wiring, showSink, deliveries, sinks, sinkTables, nodes, nodesHeld } = this.parts;
    const composed = compose(network);
    this.tellCollector();
    for (const name of network.bridges.keys()) {
      const own = sessions.own.get(shadowBridge(name));
      if (own !== undefined) {
        this.tellShadow(name, own, composed.get(name) ?? { flows: [], groups: [] }, live.bridges.has(name));
        this.tellPorts(name, own);
      }
      const adapter = sessions.own.get(adapterBridge(name));
      const mode = { tap: trials.tapOf(name), showSink, deliveries, promoted };
      const here = nodes(name).filter(({ at }) => edges(name).includes(at.ofport));
      const toSinks = sinks(name);
      const told = JSON.stringify([edges(name), mode, wiring(name), here, here.length > 0 && nodesHeld()]);
      if (adapter === undefined || (adapter.told === told && adapter.toldSinks === toSinks)) continue;
      adapter.told = told;
      adapter.toldSinks = toSinks;
      adapter.writer.setDesired({ flows: [...adapterFlows(edges(name), mode, wiring(name), sinkTables), ...nodeFlows(here, nodesHeld()), ...toSinks], groups: [] });
    }
  }

  private tellCollector(): void {
    const own = this.parts.sessions.own.get(collectorBridge);
    const flows = this.parts.collector();
    if (own === undefined || own.toldSinks === flows) return;
    own.toldSinks = flows;
    own.writer.setDesired({ flows: [...flows], groups: [] });
  }

  /** Tells what changed in live's tables, and nothing else. Returns the bridges that changed, and the writers that were told. */
  tellChanged(): { readonly bridges: readonly string[]; readonly writers: readonly SwitchWriter[] } {
    const { sessions } = this.parts;
    const bridges = [...this.changed];
    this.changed.clear();
    const writers = bridges.flatMap((name) => {
      // A bridge whose shadow was never told its tables gets them whole, with the pass that makes it.
      const own = sessions.own.get(shadowBridge(name));
      if (own?.told === undefined) return [];
      tellChanges(own, sessions.followers.get(name));
      return [own.writer];
    });
    return { bridges, writers };
  }

  /** A shadow's ports are configured as live's, once those are known. */
  private tellPorts(name: string, own: OwnBridge): void {
    const bits = reaches(this.parts.demand(name).level, "configuration") ? this.parts.sessions.portConfigs.get(name)?.current : noBits;
    if (bits !== undefined) own.ports.setDesired(bits);
  }

  private tellShadow(name: string, own: OwnBridge, ours: SwitchState, isLive: boolean): void {
    if (!reaches(this.parts.demand(name).level, "flows")) return tellNothing(own);
    const follower = this.parts.sessions.followers.get(name);
    // What a controller before us left in the shadow stays until live's tables are known.
    if (follower?.known === false && isLive) return;
    if (tellShadow(own, follower, ours, this.parts.trials.flowsOf(name))) this.changed.delete(name);
  }
}
