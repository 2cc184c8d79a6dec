/** Which live bridges come first when much has to be brought in step, and in which order the others follow. */
import type { Host, Network } from "../network/model.js";

interface Ranks {
  readonly network: Network;
  readonly critical: ReadonlySet<string>;
  readonly byBridge: ReadonlyMap<string, number>;
}

export class Critical {
  private names: readonly string[];
  private ranks: Ranks | undefined;
  /** By host address: how many services need one of this host's, as the behavioural profile has it. */
  private dependents: ReadonlyMap<string, number> = new Map();

  /** `names`: live bridges, or hosts by MAC or IP address, which stand for the bridges they are at. */
  constructor(names: readonly string[]) {
    this.names = names;
  }

  configure(names: readonly string[]): void {
    this.names = names;
    this.ranks = undefined;
  }

  /** What the behavioural profile has learned of hosts that others depend on: of bridges that are not critical, theirs come first. */
  learned(dependents: ReadonlyMap<string, number>): void {
    this.dependents = dependents;
    this.ranks = undefined;
  }

  /** Which of the names makes a bridge critical, and what else decides its place. */
  reasons(bridge: string, network: Network): { readonly names: readonly string[]; readonly links: number; readonly hosts: number; readonly dependents: number } {
    const here = [...network.hosts.values()].filter(({ at }) => at.bridge === bridge);
    const named = (one: string): boolean => one === bridge || here.some(({ mac, addresses }) => one.toLowerCase() === mac || addresses.includes(one));
    const links = network.links.filter(({ a, b }) => a.bridge === bridge || b.bridge === bridge).length;
    return { names: this.names.filter(named), links, hosts: here.length, dependents: here.reduce((sum, host) => sum + this.needed(host), 0) };
  }

  private needed({ mac, addresses }: Pick<Host, "mac" | "addresses">): number {
    return Math.max(0, ...[mac, ...addresses].map((one) => this.dependents.get(one) ?? 0));
  }

  has(bridge: string, network: Network): boolean {
    return this.of(network).critical.has(bridge);
  }

  /** Lower comes first: below 1 the critical ones, from 1 on the others, those with the most links and hosts, and services that need their hosts, first. */
  rank(bridge: string, network: Network): number {
    const { critical, byBridge } = this.of(network);
    return critical.has(bridge) ? 0 : (byBridge.get(bridge) ?? 2);
  }

  private of(network: Network): Ranks {
    if (this.ranks?.network === network) return this.ranks;
    const { names } = this;
    const hosts = names.length === 0 ? [] : [...network.hosts.values()].filter(({ mac, addresses }) => names.some((one) => one.toLowerCase() === mac || addresses.includes(one)));
    const weights = new Map([...network.bridges.keys()].map((name) => [name, 0]));
    const add = (bridge: string, weight = 1): void => void weights.set(bridge, (weights.get(bridge) ?? 0) + weight);
    for (const { a, b } of network.links) for (const end of [a, b]) add(end.bridge);
    for (const host of network.hosts.values()) add(host.at.bridge, 1 + this.needed(host));
    const most = Math.max(1, ...weights.values());
    const byBridge = new Map([...weights].map(([name, weight]) => [name, 2 - weight / most]));
    return (this.ranks = { network, critical: new Set([...names, ...hosts.map(({ at }) => at.bridge)]), byBridge });
  }
}
