/**
 * The critical devices and links of a network: learned from what depends on what and from its shape, written as a YAML file that can be
 * edited, and read again as what comes first (`shadow.criticalFile`).
 */
import { stringify } from "yaml";
import { z } from "zod";
import type { Network } from "../network/model.js";
import { readYaml } from "./yaml-file.js";

const linkPattern = /^(.+):\d+-(.+):\d+$/;
const why = z.string().max(500).default("");
const fileSchema = z.strictObject({
  /** Live bridges, and hosts by MAC or IP address. */
  devices: z.array(z.strictObject({ name: z.string().min(1), why })).max(1_000).default([]),
  /** As "a:1-b:2"; both bridges come first. */
  links: z.array(z.strictObject({ link: z.string().regex(linkPattern, "expected BRIDGE:PORT NUMBER-BRIDGE:PORT NUMBER"), why })).max(10_000).default([]),
});
export type CriticalParts = z.output<typeof fileSchema>;

/** What the search needs of a network. */
export type Shape = Pick<Network, "links" | "hosts"> & { readonly bridges: ReadonlyMap<string, unknown> };

/** How many bridges with hosts each part of the network has when a bridge, or a link, is left out; parts without hosts do not count. */
function partsWithout({ bridges, links, hosts }: Shape, bridge: string | undefined, link: number | undefined): number {
  const far = new Map<string, string[]>([...bridges.keys()].filter((name) => name !== bridge).map((name) => [name, []]));
  links.forEach(({ a, b, up }, i) => {
    if (!up || i === link || a.bridge === bridge || b.bridge === bridge) return;
    far.get(a.bridge)?.push(b.bridge);
    far.get(b.bridge)?.push(a.bridge);
  });
  const seen = new Set<string>();
  let parts = 0;
  for (const { at } of hosts.values()) {
    if (seen.has(at.bridge) || !far.has(at.bridge)) continue;
    parts++;
    const queue = [at.bridge];
    for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
      if (seen.has(name)) continue;
      seen.add(name);
      queue.push(...(far.get(name) ?? []));
    }
  }
  return parts;
}

/**
 * Hosts whose services others need (`dependents` by address, from the behavioural profile), bridges and links whose loss would cut hosts
 * elsewhere off from each other. At most 1,000 devices. Pure.
 */
export function learnCritical(network: Shape, dependents: ReadonlyMap<string, number>): CriticalParts {
  const whole = partsWithout(network, undefined, undefined);
  const hosts = [...network.hosts.values()].flatMap(({ mac, addresses }) => {
    const needed = Math.max(0, ...[mac, ...addresses].map((one) => dependents.get(one) ?? 0));
    return needed === 0 ? [] : [{ name: addresses[0] ?? mac, needed, why: `${needed} services need it` }];
  });
  // Those at the bridge itself are cut off with it, whoever else is.
  const cutting = [...network.bridges.keys()].sort().filter((name) => partsWithout(network, name, undefined) > whole);
  const links = network.links.flatMap(({ a, b }, i) => (partsWithout(network, undefined, i) > whole ? [{ link: `${a.bridge}:${a.ofport}-${b.bridge}:${b.ofport}`, why: "its loss cuts hosts off from each other" }] : []));
  const devices = [
    ...hosts.sort((x, y) => y.needed - x.needed || (x.name < y.name ? -1 : 1)).map(({ name, why: reason }) => ({ name, why: reason })),
    ...cutting.map((name) => ({ name, why: "its loss cuts hosts elsewhere off from each other" })),
  ];
  return { devices: devices.slice(0, 1_000), links };
}

export const printCritical = (parts: CriticalParts): string => stringify(parts);

/** Reads a file. Throws SessionError with file and place. */
export const readCritical = (file: string): CriticalParts => readYaml(file, fileSchema, "a list of critical devices and links");

/** What comes first by a file: its devices, and the bridges at both ends of its links. */
export function criticalNames({ devices, links }: CriticalParts): string[] {
  return [...new Set([...devices.map(({ name }) => name), ...links.flatMap(({ link }) => linkPattern.exec(link)?.slice(1, 3) ?? [])])];
}
