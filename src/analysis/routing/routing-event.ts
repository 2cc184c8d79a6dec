/** Routing events in the shared form, and where they go. */
import type { NetworkEvent, Side } from "../../base/observation.js";

/** What can happen. `subject` of each is in brackets. */
export type RoutingEventName =
  /** A BGP session [neighbour pair] is established, or is not any more. */
  | "neighbour-up"
  | "neighbour-down"
  /** A destination [prefix] is announced or withdrawn, by BGP or OSPF. */
  | "route-announced"
  | "route-withdrawn"
  /** A link-state advertisement [its key] is new, newer, or flushed. */
  | "lsa-changed"
  | "lsa-removed"
  /** An address [the address] is at a hardware address; is now at another; was not heard again. */
  | "binding"
  | "binding-conflict"
  | "binding-expired"
  /** A lease [the address] was given, or given back, or ran out. */
  | "lease"
  | "lease-ended"
  /** An address [the address] has a name. */
  | "name"
  /** A router [its address] advertises itself for IPv6. */
  | "router-advertisement"
  | "router-gone"
  | "redirect";

export type Detail = Readonly<Record<string, unknown>>;

/** Takes events of one interceptor: a name, what it is about, and plain facts. */
export type Tell = (tMs: number, what: RoutingEventName, subject: string, detail: Detail) => void;

export function routingEvent(tMs: number, side: Side, what: RoutingEventName, subject: string, detail: Detail): NetworkEvent {
  return { tMs, kind: "routing", side, subject, detail: { what, ...detail } };
}
