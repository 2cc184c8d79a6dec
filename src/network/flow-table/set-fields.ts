/** Actions that write fields, as patches of words that are made once and kept with the action. */
import type { Action, FieldRef } from "node-openflow";
import { applyPatch, at, getSlot, hasPrerequisite, nameOf, ones, patchOf, prerequisiteOf, slotOf, widePort, type Patch, type Words } from "./layout.js";

interface Write {
  readonly patch: Patch;
  readonly prerequisite: string;
}
const cache = new WeakMap<Action, Write | null>();

function writeOf(name: string, value: bigint, mask: bigint): Write | null {
  const slot = slotOf(name);
  if (slot === undefined) return null;
  if (name === "nxInPort") return { patch: patchOf(slot, BigInt(widePort(Number(value))), ones(32)), prerequisite: "none" };
  const all = name === "ipTos" ? mask & 0xfcn : mask;
  return { patch: patchOf(slot, value, all), prerequisite: prerequisiteOf(name) };
}

const address = (bytes: Uint8Array): bigint => bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);

/** The write of an action that sets a field, of 1.5 or of 1.0; null for a field no packet here has, undefined for another action. */
function compile(action: Action, packet: Words): Write | null | undefined {
  const set = (name: string, value: bigint | number): Write | null => writeOf(name, BigInt(value), ones(slotOf(name)?.bits ?? 0));
  switch (action.type) {
    case "setField":
    case "regLoad2":
      return writeOf(action.field.name, action.field.value, action.field.mask ?? ones(slotOf(action.field.name)?.bits ?? 0));
    case "regLoad": {
      const name = nameOf(action.field);
      return name === undefined ? null : writeOf(name, action.value << BigInt(action.offset), ones(action.bits) << BigInt(action.offset));
    }
    case "setDlSrc":
      return set("ethSrc", address(action.dlAddr));
    case "setDlDst":
      return set("ethDst", address(action.dlAddr));
    case "setNwSrc":
      return set("ipv4Src", action.nwAddr);
    case "setNwDst":
      return set("ipv4Dst", action.nwAddr);
    case "setNwTos":
      return set("ipTos", action.nwTos);
    case "setNwEcn":
      return set("ipEcn", action.nwEcn);
    case "setNwTtl":
      return set("ipTtl", action.ttl);
    case "setMplsTtl":
      return set("mplsTtl", action.ttl);
    case "setMplsLabel":
      return set("mplsLabel", action.mplsLabel);
    case "setMplsTc":
      return set("mplsTc", action.mplsTc);
    case "setTunnel":
      return set("tunnelId", action.tunId);
    case "setTunnel64":
      return set("tunnelId", action.tunId);
    case "setTpSrc":
    case "setTpDst": {
      const end = action.type === "setTpSrc" ? "Src" : "Dst";
      const kind = (["tcp", "udp", "sctp"] as const).find((one) => hasPrerequisite(packet, one));
      return kind === undefined ? null : set(`${kind}${end}`, action.tpPort);
    }
    default:
      return undefined;
  }
}

/** Executes an action that writes a field; false for another kind of action. A packet without the field's header is left as it is. */
export function setField(action: Action, packet: Words): boolean {
  let write = cache.get(action);
  if (write === undefined) {
    if (action.type === "setVlanVid" || action.type === "setVlanPcp") {
      const tci = packet[at.vlanTci] as number;
      if (tci === 0) packet[at.vlanTpids] = 0x81000000;
      packet[at.vlanTci] = action.type === "setVlanVid" ? (tci & 0xe000) | 0x1000 | (action.vlanVid & 0xfff) : (tci & 0x0fff) | 0x1000 | ((action.vlanPcp & 7) << 13);
      return true;
    }
    const made = compile(action, packet);
    if (made === undefined) return false;
    // What setTpSrc writes depends on the packet.
    if (action.type !== "setTpSrc" && action.type !== "setTpDst") cache.set(action, made);
    write = made;
  }
  if (write === null || !hasPrerequisite(packet, write.prerequisite)) return true;
  applyPatch(packet, write.patch);
  // An ID for a packet without tag gives it one.
  if (write.patch.words[0] === at.vlanTci && (packet[at.vlanTpids] as number) >>> 16 === 0) packet[at.vlanTpids] = 0x81000000;
  return true;
}

/** Bits of a field; undefined for a field no packet here has, or where the packet lacks its header. */
export function readBits(packet: Words, ref: FieldRef, offset: number, bits: number): bigint | undefined {
  const name = nameOf(ref);
  const slot = name === undefined ? undefined : slotOf(name);
  if (name === undefined || slot === undefined || !hasPrerequisite(packet, prerequisiteOf(name))) return undefined;
  return (getSlot(packet, slot) >> BigInt(offset)) & ones(bits);
}

/** Writes bits of a field, if the packet has its header. */
export function writeBits(packet: Words, ref: FieldRef, offset: number, bits: number, value: bigint): void {
  const name = nameOf(ref);
  const write = name === undefined ? null : writeOf(name, (value & ones(bits)) << BigInt(offset), ones(bits) << BigInt(offset));
  if (write !== null && hasPrerequisite(packet, write.prerequisite)) applyPatch(packet, write.patch);
}
