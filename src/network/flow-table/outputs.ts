/** How a packet leaves: by ports, into the bridge behind a patch port, by NORMAL, as copies of mirrors, to the controller. */
import { port } from "node-openflow";
import { at } from "./layout.js";
import { carries, inputVlan, isGroupAddress, macKey, normalWay, tagFor } from "./normal.js";
import { unsetPort } from "./packet.js";
import type { SwitchPort } from "./state.js";
import { clearTracking } from "./tracking.js";
import { Dropped, type WalkState } from "./walk-state.js";

export function output(walk: WalkState, to: number, maxLen: number): void {
  const input = walk.packet[at.inPort] as number;
  switch (to) {
    case port.inPort:
      return outPort(walk, input, 0);
    case port.table:
      return walk.table(0, input);
    case port.normal:
      return normal(walk);
    case port.flood:
    case port.all:
      for (const one of walk.bridge.state.ports) if (one.number !== input && (to === port.all || one.noFlood !== true)) outPort(walk, one.number, 0);
      return;
    case port.controller:
      return toController(walk, maxLen);
    case port.any:
      return;
    default:
      if (to !== input) outPort(walk, to, maxLen);
      else walk.say("not sent back to the port it came from");
  }
}

export function toController(walk: WalkState, maxLen: number): void {
  if (walk.explains) walk.say("to the controller");
  walk.outputs.push({ bridge: walk.bridge.state.name, port: port.controller, packet: walk.packet.slice(), maxLen, queueId: 0, stage: walk.stage });
}

function outPort(walk: WalkState, number: number, maxLen: number): void {
  const to = walk.bridge.ports.get(number);
  if (to === undefined) return walk.say(`there is no port ${number}`);
  if (to.noForward === true) return walk.say(`port ${to.name} takes nothing out (no-forward)`);
  if (to.peer !== undefined) return crossPatch(walk, to.peer);
  if (walk.explains) walk.say(`leaves by port ${to.name}`);
  walk.outputs.push({ bridge: walk.bridge.state.name, port: number, packet: walk.packet.slice(), maxLen, queueId: walk.queueId, stage: walk.stage });
  mirror(walk, to, "selectDestination");
}

/**
 * Into the bridge at the other end. Registers, metadata and the tunnel stay behind; the mark of the packet goes along. What makes
 * that bridge give up (too many resubmits) ends its part alone, and what it has sent is sent.
 */
function crossPatch(walk: WalkState, { bridge: name, port: number }: { readonly bridge: string; readonly port: number }): void {
  const peer = walk.bridges.get(name);
  const input = peer?.ports.get(number);
  if (peer === undefined || input === undefined) return walk.doubt(`bridge ${name}, at the other end of a patch port, is not known`);
  if (input.noReceive === true) return;
  const [bridge, tableId, mirrored, exits, depth] = [walk.bridge, walk.tableId, walk.mirrored, walk.exits, walk.depth];
  const work = (): void => {
    walk.bridge = peer;
    walk.tableId = 0;
    walk.mirrored = new Set();
    walk.stack = [];
    walk.actionSet = [];
    walk.packet.fill(0, 0, at.inPort);
    walk.packet[at.inPort] = number;
    walk.packet[at.actsetOutput] = unsetPort;
    clearTracking(walk);
    mirror(walk, input, "selectSource");
    walk.table(0, number);
    walk.executeActionSet();
  };
  try {
    walk.onCopy(work);
  } catch (error) {
    if (!(error instanceof Dropped)) throw error;
    walk.say(`bridge ${name} gives up: ${error.message}`);
  }
  [walk.bridge, walk.tableId, walk.mirrored, walk.exits, walk.depth] = [bridge, tableId, mirrored, exits, depth];
}

function normal(walk: WalkState): void {
  const { state, ports } = walk.bridge;
  const way = normalWay(state, ports, walk.packet);
  if ("drop" in way) return walk.say(`NORMAL drops it: ${way.drop}`);
  if ((walk.packet[at.vlanTci1] as number) !== 0) walk.doubt("what NORMAL makes of a second tag");
  const input = walk.packet[at.inPort] as number;
  if (!isGroupAddress(walk.packet, at.ethSrc)) walk.macs.push({ bridge: state.name, key: macKey(way.vlan, walk.packet, at.ethSrc), port: input });
  walk.say(`NORMAL: ${way.why}`);
  for (const one of way.to) outTagged(walk, one, way.vlan);
}

function outTagged(walk: WalkState, to: SwitchPort, vlan: number): void {
  const { packet } = walk;
  const [tci, tpids] = [packet[at.vlanTci] as number, packet[at.vlanTpids] as number];
  tagFor(to, vlan, packet);
  outPort(walk, to.number, 0);
  [packet[at.vlanTci], packet[at.vlanTpids]] = [tci, tpids];
}

/** Copies of what comes in or goes out by a port, each mirror once a packet. */
export function mirror(walk: WalkState, through: SwitchPort, select: "selectSource" | "selectDestination"): void {
  const { state, ports } = walk.bridge;
  for (const one of state.mirrors ?? []) {
    if (walk.mirrored.has(one.name) || !(one.selectAll || one[select].includes(through.number))) continue;
    const vlan = inputVlan(through, walk.packet[at.vlanTci] as number);
    if (vlan === undefined || (one.selectVlans.length > 0 && !one.selectVlans.includes(vlan))) continue;
    walk.mirrored.add(one.name);
    if (one.outputVlan !== undefined) walk.doubt(`where mirror ${one.name} sends its copies: it fills a VLAN`);
    if ((walk.packet[at.vlanTci1] as number) !== 0) walk.doubt("what a mirror makes of a second tag");
    const to = one.outputPort === undefined ? undefined : ports.get(one.outputPort);
    if (to !== undefined && carries(to, vlan)) outTagged(walk, to, vlan);
  }
}
