/** In what a network's links are others than intended. Pure. */
import { portKey, type Network, type PortRef } from "../../network/model.js";
import type { IntendedLink } from "./intended.js";

export type DriftKind = "link gone" | "link down" | "link moved" | "link not intended";

export interface Drift {
  /** "A:1-B:2", as the model orders the ends. */
  readonly link: string;
  readonly kind: DriftKind;
  readonly why: string;
}

function refOf(key: string): PortRef {
  const colon = key.lastIndexOf(":");
  return { bridge: key.slice(0, colon), ofport: Number(key.slice(colon + 1)) };
}

/** Why nothing is heard between two ports. */
function silence(network: Network, ends: IntendedLink): string {
  for (const key of ends) {
    const { bridge, ofport } = refOf(key);
    const port = network.bridges.get(bridge)?.ports.get(ofport);
    if (!network.bridges.has(bridge)) return `bridge ${bridge} is not there`;
    if (port === undefined) return `port ${key} is not there`;
    if (!port.up) return `port ${key} is down`;
  }
  return "both ports are up, and neither hears the other's LLDP";
}

/** `isWhole`: the intended links are all that may be; else those beyond them are nobody's concern. In the order of the links. */
export function driftsOf(intended: readonly IntendedLink[], network: Network, isWhole: boolean): Drift[] {
  const far = new Map(network.links.flatMap(({ a, b }) => [[portKey(a), portKey(b)] as const, [portKey(b), portKey(a)] as const]));
  const isDown = new Set(network.links.filter(({ up }) => !up).map(({ a }) => portKey(a)));
  const drifts: Drift[] = [];
  const told = new Set<string>();
  for (const ends of intended) {
    const [a, b] = ends;
    for (const key of ends) told.add(key);
    const link = `${a}-${b}`;
    if (far.get(a) === b) {
      if (isDown.has(a)) drifts.push({ link, kind: "link down", why: silence(network, ends) });
      continue;
    }
    const moved = ends.filter((key) => far.has(key));
    if (moved.length > 0) drifts.push({ link, kind: "link moved", why: moved.map((key) => `${key} leads to ${far.get(key)}`).join(", ") });
    else drifts.push({ link, kind: "link gone", why: silence(network, ends) });
  }
  if (isWhole) {
    for (const { a, b } of network.links) {
      // One that ends where an intended link should is told with that link.
      if (told.has(portKey(a)) || told.has(portKey(b))) continue;
      drifts.push({ link: `${portKey(a)}-${portKey(b)}`, kind: "link not intended", why: "no such link is intended" });
    }
  }
  return drifts.sort((x, y) => (x.link < y.link ? -1 : 1));
}
