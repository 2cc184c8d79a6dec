/** The plan of replication, explained: before anything is done and while it is, its costs held against what Open vSwitch has. */
import { PatchPanel } from "../../lab/patch-panel.js";
import { projectDir } from "../../lab/capsule.js";
import { waitFor } from "../../lab/wait.js";
import type { GetPlanResponse, PlanReason } from "../../src/api/generated/ovsshadow/v1/plan.js";
import { adapterBridge, shadowBridge } from "../../src/shadow/names.js";

const config = [
  "sflow: { samplingRate: 1000000 }", // line 1
  "forward: { enabled: false }",
  "policy: { promotion: { automatic: false } }",
  "shadow:",
  "  critical: [l2]", // line 5
  "  levels: { l3: flows }",
  "  schedule:",
  "    - { from: '00:00', to: '24:00', replicate: false, bridges: [l4] }", // line 8
  "  sessions:",
  "    - { name: whole, origins: [{ bridge: l1, port: 1 }], direction: from }", // line 10
  "    - { name: tenth, origins: [{ bridge: l2 }], direction: from, percent: 10 }",
  "  copyBy: mirrors", // a dry run does not ask whether live forwards by NORMAL
];
const bridges = ["l1", "l2", "l3", "l4"];
const text = (reasons: readonly PlanReason[]): string => reasons.map(({ by, text: words, where }) => `${by}: ${words}${where === "" ? "" : ` @${where.split("/").at(-1) ?? ""}`}`).join("; ");

/** Everything of a plan that does not depend on whether it is done. */
function said({ bridges: planned, sessions, left }: GetPlanResponse): unknown {
  return {
    bridges: planned.map(({ bridge, level, levelWhy, isCritical, ports }) => [bridge, level, text(levelWhy), isCritical, ports.map(({ port, by, sessions: asked }) => `${port} ${by} ${asked.join(" ")}`.trim())]),
    sessions: sessions.map(({ name, percent, ports, why }) => [name, percent, ports, why === undefined ? "" : text([why])]),
    left: left.map(({ what, why }) => `${what}: ${why === undefined ? "" : text([why])}`).sort(),
  };
}

test("a dry run says what the daemon then does, with the line of the configuration behind each decision, and what it costs", async () => {
  await using panel = await PatchPanel.start({ l1: 2, l2: 2, l3: 1, l4: 1 });
  const { capsule } = panel.ovs;
  await capsule.run("sh", ["-ec", "mkdir -p /run/lab; cat > /run/lab/plan.yaml"], { input: [...config, "stateDir: /run/lab/state", ""].join("\n") });
  const marked = async (table: string): Promise<number> => (await panel.ovs.vsctl("--bare", "--columns=external_ids", "list", table)).split("\n").filter((line) => line.includes("ovs-shadow:role")).length;
  const nextCfg = (): Promise<string> => panel.ovs.vsctl("get", "Open_vSwitch", ".", "next_cfg");
  const before = await nextCfg();
  const { stdout } = await capsule.run("node", [`${projectDir}/dist/src/cli/main.js`, "plan", "--dry", "--config", "/run/lab/plan.yaml", "--output", "json"], { timeoutMs: 60_000 });
  const dry = JSON.parse(stdout) as GetPlanResponse;
  // It wrote nothing.
  expect((await panel.ovs.vsctl("list-br")).split("\n")).toEqual(bridges);
  expect(await nextCfg()).toBe(before);
  expect(await marked("Mirror")).toBe(0);
  expect(dry.isDone).toBe(false);
  expect(said(dry)).toEqual({
    bridges: [
      ["l2", "packets", "default: shadow.level is packets (default)", true, ["l2:1 flows tenth", "l2:2 flows tenth"]],
      ["l1", "packets", "default: shadow.level is packets (default)", false, ["l1:1 mirror whole", "l1:2 nothing"]],
      ["l3", "flows", "configuration: shadow.levels.l3 is flows @plan.yaml:6", false, ["l3:1 nothing"]],
      ["l4", "packets", "default: shadow.level is packets (default); schedule: no copies: shadow.schedule[0] says replicate: false @plan.yaml:8", false, ["l4:1 nothing"]],
    ],
    sessions: [["whole", 100, 1, "configuration: shadow.sessions[0] @plan.yaml:10"], ["tenth", 10, 2, "configuration: shadow.sessions[1] @plan.yaml:11"]],
    left: ["l1:2: configuration: no session asks for it", "l3:1: configuration: level flows has no copies", "l4:1: schedule: the schedule has copies off"],
  });
  expect(text(dry.bridges[0]?.placeWhy ?? [])).toContain("configuration: shadow.critical[0] names l2 @plan.yaml:5");

  panel.startDaemon(config);
  await panel.inStep();
  const done = async (): Promise<GetPlanResponse> => panel.ctl<GetPlanResponse>("plan");
  await waitFor(async () => (await done()).bridges.length === bridges.length, "all bridges are planned");
  const live = await done();
  const named = (plan: unknown): unknown => JSON.parse(JSON.stringify(plan).replaceAll(/@[\w.]+:/g, "@:")) as unknown;
  expect(live.isDone).toBe(true);
  expect(named(said(live))).toEqual(named(said(dry)));
  // What it costs is what the switch and the database have.
  for (const bridge of bridges) {
    const [planned, dryCost] = [live, dry].map((plan) => plan.bridges.find((one) => one.bridge === bridge)?.cost);
    const all = await Promise.all([bridge, shadowBridge(bridge), adapterBridge(bridge)].map((name) => panel.ovs.vsctl("list-ports", name)));
    const ours = all.flatMap((ports) => ports.split("\n")).filter((name) => /^sh[mabef]/.test(name));
    expect([planned?.ports, dryCost?.ports]).toEqual([ours.length, ours.length]);
    const flows = await Promise.all(["0x53480a0000000000", "0x5348060000000000"].map((cookie) => panel.ovs.ofctl("dump-flows", bridge, `cookie=${cookie}/0xffffff0000000000`)));
    const copying = flows.join("").split("\n").filter((line) => line.includes("cookie=")).length;
    expect([planned?.liveFlows, dryCost?.liveFlows]).toEqual([copying, copying]);
    expect(dryCost?.rows).toBe(planned?.rows);
  }
  // Every interface of ours has a port of its own.
  expect(live.cost?.rows).toBe((await marked("Bridge")) + 2 * (await marked("Interface")) + (await marked("Mirror")));
  expect(live.bridges.find(({ bridge }) => bridge === "l2")?.cost?.fractionPorts).toBe(2);

  // Who says otherwise while it runs is named.
  await panel.ctl("shadow", "level", "l1", "topology");
  await panel.ctl("shadow", "raise", "l3", "packets", "--for", "600", "--reason", "a look");
  await panel.ctl("mirror", "add", "more", "--bridge", "l3");
  const later = await done();
  const levelOf = (bridge: string): string => text(later.bridges.find((one) => one.bridge === bridge)?.levelWhy ?? []);
  expect(levelOf("l1")).toBe("operator: topology, set by an operator (ovs-shadowctl shadow level)");
  expect(levelOf("l3")).toMatch(/^event: raised from flows to packets until .*: a look$/);
  expect(later.sessions.find(({ name }) => name === "more")).toMatchObject({ ports: 1, why: { by: "operator" } });
  expect(later.bridges.find(({ bridge }) => bridge === "l3")?.ports).toMatchObject([{ port: "l3:1", by: "mirror", sessions: ["more"] }]);

  // Copies a second, as counted.
  const sending = panel.send("l3-1-h", "udp", 0, 3_000, 300);
  await waitFor(async () => ((await done()).bridges.find(({ bridge }) => bridge === "l3")?.cost?.copiesPerS ?? 0) > 30, "copies are counted", 20_000);
  await sending;
}, 180_000);
