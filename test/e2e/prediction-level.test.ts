/** A prediction by the model, on real traffic, raises the shadow's level where the victim is; the schedule's level holds before and after. */
import { projectDir } from "../../lab/capsule.js";
import { Stage } from "../../lab/demo/stage.js";
import { synFlood } from "../../lab/traffic.js";
import { waitFor } from "../../lab/wait.js";
import { shadowBridge } from "../../src/shadow/names.js";
import type { BridgeLevel } from "../../src/api/generated/ovsshadow/v1/level.js";

const holdS = 8;
/** The model predicts and nobody acts on it: a trial would complete the bridge by itself. The schedule has all bridges at "flows" all day. */
const config = [
  `shadow: { level: packets, schedule: [{ from: "00:00", to: "24:00", level: flows }], suspicion: { level: packets, holdS: ${holdS} }, budget: { enabled: false } }`,
  "sflow: { samplingRate: 8 }",
  `model: ${projectDir}/models/attack-v1`,
  "policy: { attack: { enabled: false }, promotion: { automatic: false } }",
  "stateDir: /run/lab/state",
];

test("a predicted attack raises the bridge of its victim to packets, for as long as it is predicted and a while, and then the schedule holds again", async () => {
  await using stage = await Stage.build({ say: () => undefined });
  stage.startDaemon(config.join("\n"));
  await stage.inStep(4, 60_000);
  await stage.everyHostReachesEveryOther();
  const victim = stage.live.host("h1").ip;
  const levels = async (): Promise<readonly BridgeLevel[]> => stage.ctl<BridgeLevel[]>("shadow", "levels");
  const l1 = async (): Promise<BridgeLevel> => (await levels()).find(({ bridge }) => bridge === "l1") as BridgeLevel;
  const copying = async (): Promise<number> => {
    const text = await stage.live.ovs.vsctl("--format=json", "--columns=name,select_src_port", "find", "Mirror", 'external_ids:"ovs-shadow:role"=guard');
    return (JSON.parse(text) as { data: [string, unknown][] }).data.filter(([, source]) => JSON.stringify(source) !== '["set",[]]').length;
  };
  expect((await levels()).map(({ level, why }) => `${level}, ${why}`)).toEqual(Array<string>(4).fill("flows, schedule entry 1"));
  expect([await copying(), await stage.predictions()]).toEqual([0, []]);

  const flood = synFlood(stage.live, "h4", "h1", 2_000, 40_000);
  let raised: BridgeLevel | undefined;
  await waitFor(async () => (raised = await l1()).why === `attack on ${victim} predicted` && raised.has === "packets" && raised.state === "in step", "l1 is raised by the prediction", 60_000);
  expect(raised).toMatchObject({ level: "packets", base: "flows" });
  const predictions = (await stage.predictions()).filter(({ subject }) => subject === victim);
  expect(predictions.length).toBeGreaterThan(0);
  // It lasts for holdS from a prediction on.
  expect(Number(raised?.untilMs) - holdS * 1_000).toBeGreaterThanOrEqual(Number(predictions[0]?.atMs));
  await waitFor(async () => (await copying()) >= 2, "the edge ports of l1 are copied");
  const copies = async (): Promise<number> => Number(/rx pkts=(\d+)/.exec(await stage.live.ovs.ofctl("dump-ports", shadowBridge("l1"), "1"))?.[1] ?? 0);
  await stage.live.exec("h1", "ping", ["-q", "-c", "3", "-i", "0.2", stage.live.host("h2").ip]);
  await waitFor(async () => (await copies()) >= 3, "what the victim sends enters the shadow");
  // A bridge without any host behind it is no victim's, and stays as the schedule has it.
  expect((await levels()).filter(({ bridge }) => bridge.startsWith("s")).map(({ level, why }) => `${level}, ${why}`)).toEqual(Array<string>(2).fill("flows, schedule entry 1"));

  await flood;
  await waitFor(async () => (await levels()).every(({ level, has, why }) => level === "flows" && has === "flows" && why === "schedule entry 1"), "the schedule holds again", 120_000);
  await waitFor(async () => (await copying()) === 0, "nothing is copied any more");
}, 240_000);
