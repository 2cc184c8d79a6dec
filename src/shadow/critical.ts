/** Which live bridges come first when much has to be brought in step. */
import type { Network } from "../network/model.js";

export class Critical {
  private readonly names: readonly string[];
  private known: { readonly network: Network; readonly bridges: ReadonlySet<string> } | undefined;

  /** `names`: live bridges, or hosts by MAC or IP address, which stand for the bridges they are at. */
  constructor(names: readonly string[]) {
    this.names = names;
  }

  has(bridge: string, network: Network): boolean {
    if (this.names.length === 0) return false;
    if (this.known?.network !== network) {
      const hosts = [...network.hosts.values()].filter(({ mac, addresses }) => this.names.some((one) => one.toLowerCase() === mac || addresses.includes(one)));
      this.known = { network, bridges: new Set([...this.names, ...hosts.map(({ at }) => at.bridge)]) };
    }
    return this.known.bridges.has(bridge);
  }
}
