/** The action NORMAL: a VLAN-aware learning bridge, from the bridge's ports, its MAC table and its mirrors. */
import { at, type Words } from "./layout.js";
import type { BridgeState, SwitchMirror, SwitchPort, VlanConfig } from "./state.js";

const trunk: VlanConfig = { mode: "trunk", tag: 0, trunks: [] };
const vlanOf = (port: SwitchPort): VlanConfig => port.vlan ?? trunk;

/** Whether frames of the VLAN leave by the port. */
export function carries(port: SwitchPort, vlan: number): boolean {
  const { mode, tag, trunks } = vlanOf(port);
  if (mode === "access") return vlan === tag;
  return trunks.length === 0 || trunks.includes(vlan) || (mode !== "trunk" && vlan === tag);
}

/** The VLAN a frame that comes in by a port belongs to; undefined: the port does not take it. */
export function inputVlan(port: SwitchPort, tci: number): number | undefined {
  const vid = tci & 0xfff;
  const { mode, tag } = vlanOf(port);
  if (mode === "access") return vid === 0 ? tag : undefined;
  if (mode !== "trunk" && vid === 0) return tag;
  return carries(port, vid) ? vid : undefined;
}

/** Tags a frame of the VLAN as the port wants it; the caller puts it back. */
export function tagFor(port: SwitchPort, vlan: number, packet: Words): void {
  const { mode, tag } = vlanOf(port);
  const isUntagged = mode === "access" || (mode === "native-untagged" && vlan === tag);
  const vid = isUntagged ? 0 : vlan;
  const tci = packet[at.vlanTci] as number;
  // A trunk keeps the priority of a frame of VLAN 0; where the tag is taken off it is gone.
  const kept = isUntagged ? 0 : vid | (tci & 0xe000);
  packet[at.vlanTci] = kept === 0 ? 0 : kept | 0x1000;
  if (tci === 0 && kept !== 0) packet[at.vlanTpids] = 0x81000000;
}

const mac = (words: Words, word: number): string => {
  const text = ((words[word] as number) & 0xffff).toString(16).padStart(4, "0") + (words[word + 1] as number).toString(16).padStart(8, "0");
  return text.replace(/..(?=.)/g, "$&:");
};
/** Key of the MAC table. */
export const macKey = (vlan: number, words: Words, word: number): string => `${vlan}/${mac(words, word)}`;

/** 01:80:c2:00:00:00 to 0f, and Cisco's, which bridges keep to themselves. */
export function isReservedGroup(words: Words): boolean {
  const [high, low] = [words[at.ethDst] as number, words[at.ethDst + 1] as number];
  return high === 0x0180 && ((low & 0xfffffff0) >>> 0 === 0xc2000000 || (low & 0xfffffff0) >>> 0 === 0xc2000020);
}

export const isGroupAddress = (words: Words, word: number): boolean => ((words[word] as number) & 0x0100) !== 0;

/** Whether the port is kept for a mirror's copies. */
export const isMirrorOutput = (mirrors: readonly SwitchMirror[], port: number): boolean => mirrors.some(({ outputPort }) => outputPort === port);

export type NormalWay = { readonly drop: string } | { readonly to: readonly SwitchPort[]; readonly vlan: number; readonly why: string };

/** Where NORMAL sends a packet. */
export function normalWay(bridge: BridgeState, ports: ReadonlyMap<number, SwitchPort>, packet: Words): NormalWay {
  const input = ports.get(packet[at.inPort] as number);
  const mirrors = bridge.mirrors ?? [];
  if (input === undefined) return { drop: "it came in by no port of this bridge" };
  if (isMirrorOutput(mirrors, input.number)) return { drop: `port ${input.name} is reserved for mirroring` };
  const vlan = inputVlan(input, packet[at.vlanTci] as number);
  if (vlan === undefined) return { drop: `port ${input.name} does not take VLAN ${(packet[at.vlanTci] as number) & 0xfff}` };
  if (isReservedGroup(packet) && bridge.forwardBpdu !== true) return { drop: "the address is reserved for bridges" };
  const known = isGroupAddress(packet, at.ethDst) ? undefined : bridge.macs?.get(macKey(vlan, packet, at.ethDst));
  if (known !== undefined) {
    const to = ports.get(known);
    if (known === input.number) return { drop: "the host is behind the port it came from" };
    if (to !== undefined) return { to: [to], vlan, why: `learned on port ${to.name}` };
  }
  const to = bridge.ports.filter((one) => one.number !== input.number && one.noFlood !== true && carries(one, vlan) && !isMirrorOutput(mirrors, one.number));
  return { to, vlan, why: "not learned, flooded" };
}
