/** A shadow whose switch stands still: the age of what it does not show grows, an alert tells, and both end when it goes on. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { PatchPanel } from "../../lab/patch-panel.js";
import { waitFor } from "../../lab/wait.js";
import type { QueryEventsResponse } from "../../src/api/generated/ovsshadow/v1/history.js";
import type { GetStatusResponse } from "../../src/api/generated/ovsshadow/v1/shadow.js";
import type { ListStalenessResponse, ObjectStaleness } from "../../src/api/generated/ovsshadow/v1/staleness.js";

const config = (far: PatchPanel, store: string): string[] => [
  "bridges: [l1]",
  "sflow: { samplingRate: 1000000 }",
  "forward: { enabled: false }",
  // DuckDB makes paths canonical, and the state directory lies behind a link of /proc that has no canonical path.
  `store: { path: "${store}" }`,
  "policy: { promotion: { automatic: false } }",
  `shadow: { staleness: { targetMs: 3000, firstMs: 100 }, remote: { ovsdb: "${far.ovs.remote}", runDir: ${far.ovs.runDir}, liveAddress: 192.0.2.1, shadowAddress: 192.0.2.2, mtu: 9100 } }`,
];

let dir: string;
beforeEach(() => (dir = mkdtempSync(path.join(tmpdir(), "staleness-"))));
afterEach(() => rmSync(dir, { recursive: true }));

test("tables and ports that live changed and the shadow does not show grow old, break their target, and keep it again", async () => {
  await using live = await PatchPanel.start({ l1: 2 });
  await using far = await PatchPanel.start({});
  await live.join(far, 9_100);
  const daemon = live.startDaemonOutside(config(far, path.join(dir, "store.duckdb")));
  try {
    await live.inStep();
    const answer = (...words: string[]): Promise<ListStalenessResponse> => live.ctl<ListStalenessResponse>("shadow", "staleness", ...words);
    const objects = async (): Promise<ObjectStaleness[]> => (await answer()).objects;
    const one = async (kind: string, name: string): Promise<ObjectStaleness | undefined> => (await objects()).find((object) => object.kind === kind && object.name === name);
    await live.ovs.ofctl("add-flow", "l1", "table=7,priority=5,ip,actions=drop");
    const current = async (): Promise<boolean> => {
      const list = await objects();
      return list.some(({ name }) => name === "l1/7") && list.every(({ kept, behindMs, provedMs }) => kept && behindMs === 0 && provedMs !== undefined);
    };
    await waitFor(current, "everything is current and proved", 60_000);
    const { target, objects: all } = await answer("--digests");
    expect(target).toEqual({ behindMs: 3_000, firstMs: 100, provedMs: 180_000, objective: 0.999 });
    expect(all.map(({ kind, name }) => `${kind} ${name}`)).toEqual(expect.arrayContaining(["bridge l1", "port l1:1", "port l1:2", "table l1/0", "table l1/7"]));
    const [tables, others] = [all.filter(({ kind }) => kind === "table"), all.filter(({ kind }) => kind !== "table")];
    expect(tables.every(({ liveDigest, shadowDigest }) => /^[0-9a-f]{32}$/.test(liveDigest) && liveDigest === shadowDigest)).toBe(true);
    expect(others.every(({ liveDigest }) => liveDigest === "")).toBe(true);

    await far.ovs.pauseVswitchd();
    await live.ovs.ofctl("add-flow", "l1", "table=7,priority=6,ip,actions=drop");
    await waitFor(async () => (await one("table", "l1/7"))?.kept === false, "the table breaks its target", 30_000);
    const first = await one("table", "l1/7");
    expect(first?.why).toMatch(/^\d+\.\d s behind live: 1 difference$/);
    expect(first?.behindMs).toBeGreaterThan(3_000);
    // The other table did not change: whatever stands still, it shows all of live.
    expect(await one("table", "l1/0")).toMatchObject({ behindMs: 0, kept: true });
    const { problems } = await live.ctl<GetStatusResponse>("status");
    expect(problems.some((problem) => /^the shadow is not current: table l1\/7: /.test(problem))).toBe(true);
    await waitFor(async () => ((await one("table", "l1/7"))?.behindMs ?? 0) > (first?.behindMs ?? 0), "it grows older", 30_000);

    // A row: the database of the shadow's host takes it, and its switch daemon does not.
    await live.ovs.vsctl("set", "port", "l1-2", "tag=30");
    await waitFor(async () => (await one("bridge", "l1"))?.kept === false, "the bridge breaks its target", 60_000);
    expect((await one("bridge", "l1"))?.why).toMatch(/behind live: (rows of bridge \w+ are not in force yet|a change of its rows is not taken in yet)$/);

    far.ovs.resumeVswitchd();
    await waitFor(async () => (await objects()).every(({ kept, behindMs }) => kept && behindMs === 0), "everything is current again", 120_000);
    const shares = (await one("table", "l1/7"))?.shares;
    expect(shares?.sinceStart).toBeGreaterThan(0);
    expect(shares?.sinceStart).toBeLessThan(1);
    expect(shares?.hour).toBeLessThan(1);
    const told = async (subject: string): Promise<string[]> => {
      const { events } = await live.ctl<QueryEventsResponse>("history", "--from", "-1h", "--subject", subject);
      return events.filter(({ kind, side }) => kind === "alert" && side === "shadow").sort((x, y) => x.timeMs - y.timeMs).map(({ detail }) => (JSON.parse(detail) as { what: string }).what);
    };
    for (const subject of ["table l1/7", "bridge l1"]) {
      await waitFor(async () => (await told(subject)).slice(-2).join() === "not current,current again", `the history tells of ${subject}`, 30_000);
    }
  } finally {
    daemon.kill("SIGKILL");
  }
}, 300_000);
