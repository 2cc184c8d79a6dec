/**
 * Nothing comes back from the shadow, whatever dies or is taken away meanwhile. Hostile frames of every class enter at every
 * port of every shadow bridge; hosts on live must receive none, and live bridges must learn no address from them.
 */
import { hostileFrames, injectInAdapter, injectInShadow, Watch } from "../../lab/hostile.js";
import { Stage } from "../../lab/demo/stage.js";
import { waitFor } from "../../lab/wait.js";
import { adapterBridge } from "../../src/shadow/names.js";

const bridges = ["l1", "l2", "s1", "s2"] as const;

let stage: Stage;
let watch: Watch;
let frames: readonly Buffer[];

beforeAll(async () => {
  stage = await Stage.build({ say: () => {} });
  frames = await hostileFrames(stage.live);
  await attach();
  watch = await Watch.start(stage.live);
}, 90_000);

afterAll(async () => {
  await watch?.[Symbol.asyncDispose]();
  await stage?.[Symbol.asyncDispose]();
});

async function attach(): Promise<void> {
  stage.startDaemon();
  await stage.inStep(4);
  await stage.everyHostReachesEveryOther();
  await waitFor(async () => (await stage.ctl<{ hosts: unknown[] }>("topology")).hosts.length === 4, "all hosts are known");
  await stage.inStep(4);
}

async function inShadow(): Promise<number> {
  let sent = 0;
  for (const bridge of bridges) sent += await injectInShadow(stage.live, bridge, frames);
  return sent;
}
async function inAdapters(): Promise<number> {
  return (await injectInAdapter(stage.live, "l1", frames)) + (await injectInAdapter(stage.live, "l2", frames));
}

/** The frames are all through when a packet sent after them has come through: the switch takes them in turn. */
async function nothingCameThrough(hostsTalk = true): Promise<void> {
  if (hostsTalk) await stage.live.exec("h1", "ping", ["-q", "-c", "3", "-i", "0.05", "-W", "3", stage.live.host("h4").ip]);
  expect(await watch.frames()).toBe(0);
  expect(await watch.learned(bridges)).toEqual([]);
}

/** What a foreign controller does that thinks the switches are its own: empty tables, then NORMAL where it makes no loop. */
async function foreignWipe(): Promise<void> {
  for (const bridge of bridges) await stage.live.ovs.ofctl("del-flows", bridge);
  for (const bridge of ["l1", "l2", "s1"]) await stage.live.ovs.ofctl("add-flow", bridge, "priority=0,actions=NORMAL");
}
async function operatorFlows(): Promise<void> {
  const { live } = stage;
  for (const [bridge, flows] of Object.entries(live.built.flows)) {
    const put = async (): Promise<boolean> => (await live.ovs.capsule.run("ovs-ofctl", ["-O", "OpenFlow13", "add-flows", bridge, "-"], { input: flows.join("\n"), mayFail: true })).code === 0;
    await waitFor(put, `${bridge} takes the operator's flows`);
  }
}

test("the sniffers would see a hostile frame", async () => {
  const { live } = stage;
  const second = await Watch.start(live);
  await live.ovs.ofctl("packet-out", "l1", `in_port=3,packet=${frames.at(-1)?.toString("hex")},actions=output:1`);
  await waitFor(async () => (await second.frames()) === 1, "the planted frame is seen");
  await second[Symbol.asyncDispose]();
  // The watch of the tests saw it too: begin anew.
  await watch[Symbol.asyncDispose]();
  watch = await Watch.start(live);
}, 30_000);

test("the shadow floods, and the adapter is turned against live", async () => {
  expect(await inShadow()).toBeGreaterThan(1_000);
  expect(await inAdapters()).toBeGreaterThan(100);
  // They came as far as the guards, or this shows nothing.
  const reached = [...(await stage.live.ovs.ofctl("dump-ports", "l1")).matchAll(/port +(?:"?shm\S*|327\d\d): rx pkts=(\d+)/g)].reduce((sum, [, rx]) => sum + Number(rx), 0);
  expect(reached).toBeGreaterThan(100);
  await nothingCameThrough();
}, 60_000);

test("guards deleted by hand: nothing passes meanwhile, it is noticed, and they come back", async () => {
  const { live } = stage;
  for (const bridge of ["l1", "l2"]) {
    await live.ovs.vsctl("clear", "bridge", bridge, "mirrors");
    await live.ovs.ofctl("del-flows", bridge, "cookie=0x5348060000000000/0xffffff0000000000");
  }
  await inShadow();
  await nothingCameThrough();
  for (const bridge of ["l1", "l2"]) {
    await waitFor(async () => (await live.ovs.vsctl("get", "bridge", bridge, "mirrors")).split(",").length === 2, "both Mirror rows are back");
    await waitFor(async () => (await live.ovs.ofctl("dump-flows", bridge, "in_port=32769")).includes("priority=65535"), "the guard rule is back");
  }
  await inShadow();
  await inAdapters();
  await nothingCameThrough();
}, 60_000);

test("a foreign controller wipes the tables of live, of the adapters, of the shadows, again and again", async () => {
  const { live } = stage;
  for (let round = 0; round < 3; round++) {
    await foreignWipe();
    await inShadow();
    await live.ovs.ofctl("del-flows", adapterBridge("l1"));
    await live.ovs.ofctl("del-flows", adapterBridge("l2"));
    await inShadow();
    await nothingCameThrough(false);
  }
  for (const bridge of bridges) await live.ovs.ofctl("--strict", "del-flows", bridge, "priority=0");
  await operatorFlows();
  await stage.inStep(4);
  await inShadow();
  await inAdapters();
  await nothingCameThrough();
}, 90_000);

test("the controller is killed; with it dead a foreign controller wipes live; ovs-vswitchd restarts", async () => {
  const { live } = stage;
  await stage.killDaemon("KILL");
  await inShadow();
  await inAdapters();
  await nothingCameThrough();
  await foreignWipe();
  await inShadow();
  // The rule about the replica ports went with the tables: against NORMAL the Mirror row is left.
  await inAdapters();
  await nothingCameThrough(false);
  await live.ovs.stopVswitchd();
  await live.ovs.startVswitchd();
  await operatorFlows();
  await inShadow();
  await nothingCameThrough();
  await attach();
  await inShadow();
  await inAdapters();
  await nothingCameThrough();
}, 120_000);

test("ovs-vswitchd restarts under the controller, with frames all the while", async () => {
  const { live } = stage;
  for (let round = 0; round < 2; round++) {
    await live.ovs.stopVswitchd();
    const up = live.ovs.startVswitchd();
    let isUp = false;
    void up.then(() => (isUp = true));
    let sent = 0;
    const injectWhileComing = async (): Promise<boolean> => {
      sent += await inShadow().catch(() => 0); // the bridges come back one by one
      return isUp && sent > 0;
    };
    await waitFor(injectWhileComing, "frames went in while it came back", 30_000);
    await up;
    await operatorFlows();
    await inShadow();
    await stage.inStep(4);
    await inShadow();
    await inAdapters();
    await nothingCameThrough();
  }
}, 120_000);
