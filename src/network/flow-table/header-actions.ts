/** Actions that put headers on and take them off, and count times to live down. */
import type { Action } from "node-openflow";
import { labelCount, popMpls, popVlan, pushMpls, pushVlan } from "./headers.js";
import { at, etherType, firstHiddenByMpls, isMpls } from "./layout.js";
import { toController } from "./outputs.js";
import { Dropped, type WalkState } from "./walk-state.js";

/** False: the rest of the list is not executed. */
export function headerAction(walk: WalkState, one: Action): boolean {
  const { packet } = walk;
  switch (one.type) {
    case "pushVlan":
      pushVlan(packet, one.ethType);
      return true;
    case "popVlan":
    case "stripVlan":
      popVlan(packet);
      return true;
    case "pushMpls": {
      const inner = pushMpls(packet, one.ethType);
      if (inner === false) throw new Dropped("no room for another label");
      if (inner.length > 0) walk.inner = inner;
      return true;
    }
    case "popMpls": {
      if (popMpls(packet, one.ethType) !== "inner") return true;
      if (walk.inner !== undefined && !isMpls(one.ethType)) packet.set(walk.inner, firstHiddenByMpls);
      else walk.doubt("what is below the label");
      walk.inner = undefined;
      return true;
    }
    case "decNwTtl":
    case "decTtlCntIds": {
      const type = packet[at.ethType] as number;
      if (type !== etherType.ipv4 && type !== etherType.ipv6) return true;
      if ((packet[at.ttl] as number) > 1) {
        packet[at.ttl] = (packet[at.ttl] as number) - 1;
        return true;
      }
      for (let i = 0; i < (one.type === "decTtlCntIds" ? one.controllerIds.length : 1); i++) toController(walk, 0xffff);
      walk.say("its time to live has run out");
      return false;
    }
    case "decMplsTtl": {
      if (!isMpls(packet[at.ethType] as number)) return true;
      const entry = packet[at.mpls] as number;
      if ((entry & 0xff) > 1) {
        packet[at.mpls] = entry - 1;
        return true;
      }
      toController(walk, 0xffff);
      walk.say("its label's time to live has run out");
      return false;
    }
    case "copyTtlOut":
    case "copyTtlIn":
      if (labelCount(packet) > 0) walk.doubt(`what ${one.type} does: Open vSwitch has no such action`);
      return true;
    default:
      walk.doubt(`what the action ${one.type} does`);
      return true;
  }
}
