/** Shadow nodes on real Open vSwitch: hosts of the shadow that are probed there, and live never. */
import { Stage } from "../../lab/demo/stage.js";
import { waitFor } from "../../lab/wait.js";
import type { ListNodesResponse } from "../../src/api/generated/ovsshadow/v1/nodes.js";

let stage: Stage;
const nodes = (...more: string[]): Promise<ListNodesResponse> => stage.ctl<ListNodesResponse>("nodes", ...more);
const namespaces = async (): Promise<string[]> => (await stage.live.ovs.capsule.run("sh", ["-c", "ls /run/netns 2>/dev/null; true"])).stdout.split("\n").filter((name) => name.startsWith("shn")).sort();

beforeAll(async () => {
  stage = await Stage.build({ say: () => {}, shadow: "nodes: { count: 2, maxPairs: 1 }", config: "telemetry: { tcp: { enabled: true } }" });
  stage.startDaemon();
  await stage.inStep(4);
  await stage.everyHostReachesEveryOther();
}, 90_000);
afterAll(() => stage[Symbol.asyncDispose]());

test("two hosts have a node each, with their addresses, and round trip and loss are measured between them", async () => {
  await waitFor(async () => (await nodes()).nodes.length === 2, "two nodes are real", 30_000);
  await waitFor(async () => { const now = await nodes(); console.log(JSON.stringify(now)); return now.pairs[0]?.rttMs !== undefined && now.pairs[0].sent > 20; }, "the probes were answered", 30_000).catch((e) => { throw new Error(String(e) + stage.daemonLog.slice(-15).join("\n")); });
  console.log(await namespaces(), stage.daemonLog.filter((l) => l.includes("node")).join("\n"));
}, 90_000);
