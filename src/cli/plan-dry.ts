/**
 * The plan of replication for a database that nobody has attached to: read, and nothing written or asked of a switch. Links are those of
 * patch ports and of the intended topology; what only shows when attached (hosts, links by LLDP) is told as not known.
 */
import { OvsdbClient, type Replica } from "ovsdb-client";
import { planMessage } from "../api/plan-service.js";
import type { GetPlanResponse } from "../api/generated/ovsshadow/v1/plan.js";
import { readIntended, readKept, type IntendedLink } from "../analysis/drift/intended.js";
import { databaseOptions } from "../config/database.js";
import { loadPlaced, parsePlaced } from "../config/load.js";
import type { Config } from "../config/schema.js";
import { BridgeIndex } from "../network/bridge-index.js";
import { entries, monitoredTables, openflowLocal, type BridgeRow, type Tables } from "../network/database-view.js";
import { modelOf } from "../network/live-model.js";
import { portKey, type Link, type Network, type PortRef } from "../network/model.js";
import { mark } from "../network/pipeline.js";
import { configuredSessions, criticalOf } from "../shadow/configured.js";
import { Critical } from "../shadow/critical.js";
import { LevelStore } from "../shadow/levels/level-store.js";
import { Levels } from "../shadow/levels/levels.js";
import { ShadowPlan } from "../shadow/plan.js";
import { explainPlan } from "../shadow/replication/explained.js";
import { placed } from "../shadow/sinks/sink-plan.js";
import { foreignMirrors } from "../shadow/replication/rows.js";
import { copyByOf } from "../shadow/replication/copy-by.js";
import { SessionStore } from "../shadow/replication/session-store.js";

const tables = { ...monitoredTables, Interface: [...monitoredTables.Interface, "statistics"] } as const;
/** ovs-vswitchd writes the counters into the database every 5 s (its other_config:stats-update-interval). */
const countersWithinMs = 12_000;

/** Throws ConfigError, SessionError or LevelStoreError, and what the database says. */
export async function dryPlan(file: string | undefined): Promise<GetPlanResponse> {
  const { config, where } = file === undefined ? parsePlaced("", "") : loadPlaced(file);
  const store = SessionStore.open(config.stateDir, configuredSessions(config));
  const levels = new Levels(config.shadow, { store: LevelStore.open(config.stateDir), nowMs: Date.now, changed: () => undefined });
  const client = await OvsdbClient.connect(databaseOptions(config));
  try {
    const replica = await client.replica("Open_vSwitch", tables);
    const index = new BridgeIndex(replica);
    const rows = index.bridges().filter(({ role, name }) => role === undefined && (config.bridges === "all" || config.bridges.includes(name)));
    const { network, isIntended } = networkOf(rows, replica, config);
    const sessions = store.current;
    // A guest's tables are not asked; most networks that forward by themselves do so by NORMAL.
    const byFlows = (): boolean => copyByOf(config) !== "mirrors";
    const plan = new ShadowPlan(replica).rows(network, network, (name) => index.bridge(name), { sessions, replicate: config.shadow.replicate, guarded: true, tunnels: config.shadow.remote, sinks: placed(config.shadow.sinks), byFlows, demand: (bridge) => levels.of(bridge) });
    const critical = new Critical(criticalOf(config));
    const received = await receivedPerS(replica, rows);
    const isOurs = (uuid: string): boolean => entries(replica.table("Mirror").get(uuid), "external_ids").has(mark.role);
    const foreign = foreignMirrors(rows, isOurs);
    const explained = explainPlan({
      network, plan, config, where,
      sessions: sessions.map((session) => ({ session, configured: store.isConfigured(session.name) })),
      suspended: undefined,
      levels: (bridge) => levels.of(bridge),
      demand: (bridge) => levels.of(bridge),
      place: (bridge) => ({ rank: critical.rank(bridge, network), isCritical: critical.has(bridge, network), ...critical.reasons(bridge, network) }),
      sendsToEvery: () => false,
      copiesByFlows: byFlows,
      foreignMirrors: (bridge) => foreign.get(bridge) ?? 0,
      off: config.shadow.replicate ? undefined : "copying is switched off (shadow.replicate)",
      behaviour: undefined,
      shadowFlows: () => undefined,
      rates: new Map([...received].map(([port, receivedPerSecond]) => [port, { receivedPerS: receivedPerSecond, copiedPerS: undefined }])),
      cachedFlows: undefined,
    });
    return planMessage(explained, false, [
      `links are those of patch ports${isIntended ? " and of the intended topology" : ""}: a port that leads to another bridge in another way counts as an edge port here, and is found when attached`,
      "hosts are known when attached: what a session asks for by hosts, and the behavioural profile, are not in this plan",
      ...(received.size === 0 ? ["the database shows no counters of ports, so copies/s are not known"] : []),
    ]);
  } finally {
    await client.close();
  }
}

/** The live network as far as the database and the intended topology tell. */
function networkOf(rows: readonly BridgeRow[], replica: Tables, config: Config): { readonly network: Network; readonly isIntended: boolean } {
  const intended = config.topology.file === undefined ? readKept(config.stateDir) : readIntended(config.topology.file);
  const ends = new Map(rows.flatMap((row) => row.ports.flatMap((port) => (port.ofport === undefined || port.ofport <= 0 ? [] : [[portKey({ bridge: row.name, ofport: port.ofport }), port] as const]))));
  const pairs = [...patches(rows, replica), ...(intended ?? [])].filter((pair) => pair.every((key) => ends.has(key)));
  const taken = new Set<string>();
  const links: Link[] = [];
  for (const [a, b] of pairs) {
    if (taken.has(a) || taken.has(b)) continue;
    taken.add(a).add(b);
    links.push({ a: refOf(a), b: refOf(b), up: true });
  }
  const bridge = (row: BridgeRow) => modelOf(row, { datapathId: row.datapathId ?? 0n, port: () => undefined, isSettling: () => false, isFabric: (key) => taken.has(key) }).bridge;
  return { network: { bridges: new Map(rows.map((row) => [row.name, bridge(row)])), links, hosts: new Map() }, isIntended: intended !== undefined };
}

/** Pairs of patch ports that lead from one bridge to another. */
function patches(rows: readonly BridgeRow[], replica: Tables): IntendedLink[] {
  const byName = new Map(rows.flatMap((row) => row.ports.map((port) => [port.name, { row, port }] as const)));
  return rows.flatMap((row) =>
    row.ports.flatMap((port): IntendedLink[] => {
      const peer = byName.get(entries(replica.table("Interface").get(port.interfaceUuid), "options").get("peer") ?? "");
      if (port.type !== "patch" || peer === undefined || port.ofport === undefined || peer.port.ofport === undefined) return [];
      const [a, b] = [portKey({ bridge: row.name, ofport: port.ofport }), portKey({ bridge: peer.row.name, ofport: peer.port.ofport })];
      return a < b ? [[a, b]] : [];
    }),
  );
}

function refOf(key: string): PortRef {
  const colon = key.lastIndexOf(":");
  return { bridge: key.slice(0, colon), ofport: Number(key.slice(colon + 1)) };
}

type Counts = ReadonlyMap<string, number>;

/** Packets that came in, by portKey. */
function counts(replica: Tables, rows: readonly BridgeRow[]): Counts {
  return new Map(
    rows.flatMap((row) =>
      row.ports.flatMap((port) => {
        const statistics = replica.table("Interface").get(port.interfaceUuid)?.["statistics"];
        const packets: unknown = statistics instanceof Map ? statistics.get("rx_packets") : undefined;
        return port.ofport === undefined || port.ofport === openflowLocal || typeof packets !== "number" ? [] : [[portKey({ bridge: row.name, ofport: port.ofport }), packets] as const];
      }),
    ),
  );
}

/** Packets a second between two updates of the counters in the database; where they stand still, nothing comes in. */
async function receivedPerS(replica: Replica, rows: readonly BridgeRow[]): Promise<Counts> {
  const updated = (): Promise<number | undefined> =>
    new Promise((resolve) => {
      const done = (at: number | undefined): void => {
        clearTimeout(timer);
        replica.off("changes", check);
        resolve(at);
      };
      const before = JSON.stringify([...counts(replica, rows)]);
      const timer = setTimeout(() => done(undefined), countersWithinMs / 2);
      const check = (): void => {
        if (JSON.stringify([...counts(replica, rows)]) !== before) done(performance.now());
      };
      replica.on("changes", check);
    });
  const fromMs = await updated();
  const from = counts(replica, rows);
  const toMs = fromMs === undefined ? undefined : await updated();
  const to = counts(replica, rows);
  if (fromMs === undefined || toMs === undefined) return new Map([...to.keys()].map((port) => [port, 0]));
  return new Map([...to].map(([port, count]) => [port, Math.max(0, count - (from.get(port) ?? count)) / ((toMs - fromMs) / 1_000)]));
}

