/** What is copied, how much, and that it is copied once: the daemon on real bridges, frames with a payload id. */
import { PatchPanel } from "../../lab/patch-panel.js";
import { shadowBridge } from "../../src/shadow/names.js";
import { waitFor } from "../../lab/wait.js";

const quiet = ["sflow: { samplingRate: 1000000 }", "forward: { enabled: false }", "policy: { promotion: { automatic: false } }"];

/** Copies that entered the shadow of `bridge` by each edge port since `before`. */
async function entered(panel: PatchPanel, bridge: string, before?: ReadonlyMap<number, number>): Promise<Map<number, number>> {
  const now = await panel.received(shadowBridge(bridge));
  return new Map([...now].map(([port, count]) => [port, count - (before?.get(port) ?? 0)]));
}

test("every class of frame arrives as it was, once, whether by a Mirror row or by flows", async () => {
  await using panel = await PatchPanel.start({ l1: 4 });
  // Port 3 is an access port, port 4 a trunk with a native VLAN: those are copied by flows, ports 1 and 2 by Mirror rows.
  await panel.ovs.vsctl("set", "port", "l1-3", "tag=30", "--", "set", "port", "l1-4", "vlan_mode=native-untagged", "tag=40", "trunks=40,41");
  panel.startDaemon([...quiet, "shadow: { copyBy: mirrors }"]);
  await panel.inStep();
  const sniffers: string[] = [];
  for (const n of [1, 3, 4]) {
    await panel.tap("l1", shadowBridge("l1"), n, `cap${n}`);
    sniffers.push(`cap${n}`);
  }
  const wire = await panel.sniff(...sniffers, "l1-1", "l1-3", "l1-4");
  try {
    for (const n of [1, 3, 4]) {
      await panel.send(`l1-${n}-h`, "every", n * 10_000, 330, 1_000);
      await panel.send(`l1-${n}-h`, "every", n * 10_000 + 1_000, 110, 1_000, "vlan=41", "pcp=5");
      await panel.send(`l1-${n}-h`, "every", n * 10_000 + 2_000, 110, 1_000, "vlan=0", "pcp=3");
    }
    for (const n of [1, 3, 4]) {
      await waitFor(async () => Object.keys((await wire.ask())[`cap${n}`] ?? {}).length >= 550, `all copies of port ${n}`).catch(() => undefined);
    }
    const seen = await wire.ask();
    for (const n of [1, 3, 4]) {
      const [original, copy] = [seen[`l1-${n}`] ?? {}, seen[`cap${n}`] ?? {}];
      const differing = [...new Set([...Object.keys(original), ...Object.keys(copy)])].filter((id) => String(original[id]) !== String(copy[id]));
      expect({ n, differing: differing.slice(0, 20).map((id) => `${id}: ${String(original[id])} / ${String(copy[id])}`) }).toEqual({ n, differing: [] });
    }
    for (const n of [1, 3, 4]) expect(Object.keys(seen[`l1-${n}`] ?? {})).toHaveLength(550);
  } finally {
    await wire.stop();
  }
}, 120_000);

test("more than 32 edge ports: one replica port for all, each copy at its own port of the shadow", async () => {
  await using panel = await PatchPanel.start({ l1: 40 });
  panel.startDaemon(quiet);
  await panel.inStep(60_000);
  const before = await entered(panel, "l1");
  const sent = new Map(Array.from({ length: 40 }, (_, i) => [i + 1, 20 + i] as const));
  for (const [n, count] of sent) await panel.send(`l1-${n}-h`, "udp", n * 1_000, count, 5_000, `src=02:00:00:00:01:${n.toString(16).padStart(2, "0")}`);
  await waitFor(async () => (await entered(panel, "l1", before)).get(40) === sent.get(40), "the last copies arrived");
  const arrived = await entered(panel, "l1", before);
  expect(new Map([...sent.keys()].map((n) => [n, arrived.get(n)]))).toEqual(sent);
  expect((await panel.ovs.vsctl("--bare", "--columns=name", "find", "mirror")).split("\n").filter(Boolean)).toHaveLength(1);
}, 180_000);

interface Listed {
  readonly sessions: readonly { readonly session: { readonly name: string }; readonly state: string; readonly problems: readonly string[]; readonly ports: readonly { readonly port: string; readonly by: string; readonly selected: number }[] }[];
  readonly bridges: readonly { readonly wiring: string; readonly mirroredPorts: number; readonly flows: number; readonly gaps: number; readonly gapMs: number }[];
  readonly cachedFlows: number;
}
const selectedBy = (listed: Listed, name: string): number => listed.sessions.find(({ session }) => session.name === name)?.ports.reduce((sum, port) => sum + port.selected, 0) ?? -1;
const total = (counts: ReadonlyMap<number, number>, ...ports: number[]): number => ports.reduce((sum, port) => sum + (counts.get(port) ?? 0), 0);

test("overlapping sessions: each selects its own, a packet that many select is copied once, and a restart keeps them", async () => {
  await using panel = await PatchPanel.start({ l1: 4 });
  // Another's Mirror rows stay, whatever we need.
  await panel.ovs.vsctl("--", "--id=@m", "create", "mirror", "name=theirs", "select_all=true", "--", "add", "bridge", "l1", "mirrors", "@m");
  panel.startDaemon(quiet);
  await panel.inStep();
  await panel.ctl("mirror", "remove", "all");
  await panel.ctl("mirror", "add", "web", "--match", "tcp,tp_dst=80");
  await panel.ctl("mirror", "add", "host", "--host", "10.0.0.9", "--direction", "from");
  await panel.ctl("mirror", "add", "port2", "--bridge", "l1", "--port", "l1-2", "--direction", "from");
  await panel.ctl("mirror", "add", "vlan7", "--vlan", "7");
  await expect(panel.ctl("mirror", "add", "bad", "--match", "tcp,tp_dst=eighty")).rejects.toThrow(/origins\[0\].match/);
  await expect(panel.ctl("mirror", "add", "web")).rejects.toThrow(/there is a session web/);
  const short = await panel.ctl<Listed["sessions"][number]>("mirror", "add", "short", "--max-len", "96");
  expect(short).toMatchObject({ state: "selects nothing", problems: [expect.stringContaining("patch port")] });
  await panel.ctl("mirror", "remove", "short");

  const before = await entered(panel, "l1");
  await panel.send("l1-1-h", "tcp", 0, 100, 2_000); // web
  await panel.send("l1-1-h", "udp", 1_000, 100, 2_000); // nobody
  await panel.send("l1-1-h", "tcp", 2_000, 100, 2_000, "sip=10.0.0.9"); // web and host
  await panel.send("l1-2-h", "tcp", 3_000, 100, 2_000, "sip=10.0.0.9", "vlan=7"); // all four
  await panel.send("l1-3-h", "other", 4_000, 100, 2_000, "vlan=7"); // vlan7
  await panel.send("l1-3-h", "other", 5_000, 100, 2_000); // nobody
  await waitFor(async () => total(await entered(panel, "l1", before), 1, 2, 3, 4) >= 400, "the copies arrived");
  const copies = await entered(panel, "l1", before);
  expect([1, 2, 3, 4].map((port) => copies.get(port))).toEqual([200, 100, 100, 0]);
  const counts = (listed: Listed): number[] => ["web", "host", "port2", "vlan7"].map((name) => selectedBy(listed, name));
  await waitFor(async () => counts(await panel.ctl<Listed>("mirror", "list")).join() === "300,200,100,200", "the sessions' counters").catch(() => undefined);
  expect(counts(await panel.ctl<Listed>("mirror", "list"))).toEqual([300, 200, 100, 200]);

  await panel.endDaemon("KILL");
  panel.startDaemon(quiet);
  await panel.inStep();
  const again = await panel.ctl<Listed>("mirror", "list");
  expect(again.sessions.map(({ session, state }) => `${session.name} ${state}`)).toEqual(["web copying", "host copying", "port2 copying", "vlan7 copying"]);
  expect(counts(again)).toEqual([300, 200, 100, 200]); // not one flow was touched
  expect(await panel.ovs.vsctl("--bare", "--columns=name", "find", "mirror", "name=theirs")).toBe("theirs");
}, 120_000);

test("a fraction takes whole connections, both directions, and says what it costs; a foreign wipe is mended and counted", async () => {
  await using panel = await PatchPanel.start({ l1: 2 });
  panel.startDaemon([...quiet, "shadow: { sessions: [{ name: tenth, percent: 10 }] }"]);
  await panel.inStep();
  for (const n of [1, 2]) await panel.tap("l1", shadowBridge("l1"), n, `cap${n}`);
  const wire = await panel.sniff("cap1", "cap2");
  const flows = 2_000;
  try {
    await panel.send("l1-1-h", "udp", 0, 2 * flows, 1_000, `flows=${flows}`);
    await panel.send("l1-2-h", "udp", 0, 2 * flows, 1_000, `flows=${flows}`, "reverse=1");
    const stats = (await panel.ctl<Listed>("mirror", "list")).sessions[0]?.ports.reduce((sum, port) => sum + port.selected, 0) ?? 0;
    expect(stats).toBeGreaterThan(0);
    const connections = (ids: Readonly<Record<string, unknown>> | undefined): Map<number, number> => {
      const packets = new Map<number, number>();
      for (const id of Object.keys(ids ?? {})) packets.set(Number(id) % flows, (packets.get(Number(id) % flows) ?? 0) + 1);
      return packets;
    };
    let seen = await wire.ask();
    await waitFor(async () => {
      seen = await wire.ask();
      const [there, back] = [connections(seen["cap1"]), connections(seen["cap2"])];
      return there.size > 0 && [...there.keys()].every((id) => back.has(id)) && there.size === back.size;
    }, "the same connections in both directions").catch(() => undefined);
    const [there, back] = [connections(seen["cap1"]), connections(seen["cap2"])];
    expect([...back.keys()].sort()).toEqual([...there.keys()].sort());
    // Ten percent of 2,000 with three standard deviations of the draw.
    expect(there.size).toBeGreaterThan(160);
    expect(there.size).toBeLessThan(240);
  } finally {
    await wire.stop();
  }
  await panel.ovs.ofctl("del-flows", "l1");
  await waitFor(async () => (await panel.ctl<Listed>("mirror", "list")).bridges.some(({ gaps, gapMs }) => gaps === 1 && gapMs > 0), "the gap is counted");
  expect(await panel.ovs.ofctl("dump-flows", "l1", "table=247")).toContain("actions=output:");
}, 120_000);

test("sessions on, resized and off under a probe: live loses nothing, and traffic that already flows is copied at once", async () => {
  await using panel = await PatchPanel.start({ l1: 2 });
  panel.startDaemon([...quiet, "shadow: { sessions: [] }"]);
  await panel.inStep();
  const live = await panel.sniff("l1-2-h");
  const packets = 12_000;
  try {
    const sent = panel.send("l1-1-h", "udp", 0, packets, 1_000);
    await waitFor(async () => Object.keys((await live.ask())["l1-2-h"] ?? {}).length > 200, "the probe arrives");
    const before = await entered(panel, "l1");
    for (const change of [["add", "p", "--host", "10.0.0.1"], ["add", "all"], ["add", "p", "--replace", "--percent", "1"], ["remove", "all"], ["remove", "p"], ["add", "all"]]) {
      await panel.ctl("mirror", ...change);
      if (change.join(" ") !== "add p --host 10.0.0.1") continue;
      await waitFor(async () => total(await entered(panel, "l1", before), 1) > 100, "what flowed before is copied");
    }
    await sent;
    await waitFor(async () => Object.keys((await live.ask())["l1-2-h"] ?? {}).length === packets, "every packet of the probe").catch(() => undefined);
    const seen = (await live.ask())["l1-2-h"] ?? {};
    expect(Object.keys(seen)).toHaveLength(packets);
    expect(Object.values(seen).every(([count]) => count === 1)).toBe(true);
  } finally {
    await live.stop();
  }
}, 120_000);

test("sessions that come and go beside one that copies all: not one of its copies is missing", async () => {
  await using panel = await PatchPanel.start({ l1: 2 });
  panel.startDaemon(quiet);
  await panel.inStep();
  const sent = panel.send("l1-1-h", "udp", 0, 8_000, 1_000);
  let rounds = 0;
  let isSent = false;
  void sent.then(() => (isSent = true));
  for (; !isSent; rounds++) for (const change of [["add", "p", "--host", "10.0.0.1"], ["add", "p", "--replace", "--percent", "50"], ["remove", "p"]]) await panel.ctl("mirror", ...change);
  await sent;
  expect(rounds).toBeGreaterThan(1);
  // Held against what came in: a busy machine may lose packets on the way to the switch.
  const cameIn = async (): Promise<number> => (await panel.received("l1")).get(1) ?? 0;
  let counts: readonly number[] = [];
  const isSame = async (): Promise<boolean> => {
    counts = [await cameIn(), total(await entered(panel, "l1"), 1)];
    return counts[0] === counts[1];
  };
  await waitFor(isSame, "every packet was copied").catch(() => undefined);
  expect(counts[0]).toBeGreaterThan(4_000);
  expect(counts[1]).toBe(counts[0]);
}, 120_000);

test("more than 32 edge ports: the shadow takes over, each port's output goes to its own edge, and back", async () => {
  await using panel = await PatchPanel.start({ l1: 36 });
  panel.startDaemon(quiet);
  await panel.inStep(60_000);
  const live = await panel.sniff("l1-2-h", "l1-36-h");
  const ask = async (device: string): Promise<number[]> => Object.keys((await live.ask())[device] ?? {}).map(Number);
  const exchange = async (first: number): Promise<void> => {
    // Port 36 is made known by what it sends, so that what is for it goes to it alone.
    await panel.send("l1-36-h", "udp", first, 1, 100, "src=02:00:00:00:00:36", "dst=02:00:00:00:00:01");
    await panel.send("l1-1-h", "udp", first + 1, 50, 1_000, "src=02:00:00:00:00:01", "dst=02:00:00:00:00:36");
    await waitFor(async () => (await ask("l1-36-h")).filter((id) => id > first && id <= first + 50).length === 50, `packets from ${first} arrive at port 36`);
    expect((await ask("l1-2-h")).filter((id) => id > first + 1 && id <= first + 50)).toEqual([]);
  };
  try {
    await exchange(1_000);
    await panel.ctl("promote");
    const before = await entered(panel, "l1");
    await exchange(2_000);
    await waitFor(async () => total(await entered(panel, "l1", before), 1) === 50, "the shadow counts what it carried");
    await panel.ctl("demote");
    await exchange(3_000);
    const seen = (await live.ask())["l1-36-h"] ?? {};
    expect(Object.values(seen).every(([count]) => count === 1)).toBe(true);
  } finally {
    await live.stop();
  }
}, 180_000);

test("both members of a bond are copied as its port; a profile drawn from what runs copies its part after a restart", async () => {
  await using panel = await PatchPanel.start({ l1: 8 });
  // Ports 7 and 8 become one bond, whose port in the model is its first interface.
  await panel.ovs.vsctl("del-port", "l1-7", "--", "del-port", "l1-8", "--", "add-bond", "l1", "bond0", "l1-7", "l1-8", "bond_mode=balance-slb", "--", "set", "interface", "l1-7", "ofport_request=7", "--", "set", "interface", "l1-8", "ofport_request=8");
  panel.startDaemon([...quiet, "shadow: { sessions: [{ name: udp, origins: [{ match: udp }] }] }"]);
  await panel.inStep();
  const before = await entered(panel, "l1");
  await panel.send("l1-7-h", "udp", 0, 40, 1_000, "src=02:00:00:00:00:71");
  await panel.send("l1-8-h", "udp", 1_000, 30, 1_000, "src=02:00:00:00:00:72");
  await panel.send("l1-1-h", "udp", 2_000, 20, 1_000);
  await waitFor(async () => total(await entered(panel, "l1", before), 1, 7) >= 90, "the copies arrived");
  const copies = await entered(panel, "l1", before);
  expect([copies.get(1), copies.get(7), copies.get(8)]).toEqual([20, 70, undefined]);

  const part = await panel.ctl<{ taken: number; devices: number; ks: number; ports: { port: string }[] }>("shadow", "subset", "--share", "50", "--critical", "l1:1", "--out", "/run/lab/part.yaml");
  expect(part).toMatchObject({ devices: 7, taken: 4 });
  expect(part.ks).toBeLessThan(1);
  await panel.endDaemon("TERM");
  panel.startDaemon([...quiet, "shadow: { profile: /run/lab/part.yaml }"]);
  await panel.inStep();
  const chosen = part.ports.map(({ port }) => Number(port.split(":")[1])).sort();
  const again = await entered(panel, "l1");
  for (let n = 1; n <= 6; n++) await panel.send(`l1-${n}-h`, "other", n * 100, 10, 1_000, `src=02:00:00:00:03:0${n}`);
  await panel.send("l1-7-h", "other", 900, 10, 1_000, "src=02:00:00:00:00:71");
  await waitFor(async () => total(await entered(panel, "l1", again), 1, 2, 3, 4, 5, 6, 7) >= 40, "the part's copies arrived");
  const parts = await entered(panel, "l1", again);
  expect([1, 2, 3, 4, 5, 6, 7].filter((n) => parts.get(n) === 10)).toEqual(chosen);
  expect(total(parts, 1, 2, 3, 4, 5, 6, 7)).toBe(40);
}, 120_000);
