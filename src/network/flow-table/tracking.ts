/** What connection tracking does to a packet: a copy may go on once it is tracked. */
import type { Action } from "node-openflow";
import { at, etherType } from "./layout.js";
import { readBits, setField, writeBits } from "./set-fields.js";
import type { WalkState } from "./walk-state.js";

const trackedNew = 0x21;
const noRecirculation = 0xff;

export function clearTracking(walk: WalkState): void {
  walk.packet.fill(0, at.ctState, at.packetType);
}

/** Through connection tracking: with a table, a copy goes on there once it is tracked, and this one goes on untracked. */
export function track(walk: WalkState, one: Extract<Action, { readonly type: "ct" }>): void {
  const { packet } = walk;
  const type = packet[at.ethType] as number;
  const zone = typeof one.zone === "number" ? one.zone : Number(readBits(packet, one.zone.source, one.zone.range.offset, one.zone.range.bits) ?? 0n);
  if (type !== etherType.ipv4 && type !== etherType.ipv6) {
    walk.doubt("what connection tracking says of a packet that is not IP");
  }
  if (one.actions.some((inner) => inner.type === "nat" && inner.flags !== 0)) walk.doubt("what address translation makes of the packet");
  if (one.recircTable !== noRecirculation) {
    // Seen on Open vSwitch 3.1: the actions behind the exit are executed when the tracked packet goes on.
    if (walk.hasExited) walk.doubt("what an exit behind a patch port leaves to a packet that is tracked later");
    const copy = packet.slice();
    const known = walk.options.track?.(copy, zone) ?? { state: trackedNew };
    copy[at.ctState] = known.state;
    copy[at.ctZone] = zone;
    if (known.mark !== undefined) copy[at.ctMark] = known.mark;
    if (known.label !== undefined) writeBits(copy, "ctLabel", 0, 128, known.label);
    for (const inner of one.actions) setField(inner, copy);
    walk.later.push({ bridge: walk.bridge, packet: copy, tableId: one.recircTable, actionSet: [...walk.actionSet], stack: [...walk.stack], inner: walk.inner });
  }
  clearTracking(walk);
}
