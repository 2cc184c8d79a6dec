/**
 * Following, and holding: what the shadow's topology is, given what live is now and what the shadow's was.
 *
 * Declared edits follow at once. What vanishes (a bridge whose neighbours still have the cable in, a link that lost its
 * carrier) is held as it was for a grace, because the shadow is what takes over: it must not copy the death.
 */
import type { Bridge, Link, Network } from "../network/model.js";

export interface Held {
  /** "bridge NAME" or "link A:1-B:2". */
  readonly element: string;
  readonly sinceMs: number;
  readonly why: string;
}

export interface ShadowSource {
  /** The network the shadow stands for: live, with what is held as it last was. */
  readonly network: Network;
  readonly held: readonly Held[];
}

const linkName = (link: Link): string => `link ${link.a.bridge}:${link.a.ofport}-${link.b.bridge}:${link.b.ofport}`;

/** Links of `network` that touch `bridge`, each with the far end. */
function neighbours(network: Network, bridge: string): { bridge: string; ofport: number }[] {
  return network.links.flatMap((link) =>
    link.a.bridge === bridge ? [link.b] : link.b.bridge === bridge ? [link.a] : [],
  );
}

/**
 * The shadow's next source, from its previous one and the live network at `nowMs`.
 *
 * `graceMs`: how long a vanished element is held.
 */
export function hold(previous: ShadowSource, live: Network, nowMs: number, graceMs: number): ShadowSource {
  const since = new Map(previous.held.map((held) => [held.element, held.sinceMs]));
  const held: Held[] = [];
  const keep = (element: string, why: string): boolean => {
    const sinceMs = since.get(element) ?? nowMs;
    if (nowMs - sinceMs >= graceMs) return false;
    held.push({ element, sinceMs, why });
    return true;
  };

  const bridges = new Map<string, Bridge>(live.bridges);
  for (const [name, bridge] of previous.network.bridges) {
    if (live.bridges.has(name)) continue;
    // A neighbour that still has the cable in says: nobody took this bridge out on purpose.
    const dangling = neighbours(previous.network, name).filter((far) => live.bridges.get(far.bridge)?.ports.has(far.ofport));
    const others = neighbours(previous.network, name).some((far) => !live.bridges.has(far.bridge));
    if (dangling.length === 0 && !others) continue;
    if (keep(`bridge ${name}`, `${dangling.length} of its links still end at healthy neighbours`)) bridges.set(name, bridge);
  }

  const links = new Map<string, Link>();
  const before = new Map(previous.network.links.map((link) => [linkName(link), link]));
  const cabled = new Set<string>();
  for (const link of live.links) {
    cabled.add(`${link.a.bridge}:${link.a.ofport}`).add(`${link.b.bridge}:${link.b.ofport}`);
    const name = linkName(link);
    const was = before.get(name);
    const up = link.up || (was?.up === true && keep(name, "lost its carrier"));
    links.set(name, { ...link, up });
  }
  for (const link of previous.network.links) {
    const name = linkName(link);
    if (links.has(name)) continue;
    const ends = [link.a, link.b];
    const present = ends.every((end) => bridges.get(end.bridge)?.ports.has(end.ofport));
    if (!present) continue; // a port was taken out: declared
    if (ends.some((end) => cabled.has(`${end.bridge}:${end.ofport}`))) continue; // re-cabled: follow
    const withHeldBridge = ends.some((end) => !live.bridges.has(end.bridge));
    if (withHeldBridge || keep(name, "no longer seen")) links.set(name, link);
  }

  // Ports of held links stay fabric ports, whatever live takes them for meanwhile.
  for (const link of links.values()) {
    for (const end of [link.a, link.b]) {
      const bridge = bridges.get(end.bridge);
      const port = bridge?.ports.get(end.ofport);
      if (bridge === undefined || port === undefined) continue;
      if (port.role === "fabric" && port.up === link.up) continue;
      const ports = new Map(bridge.ports).set(end.ofport, { ...port, role: "fabric" as const, up: link.up });
      bridges.set(end.bridge, { ...bridge, ports });
    }
  }
  return { network: { bridges, links: [...links.values()], hosts: live.hosts }, held };
}
