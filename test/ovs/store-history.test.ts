/** The time axis of a whole daemon on the lab: what `history` says of a moment is what another path saw at that moment. */
import { readdirSync } from "node:fs";
import { connect } from "node-openflow";
import { Stage } from "../../lab/demo/stage.js";
import { waitFor } from "../../lab/wait.js";
import type { GetStateAtResponse, QueryEventsResponse, QuerySeriesResponse } from "../../src/api/generated/ovsshadow/v1/history.js";
import { digestTables } from "../../src/network/digest.js";
import { shadowBridge } from "../../src/shadow/names.js";

interface Topology {
  readonly bridges: readonly { readonly name: string; readonly ports: readonly { readonly ofport: number; readonly name: string; readonly role: string; readonly up: boolean }[] }[];
  readonly links: readonly { readonly a: string; readonly b: string; readonly up: boolean }[];
  readonly hosts: readonly { readonly mac: string }[];
}
interface Moment {
  readonly atMs: number;
  readonly digests: Readonly<Record<string, string>>;
  readonly topology: readonly string[];
}

/** Digests of all tables, live and shadow, over connections of our own. */
async function digests(stage: Stage): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const bridge of ["l1", "l2", "s1", "s2"]) {
    for (const [side, name] of [["live", bridge], ["shadow", shadowBridge(bridge)]] as const) {
      const connection = await connect({ remote: `unix:${stage.live.ovs.runDir}/${name}.mgmt`, versions: [5, 4] });
      for (const [table, { digest }] of digestTables(await connection.flowStats())) found[`${side} ${bridge} ${table}`] = digest;
      await connection.close();
    }
  }
  return found;
}

/** Names of what there is and its state, from the API's topology. */
async function topology(stage: Stage): Promise<string[]> {
  const now = await stage.ctl<Topology>("topology");
  return [
    ...now.bridges.flatMap(({ name, ports }) => [`bridge ${name}`, ...ports.map((port) => `port ${name}:${port.ofport} ${port.name} ${port.role} ${port.up}`)]),
    ...now.links.map(({ a, b, up }) => `link ${a}-${b} ${up}`),
    ...now.hosts.map(({ mac }) => `host ${mac}`),
  ].sort();
}

async function historyAt(stage: Stage, atMs: number): Promise<Omit<Moment, "atMs"> & { readonly state: GetStateAtResponse }> {
  const state = await stage.ctl<GetStateAtResponse>("history", "--at", String(atMs));
  const described = state.topology.map(({ name, detail }) => {
    const told = JSON.parse(detail) as Record<string, unknown>;
    const kind = name.split(" ")[0];
    return kind === "port" ? `${name} ${String(told.name)} ${String(told.role)} ${String(told.up)}` : kind === "link" ? `${name} ${String(told.up)}` : name;
  });
  return { digests: Object.fromEntries(state.digests.map(({ side, bridge, table, digest }) => [`${side} ${bridge} ${table}`, digest])), topology: described.sort(), state };
}

/** Looks by other paths until nothing moves any more and it is recorded; the moment is written down. */
async function settled(stage: Stage): Promise<Moment> {
  let moment: Moment | undefined;
  await waitFor(
    async () => {
      const before = await digests(stage);
      const seen = await topology(stage);
      const atMs = Date.now();
      const recorded = await historyAt(stage, atMs);
      if (JSON.stringify(await digests(stage)) !== JSON.stringify(before) || JSON.stringify(await topology(stage)) !== JSON.stringify(seen)) return false;
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

test("the network as it was at several moments, over a crash of the daemon; values, events, export", async () => {
  await using stage = await Stage.build({ say: () => {} });
  stage.startDaemon();
  await stage.inStep(4);
  await stage.everyHostReachesEveryOther();
  await waitFor(async () => (await stage.ctl<Topology>("topology")).hosts.length === 4, "all hosts are known");
  await stage.inStep(4);
  const first = await settled(stage);
  await stage.live.ovs.ofctl("add-flow", "l1", "table=7,priority=77,ip,nw_dst=10.9.9.9,actions=drop");
  await stage.inStep(4);
  const second = await settled(stage);
  expect(second.digests["live l1 7"]).toBeDefined();
  expect(first.digests["live l1 7"]).toBeUndefined();
  const device = stage.live.host("h1").device;
  await stage.live.exec("h1", "ip", ["link", "set", device, "down"]);
  await waitFor(async () => (await topology(stage)).join() !== second.topology.join(), "the port is down");
  const third = await settled(stage);
  await stage.ctl("promote", "--why", "test");
  await waitFor(async () => (await historyAt(stage, Date.now())).state.promotion === "on", "the promotion is recorded");
  const promotedMs = Date.now();
  await stage.ctl("demote", "--why", "test");

  await stage.killDaemon("KILL");
  const downMs = Date.now() + 2_000;
  await waitFor(() => Date.now() > downMs + 1_000, "it was away for a while");
  stage.startDaemon();
  await stage.inStep(4, 60_000).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${stage.daemonLog.slice(-20).join("\n")}`);
  });

  for (const { atMs, ...moment } of [first, second, third]) {
    const { state, ...told } = await historyAt(stage, atMs);
    expect(told).toEqual(moment);
    expect([state.recording, state.promotion, state.gone]).toEqual([true, "off", undefined]);
  }
  expect((await historyAt(stage, promotedMs)).state.promotion).toBe("on");
  // Nobody recorded while the daemon was dead, and it says so.
  expect((await historyAt(stage, downMs)).state.recording).toBe(false);

  const events = await stage.ctl<QueryEventsResponse>("history", "--from", String(first.atMs), "--to", String(third.atMs), "--subject", "l1/7");
  expect(events.events.map(({ kind, side }) => `${kind} ${side}`).sort()).toEqual(["tables live", "tables shadow"]);
  const memory = await stage.ctl<QuerySeriesResponse>("history", "--from", "-10m", "--subject", "process:ovs-shadowd", "--metric", "rssBytes");
  expect(memory.points.length).toBeGreaterThan(5);
  const ports = await stage.ctl<QuerySeriesResponse>("history", "--from", "-10m", "--subject", "port:l1:1", "--metric", "inPacketsPerS");
  expect(ports.points.length).toBeGreaterThan(5);
  const done = await stage.ctl<{ files: { file: string; rows: number }[] }>("history", "--from", "-10m", "--parquet", "/run/lab/export");
  expect(done.files.map(({ file }) => file)).toEqual(expect.arrayContaining(["port.parquet", "process.parquet", "events.parquet"]));
  expect(readdirSync(stage.live.ovs.capsule.path("/run/lab/export"))).toContain("manifest.json");
}, 240_000);
