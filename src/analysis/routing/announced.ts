/** The prefixes that are announced now, as sessions of replication ask for them. Pure. */
import { BlockList, isIPv6 } from "node:net";
import { maxPrefixes, type Announced, type RouteSelector } from "../../config/session-schema.js";
import type { Rib, Route } from "./rib.js";

/** Whether a prefix lies within another; undefined stands for all. */
function containment(within: string | undefined): (prefix: string) => boolean {
  if (within === undefined) return () => true;
  const [network = "", lengthText] = within.split("/");
  const length = Number(lengthText);
  const list = new BlockList();
  list.addSubnet(network, length, isIPv6(network) ? "ipv6" : "ipv4");
  return (prefix) => {
    const [address = "", ownLength] = prefix.split("/");
    return isIPv6(address) === isIPv6(network) && Number(ownLength) >= length && list.check(address, isIPv6(address) ? "ipv6" : "ipv4");
  };
}

/**
 * The prefixes of the routes that `selector` takes, each once however many announce it; at most `most`, those announced first. So what is
 * followed is not exchanged when more comes, and what is left out has its turn when something is withdrawn.
 */
export function announced(rib: Pick<Rib, "routes">, { from, source, within }: RouteSelector, most = maxPrefixes): Announced {
  const isWithin = containment(within);
  const sinceMs = new Map<string, number>();
  const takes = (route: Route): boolean => (from === undefined || route.from === from) && (source === undefined || route.source === source) && isWithin(route.prefix);
  for (const route of rib.routes()) {
    if (!isUnicast(route) || !takes(route)) continue;
    sinceMs.set(route.prefix, Math.min(sinceMs.get(route.prefix) ?? Infinity, route.sinceMs));
  }
  const all = [...sinceMs].sort(([x, xMs], [y, yMs]) => xMs - yMs || (x < y ? -1 : 1)).map(([prefix]) => prefix);
  // In the order of text, so that the same prefixes are the same however they came.
  return { prefixes: all.slice(0, most).sort(), leftOut: Math.max(0, all.length - most) };
}

const isUnicast = ({ prefix }: Route): boolean => /^[0-9a-f.:]+\/\d+$/.test(prefix);
