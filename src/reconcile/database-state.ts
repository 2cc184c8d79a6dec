/**
 * The rows we want in a database, and the difference to what it holds. Pure.
 *
 * Ours are rows with our mark in external_ids; in foreign rows only the references to ours change (a bridge's ports and
 * mirrors, an empty sflow column).
 */
import { entries, readBridges, rootUuid, text, uuids, type BridgeRow, type PortRow, type Tables } from "../network/database-view.js";
import { mark, type RowRole } from "../network/pipeline.js";

export interface DesiredPort {
  readonly name: string;
  readonly type: "patch" | "vxlan" | "geneve" | "";
  readonly options: ReadonlyMap<string, string>;
  readonly ofport: number;
  readonly role: RowRole;
  /** "bridge:ofport" of the live port it stands for. */
  readonly live: string;
  /** Copied from a live access port, so that a mirrored copy is untagged again (ovs-vswitchd.conf.db, Mirror). */
  readonly tag?: number;
  /** A Mirror row that reserves this port: nothing that arrives on it is forwarded. With `source`, it also copies. */
  readonly guard?: { readonly name: string; readonly source?: string };
}

export interface DesiredBridge {
  readonly name: string;
  readonly datapathType: string;
  readonly role: "shadow" | "adapter";
  /** Name of the live bridge it stands for. */
  readonly live: string;
  readonly ports: readonly DesiredPort[];
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
  | { readonly op: "add-guard"; readonly bridgeUuid: string; readonly name: string; readonly port: string; readonly source: string | undefined }
  | { readonly op: "set-guard"; readonly uuid: string; readonly name: string; readonly source: string | undefined }
  | { readonly op: "delete-guard"; readonly bridgeUuid: string; readonly uuid: string; readonly name: string }
  | { readonly op: "add-sflow"; readonly bridge: string; readonly bridgeUuid: string; readonly sflow: DesiredSflow }
  | { readonly op: "delete-sflow"; readonly bridge: string; readonly bridgeUuid: string };

const sameMap = (x: ReadonlyMap<string, string>, y: ReadonlyMap<string, string>): boolean =>
  x.size === y.size && [...x].every(([key, value]) => y.get(key) === value);

function portDiffers(tables: Tables, row: PortRow, port: DesiredPort): boolean {
  const device = tables.table("Interface").get(row.interfaceUuid);
  return (
    row.type !== port.type ||
    !sameMap(entries(device, "options"), port.options) ||
    device?.["ofport_request"] !== port.ofport ||
    row.tag !== port.tag ||
    entries(tables.table("Port").get(row.uuid), "external_ids").get(mark.live) !== port.live
  );
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

/** Changes that turn the database into `desired`, as far as it is ours. Equal states give none. */
export function diffDatabase(tables: Tables, desired: DesiredDatabase): DatabaseChange[] {
  const root = rootUuid(tables);
  if (root === undefined) return [];
  const bridges = readBridges(tables);
  const wanted = new Map(desired.bridges.map((bridge) => [bridge.name, bridge]));
  const changes: DatabaseChange[] = [];
  for (const row of bridges) {
    if (row.role !== undefined) {
      const bridge = wanted.get(row.name);
      wanted.delete(row.name);
      if (bridge === undefined) changes.push({ op: "delete-bridge", name: row.name, uuid: row.uuid, root });
      else changes.push(...diffPorts(tables, row, bridge.ports));
      continue;
    }
    const ports = desired.livePorts.get(row.name) ?? [];
    changes.push(...diffPorts(tables, row, ports), ...diffGuards(tables, row, ports));
    changes.push(...diffSflow(tables, row, desired.sflow.get(row.name)));
  }
  for (const bridge of wanted.values()) changes.push({ op: "add-bridge", bridge, root });
  return changes;
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
  return same ? [] : [{ op: "add-sflow", ...where, sflow: desired }];
}
