/** Shadow nodes on real Open vSwitch: hosts of the shadow that are probed there, and live never; what they say beside live. */
import { once } from "node:events";
import type { ChildProcess } from "node:child_process";
import { projectDir } from "../../lab/capsule.js";
import { Stage } from "../../lab/demo/stage.js";
import { loseOneIn, narrow } from "../../lab/tcp-accuracy.js";
import { waitFor } from "../../lab/wait.js";
import type { ListFidelityResponse, MeasuredPort } from "../../src/api/generated/ovsshadow/v1/fidelity.js";
import type { ListNodesResponse, ProbedPair } from "../../src/api/generated/ovsshadow/v1/nodes.js";
import type { ListDeviationsResponse, Observation } from "../../src/api/generated/ovsshadow/v1/observation.js";

const names = ["h1", "h2", "h3", "h4"];
const bulk = `${projectDir}/lab/tools/bulk.py`;
/** The rate of the transfer from h1 to h3, far below what the network carries. */
const bytesPerS = 500_000;

let stage: Stage;
let sender: ChildProcess | undefined;
/** How much longer live's data waited than the shadow's, in ms, when the two networks were the same. */
let apart = NaN;
let unmatchedBefore = NaN;
const ip = (host: string): string => stage.live.host(host).ip;
const nodes = (...more: string[]): Promise<ListNodesResponse> => stage.ctl<ListNodesResponse>("nodes", ...more);
const run = async (command: string, ...args: string[]): Promise<string> => (await stage.live.ovs.capsule.run(command, args)).stdout;
/** What is there of nodes: devices with their kernel numbers, and namespaces. */
async function traces(): Promise<string[]> {
  const devices = (JSON.parse(await run("ip", "-json", "link", "show")) as { readonly ifname: string; readonly ifindex: number }[]).filter(({ ifname }) => ifname.startsWith("shn")).map(({ ifname, ifindex }) => `${ifindex} ${ifname}`);
  const namespaces = (await run("sh", "-c", "ls /run/netns 2>/dev/null; true")).split("\n").filter((name) => name.startsWith("shn"));
  return [...devices, ...namespaces].sort();
}

/** Resolves with the pair of the bulk transfer once `condition` holds for it. */
async function pairWhen(condition: (pair: ProbedPair) => boolean, what: string, timeoutMs = 60_000, name = `${ip("h1")}>${ip("h3")}`): Promise<ProbedPair> {
  let now: ListNodesResponse | undefined;
  let found: ProbedPair | undefined;
  await waitFor(
    async () => {
      now = await nodes();
      found = now.pairs.find(({ pair }) => pair === name);
      return found !== undefined && condition(found);
    },
    what,
    timeoutMs,
  ).catch((error: unknown) => {
    throw new Error(`${(error as Error).message}: ${JSON.stringify(now)}\n${stage.daemonLog.slice(-10).join("\n")}`);
  });
  if (found === undefined) throw new Error(what);
  return found;
}
const deviatingPairs = async () => (await stage.ctl<ListDeviationsResponse>("deviations")).deviations.filter(({ kind }) => kind === "pair");

/** Sends from h1 to h3 until it is ended. */
async function startBulk(): Promise<void> {
  const server = stage.live.spawn("h3", "python3", [bulk, "serve", "7001"], { stdio: ["ignore", "pipe", "inherit"] });
  if (server.stdout === null) throw new Error("no pipe");
  await once(server.stdout, "data");
  sender = stage.live.spawn("h1", "python3", [bulk, "send", ip("h3"), "7001", "900", String(bytesPerS)], { stdio: ["pipe", "pipe", "inherit"] });
  if (sender.stdout === null) throw new Error("no pipe");
  await once(sender.stdout, "data");
}

/** What each live host received: echo requests and TCP segments, as its own kernel counts. */
async function received(): Promise<number[]> {
  const counts = names.map(async (host) => {
    const lines = (await stage.live.exec(host, "cat", ["/proc/net/snmp"])).stdout.split("\n");
    const value = (protocol: string, name: string): number => {
      const [head = "", values = ""] = lines.filter((line) => line.startsWith(`${protocol}:`));
      return Number(values.split(" ")[head.split(" ").indexOf(name)]);
    };
    return [value("Icmp", "InEchos"), value("Tcp", "InSegs")];
  });
  return (await Promise.all(counts)).flat();
}

/** Frames for which the adapters have no rule: what a node sends and is no probe would be among them. */
async function unmatched(): Promise<number> {
  const tables = await run("sh", "-c", "for b in $(ovs-vsctl list-br | grep ^shx); do ovs-ofctl -O OpenFlow13 dump-tables $b; done");
  return [...tables.matchAll(/lookup=(\d+), matched=(\d+)/g)].reduce((sum, [, looked, matched]) => sum + Number(looked) - Number(matched), 0);
}

beforeAll(async () => {
  stage = await Stage.build({ say: () => {}, shadow: "budget: { enabled: false }, nodes: { count: 4, maxPairs: 2, probesPerS: 10 }", config: "telemetry: { tcp: { enabled: true } }" });
  stage.startDaemon();
  await stage.inStep(4, 60_000);
  // Who asks again for the addresses of the others tells its own.
  for (const host of names) await stage.live.exec(host, "ip", ["neigh", "flush", "all"]);
  await stage.everyHostReachesEveryOther();
}, 180_000);
afterAll(() => stage?.[Symbol.asyncDispose]());

test("hosts have nodes with their addresses, which answer probes; nothing of it reaches live", async () => {
  let now: ListNodesResponse | undefined;
  await waitFor(async () => (now = await nodes()).pairs.length === 4 && now.nodes.length === 4, "pairs are probed", 90_000).catch((error: unknown) => {
    throw new Error(`${(error as Error).message}: ${JSON.stringify(now)}\n${stage.daemonLog.slice(-10).join("\n")}`);
  });
  const before = await received();
  const topology = JSON.stringify(((await stage.ctl<{ hosts: unknown[] }>("topology")).hosts));
  const { nodes: all, pairs, failure } = await nodes();
  expect(failure).toBe("");
  expect(all.map(({ mac, address, real, why }) => [mac, address, real, why])).toEqual(names.map((host) => [stage.live.host(host).mac, ip(host), true, ""]));
  const [first] = pairs;
  if (first === undefined) throw new Error("no pair");
  const probed = await pairWhen(({ sent, connected }) => sent >= 60 && connected, "probes were sent for some seconds", 60_000, first.pair);
  expect(probed).toMatchObject({ lost: 0, failure: "" });
  expect(probed.rttMs).toBeGreaterThan(0);
  expect(probed.rttP99Ms).toBeGreaterThanOrEqual(probed.rttMs ?? NaN);
  // Live was quiet meanwhile, and what came in from the shadow by the replica ports is nothing.
  expect(await received()).toEqual(before);
  const replicas = (await run("sh", "-c", "for b in l1 l2; do ovs-ofctl -O OpenFlow13 dump-ports $b; done")).split("\n").filter((line) => /port {1,2}"?(shm|327[67]\d|3277\d)/.test(line));
  expect(replicas.length).toBeGreaterThanOrEqual(4);
  expect(replicas.filter((line) => !line.includes("rx pkts=0,"))).toEqual([]);
  expect(JSON.stringify((await stage.ctl<{ hosts: unknown[] }>("topology")).hosts)).toBe(topology);
}, 200_000);

test("with traffic: the busiest pair is probed, copies are counted exactly, and the same network on both sides shows no difference", async () => {
  unmatchedBefore = await unmatched();
  await stage.startProbe(600);
  await startBulk();
  const pair = await pairWhen(({ path, loss }) => path !== undefined && loss !== undefined, "latency and loss are compared", 90_000);
  expect(pair.path?.shadow).toBeGreaterThan(0);
  apart = (pair.wait?.live ?? NaN) - (pair.wait?.shadow ?? NaN);
  expect(Math.abs(pair.loss?.z ?? NaN)).toBeLessThan(4);
  expect(pair.window?.live).toBeGreaterThan(0);
  expect(pair.window?.shadow).toBeGreaterThan(0);
  // Behind h2 is a node that probes, and a host that sends 1,000 packets/s: each of these is copied, and nothing else is.
  let account: MeasuredPort | undefined;
  await waitFor(
    async () => {
      account = (await stage.ctl<ListFidelityResponse>("fidelity")).ports.find(({ port }) => port === "l1:2");
      return account !== undefined && account.selected > 10_000 && account.lost === 0 && account.surplus === 0;
    },
    "all copies of the port are accounted for",
    60_000,
  ).catch((error: unknown) => {
    throw new Error(`${(error as Error).message}: ${JSON.stringify(account)}`);
  });
  expect(account).toMatchObject({ ratio: 1, off: 0, shed: 0, unknown: 0 });
  expect((await nodes()).nodes.some(({ port }) => port === "l1:2")).toBe(true);
  // The wait is not judged here: on a busy machine each of live's links is one more device that waits for a processor.
  expect((await deviatingPairs()).filter(({ metric }) => metric === "loss")).toEqual([]);
}, 240_000);

test("a loss of live alone is told as live's, with its share; a queue of live alone as a longer wait", async () => {
  await loseOneIn(stage, "h3", 20);
  const lossy = await pairWhen(({ loss }) => (loss?.z ?? 0) > 4 && (loss?.live ?? 0) > 0.02, "the loss is told", 120_000);
  expect(lossy.loss?.live).toBeLessThan(0.1);
  expect(lossy.loss?.shadow).toBeLessThan(0.01);
  await waitFor(async () => (await deviatingPairs()).some(({ metric, deviation = 0 }) => metric === "loss" && deviation > 0.005), "deviations name the loss", 30_000);
  await stage.live.exec("h3", "nft", ["delete", "table", "ip", "lab"]);
  await narrow(stage, "l2-eth1", (bytesPerS * 8) / 1_000 / 2);
  const slow = await pairWhen(({ wait }) => (wait?.z ?? 0) > 4 && (wait?.live ?? 0) - (wait?.shadow ?? 0) > apart + 10, "the queue is told", 120_000);
  expect(slow.wait?.shadow).toBeLessThan((slow.wait?.live ?? 0) / 2);
  await waitFor(async () => (await deviatingPairs()).some(({ subject, metric, deviation = 0, z = 0 }) => subject === `${ip("h1")}>${ip("h3")}` && metric === "wait" && deviation > 0.25 && z > 4), "deviations name the wait", 30_000);
  await run("tc", "qdisc", "del", "dev", "l2-eth1", "root");
}, 300_000);

test("what live's tables drop is lost in the shadow, too", async () => {
  const rule = `table=0,priority=65535,icmp,nw_dst=${ip("h3")}`;
  await run("ovs-ofctl", "-O", "OpenFlow13", "add-flow", "l2", `${rule},actions=drop`);
  await pairWhen(({ sent, lost }) => sent > 0 && lost > 40, "the probes are lost", 60_000);
  const ping = await stage.live.exec("h1", "ping", ["-q", "-c", "3", "-i", "0.2", "-W", "1", ip("h3")], { mayFail: true });
  expect(ping.code).toBe(1);
  await run("ovs-ofctl", "-O", "OpenFlow13", "--strict", "del-flows", "l2", rule);
  await pairWhen(({ sent, lost }) => sent > 40 && lost === 0, "the probes arrive again", 90_000);
  // In all this time the nodes sent nothing but probes.
  expect(await unmatched()).toBe(unmatchedBefore);
}, 240_000);

test("the probes rest while the shadow carries the traffic, and no rest is told as a loss", async () => {
  const since = Date.now();
  await stage.ctl("promote");
  await waitFor(async () => (await nodes()).held, "the probes rest", 20_000);
  const before = await received();
  await stage.ctl("demote");
  await waitFor(async () => !(await nodes()).held, "the probes go on", 20_000);
  const after = await received();
  // Echo requests came to no live host; its TCP is the bulk transfer.
  expect(after.filter((_, i) => i % 2 === 0)).toEqual(before.filter((_, i) => i % 2 === 0));
  const told = async (): Promise<Observation[]> => (await stage.ctl<Observation[]>("features", "--kind", "pair", "--window", "1")).filter(({ side, tMs, values }) => side === "shadow" && values["probesSent"] !== undefined && tMs > since);
  await waitFor(async () => (await told()).length > 0, "probes are told again", 30_000);
  expect((await told()).filter(({ values }) => (values["probeLossRatio"] ?? 0) > 0)).toEqual([]);
}, 120_000);

test("a daemon that was killed finds its nodes; detaching leaves none", async () => {
  const before = await traces();
  expect(before).toHaveLength(8);
  await stage.killDaemon("KILL");
  stage.startDaemon();
  await stage.inStep(4, 60_000);
  const found = async (): Promise<ListNodesResponse> => nodes();
  await waitFor(async () => (await found()).nodes.length === 4 && (await found()).pairs.some(({ connected, sent }) => connected && sent > 0), "the nodes are probed again", 60_000);
  expect((await found()).made).toBe(0);
  expect(await traces()).toEqual(before);
  await stage.ctl("detach");
  expect(await stage.daemonEnded()).toBe(0);
  expect(await traces()).toEqual([]);
  expect((await run("ovs-vsctl", "--columns=name", "find", "Port", 'external_ids:"ovs-shadow:role"=node')).trim()).toBe("");
}, 180_000);
