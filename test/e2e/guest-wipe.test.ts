/**
 * A controller that takes the switch for its own deletes our flows kind by kind. Whichever of them are gone, and nobody there to put
 * them back, live's frames take live's own flows: none is lost, none comes twice.
 */
import { PatchPanel } from "../../lab/patch-panel.js";
import { waitFor } from "../../lab/wait.js";
import { cookie, table, type CookieKind } from "../../src/network/pipeline.js";

const quiet = ["sflow: { samplingRate: 1000000 }", "forward: { enabled: false }", "policy: { promotion: { automatic: false } }", "shadow: { sessions: [{ name: udp, origins: [{ match: udp }] }] }"];
const frames = 50;
const kinds: readonly CookieKind[] = ["entry", "discovery", "learn", "forward", "promotion", "replicate"];

test("a guest's flows go, kind by kind and table by table: what live is sent arrives once", async () => {
  await using panel = await PatchPanel.start({ l1: 3 });
  const { ovs } = panel;
  await panel.send("l1-2-h", "udp", 1, 1, 10, "src=02:00:00:00:00:02", "dst=02:00:00:00:00:01");
  const ear = await panel.sniff("l1-2-h");
  let next = 1_000;
  /** How often each of some more frames arrived: those that arrived so often, by how often. */
  const arrived = async (): Promise<Record<number, number>> => {
    const first = next;
    next += 2 * frames;
    const seen = async (): Promise<number[]> => {
      const counts = (await ear.ask())["l1-2-h"] ?? {};
      return Array.from({ length: frames }, (_, i) => counts[first + i]?.[0] ?? 0);
    };
    await panel.send("l1-1-h", "udp", first, frames, 2_000);
    await waitFor(async () => (await seen()).at(-1) !== 0, "the last of the frames arrives", 5_000).catch(() => undefined);
    const all = await seen();
    return Object.fromEntries([...new Set(all)].map((count) => [count, all.filter((one) => one === count).length]));
  };
  panel.startDaemon(quiet);
  await panel.inStep();
  await panel.endDaemon("KILL");
  const { stdout: whole } = await ovs.capsule.run("ovs-ofctl", ["-O", "OpenFlow14", "--no-stats", "dump-flows", "l1"]);
  const lines = whole.split("\n").filter((line) => line.includes("priority="));
  const wipes = [
    ...kinds.map((kind) => [kind, `cookie=0x${cookie(kind).toString(16)}/0xffffff0000000000`] as const),
    ...Object.entries(table).flatMap(([name, id]) => (id === table.operator ? [] : [[`table ${name}`, `table=${id}`] as const])),
  ];
  const gone: Record<string, number> = {};
  for (const [what, flows] of wipes) {
    await ovs.capsule.run("ovs-ofctl", ["-O", "OpenFlow14", "--bundle", "replace-flows", "l1", "-"], { input: lines.join("\n") });
    expect([what, await arrived()]).toEqual([what, { 1: frames }]);
    await ovs.ofctl("del-flows", "l1", flows);
    gone[what] = lines.length - (await ovs.ofctl("dump-flows", "l1")).split("\n").filter((line) => line.includes("priority=")).length;
    expect([what, await arrived()]).toEqual([what, { 1: frames }]);
  }
  // There was something to delete.
  expect(Object.entries(gone).filter(([, count]) => count > 0).map(([what]) => what)).toEqual(expect.arrayContaining(["entry", "discovery", "learn", "forward", "replicate", "table admit", "table learn", "table forward", "table replicate", "table select", "table copy"]));
}, 120_000);
