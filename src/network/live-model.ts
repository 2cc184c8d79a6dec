/** Bridges of the model from rows of the database, and what makes two models the same. Pure. */
import { openflowLocal, type BridgeRow } from "./database-view.js";
import { portKey, type Bridge, type Link, type Network, type Port } from "./model.js";

/** What discovery knows of a bridge besides its row. `S`: its state of a port. */
export interface KnownBridge<S extends { readonly up: boolean }> {
  readonly datapathId: bigint;
  readonly port: (ofport: number) => S | undefined;
  /** Whether a port that seems to be an edge has yet to show that no bridge is behind it. */
  readonly isSettling: (state: S | undefined) => boolean;
  /** Whether a link ends at a port, by its key. */
  readonly isFabric: (key: string) => boolean;
}

/** The bridge of a row; `isComplete` is false when ports that are settling are left out. */
export function modelOf<S extends { readonly up: boolean }>(row: BridgeRow, { datapathId, port: stateOf, isSettling, isFabric }: KnownBridge<S>): { readonly bridge: Bridge; readonly isComplete: boolean } {
  const ports = new Map<number, Port>();
  let isComplete = true;
  for (const port of [...row.ports].sort((x, y) => (x.ofport ?? 0) - (y.ofport ?? 0))) {
    if (port.ofport === undefined || port.ofport <= 0) continue;
    const state = stateOf(port.ofport);
    const isLink = isFabric(portKey({ bridge: row.name, ofport: port.ofport }));
    const role = port.role !== undefined ? "ours" : port.ofport === openflowLocal ? "local" : isLink ? "fabric" : "edge";
    if (role === "edge" && isSettling(state)) {
      isComplete = false;
      continue;
    }
    ports.set(port.ofport, { name: port.name, ofport: port.ofport, role, type: port.type, up: state?.up ?? port.up, ifindex: port.ifindex });
  }
  return { bridge: { name: row.name, datapathId, datapathType: row.datapathType, failMode: row.failMode, ports }, isComplete };
}

const bridgeText = (bridge: Bridge): string => JSON.stringify([bridge.name, `${bridge.datapathId}`, bridge.datapathType, bridge.failMode, [...bridge.ports.values()]]);
const hostsText = (hosts: Network["hosts"]): string => JSON.stringify([...hosts.values()].map((host) => [host.mac, host.at, host.addresses]));

export const sameBridge = (x: Bridge, y: Bridge): boolean => bridgeText(x) === bridgeText(y);
export const sameHosts = (x: Network["hosts"], y: Network["hosts"]): boolean => hostsText(x) === hostsText(y);

export function sameLinks(x: readonly Link[], y: readonly Link[]): boolean {
  return x.length === y.length && x.every((link, i) => link.up === y[i]?.up && portKey(link.a) === portKey(y[i].a) && portKey(link.b) === portKey(y[i].b));
}
