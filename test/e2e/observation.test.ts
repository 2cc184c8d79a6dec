/** What the daemon observes on the lab fabric: features, deviation, and the behavioural profile of a chain of services. */
import { Stage } from "../../lab/demo/stage.js";
import { startChainServer, synFlood, useChain } from "../../lab/traffic.js";
import { waitFor } from "../../lab/wait.js";
import type { GetStatusResponse } from "../../src/api/generated/ovsshadow/v1/shadow.js";
import type { Deviation, Observation, Profile } from "../../src/api/generated/ovsshadow/v1/observation.js";
import { shadowBridge } from "../../src/shadow/names.js";

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.build({ say: () => {}, samplingRate: 1, sflow: "budgetSamplesPerS: 1600, maxCpu: 1" });
  await stage.startProbe(240);
  stage.startDaemon();
  await stage.inStep(4);
  await stage.everyHostReachesEveryOther();
  await waitFor(async () => (await stage.ctl<{ hosts: unknown[] }>("topology")).hosts.length === 4, "all hosts are known");
}, 60_000);
afterAll(() => stage[Symbol.asyncDispose]());

const observed = (...args: string[]): Promise<Observation[]> => stage.ctl<Observation[]>("features", ...args);
const deviations = async (): Promise<readonly Deviation[]> => (await stage.ctl<{ deviations: Deviation[] }>("deviations")).deviations;

test("the probe's 1,000 packets/s are seen by sFlow and by the counters of both networks", async () => {
  const rate = async (subject: string, side: string, feature: string): Promise<number> => (await observed("--subject", subject)).find((one) => one.side === side && feature in one.values)?.values[feature] ?? 0;
  const near = (value: number): boolean => value > 900 && value < 1_100;
  await waitFor(async () => near(await rate("l2:2", "live", "outPacketsPerS")), "live's counters show the probe", 30_000);
  await waitFor(async () => near(await rate("l2:2", "shadow", "outPacketsPerS")), "the shadow's counters show the probe", 30_000);
  await waitFor(async () => near(await rate(stage.live.host("h4").ip, "live", "packetsPerS")), "sFlow shows the probe", 30_000);
  await waitFor(async () => (await observed("--kind", "link")).some((one) => one.side === "live" && near((one.values["inPacketsPerS"] ?? 0) / 1)), "a link carries it", 30_000);
}, 120_000);

test("samples of mirrored packets name no port: the tables say which links they took, and how often that was so is told", async () => {
  const links = async (): Promise<readonly Observation[]> => (await observed("--kind", "link", "--window", "5")).filter((one) => "inferredRatio" in one.values);
  const carriesProbe = (one: Observation): boolean => (one.values["packetsPerS"] ?? 0) > 900;
  // At its leaf, where it is copied, a packet's sample says "several"; the spine copies nothing and its samples say the port.
  await waitFor(async () => (await links()).some((one) => carriesProbe(one) && (one.values["inferredRatio"] ?? 0) > 0.9), "the link behind the leaf has its traffic by inference", 30_000);
  await waitFor(async () => (await links()).some((one) => carriesProbe(one) && (one.values["inferredRatio"] ?? 1) < 0.1), "the link behind the spine has it by the samples", 30_000);
  const [egress] = await observed("--kind", "process", "--window", "1", "--subject", "egress");
  const count = (name: string): number => egress?.values[`egress.${name}`] ?? 0;
  expect([count("inferred") > 0, count("sampled") > 0, count("remembered") > 0, count("readings") > 0]).toEqual([true, true, true, true]);
  expect(count("inferred")).toBeGreaterThan(count("undecided") + count("noTables") + count("behind") + count("overBudget"));
}, 120_000);

test("a shadow that drops what live delivers is told, and not taken for mirror loss", async () => {
  await waitFor(async () => (await deviations()).length === 0, "the shadow does what live does", 30_000);
  // A flow put into the shadow by hand; the audit takes it off again within seconds, so it is put back until it was seen.
  await waitFor(
    async () => {
      await stage.live.ovs.ofctl("add-flow", shadowBridge("l2"), `table=0,priority=65535,udp,nw_dst=${stage.live.host("h4").ip},actions=drop`);
      return (await deviations()).some((one) => one.subject === "l2:2" && one.cause === "the networks differ" && (one.mirrorLoss ?? 0) < 0.01);
    },
    "the drop is told",
    40_000,
  );
  await waitFor(async () => (await deviations()).length === 0, "and is over when the flow is gone", 40_000);
}, 120_000);

test("a chain of services is found with its directions: clients need names, the application needs the authentication", async () => {
  const servers = await Promise.all([
    startChainServer(stage.live, "h2", "names"),
    startChainServer(stage.live, "h4", "auth", "9000"),
    startChainServer(stage.live, "h3", "app", "8080", stage.live.host("h4").ip, "9000"),
  ]);
  const result = await useChain(stage.live, "h1", "h2", "h3", 8080, 40, 0.4);
  expect(result).toEqual({ done: 40, failed: 0 });
  const { dependencies, services, critical, edges } = await stage.ctl<Profile>("profile");
  const [dns, app, auth] = [`${stage.live.host("h2").ip} udp/53`, `${stage.live.host("h3").ip} tcp/8080`, `${stage.live.host("h4").ip} tcp/9000`];
  const named = dependencies.map(({ dependent, on, way }) => `${dependent} ${way} ${on}`);
  expect(named).toContain(`${app} before ${dns}`);
  expect(named).toContain(`${app} inside ${auth}`);
  expect(named.filter((name) => name.startsWith(dns) || name.startsWith(auth))).toEqual([]);
  expect(services.map(({ service }) => service)).toEqual(expect.arrayContaining([dns, app, auth]));
  expect(edges.find((edge) => edge.service === app)?.conversations).toBe(40);
  expect(critical.map(({ host }) => host).sort()).toEqual([stage.live.host("h2").ip, stage.live.host("h4").ip].sort());
  await Promise.all(servers.map((server) => server.stop()));
}, 120_000);

test("sampling follows the traffic within its budget, and what is suspected is looked at more closely", async () => {
  // A changed rate is an update of the row that is there.
  const rowOf = async (bridge: string): Promise<string> => (await stage.live.ovs.vsctl("get", "bridge", bridge, "sflow")).replaceAll('"', "");
  const rows = new Map([["l1", await rowOf("l1")], ["l2", await rowOf("l2")]]);
  const rate = async (bridge: string): Promise<number> => Number(await stage.live.ovs.vsctl("get", "sflow", rows.get(bridge) ?? "", "sampling"));
  expect([await rate("l1"), await rate("l2")]).toEqual([1, 1]);
  const flood = synFlood(stage.live, "h1", "h3", 15_000, 120_000);
  await waitFor(async () => (await rate("l1")) > 1, "the flooded bridge is sampled", 40_000);
  expect(await rate("l2")).toBeLessThanOrEqual(await rate("l1"));
  await flood;
  // A rate within twice of the wanted one is left alone.
  await waitFor(async () => (await rate("l1")) <= 2, "all is looked at again", 60_000);
}, 150_000);

test("the status tells the lag, what was written, how old the proof of equality is, and what the store and the capture lost", async () => {
  type Status = Pick<GetStatusResponse, "shadows" | "flowLag" | "databaseWrites" | "store" | "gaps">;
  const before = (await stage.ctl<Status>("status")).flowLag?.count ?? 0;
  await stage.live.ovs.ofctl("add-flow", "l1", "table=9,priority=3,actions=drop");
  await waitFor(async () => ((await stage.ctl<Status>("status")).flowLag?.count ?? 0) > before, "the lag of one more flow is known", 20_000);
  const { shadows, databaseWrites, store, gaps } = await stage.ctl<Status>("status");
  for (const { live, staleMs, shadowWriter, adapterWriter } of shadows) {
    expect(staleMs).toBeGreaterThanOrEqual(0);
    // A spine has no edge ports, so its adapter has no flows.
    for (const writer of live.startsWith("l") ? [shadowWriter, adapterWriter] : [shadowWriter]) expect([Number(writer?.flowMods) > 0, Number(writer?.bytes) > 0]).toEqual([true, true]);
  }
  expect([Number(databaseWrites?.transactions) > 0, Number(databaseWrites?.bytes) > 0, Number(store?.observed) > 0]).toEqual([true, true, true]);
  expect(gaps).toEqual([]);
  // All that is observed has a form that can be kept.
  expect(store?.dropped).toEqual([]);
  await stage.live.ovs.ofctl("del-flows", "l1", "table=9");
}, 60_000);
