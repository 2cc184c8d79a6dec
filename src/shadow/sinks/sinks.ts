/** What the adapters send to collectors: their flows, kept while nothing they follow from changes, and what they count. */
import type { OpenFlowConnection } from "node-openflow";
import type { FlowEntry } from "../../network/flow-entry.js";
import type { Network } from "../../network/model.js";
import { sinkPort } from "../../network/pipeline.js";
import { cameIn, type Wiring } from "../desired-shadow.js";
import type { PortVlans, Selection } from "../replication/selector.js";
import { collectorFlows } from "./collector-bridge.js";
import { sinkFlows, sinkSelections, sinkSlots, slotKey, type PlacedSink } from "./sink-plan.js";

/** One sink on one bridge. */
export interface SinkStatus {
  readonly sink: PlacedSink;
  readonly bridge: string;
  /** What tells the bridge apart at the collector; undefined: there are more bridges than the tunnel has numbers for. */
  readonly slot: number | undefined;
  /** Packets and bytes given to the sink since its port came; undefined while the adapter can't be asked. */
  readonly packets: number | undefined;
  readonly bytes: number | undefined;
}

interface Selected {
  readonly network: Network;
  readonly vlansText: string;
  readonly slots: ReadonlyMap<string, number>;
  readonly ports: readonly ReadonlyMap<string, Selection>[];
  readonly problems: readonly string[];
  readonly collector: readonly FlowEntry[];
  readonly flows: Map<string, { readonly key: string; readonly flows: readonly FlowEntry[] }>;
}

const none: readonly FlowEntry[] = [];

export class Sinks {
  readonly all: readonly PlacedSink[];
  private readonly network: () => Network;
  private readonly vlans: () => ReadonlyMap<string, PortVlans>;
  private selected: Selected | undefined;

  constructor(all: readonly PlacedSink[], network: () => Network, vlans: () => ReadonlyMap<string, PortVlans>) {
    this.all = all;
    this.network = network;
    this.vlans = vlans;
  }

  /** Flows of a bridge's adapter: the same value while nothing that they follow from changed. */
  flows(bridge: string, edges: readonly number[], wiring: Wiring): readonly FlowEntry[] {
    if (this.all.length === 0) return none;
    const { slots, ports, flows } = this.select();
    const key = `${wiring} ${edges.join()}`;
    const known = flows.get(bridge);
    if (known?.key === key) return known.flows;
    const made = sinkFlows(bridge, edges, this.all, slots, ports, (edge) => cameIn(wiring, edge));
    flows.set(bridge, { key, flows: made });
    return made;
  }

  /** Flows of the collector bridge, likewise; none while no sink is a device. */
  collectorFlows(): readonly FlowEntry[] {
    return this.all.length === 0 ? none : this.select().collector;
  }

  /** Why sinks take nothing of some origins, by the sink's name. */
  problems(): readonly string[] {
    return this.all.length === 0 ? [] : this.select().problems;
  }

  /** Every sink on every bridge, with what its port counts. */
  async status(connection: (bridge: string) => OpenFlowConnection | undefined): Promise<SinkStatus[]> {
    if (this.all.length === 0) return [];
    const { slots } = this.select();
    const bridges = [...this.network().bridges.keys()].sort();
    const counts = await Promise.all(bridges.map(async (bridge) => [bridge, await connection(bridge)?.portStats().catch(() => undefined)] as const));
    return this.all.flatMap((sink) =>
      counts.map(([bridge, ports]) => {
        const port = ports?.find(({ portNo }) => portNo === sinkPort(sink.place));
        return { sink, bridge, slot: slots.get(slotKey(sink.name, bridge)), packets: port === undefined ? undefined : Number(port.txPackets), bytes: port === undefined ? undefined : Number(port.txBytes) };
      }),
    );
  }

  private select(): Selected {
    const network = this.network();
    const vlans = this.vlans();
    const vlansText = JSON.stringify([...vlans]);
    if (this.selected?.network === network && this.selected.vlansText === vlansText) return this.selected;
    const found = this.all.map((sink) => ({ sink, ...sinkSelections(sink, network, vlans) }));
    const slots = sinkSlots(this.all, [...network.bridges.keys()]);
    const without = this.all.flatMap(({ name, type }) => [...network.bridges.keys()].filter((bridge) => !slots.has(slotKey(name, bridge))).map((bridge) => `sink ${name}: ${bridge} gets none of the numbers that ${type} has for bridges`));
    const problems = [...found.flatMap(({ sink, problems: own }) => own.map((problem) => `sink ${sink.name}: ${problem}`)), ...without];
    return (this.selected = { network, vlansText, slots, ports: found.map(({ ports }) => ports), problems, collector: collectorFlows(this.all, network.bridges.keys(), slots), flows: new Map() });
  }
}
