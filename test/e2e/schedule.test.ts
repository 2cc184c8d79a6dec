/** What the clock and a new configuration change while the daemon runs. */
import { PatchPanel } from "../../lab/patch-panel.js";
import { waitFor } from "../../lab/wait.js";
import { shadowBridge } from "../../src/shadow/names.js";
import type { BridgeLevel } from "../../src/api/generated/ovsshadow/v1/level.js";
import type { GetStatusResponse } from "../../src/api/generated/ovsshadow/v1/shadow.js";

const quiet = ["sflow: { samplingRate: 1000000 }", "forward: { enabled: false }", "policy: { promotion: { automatic: false } }"];
const clock = (epochMs: number): string => new Date(epochMs).toISOString().slice(11, 19);
const levels = async (panel: PatchPanel): Promise<string[]> => (await panel.ctl<BridgeLevel[]>("shadow", "levels")).map(({ bridge, level, has, state, why }) => `${bridge} ${level} ${has} ${state}: ${why}`);

test("an entry of the schedule begins, changes the level of its bridge, and ends", async () => {
  await using panel = await PatchPanel.start({ l1: 1, l2: 1 });
  panel.startDaemon([...quiet, "shadow: { level: flows }"]);
  await panel.inStep();
  expect(await levels(panel)).toEqual(["l1 flows flows in step: configuration", "l2 flows flows in step: configuration"]);
  // Far enough ahead that the daemon has read it before it begins; a day is a whole one for an entry that goes over midnight.
  const begin = Date.now() + 8_000;
  const entry = `{ from: "${clock(begin)}", to: "${clock(begin + 10_000)}", level: packets, bridges: [l1] }`;
  expect(await panel.reload([...quiet, `shadow: { level: flows, schedule: [${entry}] }`])).toBe("taken");
  expect(Date.now()).toBeLessThan(begin);
  expect((await levels(panel))[0]).toContain("l1 flows flows");
  await waitFor(async () => (await levels(panel)).join() === "l1 packets packets in step: schedule entry 1,l2 flows flows in step: configuration", "it has begun", 30_000);
  const replicas = async (): Promise<number> => (await panel.ovs.vsctl("list-ports", "l1")).split("\n").filter((name) => name.startsWith("shm")).length;
  expect(await replicas()).toBe(1);
  await waitFor(async () => (await levels(panel)).join() === "l1 flows flows in step: configuration,l2 flows flows in step: configuration", "it has ended", 30_000);
  await waitFor(async () => (await replicas()) === 0, "what it brought is gone");
}, 120_000);

test("a reload takes sessions and levels; bridges that they do not concern see no flow-mod; a bad file changes nothing", async () => {
  await using panel = await PatchPanel.start({ l1: 2, l2: 2 });
  const web = "{ name: web, origins: [{ bridge: l1, match: 'tcp,tp_dst=80' }], direction: from }";
  const dns = "{ name: dns, origins: [{ bridge: l2, match: 'udp,tp_dst=53' }], direction: from }";
  const acme = "{ name: acme, origins: [{ bridge: l2, match: 'udp,tp_dst=80' }], direction: from }";
  panel.startDaemon([...quiet, `shadow: { sessions: [${web}] }`]);
  await panel.inStep();
  const copyFlows = async (bridge: string): Promise<string[]> => {
    const text = await panel.ovs.ofctl("dump-flows", bridge, "cookie=0x53480a0000000000/0xffffff0000000000");
    return text.split("\n").filter((line) => line.includes("cookie=")).map((line) => line.replace(/(duration|n_packets|n_bytes|idle_age)=[^,]*, /g, "").trim()).sort();
  };
  const flowMods = async (): Promise<Record<string, number>> => Object.fromEntries((await panel.ctl<GetStatusResponse>("status")).bridges.map(({ name, flowMods: sent }) => [name, sent]));
  const reload = async (shadow: string): Promise<"taken" | "refused"> => panel.reload([...quiet, `shadow: { ${shadow} }`]);

  const [ofL1, sentBefore] = [await copyFlows("l1"), await flowMods()];
  expect(ofL1.length).toBeGreaterThan(0);
  expect(await copyFlows("l2")).toEqual([]);
  expect(await reload(`sessions: [${dns}, ${web}]`)).toBe("taken");
  const ofL2 = await copyFlows("l2");
  expect(ofL2.length).toBeGreaterThan(0);
  expect(await copyFlows("l1")).toEqual(ofL1);
  expect((await flowMods())["l1"]).toBe(sentBefore["l1"]);

  // One more, before the others in any order: the flows of those that stay are not touched.
  expect(await reload(`sessions: [${acme}, ${dns}, ${web}]`)).toBe("taken");
  const more = await copyFlows("l2");
  expect(more.length).toBeGreaterThan(ofL2.length);
  const isOfSession = (line: string): boolean => !line.includes("table=243");
  expect(more).toEqual(expect.arrayContaining(ofL2.filter(isOfSession)));
  expect((await flowMods())["l1"]).toBe(sentBefore["l1"]);

  const settled = await flowMods();
  expect(await reload(`sessions: [${acme}, ${dns}, ${web}], level: nonsense`)).toBe("refused");
  expect(await reload(`sessions: [{ name: web, origins: [{ match: 'tcp,tp_dst=eighty' }] }]`)).toBe("refused");
  expect(await reload(`sessions: [${acme}, ${dns}, ${web}]`)).toBe("taken");
  expect(await flowMods()).toEqual(settled);

  expect(await reload(`sessions: [${dns}], levels: { l1: flows }`)).toBe("taken");
  expect([await copyFlows("l1"), await copyFlows("l2")]).toEqual([[], ofL2]);
  expect(await levels(panel)).toEqual(["l1 flows flows in step: configuration", "l2 packets packets in step: configuration"]);
  // The daemon is the one that was started: its shadow of l2 was not made anew.
  expect(await panel.ovs.vsctl("br-exists", shadowBridge("l2"))).toBe("");
}, 120_000);
