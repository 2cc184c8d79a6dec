/**
 * The one model of a network: bridges, ports, links and hosts, as immutable values.
 *
 * Discovery builds it from OVSDB, LLDP and packet-ins; forwarding, the shadow and the changes read it. Bridges are
 * named as in OVSDB, ports by their OpenFlow port number.
 */

/** `edge`: a host may be behind it. `fabric`: leads to another bridge of this network. `ours`: carries our mark. */
export type PortRole = "edge" | "fabric" | "ours" | "local";

export interface Port {
  readonly name: string;
  /** OpenFlow port number, 1 to 0xfeff, or 0xfffffffe for LOCAL. Ports without a number yet are not in the model. */
  readonly ofport: number;
  readonly role: PortRole;
  /** OVSDB Interface.type: "" for a system device, "internal", "patch", "vxlan", … */
  readonly type: string;
  /** False when the port is administratively down or has lost its carrier. */
  readonly up: boolean;
  /** Kernel interface index, by which sFlow names the port; 0 when the device has none. */
  readonly ifindex: number;
}

export interface Bridge {
  readonly name: string;
  readonly datapathId: bigint;
  /** OVSDB Bridge.datapath_type: "netdev" or "" (system). */
  readonly datapathType: string;
  readonly failMode: string | undefined;
  readonly ports: ReadonlyMap<number, Port>;
}

export interface PortRef {
  readonly bridge: string;
  readonly ofport: number;
}

/** A cable between two bridges, seen by LLDP in both directions. `a` sorts before `b`. */
export interface Link {
  readonly a: PortRef;
  readonly b: PortRef;
  /** False while one of the two ports is down; the link is then kept until the ports are gone or LLDP says otherwise. */
  readonly up: boolean;
}

export interface Host {
  /** Lower-case, colon-separated. */
  readonly mac: string;
  /** Addresses seen as ARP or ND sender, oldest first; may be empty. */
  readonly addresses: readonly string[];
  readonly at: PortRef;
}

export interface Network {
  readonly bridges: ReadonlyMap<string, Bridge>;
  readonly links: readonly Link[];
  /** By MAC address. */
  readonly hosts: ReadonlyMap<string, Host>;
}

export const emptyNetwork: Network = { bridges: new Map(), links: [], hosts: new Map() };

/** "bridge:ofport", the key of a port in maps and logs. */
export function portKey(ref: PortRef): string {
  return `${ref.bridge}:${ref.ofport}`;
}

/** The port `ref` names, if the network has it. */
export function portAt(network: Network, ref: PortRef): Port | undefined {
  return network.bridges.get(ref.bridge)?.ports.get(ref.ofport);
}

/** All edge ports, in the order of bridge name and port number. */
export function edgePorts(network: Network): PortRef[] {
  return [...network.bridges.values()]
    .sort((x, y) => (x.name < y.name ? -1 : 1))
    .flatMap((bridge) =>
      [...bridge.ports.values()]
        .filter((port) => port.role === "edge")
        .sort((x, y) => x.ofport - y.ofport)
        .map((port) => ({ bridge: bridge.name, ofport: port.ofport })),
    );
}
