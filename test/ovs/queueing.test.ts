/** Queues told from the delays of TCP alone, beside what the qdisc of the one narrow port says of itself, on real Open vSwitch. */
import { once } from "node:events";
import { createInterface } from "node:readline";
import { projectDir } from "../../lab/capsule.js";
import { Stage } from "../../lab/demo/stage.js";
import { median, narrow } from "../../lab/tcp-accuracy.js";
import { waitFor } from "../../lab/wait.js";
import type { Observation } from "../../src/api/generated/ovsshadow/v1/observation.js";

const kbit = 5_000;
const rounds = 12;
/** The most that can wait there: 60 ms, and the burst of 16 kB by which the qdisc may be late; with what a busy machine adds. */
const mostMs = 120;
const bulk = `${projectDir}/lab/tools/bulk.py`;

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.build({ say: () => {}, samplingRate: 8, config: "telemetry: { tcp: { enabled: true } }" });
  stage.startDaemon();
  await stage.inStep(4);
  await stage.everyHostReachesEveryOther();
}, 90_000);
afterAll(() => stage[Symbol.asyncDispose]());

/** Sends for so long; resolves when it does. */
async function send(from: string, to: string, port: number, seconds: number): Promise<void> {
  const { live } = stage;
  const server = live.spawn(to, "python3", [bulk, "serve", String(port)], { stdio: ["ignore", "pipe", "inherit"] });
  if (server.stdout === null) throw new Error("no pipe");
  await once(server.stdout, "data");
  const client = live.spawn(from, "python3", [bulk, "send", live.host(to).ip, String(port), String(seconds)], { stdio: ["pipe", "pipe", "inherit"] });
  if (client.stdout === null) throw new Error("no pipe");
  await once(createInterface(client.stdout), "line");
}

/** What waits in the narrow port's queue, in ms of its rate. */
async function backlogMs(): Promise<number> {
  const { stdout } = await stage.live.ovs.capsule.run("tc", ["-s", "-j", "qdisc", "show", "dev", "l2-eth1"]);
  const [qdisc] = JSON.parse(stdout) as { readonly backlog?: number }[];
  return ((qdisc?.backlog ?? 0) * 8) / kbit;
}

test("the port with the narrow queue is the one that is told, with its wait; the port beside it, on the same way up to there, is not", async () => {
  // One spine is left, so that both ways are the same up to the last port.
  await stage.live.ovs.capsule.run("ip", ["link", "set", "dev", "l1-eth4", "down"]);
  // What is on its way when the link goes is lost.
  const reached = (): Promise<boolean> => stage.everyHostReachesEveryOther().then(() => true, () => false);
  await waitFor(reached, "all hosts reach each other by the other spine", 30_000);
  await narrow(stage, "l2-eth1", kbit);
  // The other sends at the same rate, kept to it before the network: no queue of the network's.
  await stage.live.exec("h2", "tc", ["qdisc", "replace", "dev", "h2-eth0", "root", "tbf", "rate", `${kbit}kbit`, "burst", "16kb", "latency", "60ms"]);
  const known = async (): Promise<boolean> => {
    const { hosts } = await stage.ctl<{ readonly hosts: readonly { readonly addresses: readonly string[] }[] }>("topology");
    return ["h3", "h4"].every((name) => hosts.some(({ addresses }) => addresses.includes(stage.live.host(name).ip)));
  };
  await waitFor(known, "the receiving hosts are known by their addresses", 30_000);
  // Hosts lie on a leaf's ports in their order.
  const [narrowed, beside] = ["l2:1", "l2:2"];
  await Promise.all([send("h1", "h3", 7_001, 300), send("h2", "h4", 7_002, 300)]);
  const [truth, atLeast, atMost, besideAtMost]: number[][] = [[], [], [], []];
  await waitFor(
    async () => {
      const [backlog, observations] = await Promise.all([backlogMs(), stage.ctl<Observation[]>("features", "--kind", "port", "--window", "1")]);
      const of = (port: string): Readonly<Record<string, number>> | undefined => observations.find(({ subject, values }) => subject === port && values["queueAtMostMs"] !== undefined)?.values;
      const [there, here] = [of(narrowed), of(beside)];
      if (there === undefined || here === undefined || backlog === 0) return false;
      truth?.push(backlog);
      atLeast?.push(there["queueAtLeastMs"] ?? NaN);
      atMost?.push(there["queueAtMostMs"] ?? NaN);
      besideAtMost?.push(here["queueAtMostMs"] ?? NaN);
      return (truth?.length ?? 0) >= rounds;
    },
    "both ports were told",
    90_000,
  );
  const [queue, low, high, other] = [truth, atLeast, atMost, besideAtMost].map((values) => median(values ?? []));
  if (queue === undefined || low === undefined || high === undefined || other === undefined) throw new Error("not reached");
  expect(queue).toBeGreaterThan(5);
  expect(low).toBeGreaterThan(other);
  // The queue fills and empties between two looks at it.
  expect(high).toBeGreaterThan(queue * 0.4);
  expect(low).toBeLessThan(mostMs);
}, 180_000);
