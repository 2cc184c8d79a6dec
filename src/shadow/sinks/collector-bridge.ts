/**
 * The collector bridge: it joins what all adapters have for a device of the host, because a device can be a port of one bridge only. Each adapter has a
 * patch to it for each such sink. It has no flow for what comes in by a device. Pure.
 */
import { action, instruction, match, type Action } from "node-openflow";
import type { DeviceSink } from "../../config/sink-schema.js";
import { permanent, type FlowEntry } from "../../network/flow-entry.js";
import type { Bridge } from "../../network/model.js";
import { cookie, table } from "../../network/pipeline.js";
import type { DesiredBridge, DesiredPort } from "../../reconcile/database-state.js";
import { collectorBridge, collectorEnd, sinkName } from "../names.js";
import { slotKey, type Placed, type PlacedSink } from "./sink-plan.js";

const customerTag = 0x8100;
const vidPresent = 0x1000;

/** OpenFlow ports of the collector bridge: the devices, by place; and the patches, by the number of the live bridge in the sink and the sink's place. */
const devicePort = (place: number): number => 0x8000 + place;
const patchPort = (slot: number, place: number): number => slot * 16 + place;

const isDevice = (sink: PlacedSink): sink is Placed<DeviceSink> => sink.type === "device";

/** A patch of one live bridge's adapter for one sink. */
interface End {
  readonly bridge: string;
  readonly sink: Placed<DeviceSink>;
  readonly ofport: number;
}

function ends(sinks: readonly PlacedSink[], bridges: Iterable<string>, slotOf: ReadonlyMap<string, number>): End[] {
  const devices = sinks.filter(isDevice);
  return [...bridges].sort().flatMap((bridge) =>
    devices.flatMap((sink) => {
      const slot = slotOf.get(slotKey(sink.name, bridge));
      return slot === undefined ? [] : [{ bridge, sink, ofport: patchPort(slot, sink.place) }];
    }),
  );
}

/**
 * Its row; undefined while no sink is a device, or there is no live bridge. Patches join bridges of one datapath type only: it has that of the live
 * bridge that is first by name.
 */
export function desiredCollector(sinks: readonly PlacedSink[], bridges: ReadonlyMap<string, Bridge>, slotOf: ReadonlyMap<string, number>): DesiredBridge | undefined {
  const first = [...bridges.values()].sort((x, y) => (x.name < y.name ? -1 : 1))[0];
  const devices = sinks.filter(isDevice);
  if (first === undefined || devices.length === 0) return undefined;
  const none: ReadonlyMap<string, string> = new Map();
  const ports: DesiredPort[] = [
    ...devices.map(({ device, place }): DesiredPort => ({ name: device, type: "", options: none, ofport: devicePort(place), role: "sink", live: "" })),
    ...ends(sinks, bridges.keys(), slotOf).map(({ bridge, sink, ofport }): DesiredPort => ({ name: collectorEnd(bridge, sink.place), type: "patch", options: new Map([["peer", sinkName(bridge, sink.place)]]), ofport, role: "sink", live: bridge })),
  ];
  return { name: collectorBridge, datapathType: first.datapathType, role: "collector", live: "", ports };
}

/** Its flows: from each patch to the device, with the sink's tag in front, and cut where asked. */
export function collectorFlows(sinks: readonly PlacedSink[], bridges: Iterable<string>, slotOf: ReadonlyMap<string, number>): FlowEntry[] {
  return ends(sinks, bridges, slotOf).map(({ sink: { vlan, place, maxLen }, ofport }) => {
    const tag: Action[] = vlan === undefined ? [] : [action.pushVlan(customerTag), action.setField("vlanVid", vlan | vidPresent)];
    const out = maxLen === undefined ? action.output(devicePort(place)) : action.outputTrunc(devicePort(place), maxLen);
    return permanent({ tableId: table.operator, priority: 100, match: match({ inPort: ofport }), cookie: cookie("adapter", BigInt(ofport)), instructions: [instruction.apply(...tag, out)] });
  });
}
