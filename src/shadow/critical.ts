/** Which live bridges come first when much has to be brought in step, and in which order the others follow. */
import type { Network } from "../network/model.js";

interface Ranks {
  readonly network: Network;
  readonly critical: ReadonlySet<string>;
  readonly byBridge: ReadonlyMap<string, number>;
}

export class Critical {
  private names: readonly string[];
  private ranks: Ranks | undefined;

  /** `names`: live bridges, or hosts by MAC or IP address, which stand for the bridges they are at. */
  constructor(names: readonly string[]) {
    this.names = names;
  }

  configure(names: readonly string[]): void {
    this.names = names;
    this.ranks = undefined;
  }

  has(bridge: string, network: Network): boolean {
    return this.of(network).critical.has(bridge);
  }

  /** Lower comes first: below 1 the critical ones, from 1 on the others, those with the most links and hosts first. */
  rank(bridge: string, network: Network): number {
    const { critical, byBridge } = this.of(network);
    return critical.has(bridge) ? 0 : (byBridge.get(bridge) ?? 2);
  }

  private of(network: Network): Ranks {
    if (this.ranks?.network === network) return this.ranks;
    const { names } = this;
    const hosts = names.length === 0 ? [] : [...network.hosts.values()].filter(({ mac, addresses }) => names.some((one) => one.toLowerCase() === mac || addresses.includes(one)));
    const weights = new Map([...network.bridges.keys()].map((name) => [name, 0]));
    const add = (bridge: string): void => void weights.set(bridge, (weights.get(bridge) ?? 0) + 1);
    for (const { a, b } of network.links) for (const end of [a, b]) add(end.bridge);
    for (const { at } of network.hosts.values()) add(at.bridge);
    const most = Math.max(1, ...weights.values());
    const byBridge = new Map([...weights].map(([name, weight]) => [name, 2 - weight / most]));
    return (this.ranks = { network, critical: new Set([...names, ...hosts.map(({ at }) => at.bridge)]), byBridge });
  }
}
