/** A network as elements by name, so that a change of one of them is a small fact of its own; and the network again from them. Pure. */
import { portKey, type Network } from "./model.js";

export type Detail = Readonly<Record<string, unknown>>;
/** By "bridge NAME", "port BRIDGE:OFPORT", "link A-B", "host MAC". */
export type Elements = ReadonlyMap<string, Detail>;

/** What stands for an element that is no longer there. */
export const gone: Detail = { gone: true };
export const isGone = (detail: Detail): boolean => detail.gone === true;

/** The elements of a network, in plain JSON. */
export function elementsOf(network: Network): Elements {
  const elements = new Map<string, Detail>();
  for (const bridge of network.bridges.values()) {
    elements.set(`bridge ${bridge.name}`, { datapathId: bridge.datapathId.toString(16).padStart(16, "0") });
    for (const port of bridge.ports.values()) {
      const { name, role, up } = port;
      elements.set(`port ${portKey({ bridge: bridge.name, ofport: port.ofport })}`, { name, role, up });
    }
  }
  for (const { a, b, up } of network.links) elements.set(`link ${portKey(a)}-${portKey(b)}`, { a: portKey(a), b: portKey(b), up });
  for (const { mac, addresses, at } of network.hosts.values()) elements.set(`host ${mac}`, { addresses: [...addresses], at: portKey(at) });
  return elements;
}

/** What became other from `before` to `now`; what vanished is `gone`. */
export function elementChanges(before: Elements, now: Elements): [string, Detail][] {
  const changes: [string, Detail][] = [];
  for (const [name, detail] of now) if (JSON.stringify(before.get(name)) !== JSON.stringify(detail)) changes.push([name, detail]);
  for (const name of before.keys()) if (!now.has(name)) changes.push([name, gone]);
  return changes;
}
