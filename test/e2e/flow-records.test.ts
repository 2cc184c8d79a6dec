/** Flow records of real traffic: every flow that was made is joined from samples, flow entries and connection tracking, and counts as it was made. */
import { DuckDBInstance } from "@duckdb/node-api";
import { Stage } from "../../lab/demo/stage.js";
import { makeFlows, recordsOf, startFlowServer, type MadeFlow } from "../../lab/flows.js";
import { waitFor } from "../../lab/wait.js";
import type { Flow, ListFlowsResponse } from "../../src/api/generated/ovsshadow/v1/flow.js";

const zone = 5;
const mark = 7;
/** The operator's: what two hosts send each other is tracked on the leaf of the first; all else is not. */
const tracking = (near: string, far: string): readonly string[] => [
  `priority=200,ct_state=-trk,ip,nw_src=${near},nw_dst=${far},actions=ct(table=1,zone=${zone})`,
  `priority=200,ct_state=-trk,ip,nw_src=${far},nw_dst=${near},actions=ct(table=1,zone=${zone})`,
  `table=1,priority=10,ct_state=+new,ip,nw_src=${near},actions=ct(commit,zone=${zone},exec(set_field:${mark}->ct_mark)),output:3`,
  `table=1,priority=9,ct_state=+est,ip,nw_src=${near},actions=output:3`,
  `table=1,priority=10,ct_state=+new,ip,nw_dst=${near},actions=ct(commit,zone=${zone},exec(set_field:${mark}->ct_mark)),output:1`,
  `table=1,priority=9,ct_state=+est,ip,nw_dst=${near},actions=output:1`,
];
/** One entry for all UDP between the other two hosts: what it counts is the sum over its flows. */
const together = (from: string, to: string): string => `priority=300,udp,nw_src=${from},nw_dst=${to},actions=output:3`;
const load = { tcpFlows: 60, udpFlows: 60, messages: 6, gapMs: 20 };

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.build({ say: () => {}, samplingRate: 1, shadow: "budget: { enabled: false }", config: "forward: { enabled: false }\ntelemetry: { tcp: { enabled: true }, flows: { enabled: true } }" });
  for (const flow of tracking(stage.live.host("h1").ip, stage.live.host("h3").ip)) await stage.live.ovs.ofctl("add-flow", "l1", flow);
  await stage.live.ovs.ofctl("add-flow", "l1", together(stage.live.host("h2").ip, stage.live.host("h4").ip));
  stage.startDaemon();
  await stage.inStep(4);
  await stage.everyHostReachesEveryOther();
  await waitFor(async () => (await stage.ctl<{ hosts: unknown[] }>("topology")).hosts.length === 4, "all hosts are known");
}, 90_000);
afterAll(() => stage[Symbol.asyncDispose]());

const listed = (): Promise<ListFlowsResponse> => stage.ctl<ListFlowsResponse>("flows", "--limit", "10000");

/** Asks until all records hold, or for so long; then the last answer. */
async function whenJoined(made: readonly MadeFlow[], holds: (flow: Flow | undefined, made: MadeFlow) => boolean): Promise<readonly (Flow | undefined)[]> {
  let records: readonly (Flow | undefined)[] = [];
  await waitFor(async () => {
    records = recordsOf(made, await listed());
    return records.every((record, i) => made[i] !== undefined && holds(record, made[i]));
  }, "every flow is joined", 20_000).catch(() => undefined);
  return records;
}

test("of tracked and untracked flows at least 99 % are joined of all sources that apply, with the packets that were sent", async () => {
  const servers = await Promise.all(["h3", "h4"].map((host) => startFlowServer(stage.live, host)));
  const [tracked, plain] = await Promise.all([makeFlows(stage.live, "h1", "h3", load), makeFlows(stage.live, "h2", "h4", load)]);
  const made = [...tracked, ...plain];
  expect(made).toHaveLength(2 * (load.tcpFlows + load.udpFlows));
  const records = await whenJoined(made, (flow, { protocol, sent }) => flow?.isComplete === true && (protocol === "tcp" || flow.out?.captured?.packets === sent));
  const joined = records.filter((flow) => flow?.isComplete === true);
  expect(joined.length / made.length).toBeGreaterThanOrEqual(0.99);
  const counts = records.map((flow, i) => {
    const one = made[i];
    const [out, back] = [flow?.out?.sampled?.packets ?? 0, flow?.back?.sampled?.packets ?? 0];
    // A UDP message is a packet. Of TCP there are the handshake and acknowledgements besides.
    const isRight = one?.protocol === "udp" ? out === one.sent && back === one.answered : out > (one?.sent ?? Infinity) && back > (one?.answered ?? Infinity);
    return { name: one?.name, isRight, out, back };
  });
  // The kernel may drop a datagram of samples when both cores are busy.
  expect(counts.filter(({ isRight }) => isRight).length / counts.length).toBeGreaterThanOrEqual(0.99);
  const ofTracked = records.slice(0, tracked.length).map((flow) => flow?.tracked.map((one) => ({ zone: one.zone, mark: one.mark })));
  expect(ofTracked.filter((one) => JSON.stringify(one) === JSON.stringify([{ zone, mark }])).length / ofTracked.length).toBeGreaterThanOrEqual(0.99);
  expect(records.slice(tracked.length).map((flow) => flow?.missing.find(({ source }) => source === "conntrack")?.notApplicable)).toEqual(plain.map(() => true));
  // Copies are counted exactly.
  const captured = records.flatMap((flow, i) => (made[i]?.protocol === "udp" ? [[flow?.out?.captured?.packets, flow?.back?.captured?.packets]] : []));
  const exact = made.filter(({ protocol }) => protocol === "udp").map(({ sent, answered }) => [sent, answered]);
  expect(captured.filter((one, i) => JSON.stringify(one) === JSON.stringify(exact[i])).length / exact.length).toBeGreaterThanOrEqual(0.99);
  // TCP as captured from the copies.
  const tcpOf = records.flatMap((flow, i) => (made[i]?.protocol === "tcp" ? [flow?.tcp] : []));
  expect(tcpOf.filter((tcp) => tcp?.handshake === "done" && tcp.clientAppBytes === 200 * load.messages).length / tcpOf.length).toBeGreaterThanOrEqual(0.99);
  // An entry that carries many says how many, and has counted what they sent, all together.
  const udp = records.flatMap((flow, i) => (i >= tracked.length && made[i]?.protocol === "udp" ? [flow?.out?.entry] : []));
  expect(udp.map((entry) => [entry?.priority, entry?.packets, entry?.carries])).toEqual(udp.map(() => [300, load.udpFlows * load.messages, load.udpFlows]));
  await Promise.all(servers.map((server) => server.stop()));
}, 150_000);

test("what application a flow is, by its first packets", async () => {
  const { live } = stage;
  live.spawn("h4", "python3", ["-m", "http.server", "8123"], { stdio: "ignore" });
  const ask = `import urllib.request\nurllib.request.urlopen("http://${live.host("h4").ip}:8123/", timeout=5).read()`;
  await waitFor(async () => (await live.exec("h2", "python3", ["-c", ask], { mayFail: true })).code === 0, "the server answers", 30_000);
  const labels = async (): Promise<string[]> => (await listed()).flows.filter(({ server }) => server?.port === 8_123).map(({ app }) => `${app?.label} ${app?.evidence} ${app?.detail}`);
  const label = `http http request ${live.host("h4").ip}:8123`;
  await waitFor(async () => (await labels()).includes(label), "the request is labelled", 20_000);
  expect(await labels()).toContain(label);
}, 60_000);

test("what is known goes into a Parquet file, one row a flow", async () => {
  const file = "/run/lab/flows.parquet";
  const { flows } = await stage.ctl<{ file: string; flows: number }>("flows", "--parquet", file);
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  const rows = (await connection.runAndReadAll(`SELECT count(*), count(*) FILTER (zone = ${zone}), sum(out_sampled_packets) FROM '${stage.live.ovs.capsule.path(file)}'`)).getRows()[0];
  connection.closeSync();
  instance.closeSync();
  expect(Number(rows?.[0])).toBe(flows);
  expect(Number(rows?.[1])).toBeGreaterThanOrEqual(load.tcpFlows + load.udpFlows);
  expect(Number(rows?.[2])).toBeGreaterThan(2 * load.messages * (load.tcpFlows + load.udpFlows));
}, 60_000);
