/** What replication reads of the live database: VLAN settings of ports, and Mirror rows of others. */
import { integer, openflowLocal, readBridges, type BridgeRow, type Tables } from "../../network/database-view.js";
import { portKey } from "../../network/model.js";
import type { PortVlans } from "./selector.js";

/** VLAN settings and members of the live ports that are not ours, by portKey. */
export function portVlans(bridges: readonly BridgeRow[]): Map<string, PortVlans> {
  return new Map(
    bridges.flatMap((bridge) =>
      bridge.ports.flatMap(({ ofport, role, tag, vlanMode, trunks, members }) =>
        ofport === undefined || role !== undefined ? [] : [[portKey({ bridge: bridge.name, ofport }), { tag, mode: vlanMode, trunks, members }] as const],
      ),
    ),
  );
}

/** Mirror rows that are not ours, by bridge: they count towards the most that a bridge can have, and are never touched. */
export function foreignMirrors(bridges: readonly BridgeRow[], isOurs: (uuid: string) => boolean): Map<string, number> {
  return new Map(bridges.map((bridge) => [bridge.name, bridge.mirrors.filter((uuid) => !isOurs(uuid)).length]));
}

/** MTU of each device of the live bridges that are taken, by "bridge:device". */
export function liveMtus(tables: Tables, taken: "all" | readonly string[]): Map<string, number> {
  return new Map(
    readBridges(tables)
      .filter((bridge) => bridge.role === undefined && (taken === "all" || taken.includes(bridge.name)))
      .flatMap((bridge) =>
        bridge.ports.flatMap((port) => {
          const mtu = integer(tables.table("Interface").get(port.interfaceUuid), "mtu");
          return port.role !== undefined || port.ofport === openflowLocal || mtu === undefined ? [] : [[`${bridge.name}:${port.name}`, mtu] as const];
        }),
      ),
  );
}
