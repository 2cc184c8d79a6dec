/** Snapshots of a network's switches and database, and their differences: what a detach must not leave. */
import type { Ovs } from "./ovs.js";

/**
 * Columns that differ between two networks that are the same: what the system measures or draws by lot. All others are compared;
 * uuids are replaced by the names of what they point to.
 */
const excluded: Readonly<Record<string, readonly string[]>> = {
  Open_vSwitch: ["statistics", "cur_cfg", "next_cfg", "bridges", "system_type", "system_version", "external_ids", "datapaths"],
  Bridge: ["status", "datapath_version", "rstp_status"],
  Port: ["statistics", "status", "rstp_statistics", "rstp_status", "mac"],
  // Kernel numbers and what the device has been through.
  Interface: ["statistics", "status", "ifindex", "mac_in_use", "link_resets", "link_speed", "link_state", "admin_state", "duplex", "lldp", "bfd_status", "error"],
  Mirror: ["statistics"],
  Controller: ["status"],
  QoS: [],
  Queue: [],
  sFlow: [],
  NetFlow: [],
  IPFIX: [],
  Flow_Sample_Collector_Set: [],
  Flow_Table: [],
  AutoAttach: [],
  Manager: ["status"],
};

interface ListOutput {
  readonly headings: readonly string[];
  readonly data: readonly (readonly unknown[])[];
}

export type Snapshot = ReadonlySet<string>;

/** Everything that is compared of a network, one line each. `bridges`: the live ones. */
export async function snapshot(ovs: Ovs, bridges?: readonly string[]): Promise<Snapshot> {
  const lines = new Set<string>();
  const tables = new Map<string, ListOutput>();
  for (const table of Object.keys(excluded)) tables.set(table, JSON.parse(await ovs.vsctl("--format=json", "list", table)) as ListOutput);
  const names = new Map<string, string>();
  for (const [table, { headings, data }] of tables) {
    const uuid = headings.indexOf("_uuid");
    const name = headings.indexOf("name");
    for (const row of data) names.set(String((row[uuid] as [string, string])[1]), `${table}:${name < 0 ? "" : String(row[name])}`);
  }
  for (const [table, { headings, data }] of tables) {
    for (const row of data) {
      const shown = row.flatMap((value, i) => {
        const column = headings[i] ?? "";
        return column === "_uuid" || excluded[table]?.includes(column) === true ? [] : [`${column}=${readable(value, names)}`];
      });
      lines.add(`${table} ${shown.join(" ")}`);
    }
  }
  for (const bridge of bridges ?? (await ovs.vsctl("list-br")).split("\n").filter(Boolean)) {
    for (const what of ["dump-flows", "dump-groups", "dump-meters"]) {
      for (const line of (await ovs.ofctl(what, bridge)).split("\n").slice(1)) {
        const plain = line.trim().replace(/(duration|n_packets|n_bytes|idle_age|hard_age)=[^ ,]*,? ?/g, "");
        if (plain !== "") lines.add(`${bridge} ${what} ${plain}`);
      }
    }
    for (const line of (await ovs.ofctl("dump-ports-desc", bridge)).split("\n").slice(1)) {
      const port = /^\s*(\w+)\(([^)]+)\)/.exec(line);
      if (port !== null) lines.add(`${bridge} port ${port[1]} ${port[2]}`);
    }
  }
  return lines;
}

/** A column's value as text: uuids as what they name, sets and maps in order. */
function readable(value: unknown, names: ReadonlyMap<string, string>): string {
  if (!Array.isArray(value)) return JSON.stringify(value);
  const [kind, body] = value as [string, unknown];
  if (kind === "uuid") return names.get(String(body)) ?? "(another table)";
  if (kind === "set") return `[${(body as unknown[]).map((item) => readable(item, names)).sort().join(",")}]`;
  if (kind === "map") return `{${(body as [unknown, unknown][]).map(([key, item]) => `${readable(key, names)}=${readable(item, names)}`).sort().join(",")}}`;
  return JSON.stringify(value);
}

/** Lines that only one side has. */
export function differences(live: Snapshot, twin: Snapshot): string[] {
  return [...[...live].filter((line) => !twin.has(line)).map((line) => `only live: ${line}`), ...[...twin].filter((line) => !live.has(line)).map((line) => `only twin: ${line}`)];
}
