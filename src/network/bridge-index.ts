/**
 * The bridges of a database by name, kept up to date row by row: a change costs what changed, whatever the size of the network.
 * A bridge that did not change is the same value as before, so that whatever was computed from it can be kept.
 */
import type { RowChange } from "ovsdb-client";
import { readBridge, rootUuid, text, uuids, type BridgeRow, type Tables } from "./database-view.js";

/** Columns whose changes nobody here reads anything from. */
const silent = new Set(["statistics", "next_cfg", "cur_cfg"]);

export class BridgeIndex {
  private readonly tables: Tables;
  /** By row uuid; undefined for one that must be read again. */
  private readonly rows = new Map<string, BridgeRow | undefined>();
  /** Which bridge a Port, Interface, Mirror or sFlow row belongs to, by uuid. */
  private readonly owner = new Map<string, string>();
  /** What `owner` has for a bridge, so that it can be taken out again. */
  private readonly owned = new Map<string, readonly string[]>();
  /** Bridges with a QoS on any of their ports: QoS and Queue rows are shared, and rarely change. */
  private readonly withQos = new Set<string>();
  private sorted: readonly BridgeRow[] | undefined;
  /** The last sorted list, and the rows of it that must be read again, by row uuid. Empty when the list itself is another. */
  private previous: readonly BridgeRow[] = [];
  private stale = new Map<string, BridgeRow>();
  private byName = new Map<string, BridgeRow>();

  constructor(tables: Tables) {
    this.tables = tables;
    this.reset();
  }

  /** All bridges, sorted by name. */
  bridges(): readonly BridgeRow[] {
    if (this.sorted !== undefined) return this.sorted;
    const { stale } = this;
    this.stale = new Map();
    for (const [uuid, row] of this.rows) if (row === undefined) this.read(uuid);
    const isSameList = this.previous.length === this.rows.size && [...stale].every(([uuid, old]) => this.rows.get(uuid)?.name === old.name);
    if (isSameList) {
      // Sorted as before: rows that were read again take the places they had.
      const fresh = new Map([...stale].map(([uuid, old]) => [old, this.rows.get(uuid) as BridgeRow]));
      for (const row of fresh.values()) this.byName.set(row.name, row);
      return (this.previous = this.sorted = this.previous.map((row) => fresh.get(row) ?? row));
    }
    const all = [...this.rows.values()].filter((row) => row !== undefined);
    this.previous = this.sorted = all.sort((x, y) => (x.name < y.name ? -1 : 1));
    this.byName = new Map(all.map((row) => [row.name, row]));
    return this.sorted;
  }

  bridge(name: string): BridgeRow | undefined {
    this.bridges();
    return this.byName.get(name);
  }

  /** Takes in an update of the replica. Returns whether it concerned a bridge. */
  changed(changes: readonly RowChange[]): boolean {
    let concerned = false;
    const stale = (bridge: string | undefined): void => {
      if (bridge === undefined || !this.rows.has(bridge)) return;
      const row = this.rows.get(bridge);
      if (row !== undefined) this.stale.set(bridge, row);
      this.rows.set(bridge, undefined);
      concerned = true;
    };
    for (const { table, uuid, columns, old } of changes) {
      if (columns.every((column) => silent.has(column))) continue;
      if (table === "Open_vSwitch") {
        if (columns.includes("bridges")) concerned = this.list() || concerned;
      } else if (table === "Bridge") {
        if (old !== undefined) stale(uuid);
      } else if (table === "QoS" || table === "Queue") this.withQos.forEach(stale);
      else stale(this.owner.get(uuid));
    }
    if (concerned) this.sorted = undefined;
    return concerned;
  }

  /** Reads everything again. */
  reset(): void {
    this.rows.clear();
    this.owner.clear();
    this.owned.clear();
    this.withQos.clear();
    this.list();
    this.previous = [];
    this.stale.clear();
    this.sorted = undefined;
  }

  /** Brings the set of bridges to what the Open_vSwitch row refers to. Returns whether it changed. */
  private list(): boolean {
    const root = rootUuid(this.tables);
    const wanted = new Set(root === undefined ? [] : uuids(this.tables.table("Open_vSwitch").get(root), "bridges"));
    let differs = false;
    for (const uuid of [...this.rows.keys()]) {
      if (wanted.has(uuid)) continue;
      this.disown(uuid);
      this.rows.delete(uuid);
      differs = true;
    }
    for (const uuid of wanted) {
      if (this.rows.has(uuid)) continue;
      this.rows.set(uuid, undefined);
      differs = true;
    }
    if (differs) this.previous = [];
    return differs;
  }

  private read(uuid: string): void {
    this.disown(uuid);
    const row = readBridge(this.tables, uuid);
    const bridge = this.tables.table("Bridge").get(uuid);
    this.rows.set(uuid, row);
    const ports = uuids(bridge, "ports");
    const interfaces = ports.flatMap((port) => uuids(this.tables.table("Port").get(port), "interfaces"));
    const owned = [...ports, ...interfaces, ...uuids(bridge, "mirrors"), text(bridge, "sflow") ?? uuid];
    for (const one of owned) this.owner.set(one, uuid);
    this.owned.set(uuid, owned);
    if (ports.some((port) => text(this.tables.table("Port").get(port), "qos") !== undefined)) this.withQos.add(uuid);
  }

  private disown(uuid: string): void {
    for (const one of this.owned.get(uuid) ?? []) if (this.owner.get(one) === uuid) this.owner.delete(one);
    this.owned.delete(uuid);
    this.withQos.delete(uuid);
  }
}
