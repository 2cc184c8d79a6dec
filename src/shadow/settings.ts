/**
 * Settings of live bridges and ports that change what their flows do (NORMAL above all), as the shadow's rows get them. Pure.
 *
 * Left out on purpose: STP, RSTP, LACP, BFD, CFM and LLDP, because a frame that ovs-vswitchd handles itself passes the guards.
 */
import type { Row } from "ovsdb-client";
import { entries, openflowLocal, text, type BridgeRow, type PortRow, type Tables } from "../network/database-view.js";
import type { DesiredBridge, DesiredPort, Settings } from "../reconcile/database-state.js";

/** ovs-vswitchd.conf.db(5), Bridge: what NORMAL learns, for how long, and where it floods. */
const bridgeOptions = ["mac-table-size", "mac-aging-time", "forward-bpdu", "mcast-snooping-table-size", "mcast-snooping-aging-time", "mcast-snooping-disable-flood-unregistered"];
/** Port: its VLANs, and whether it talks to other protected ports. */
const portColumns = ["vlan_mode", "tag", "trunks", "cvlans", "protected"];
const portOptions = ["priority-tags", "qinq-ethtype", "mcast-snooping-flood", "mcast-snooping-flood-reports"];

const chosen = (value: unknown, keys: readonly string[]): ReadonlyMap<string, string> =>
  new Map(keys.flatMap((key) => (value instanceof Map && typeof value.get(key) === "string" ? [[key, value.get(key) as string] as const] : [])));

/** An absent value as OVSDB writes one. */
const orEmpty = (value: Settings extends ReadonlyMap<string, infer V> ? V : never) => value ?? [];

function bridgeSettings(tables: Tables, row: BridgeRow): Settings {
  const columns = tables.table("Bridge").get(row.uuid);
  return new Map([
    ["mcast_snooping_enable", columns?.["mcast_snooping_enable"] ?? false],
    ["flood_vlans", orEmpty(columns?.["flood_vlans"])],
    ["other_config", chosen(columns?.["other_config"], bridgeOptions)],
  ]);
}

function portSettings(tables: Tables, port: PortRow): Settings {
  const columns = tables.table("Port").get(port.uuid);
  return isPlain(columns) ? (plain ??= settingsOf(undefined)) : settingsOf(columns);
}

/** Nearly all ports of a large network have nothing set: they share one value. */
const isEmpty = (value: unknown): boolean => value === undefined || value === false || (Array.isArray(value) && value.length === 0) || (value instanceof Map && value.size === 0);
let plain: Settings | undefined;
const isPlain = (columns: Row | undefined): boolean => portColumns.every((name) => isEmpty(columns?.[name])) && isEmpty(columns?.["other_config"]);

function settingsOf(columns: Row | undefined): Settings {
  return new Map([...portColumns.map((name) => [name, name === "protected" ? (columns?.[name] ?? false) : orEmpty(columns?.[name])] as const), ["other_config", chosen(columns?.["other_config"], portOptions)]]);
}

/** The settings of one live bridge, made once for each value of its row. */
export interface LiveSettings {
  readonly bridge: Settings;
  /** By OpenFlow port number. */
  readonly ports: ReadonlyMap<number, Settings>;
  /** The QoS of those that have one, in words, by OpenFlow port number. */
  readonly qos: ReadonlyMap<number, string>;
  /** What of this bridge the shadow can't have, with the reason. */
  readonly left: readonly { readonly port: string; readonly why: string }[];
}

export function liveSettings(tables: Tables, row: BridgeRow): LiveSettings {
  const ports = new Map<number, Settings>();
  const qos = new Map<number, string>();
  const left: { port: string; why: string }[] = [];
  for (const port of row.ports) {
    if (port.role !== undefined || port.ofport === undefined || port.ofport === openflowLocal) continue;
    ports.set(port.ofport, portSettings(tables, port));
    const name = `${row.name}:${port.ofport}`;
    if (port.members.length > 1) left.push({ port: name, why: `bond of ${port.members.length} interfaces: its copies all come in by this port of the shadow, the other members have none` });
    const qosRow = text(tables.table("Port").get(port.uuid), "qos");
    if (qosRow === undefined) continue;
    qos.set(port.ofport, qosText(tables, qosRow));
    left.push({ port: name, why: "its QoS: a patch port has no queues and no rate" });
  }
  return { bridge: bridgeSettings(tables, row), ports, qos, left };
}

/** Queues of a QoS that are told one by one. */
const maxQueues = 64;

/** A QoS row in words, as "linux-htb max-rate=1000000; queue 1 max-rate=100000 dscp=8": keys and queues in order, so that equal rows read the same. */
export function qosText(tables: Tables, uuid: string): string {
  const row = tables.table("QoS").get(uuid);
  const words = (map: ReadonlyMap<string, string>): string => [...map].sort(([x], [y]) => (x < y ? -1 : 1)).map(([key, value]) => ` ${key}=${value}`).join("");
  const queues = [...((row?.["queues"] instanceof Map ? row["queues"] : new Map()) as ReadonlyMap<number, string>)].sort(([x], [y]) => x - y);
  const shown = queues.slice(0, maxQueues).map(([number, queue]) => {
    const of = tables.table("Queue").get(queue);
    const dscp = of?.["dscp"];
    return `queue ${number}${words(entries(of, "other_config"))}${typeof dscp === "number" ? ` dscp=${dscp}` : ""}`;
  });
  const more = queues.length > maxQueues ? [`${queues.length - maxQueues} more queues`] : [];
  return [`${text(row, "type") ?? ""}${words(entries(row, "other_config"))}`, ...shown, ...more].join("; ");
}

/** The settings of a bridge that has none: what a shadow has below level "configuration". */
export function bareSettings(row: BridgeRow): LiveSettings {
  const bare = (plain ??= settingsOf(undefined));
  const bridge: Settings = new Map([["mcast_snooping_enable", false], ["flood_vlans", orEmpty(undefined)], ["other_config", new Map<string, string>()]]);
  return { bridge, ports: new Map(row.ports.flatMap(({ ofport }) => (ofport === undefined ? [] : [[ofport, bare] as const]))), qos: new Map(), left: [] };
}

/** The shadow's own bridge with the settings of live. Adapters have none: they only output. */
export function withSettings(bridge: DesiredBridge, settings: LiveSettings): DesiredBridge {
  if (bridge.role !== "shadow") return bridge;
  return { ...bridge, settings: settings.bridge, ports: bridge.ports.map((port) => portWith(port, settings.ports.get(port.ofport), settings.qos.get(port.ofport))) };
}

/** A port with the settings of its live port, `tag` included. */
export function portWith(port: DesiredPort, settings: Settings | undefined, qos?: string): DesiredPort {
  return settings === undefined ? port : { ...port, settings, ...(qos === undefined ? {} : { qos }) };
}
