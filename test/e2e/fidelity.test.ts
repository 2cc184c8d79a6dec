/** What is said of the copies is true: nothing lost when nothing is, and every kind of gap told for what it is. */
import { readFileSync, writeFileSync } from "node:fs";
import { Stage } from "../../lab/demo/stage.js";
import { waitFor } from "../../lab/wait.js";
import type { ListFidelityResponse, MeasuredPort } from "../../src/api/generated/ovsshadow/v1/fidelity.js";
import { guard } from "../../src/shadow/names.js";

/** Where the probe's sender is. */
const port = "l1:2";
const shadow = "budget: { enabled: false }";

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.build({ say: () => {}, shadow });
  await stage.startProbe(240);
  stage.startDaemon();
  await stage.inStep(4);
  await stage.everyHostReachesEveryOther();
  await waitFor(async () => (await fidelity()).ports.some((one) => one.port === port), "the port is measured");
}, 90_000);

afterAll(async () => {
  await stage?.[Symbol.asyncDispose]();
});

const fidelity = (): Promise<ListFidelityResponse> => stage.ctl<ListFidelityResponse>("fidelity");
async function measured(): Promise<MeasuredPort> {
  const found = (await fidelity()).ports.find((one) => one.port === port);
  if (found === undefined) throw new Error(`${port} is not measured`);
  return found;
}
/** Resolves with the port's account once `condition` holds for it. */
async function until(condition: (account: MeasuredPort) => boolean, what: string, timeoutMs = 30_000): Promise<MeasuredPort> {
  let account: MeasuredPort | undefined;
  await waitFor(async () => condition((account = await measured())), what, timeoutMs).catch((error: unknown) => {
    throw new Error(`${(error as Error).message}: ${JSON.stringify(account)}`);
  });
  if (account === undefined) throw new Error(what);
  return account;
}
const columns = ({ copied, lost, off, shed, unknown, underway, surplus }: MeasuredPort): number => copied + lost + off + shed + unknown + underway - surplus;

test("a port with traffic: all is copied, none lost, and a sample of its packets tells order, doubles and delay", async () => {
  // A packet on its way between two readings may be told as lost for a moment and taken back; what is lost stays lost.
  const account = await until((one) => one.selected > 6_000 && one.lost === 0 && one.surplus === 0 && one.shed === 0, "the probe is in the account, whole");
  expect(account).toMatchObject({ off: 0, ratio: 1 });
  expect(columns(account)).toBe(account.selected);
  const { sample } = await until((one) => one.sample !== undefined, "a sample was taken", 60_000);
  expect(sample).toMatchObject({ matched: sample?.looked, duplicated: 0, reordered: 0 });
  expect(sample?.looked).toBeGreaterThan(100);
  expect(sample?.delayP50Us).toBeGreaterThan(0);
  expect((await stage.probeLost()).lost).toBe(0);
}, 90_000);

test("copies switched off are off, not lost", async () => {
  const file = stage.live.ovs.capsule.path("/run/lab/config.yaml");
  const good = readFileSync(file, "utf8");
  const before = await measured();
  writeFileSync(file, good.replace("shadow: {", "shadow: { replicate: false,"));
  await stage.signalDaemon("HUP");
  await until((one) => one.off > before.off + 2_000, "packets are counted as off");
  writeFileSync(file, good);
  await stage.signalDaemon("HUP");
  const { copied } = await measured();
  const after = await until((one) => one.copied > copied + 4_000 && one.lost <= before.lost && one.surplus <= before.surplus, "copies flow again, and nothing was lost");
  expect(columns(after)).toBe(after.selected);
}, 60_000);

test("copies that stop behind our back are lost: counted, an alert, and its end", async () => {
  const { ovs } = stage.live;
  const before = await measured();
  // A Mirror row that selects a VLAN nobody uses copies nothing any more; cached flows learn of it by a flow-mod.
  await ovs.vsctl("set", "mirror", guard("l1", 2), "select_vlan=99");
  await ovs.ofctl("add-flow", "l1", "table=100,actions=drop");
  try {
    // The alert comes with the first dozens of lost packets, the account goes on.
    await until((one) => one.alert !== "" && one.lost > before.lost + 100, "there is an alert, and losses are counted");
    await waitFor(async () => (await stage.status()).problems.some((problem) => problem.startsWith(`fidelity of ${port} is below the target`)), "the status says so");
  } finally {
    await ovs.vsctl("clear", "mirror", guard("l1", 2), "select_vlan");
    await ovs.ofctl("del-flows", "l1", "table=100");
  }
  const healed = await until((one) => one.alert === "", "the alert has ended");
  expect(healed.ratio).toBeLessThan(1);
  expect(columns(healed)).toBe(healed.selected);
  expect(stage.daemonLog.filter((line) => line.includes("below target")).length).toBeGreaterThan(0);
}, 90_000);

test("ovs-vswitchd restarted: counters begin anew, which is neither loss nor gain", async () => {
  const { live } = stage;
  const before = await measured();
  await live.ovs.stopVswitchd();
  await live.ovs.startVswitchd();
  for (const [bridge, flows] of Object.entries(live.built.flows)) {
    const put = async (): Promise<boolean> => (await live.ovs.capsule.run("ovs-ofctl", ["-O", "OpenFlow13", "add-flows", bridge, "-"], { input: flows.join("\n"), mayFail: true })).code === 0;
    await waitFor(put, `${bridge} takes the operator's flows`);
  }
  await stage.inStep(4);
  const after = await until((one) => one.copied > before.copied + 4_000, "copies flow again");
  expect(after.resets).toBeGreaterThan(before.resets);
  expect(after.surplus).toBe(before.surplus);
  expect(columns(after)).toBe(after.selected);
}, 60_000);

test("a flood: the copy is shed and says so, live carries on, and the copy comes back", async () => {
  const { live } = stage;
  await stage.killDaemon("TERM");
  const file = live.ovs.capsule.path("/run/lab/config.yaml");
  stage.startDaemon(readFileSync(file, "utf8").replace(shadow, "budget: { holdMs: 2000 }"));
  await stage.inStep(4);
  const flood = live.exec("h1", "timeout", ["12", "hping3", "-S", "-p", "80", "--flood", "-q", live.host("h3").ip], { mayFail: true });
  await waitFor(async () => (await stage.status()).problems.some((problem) => problem.startsWith("copies are shed: cpu")), "the copy is shed");
  await until((one) => one.shed > 0, "what is not copied is counted as shed");
  const probed = (await stage.probe.ask()).received;
  // A trial against the flood has copies for its second; before and after it there are none.
  await waitFor(async () => (await live.ovs.vsctl("--columns=select_src_port", "--bare", "list", "mirror")).trim() === "", "no Mirror row copies");
  await flood;
  await waitFor(async () => (await stage.probe.ask()).received > probed + 500, "the probe arrives");
  await waitFor(async () => (await fidelity()).mode === "on", "copies come back", 40_000);
  const { copied } = await measured();
  await until((one) => one.copied > copied + 2_000, "copies flow");
}, 120_000);
