/**
 * What we read of an Open_vSwitch database: bridges with their ports, as plain values. Table and column names are the
 * schema's (ovs-vswitchd.conf.db(5)).
 */
import type { Row } from "ovsdb-client";
import { mark } from "./pipeline.js";

/** A replica of the database, or a part of one in a test. */
export interface Tables {
  table(name: string): ReadonlyMap<string, Row>;
}

/** The tables and columns the controller follows. */
export const monitoredTables = {
  Open_vSwitch: ["bridges", "next_cfg", "cur_cfg", "external_ids", "other_config", "ovs_version"],
  Bridge: ["name", "ports", "mirrors", "sflow", "fail_mode", "datapath_id", "datapath_type", "external_ids", "protocols", "other_config", "mcast_snooping_enable", "flood_vlans"],
  Port: ["name", "interfaces", "external_ids", "tag", "vlan_mode", "trunks", "cvlans", "protected", "other_config", "qos"],
  Interface: ["name", "type", "options", "ofport", "ofport_request", "ifindex", "link_state", "admin_state", "external_ids", "error", "mtu"],
  Mirror: ["name", "select_src_port", "select_dst_port", "select_all", "output_port", "external_ids"],
  sFlow: ["targets", "sampling", "polling", "header", "agent", "external_ids"],
  QoS: ["type", "queues", "other_config"],
  Queue: ["dscp", "other_config"],
} as const satisfies Record<string, readonly string[]>;

export interface PortRow {
  readonly uuid: string;
  readonly interfaceUuid: string;
  readonly name: string;
  readonly type: string;
  /** Undefined until vswitchd has given the port a number; -1 when it could not. */
  readonly ofport: number | undefined;
  readonly ifindex: number;
  readonly up: boolean;
  readonly tag: number | undefined;
  readonly vlanMode: string | undefined;
  /** VLANs the port carries; none: all. */
  readonly trunks: readonly number[];
  /** OpenFlow ports of all its interfaces: more than one for a bond. */
  readonly members: readonly number[];
  /** Our role mark, undefined for a port that is not ours. */
  readonly role: string | undefined;
  /** What a port of ours stands for: "bridge:ofport" of a live port. */
  readonly live: string | undefined;
  readonly error: string | undefined;
}

export interface BridgeRow {
  readonly uuid: string;
  readonly name: string;
  /** Undefined until vswitchd has made the bridge. */
  readonly datapathId: bigint | undefined;
  readonly datapathType: string;
  readonly failMode: string | undefined;
  readonly role: string | undefined;
  readonly ports: readonly PortRow[];
  readonly mirrors: readonly string[];
  readonly sflow: string | undefined;
}

export const text = (row: Row | undefined, column: string): string | undefined => {
  const value = row?.[column];
  return typeof value === "string" ? value : undefined;
};
export const integer = (row: Row | undefined, column: string): number | undefined => {
  const value = row?.[column];
  return typeof value === "number" ? value : undefined;
};
const integers = (row: Row | undefined, column: string): readonly number[] => {
  const value = row?.[column];
  if (typeof value === "number") return [value];
  return Array.isArray(value) ? value.filter((item): item is number => typeof item === "number") : [];
};
export const uuids = (row: Row | undefined, column: string): readonly string[] => {
  const value = row?.[column];
  if (typeof value === "string") return [value];
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
};
export const entries = (row: Row | undefined, column: string): ReadonlyMap<string, string> => {
  const value = row?.[column];
  return value instanceof Map ? (value as ReadonlyMap<string, string>) : new Map<string, string>();
};

/** OVSDB numbers the LOCAL port 65534; OpenFlow 1.1 and later 0xfffffffe. */
const ovsdbLocal = 65534;
export const openflowLocal = 0xfffffffe;

/** A bond has several interfaces, in no order; the first by name stands for it. */
function firstInterface(tables: Tables, interfaces: readonly string[]): string | undefined {
  if (interfaces.length < 2) return interfaces[0];
  const name = (uuid: string): string => text(tables.table("Interface").get(uuid), "name") ?? "";
  return [...interfaces].sort((x, y) => (name(x) < name(y) ? -1 : 1))[0];
}

function readPort(tables: Tables, uuid: string): PortRow | undefined {
  const port = tables.table("Port").get(uuid);
  const interfaceUuid = firstInterface(tables, uuids(port, "interfaces"));
  if (port === undefined || interfaceUuid === undefined) return undefined;
  const device = tables.table("Interface").get(interfaceUuid);
  const ofport = integer(device, "ofport");
  return {
    uuid,
    interfaceUuid,
    name: text(port, "name") ?? "",
    type: text(device, "type") ?? "",
    ofport: ofport === ovsdbLocal ? openflowLocal : ofport,
    ifindex: integer(device, "ifindex") ?? 0,
    up: text(device, "admin_state") !== "down" && text(device, "link_state") !== "down",
    tag: integer(port, "tag"),
    vlanMode: text(port, "vlan_mode"),
    trunks: integers(port, "trunks"),
    members: uuids(port, "interfaces").flatMap((one) => {
      const number = integer(tables.table("Interface").get(one), "ofport");
      return number === undefined || number < 1 || number === ovsdbLocal ? [] : [number];
    }),
    role: entries(port, "external_ids").get(mark.role),
    live: entries(port, "external_ids").get(mark.live),
    error: text(device, "error"),
  };
}

/** One Bridge row with its ports, by uuid; undefined when there is none. */
export function readBridge(tables: Tables, uuid: string): BridgeRow | undefined {
  const row = tables.table("Bridge").get(uuid);
  if (row === undefined) return undefined;
  const datapathId = text(row, "datapath_id");
  return {
    uuid,
    name: text(row, "name") ?? "",
    datapathId: datapathId === undefined ? undefined : BigInt(`0x${datapathId}`),
    datapathType: text(row, "datapath_type") ?? "",
    failMode: text(row, "fail_mode"),
    role: entries(row, "external_ids").get(mark.role),
    ports: uuids(row, "ports").flatMap((port) => readPort(tables, port) ?? []),
    mirrors: uuids(row, "mirrors"),
    sflow: text(row, "sflow"),
  };
}

/** All bridges of the database that the Open_vSwitch row refers to, sorted by name. */
export function readBridges(tables: Tables): BridgeRow[] {
  const root = [...tables.table("Open_vSwitch").values()][0];
  return uuids(root, "bridges")
    .flatMap((uuid) => readBridge(tables, uuid) ?? [])
    .sort((x, y) => (x.name < y.name ? -1 : 1));
}

/** The Open_vSwitch row's uuid: the table has exactly one row. */
export function rootUuid(tables: Tables): string | undefined {
  return [...tables.table("Open_vSwitch").keys()][0];
}
