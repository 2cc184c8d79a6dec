/** One bridge as the software switch wants it: its tables over OpenFlow, its ports and mirrors from the database, its MAC table. */
import { port as reserved, type OpenFlowConnection } from "node-openflow";
import { entries, text, uuids, type BridgeRow, type PortRow, type Tables } from "./database-view.js";
import type { BridgeState, SwitchMirror, SwitchPort, VlanConfig } from "./flow-table.js";
import { readMacTable } from "./mac-table.js";
import { mark } from "./pipeline.js";
import { portBit, type PortConfigs } from "./port-config.js";

const stateLinkDown = 1;

/** The VLANs of a port as its row has them; undefined for a trunk of all. */
export function vlanOf(row: Pick<PortRow, "tag" | "vlanMode" | "trunks">): VlanConfig | undefined {
  const mode = row.vlanMode ?? (row.tag === undefined ? "trunk" : "access");
  if (mode !== "access" && mode !== "trunk" && mode !== "native-tagged" && mode !== "native-untagged") return undefined; // QinQ is not modelled
  if (mode === "trunk" && row.trunks.length === 0) return undefined;
  return { mode, tag: row.tag ?? 0, trunks: row.trunks };
}

/** The Mirror rows of a bridge that are not ours, ports by number. */
export function mirrorsOf(tables: Tables, bridge: BridgeRow): SwitchMirror[] {
  const numbers = new Map(bridge.ports.map((one) => [one.uuid, one.ofport]));
  const ports = (row: Parameters<typeof uuids>[0], column: string): number[] => uuids(row, column).flatMap((uuid) => numbers.get(uuid) ?? []);
  return bridge.mirrors.flatMap((uuid): SwitchMirror[] => {
    const row = tables.table("Mirror").get(uuid);
    if (row === undefined || entries(row, "external_ids").has(mark.role)) return [];
    const outputPort = ports(row, "output_port")[0];
    return [
      {
        name: text(row, "name") ?? uuid,
        selectAll: row["select_all"] === true,
        selectSource: ports(row, "select_src_port"),
        selectDestination: ports(row, "select_dst_port"),
        selectVlans: [],
        ...(outputPort === undefined ? {} : { outputPort }),
      },
    ];
  });
}

/** The addresses of `ovs-appctl fdb/show`, by "VLAN/address". */
export function parseMacTable(shown: string): Map<string, number> {
  return new Map(readMacTable(shown).map(({ vlan, mac, port }) => [`${vlan}/${mac}`, port]));
}

/** Whether any of the actions leaves to NORMAL what to do; without it no MAC table is needed. */
const usesNormal = (actions: readonly { readonly type: string; readonly port?: number }[]): boolean => actions.some((one) => one.type === "output" && one.port === reserved.normal);

/** Flows and groups that somebody follows already; else they are dumped. */
export type FollowedTables = Pick<BridgeState, "flows"> & Required<Pick<BridgeState, "groups">>;

export interface ReadParts {
  readonly connection: Pick<OpenFlowConnection, "portDescs" | "flowStats" | "groupDescs">;
  /** The bridge's row; ports of a bridge whose database is away have no VLANs. */
  readonly row: BridgeRow | undefined;
  readonly mirrors: readonly SwitchMirror[];
  /** The text of fdb/show; asked for only when something says NORMAL. */
  readonly macTable: () => Promise<string>;
  readonly followed?: FollowedTables;
  /** Configuration bits of ports that the connection does not tell: NO_FLOOD is told to OpenFlow 1.0 alone. */
  readonly portConfigs?: PortConfigs | undefined;
}

/** Reads a bridge. Patch ports are ends: what lies behind them is not looked at. */
export async function readBridgeState(name: string, { connection, row, mirrors, macTable, followed, portConfigs }: ReadParts): Promise<BridgeState> {
  const [ports, flows, groups] = await Promise.all([connection.portDescs(), followed?.flows ?? connection.flowStats(), followed?.groups ?? connection.groupDescs()]);
  const rows = new Map((row?.ports ?? []).map((one) => [one.ofport, one]));
  const flowActions = flows.flatMap(({ instructions }) => instructions.flatMap((item) => ("actions" in item ? item.actions : [])));
  const isNormal = usesNormal(flowActions) || groups.some(({ buckets }) => buckets.some(({ actions }) => usesNormal(actions)));
  return {
    name,
    ports: ports.map((desc): SwitchPort => {
      const own = rows.get(desc.portNo);
      const config = desc.config | (portConfigs?.get(desc.portNo) ?? 0);
      const vlan = own === undefined ? undefined : vlanOf(own);
      return {
        number: desc.portNo,
        name: own?.name ?? desc.name,
        up: (config & portBit.down) === 0 && (desc.state & stateLinkDown) === 0,
        noReceive: (config & portBit.noRecv) !== 0,
        noForward: (config & portBit.noFwd) !== 0,
        noFlood: (config & portBit.noFlood) !== 0,
        ...(vlan === undefined ? {} : { vlan }),
      };
    }),
    flows,
    groups,
    mirrors,
    ...(isNormal ? { macs: parseMacTable(await macTable()) } : {}),
  };
}
