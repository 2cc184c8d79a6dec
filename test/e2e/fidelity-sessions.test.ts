/** Fidelity goes by what sessions ask for: what nobody asked for is not asked, what a fraction left out is not chosen; neither is lost. */
import { PatchPanel } from "../../lab/patch-panel.js";
import { waitFor } from "../../lab/wait.js";
import { adapterBridge } from "../../src/shadow/names.js";
import type { ListFidelityResponse, MeasuredPort } from "../../src/api/generated/ovsshadow/v1/fidelity.js";

const quiet = ["sflow: { samplingRate: 1000000 }", "forward: { enabled: false }", "policy: { promotion: { automatic: false } }"];
const sessions = [
  "{ name: web, origins: [{ bridge: l1, port: l1-1, match: 'tcp,tp_dst=80' }], direction: from }",
  "{ name: tenth, origins: [{ bridge: l1, port: l1-2 }], direction: from, percent: 10 }",
];

test("a filter, a fraction, all and nothing: each packet in its column, none lost; a session that goes leaves no loss; a real loss is told", async () => {
  await using panel = await PatchPanel.start({ l1: 4 });
  panel.startDaemon([...quiet, `shadow: { budget: { enabled: false }, sessions: [${sessions.join(", ")}] }`]);
  await panel.inStep();
  await panel.ctl("mirror", "add", "whole", "--bridge", "l1", "--port", "l1-3", "--direction", "from");
  const ports = async (): Promise<MeasuredPort[]> => (await panel.ctl<ListFidelityResponse>("fidelity")).ports;
  let seen: MeasuredPort[] = [];
  const until = async (condition: (one: MeasuredPort, n: number) => boolean, what: string, only = [1, 2, 3, 4]): Promise<void> => {
    const holds = async (): Promise<boolean> => {
      seen = await ports();
      return only.every((n) => seen.some((one) => one.port === `l1:${n}` && condition(one, n)));
    };
    await waitFor(holds, what, 30_000).catch((error: unknown) => {
      throw new Error(`${(error as Error).message}: ${JSON.stringify(seen)}`);
    });
  };
  const of = (n: number): MeasuredPort => {
    const found = seen.find((one) => one.port === `l1:${n}`);
    if (found === undefined) throw new Error(`l1:${n} is not measured`);
    return found;
  };
  await until((one, n) => one.asked === ["", "part", "part", "all", "nothing"][n], "what is asked of each port");
  const before = new Map(seen.map((one) => [one.port, one]));
  const grown = (n: number, key: "received" | "notAsked" | "notChosen" | "selected" | "copied" | "lost" | "surplus"): number => of(n)[key] - (before.get(`l1:${n}`)?.[key] ?? 0);
  await panel.send("l1-1-h", "tcp", 0, 300, 2_000); // port 80
  await panel.send("l1-1-h", "udp", 1_000, 700, 2_000); // not asked
  await panel.send("l1-2-h", "udp", 2_000, 2_000, 4_000, "flows=1000");
  await panel.send("l1-3-h", "udp", 5_000, 500, 2_000);
  await panel.send("l1-4-h", "udp", 6_000, 500, 2_000);
  const sent = [0, 1_000, 2_000, 500, 500];
  await until((one, n) => grown(n, "received") >= (sent[n] ?? 0) && one.underway === 0 && (n === 4 || grown(n, "copied") > 0), "all is counted and judged");
  expect([1, 2, 3, 4].map((n) => [grown(n, "lost"), grown(n, "surplus")])).toEqual([[0, 0], [0, 0], [0, 0], [0, 0]]);
  for (const n of [1, 2, 3, 4]) expect(of(n).received).toBe(of(n).notAsked + of(n).notChosen + of(n).selected);
  expect([grown(1, "selected"), grown(1, "copied"), grown(1, "notChosen")]).toEqual([300, 300, 0]);
  expect(grown(1, "notAsked")).toBeGreaterThanOrEqual(700);
  // What is not IP is in every fraction; of 1,000 connections of two packets a tenth, with room for the draw.
  expect(grown(2, "selected")).toBe(grown(2, "copied"));
  expect(grown(2, "selected")).toBeGreaterThan(120);
  expect(grown(2, "selected")).toBeLessThan(300);
  expect(grown(2, "notChosen")).toBe(grown(2, "received") - grown(2, "selected"));
  expect([grown(3, "selected"), grown(3, "notAsked")]).toEqual([grown(3, "copied"), 0]);
  expect([grown(4, "selected"), grown(4, "copied")]).toEqual([0, 0]);
  expect(grown(4, "notAsked")).toBeGreaterThanOrEqual(500);

  // Nobody asks for port 3 any more.
  const { lost, notAsked } = of(3);
  await panel.ctl("mirror", "remove", "whole");
  await until((one) => one.asked === "nothing", "port 3 is not asked any more", [3]);
  await panel.send("l1-3-h", "udp", 7_000, 500, 2_000);
  await until((one) => one.notAsked >= notAsked + 500 && one.underway === 0, "port 3's packets are not asked", [3]);
  expect(of(3).lost).toBe(lost);

  // Selected packets that do not come through: the adapter's port takes none in any more. Of those, and only those, the filter's are lost.
  const { lost: lostBefore, notAsked: notAskedBefore } = of(1);
  await panel.ovs.ofctl("mod-port", adapterBridge("l1"), "1", "no-receive");
  await panel.send("l1-1-h", "tcp", 8_000, 200, 2_000);
  await panel.send("l1-1-h", "udp", 9_000, 200, 2_000);
  await until((one) => one.lost >= lostBefore + 200 && one.notAsked >= notAskedBefore + 200, "the loss is told", [1]);
  expect(of(1).lost).toBe(lostBefore + 200);
}, 120_000);
