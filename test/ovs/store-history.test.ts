/** The time axis of a whole daemon on the lab: what `history` says of a moment is what another path saw at that moment. */
import { readdirSync } from "node:fs";
import { historyAt, settledMoment as settled, topologyNow as topology, type Topology } from "../../lab/demo/moment.js";
import { Stage } from "../../lab/demo/stage.js";
import { waitFor } from "../../lab/wait.js";
import type { QueryEventsResponse, QuerySeriesResponse } from "../../src/api/generated/ovsshadow/v1/history.js";

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

  // What is measured is written every two seconds; a crash loses what was not: the last moment must be on disk.
  await waitFor(async () => (await stage.ctl<QuerySeriesResponse>("history", "--from", String(third.atMs), "--subject", "process:ovs-shadowd", "--metric", "rssBytes")).points.length > 1, "the time after the last moment is recorded");
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
  const points = async (subject: string, metric: string): Promise<number> => (await stage.ctl<QuerySeriesResponse>("history", "--from", "-10m", "--subject", subject, "--metric", metric)).points.length;
  await waitFor(async () => (await points("process:ovs-shadowd", "rssBytes")) > 5, "the process's memory is told", 30_000);
  await waitFor(async () => (await points("port:l1:1", "inPacketsPerS")) > 5, "a port's rate is told", 30_000);
  const done = await stage.ctl<{ files: { file: string; rows: number }[] }>("history", "--from", "-10m", "--parquet", "/run/lab/export");
  expect(done.files.map(({ file }) => file)).toEqual(expect.arrayContaining(["port.parquet", "process.parquet", "events.parquet"]));
  expect(readdirSync(stage.live.ovs.capsule.path("/run/lab/export"))).toContain("manifest.json");
}, 240_000);
