/** The network at a moment by two ways: as other paths see it now, and as `history` tells it later. */
import { connect } from "node-openflow";
import type { GetStateAtResponse } from "../../src/api/generated/ovsshadow/v1/history.js";
import { digestTables } from "../../src/network/digest.js";
import { ownZones } from "../../src/shadow/connection-zones.js";
import { shadowBridge } from "../../src/shadow/names.js";
import { waitFor } from "../wait.js";
import type { Stage } from "./stage.js";

export interface Topology {
  readonly bridges: readonly { readonly name: string; readonly ports: readonly { readonly ofport: number; readonly name: string; readonly role: string; readonly up: boolean }[] }[];
  readonly links: readonly { readonly a: string; readonly b: string; readonly up: boolean }[];
  readonly hosts: readonly { readonly mac: string }[];
}

export interface Moment {
  /** ms since the epoch. */
  readonly atMs: number;
  /** By "side bridge table". */
  readonly digests: Readonly<Record<string, string>>;
  /** Names of what there is and its state, sorted. */
  readonly topology: readonly string[];
}

/** Digests of all tables, live and shadow, over connections of our own. */
async function digests(stage: Stage): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const bridge of ["l1", "l2", "s1", "s2"]) {
    for (const [side, name] of [["live", bridge], ["shadow", shadowBridge(bridge)]] as const) {
      const connection = await connect({ remote: `unix:${stage.live.ovs.runDir}/${name}.mgmt`, versions: [5, 4] });
      for (const [table, { digest }] of digestTables((await connection.flowStats()).map((flow) => (side === "live" ? flow : ownZones.toLive.flow(flow))))) found[`${side} ${bridge} ${table}`] = digest;
      await connection.close();
    }
  }
  return found;
}

/** What there is and its state, from the API's topology. */
export async function topologyNow(stage: Stage): Promise<string[]> {
  const now = await stage.ctl<Topology>("topology");
  return [
    ...now.bridges.flatMap(({ name, ports }) => [`bridge ${name}`, ...ports.map((port) => `port ${name}:${port.ofport} ${port.name} ${port.role} ${port.up}`)]),
    ...now.links.map(({ a, b, up }) => `link ${a}-${b} ${up}`),
    ...now.hosts.map(({ mac }) => `host ${mac}`),
  ].sort();
}

/** What `history` says of a moment, in the same terms. */
export async function historyAt(stage: Stage, atMs: number): Promise<Omit<Moment, "atMs"> & { readonly state: GetStateAtResponse }> {
  const state = await stage.ctl<GetStateAtResponse>("history", "--at", String(atMs));
  const described = state.topology.map(({ name, detail }) => {
    const told = JSON.parse(detail) as Record<string, unknown>;
    const kind = name.split(" ")[0];
    return kind === "port" ? `${name} ${String(told.name)} ${String(told.role)} ${String(told.up)}` : kind === "link" ? `${name} ${String(told.up)}` : name;
  });
  return { digests: Object.fromEntries(state.digests.map(({ side, bridge, table, digest }) => [`${side} ${bridge} ${table}`, digest])), topology: described.sort(), state };
}

/** Looks by other paths until nothing moves any more and it is recorded; the moment is written down. */
export async function settledMoment(stage: Stage): Promise<Moment> {
  let moment: Moment | undefined;
  await waitFor(
    async () => {
      const before = await digests(stage);
      const seen = await topologyNow(stage);
      const atMs = Date.now();
      const recorded = await historyAt(stage, atMs);
      if (JSON.stringify(await digests(stage)) !== JSON.stringify(before) || JSON.stringify(await topologyNow(stage)) !== JSON.stringify(seen)) return false;
      if (Object.keys(before).some((key) => recorded.digests[key] !== before[key]) || JSON.stringify(recorded.topology) !== JSON.stringify(seen)) return false;
      moment = { atMs, digests: before, topology: seen };
      return true;
    },
    "what is recorded is what is",
    40_000,
  );
  if (moment === undefined) throw new Error("no moment");
  return moment;
}
