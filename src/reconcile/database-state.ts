/**
 * The rows we want in a database, and the difference to what it holds. Pure.
 *
 * Ours are rows with our mark in external_ids; in foreign rows only the references to ours change (a bridge's ports and
 * mirrors, an empty sflow column).
 */
import { entries, rootUuid, text, uuids, type BridgeRow, type PortRow, type Tables } from "../network/database-view.js";
import type { Row } from "ovsdb-client";
import { mark, type RowRole } from "../network/pipeline.js";

export interface DesiredPort {
  readonly name: string;
  readonly type: "patch" | "internal" | "vxlan" | "geneve" | "gre" | "erspan" | "";
  readonly options: ReadonlyMap<string, string>;
  readonly ofport: number;
  readonly role: RowRole;
  /** "bridge:ofport" of the live port it stands for. */
  readonly live: string;
  /** Copied from a live access port, so that a mirrored copy is untagged again (ovs-vswitchd.conf.db, Mirror). */
  readonly tag?: number;
  /** The other settings of the live port that change what NORMAL does there. */
  readonly settings?: Settings;
  /** The QoS of the live port in words. No row of its own: it would keep the operator from deleting all QoS rows at once. */
  readonly qos?: string;
  /** A Mirror row that reserves this port: nothing that arrives on it is forwarded. With `source`, it also copies. */
  readonly guard?: { readonly name: string; readonly source?: string };
}

/** Columns of a row, as the database gives them: a value, a list or a map. */
export type Settings = ReadonlyMap<string, Row[string]>;

export interface DesiredBridge {
  readonly name: string;
  readonly datapathType: string;
  readonly role: "shadow" | "adapter" | "collector";
  /** Name of the live bridge it stands for; empty for the collector bridge, which stands for none. */
  readonly live: string;
  readonly ports: readonly DesiredPort[];
  /** Columns of the live bridge's row that change what NORMAL does; other_config is laid over our own. */
  readonly settings?: Settings;
}

export interface DesiredSflow {
  readonly target: string;
  readonly sampling: number;
  readonly pollingS: number;
  readonly agent: string;
}

export interface DesiredDatabase {
  /** Our bridges. */
  readonly bridges: readonly DesiredBridge[];
  /** Our ports on live bridges, by the bridge's name. */
  readonly livePorts: ReadonlyMap<string, readonly DesiredPort[]>;
  /** sFlow for live bridges that have none of their own, by the bridge's name. */
  readonly sflow: ReadonlyMap<string, DesiredSflow>;
}

export const nothing: DesiredDatabase = { bridges: [], livePorts: new Map(), sflow: new Map() };

/** One step of a transaction; the writer turns each into OVSDB operations. */
export type DatabaseChange =
  | { readonly op: "add-bridge"; readonly bridge: DesiredBridge; readonly root: string }
  | { readonly op: "delete-bridge"; readonly name: string; readonly uuid: string; readonly root: string }
  | { readonly op: "add-port"; readonly bridge: string; readonly bridgeUuid: string; readonly port: DesiredPort }
  | { readonly op: "delete-port"; readonly bridge: string; readonly bridgeUuid: string; readonly name: string; readonly uuid: string }
  | { readonly op: "update-port"; readonly name: string; readonly portUuid: string; readonly interfaceUuid: string; readonly port: DesiredPort }
  | { readonly op: "update-bridge"; readonly name: string; readonly uuid: string; readonly bridge: DesiredBridge }
  | { readonly op: "add-guard"; readonly bridgeUuid: string; readonly name: string; readonly port: string; readonly source: string | undefined }
  | { readonly op: "set-guard"; readonly uuid: string; readonly name: string; readonly source: string | undefined }
  | { readonly op: "delete-guard"; readonly bridgeUuid: string; readonly uuid: string; readonly name: string }
  | { readonly op: "add-sflow"; readonly bridge: string; readonly bridgeUuid: string; readonly sflow: DesiredSflow }
  | { readonly op: "update-sflow"; readonly bridge: string; readonly bridgeUuid: string; readonly uuid: string; readonly sflow: DesiredSflow }
  | { readonly op: "delete-sflow"; readonly bridge: string; readonly bridgeUuid: string };

const sameMap = (x: ReadonlyMap<string, string>, y: ReadonlyMap<string, string>): boolean =>
  x.size === y.size && [...x].every(([key, value]) => y.get(key) === value);

function portDiffers(tables: Tables, row: PortRow, port: DesiredPort): boolean {
  const device = tables.table("Interface").get(row.interfaceUuid);
  return (
    row.type !== port.type ||
    !sameMap(entries(device, "options"), port.options) ||
    device?.["ofport_request"] !== port.ofport ||
    (port.settings === undefined ? row.tag !== port.tag : settingsDiffer(tables.table("Port").get(row.uuid), port.settings)) ||
    entries(tables.table("Port").get(row.uuid), "external_ids").get(mark.live) !== port.live ||
    entries(tables.table("Port").get(row.uuid), "external_ids").get(mark.qos) !== port.qos
  );
}

/** A column's value as text, whatever the order of a list or a map; an empty set, an empty map and none are the same. */
function valueText(value: Row[string]): string {
  if (value instanceof Map) return valueText([...value].map(([key, one]) => `${String(key)}=${String(one)}`));
  if (typeof value === "object") return [...(value as readonly (string | number | boolean)[])].map(String).sort().join(",");
  return value === undefined || value === false ? "" : String(value);
}

function settingsDiffer(row: Row | undefined, settings: Settings): boolean {
  return [...settings].some(([column, value]) => valueText(row?.[column]) !== valueText(value));
}

/** What the Bridge row of one of our bridges has besides its ports. */
export function bridgeSettings(bridge: DesiredBridge): Settings {
  const settings = new Map(bridge.settings ?? []);
  const given = settings.get("other_config");
  // No in-band rules: they are a path past our tables.
  settings.set("other_config", new Map([...(given instanceof Map ? (given as ReadonlyMap<string, string>) : []), ["disable-in-band", "true"]]));
  return settings;
}

/** Changes to our ports of one bridge. */
function diffPorts(tables: Tables, bridge: BridgeRow, desired: readonly DesiredPort[]): DatabaseChange[] {
  const actual = new Map(bridge.ports.filter((port) => port.role !== undefined).map((port) => [port.name, port]));
  const where = { bridge: bridge.name, bridgeUuid: bridge.uuid };
  const changes: DatabaseChange[] = [];
  for (const port of desired) {
    const row = actual.get(port.name);
    actual.delete(port.name);
    if (row === undefined) changes.push({ op: "add-port", ...where, port });
    else if (portDiffers(tables, row, port)) {
      changes.push({ op: "update-port", name: port.name, portUuid: row.uuid, interfaceUuid: row.interfaceUuid, port });
    }
  }
  for (const row of actual.values()) changes.push({ op: "delete-port", ...where, name: row.name, uuid: row.uuid });
  return changes;
}

/** Changes to our Mirror rows of one live bridge. A guard goes in with its port and out before it. */
function diffGuards(tables: Tables, bridge: BridgeRow, desired: readonly DesiredPort[]): DatabaseChange[] {
  const uuidOf = new Map(bridge.ports.map((port) => [port.name, port.uuid]));
  const ours = bridge.mirrors.filter((uuid) => entries(tables.table("Mirror").get(uuid), "external_ids").has(mark.role));
  const actual = new Map(ours.map((uuid) => [text(tables.table("Mirror").get(uuid), "name") ?? "", uuid]));
  const changes: DatabaseChange[] = [];
  for (const port of desired) {
    if (port.guard === undefined) continue;
    const { name, source } = port.guard;
    const uuid = actual.get(name);
    const row = uuid === undefined ? undefined : tables.table("Mirror").get(uuid);
    actual.delete(name);
    if (uuid === undefined || row === undefined) {
      changes.push({ op: "add-guard", bridgeUuid: bridge.uuid, name, port: port.name, source });
      continue;
    }
    const outputs = uuids(row, "output_port");
    if (outputs[0] !== uuidOf.get(port.name)) {
      changes.push({ op: "delete-guard", bridgeUuid: bridge.uuid, uuid, name });
      changes.push({ op: "add-guard", bridgeUuid: bridge.uuid, name, port: port.name, source });
    } else if (uuids(row, "select_src_port")[0] !== (source === undefined ? undefined : uuidOf.get(source))) {
      changes.push({ op: "set-guard", uuid, name, source });
    }
  }
  for (const [name, uuid] of actual) changes.push({ op: "delete-guard", bridgeUuid: bridge.uuid, uuid, name });
  return changes;
}

/** Changes that bring one bridge of the database to what is desired of it, as far as it is ours. */
export function diffBridge(tables: Tables, root: string, row: BridgeRow, { own, livePorts, sflow }: DesiredOfBridge): DatabaseChange[] {
  if (row.role === undefined) {
    const ports = livePorts ?? [];
    return [...diffPorts(tables, row, ports), ...diffGuards(tables, row, ports), ...diffSflow(tables, row, sflow)];
  }
  if (own === undefined) return [{ op: "delete-bridge", name: row.name, uuid: row.uuid, root }];
  const changes = diffPorts(tables, row, own.ports);
  if (settingsDiffer(tables.table("Bridge").get(row.uuid), bridgeSettings(own))) changes.push({ op: "update-bridge", name: row.name, uuid: row.uuid, bridge: own });
  return changes;
}

/** What is desired of one bridge of the database: it is ours, or live. */
export interface DesiredOfBridge {
  readonly own?: DesiredBridge | undefined;
  readonly livePorts?: readonly DesiredPort[] | undefined;
  readonly sflow?: DesiredSflow | undefined;
}

/**
 * Changes that turn the database into what is desired, as far as it is ours, bridge by bridge, again and again; equal states give none: a bridge whose row and whose desired state are the values they were when
 * it last had no difference is not looked at.
 */
export class DatabaseDiff {
  private readonly tables: Tables;
  private readonly equal = new Map<string, { readonly row: BridgeRow } & DesiredOfBridge>();

  constructor(tables: Tables) {
    this.tables = tables;
  }

  changes(bridges: readonly BridgeRow[], desired: DesiredDatabase): DatabaseChange[] {
    const root = rootUuid(this.tables);
    if (root === undefined) return [];
    const wanted = new Map(desired.bridges.map((bridge) => [bridge.name, bridge]));
    const changes: DatabaseChange[] = [];
    const present = new Set<string>();
    for (const row of bridges) {
      const own = row.role === undefined ? undefined : wanted.get(row.name);
      if (row.role !== undefined) wanted.delete(row.name);
      const livePorts = desired.livePorts.get(row.name);
      const sflow = desired.sflow.get(row.name);
      present.add(row.name);
      const was = this.equal.get(row.name);
      if (was !== undefined && was.row === row && was.own === own && was.livePorts === livePorts && was.sflow === sflow) continue;
      const found = diffBridge(this.tables, root, row, { own, livePorts, sflow });
      if (found.length === 0) this.equal.set(row.name, { row, own, livePorts, sflow });
      else this.equal.delete(row.name);
      for (const change of found) changes.push(change);
    }
    for (const name of this.equal.keys()) if (!present.has(name)) this.equal.delete(name);
    for (const bridge of wanted.values()) changes.push({ op: "add-bridge", bridge, root });
    return changes;
  }
}

function diffSflow(tables: Tables, bridge: BridgeRow, desired: DesiredSflow | undefined): DatabaseChange[] {
  const where = { bridge: bridge.name, bridgeUuid: bridge.uuid };
  const row = bridge.sflow === undefined ? undefined : tables.table("sFlow").get(bridge.sflow);
  const ours = entries(row, "external_ids").has(mark.role);
  if (bridge.sflow !== undefined && !ours) return []; // the operator's: left alone
  if (desired === undefined) return ours ? [{ op: "delete-sflow", ...where }] : [];
  const same =
    row?.["sampling"] === desired.sampling &&
    row["polling"] === desired.pollingS &&
    text(row, "agent") === desired.agent &&
    uuids(row, "targets")[0] === desired.target;
  if (same) return [];
  // A row of ours is changed in place: the agent of a new one would begin its counts anew.
  return [bridge.sflow === undefined ? { op: "add-sflow", ...where, sflow: desired } : { op: "update-sflow", ...where, uuid: bridge.sflow, sflow: desired }];
}
