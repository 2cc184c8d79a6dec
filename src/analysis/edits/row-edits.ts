/** Edits of the database's rows, from a replica's changes. Pure but for what it is given. */
import type { Row, RowChange, TableRequest } from "ovsdb-client";
import { entries, integer, text, uuids, type Tables } from "../../network/database-view.js";
import type { WrittenRows } from "../../reconcile/written-rows.js";
import { isMarked, rowAuthor, type Author, type ControllerRow } from "./author.js";

/** All that is configuration, and the little of the state that says who is connected. Statistics are left out. */
export const editedTables = {
  Open_vSwitch: ["bridges", "manager_options", "ssl", "other_config", "external_ids", "next_cfg"],
  Bridge: ["name", "datapath_type", "datapath_id", "stp_enable", "rstp_enable", "mcast_snooping_enable", "ports", "mirrors", "netflow", "sflow", "ipfix", "controller", "protocols", "fail_mode", "other_config", "external_ids", "flood_vlans", "flow_tables", "auto_attach"],
  Port: ["name", "interfaces", "trunks", "cvlans", "tag", "vlan_mode", "qos", "mac", "bond_mode", "lacp", "bond_updelay", "bond_downdelay", "bond_fake_iface", "protected", "fake_bridge", "other_config", "external_ids"],
  Interface: ["name", "type", "options", "ingress_policing_rate", "ingress_policing_burst", "mac", "ofport", "ofport_request", "bfd", "cfm_mpid", "lldp", "mtu_request", "other_config", "external_ids", "error", "admin_state", "link_state"],
  Mirror: ["name", "select_all", "select_src_port", "select_dst_port", "select_vlan", "output_port", "output_vlan", "snaplen", "external_ids"],
  Controller: ["target", "connection_mode", "max_backoff", "inactivity_probe", "controller_rate_limit", "controller_burst_limit", "enable_async_messages", "other_config", "external_ids", "is_connected", "role"],
  Manager: ["target", "connection_mode", "max_backoff", "inactivity_probe", "other_config", "external_ids", "is_connected"],
  QoS: ["type", "queues", "other_config", "external_ids"],
  Queue: ["dscp", "other_config", "external_ids"],
  sFlow: ["targets", "sampling", "polling", "header", "agent", "external_ids"],
  NetFlow: ["targets", "engine_type", "engine_id", "add_id_to_interface", "active_timeout", "external_ids"],
  IPFIX: ["targets", "sampling", "obs_domain_id", "obs_point_id", "cache_active_timeout", "cache_max_flows", "other_config", "external_ids"],
  Flow_Table: ["name", "flow_limit", "overflow_policy", "groups", "prefixes", "external_ids"],
  AutoAttach: ["system_name", "system_description", "mappings"],
  SSL: ["private_key", "certificate", "ca_cert", "bootstrap_ca_cert", "external_ids"],
} satisfies TableRequest;

/** Written by ovs-vswitchd alone. */
const bySwitch = new Set(["Bridge.datapath_id", "Interface.ofport", "Interface.error", "Interface.admin_state", "Interface.link_state", "Controller.is_connected", "Controller.role", "Manager.is_connected"]);
const bookkeeping = "next_cfg";

export interface RowEdit {
  readonly table: string;
  readonly uuid: string;
  /** The row's name where it has one. */
  readonly name: string;
  readonly op: "inserted" | "changed" | "deleted";
  readonly columns: Readonly<Record<string, { readonly old?: unknown; readonly new?: unknown }>>;
  readonly author: Author;
}

/**
 * The rows of one update: of a transaction, or of several where the server merged them. `written`: what we wrote in transactions that
 * raised next_cfg from one value to another. A row that both we and somebody else changed gives two edits.
 */
export function rowEdits(changes: readonly RowChange[], tables: Tables, written: (after: number, upTo: number) => WrittenRows): RowEdit[] {
  const root = changes.find((change) => change.table === "Open_vSwitch" && change.columns.includes(bookkeeping));
  const ours = root === undefined ? noRows : written(integer(root.old, bookkeeping) ?? -1, integer(root.new, bookkeeping) ?? -1);
  const parts = changes.flatMap((change) => split(change, ours.get(change.uuid)));
  const isMarkedRow = ({ change }: Part): boolean => [change.old, change.new].some((row) => row !== undefined && isMarked({ externalIds: entries(row, "external_ids") }));
  const isBySwitch = ({ change, op, columns }: Part): boolean => op === "changed" && columns.every((column) => bySwitch.has(`${change.table}.${column}`));
  const touchesMarked = parts.some((part) => !part.isOurs && !isBySwitch(part) && isMarkedRow(part));
  const managers = connectedManagers(tables);
  return parts.map((part): RowEdit => {
    const { change, op, columns, isOurs } = part;
    const { table, uuid, old } = change;
    return {
      table,
      uuid,
      name: nameOf(change.new ?? old),
      op,
      columns: Object.fromEntries(columns.map((column) => [column, { ...(old === undefined ? {} : { old: plain(old[column]) }), ...(change.new === undefined ? {} : { new: plain(change.new[column]) }) }])),
      author: rowAuthor({ isOurs, touchesMarked, isBySwitch: isBySwitch(part), managers }),
    };
  });
}

/** What one author did to a row. */
interface Part {
  readonly change: RowChange;
  readonly op: RowEdit["op"];
  readonly columns: readonly string[];
  readonly isOurs: boolean;
}
const noRows: WrittenRows = new Map();

/** A row's change as ours and others' parts: a row inserted or deleted is one's alone. */
function split(change: RowChange, ours: ReadonlySet<string> | "whole" | undefined): Part[] {
  const { old } = change;
  const op = old === undefined ? "inserted" : change.new === undefined ? "deleted" : "changed";
  const columns = change.columns.filter((column) => column !== bookkeeping && (op === "changed" || !isEmpty((change.new ?? old)?.[column])));
  if (op !== "changed") return [{ change, op, columns, isOurs: ours === "whole" }];
  const isOurs = (column: string): boolean => ours === "whole" || ours?.has(column) === true;
  return [true, false]
    .map((own) => ({ change, op, columns: columns.filter((column) => isOurs(column) === own), isOurs: own }) as const)
    .filter((part) => part.columns.length > 0);
}

/** Controllers of a bridge as the database has them. */
export function controllersOf(tables: Tables, bridge: string): ControllerRow[] {
  const row = [...tables.table("Bridge").values()].find((one) => text(one, "name") === bridge);
  return uuids(row, "controller").flatMap((uuid) => {
    const controller = tables.table("Controller").get(uuid);
    const target = text(controller, "target");
    return target === undefined ? [] : [{ target, isConnected: controller?.["is_connected"] === true, role: text(controller, "role") }];
  });
}

function connectedManagers(tables: Tables): string[] {
  return [...tables.table("Manager").values()].flatMap((row) => {
    const target = text(row, "target");
    return target !== undefined && (row["is_connected"] === true || /^p(tcp|unix|ssl):/.test(target)) ? [`manager ${target}`] : [];
  });
}

const nameOf = (row: Row | undefined): string => text(row, "name") ?? text(row, "target") ?? "";
const isEmpty = (value: unknown): boolean => value === undefined || (Array.isArray(value) && value.length === 0) || (value instanceof Map && value.size === 0) || value === "";

/** Items of a set or map, and characters of a text, that are shown of a value. */
const maxItems = 64;
const maxText = 1_024;

/** A column's value as plain JSON, cut where it is long: a bridge may have thousands of ports. */
function plain(value: unknown): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].slice(0, maxItems).map(([key, item]) => [String(key), plain(item)]));
  if (Array.isArray(value)) return value.length > maxItems ? [...value.slice(0, maxItems).map(plain), `and ${value.length - maxItems} more`] : value.map(plain);
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "string") return value.length > maxText ? `${value.slice(0, maxText)}…` : value;
  return value ?? null;
}
