/**
 * Live and shadow share a connection table in one ovs-vswitchd, and nothing else of it: what is sent inside the shadow leaves live's
 * connections as they are. A leaf is the live network, with a stateful firewall for its tables.
 */
import { Stage } from "../../lab/demo/stage.js";
import { craft, firewall, hearUdp, replaceFlows, trackedIn, TrackedConnection } from "../../lab/tracked.js";
import { waitFor } from "../../lab/wait.js";
import type { ListFidelityResponse } from "../../src/api/generated/ovsshadow/v1/fidelity.js";
import type { ListTrackingResponse } from "../../src/api/generated/ovsshadow/v1/tracking.js";
import { replicaPort } from "../../src/network/pipeline.js";
import { otherZone } from "../../src/shadow/connection-zones.js";
import { adapterBridge, shadowBridge } from "../../src/shadow/names.js";

const [inside, outside] = [1, 2];

async function guarded(zone: number, isFromField = false): Promise<Stage> {
  const stage = await Stage.build({ say: () => {}, config: "forward: { enabled: false }\nbridges: [l1]" });
  // Of the fabric only l1 is looked at; its links lead nowhere.
  for (const device of ["l1-eth3", "l1-eth4"]) await stage.live.ovs.vsctl("del-port", "l1", device);
  await replaceFlows(stage.live, "l1", firewall(zone, isFromField));
  return stage;
}

/** A frame comes into the shadow bridge by a port, out of the adapter as copies do: by packet-out, which has no device, it would not go on once it is tracked. */
const inShadow = (stage: Stage, port: number, frame: string): Promise<unknown> => stage.live.ovs.ofctl("packet-out", adapterBridge("l1"), `in_port=LOCAL,packet=${frame},actions=output:${replicaPort(port)}`);

for (const [zone, isFromField] of [[5, false], [0, false], [7, true]] as const) {
  test(`zone ${zone}${isFromField ? " from a register" : ""}: hostile frames inside the shadow change nothing of live's connections`, async () => {
    await using stage = await guarded(zone, isFromField);
    const { live } = stage;
    // Begun before anything is copied, and afterwards.
    await using early = await TrackedConnection.open(live, "h1", "h2", 5001);
    expect(await early.echo(20)).toEqual({ echoed: 20, failure: null });
    stage.startDaemon();
    await stage.inStep(1, 30_000);
    await using late = await TrackedConnection.open(live, "h1", "h2", 5002);
    const use = async (): Promise<void> => {
      for (const connection of [early, late]) expect(await connection.echo(50)).toEqual({ echoed: 50, failure: null });
    };
    await use();

    const ours = otherZone(zone);
    const of = async (one: TrackedConnection, where: number): Promise<string[]> => {
      const { port } = await one.place();
      return (await trackedIn(live, where)).filter((line) => line.includes(`sport=${port},dport=${one.serverPort}`));
    };
    // The copies are tracked by themselves; a connection from before is taken up where it is.
    for (const connection of [early, late]) {
      await waitFor(async () => (await of(connection, ours)).some((line) => line.includes("ESTABLISHED")), "the copies' connection is known in the shadow's zone");
      expect((await of(connection, zone)).join()).toContain("ESTABLISHED");
    }

    for (const connection of [early, late]) {
      const before = await of(connection, zone);
      for (const [port, by] of [[outside, "server"], [inside, "client"]] as const) for (const kind of ["unreachable", "fin", "rst"] as const) await inShadow(stage, port, await connection.forged(kind, by));
      // The shadow's own entry shows that the frames were taken for the connection's.
      await waitFor(async () => !(await of(connection, ours)).some((line) => line.includes("ESTABLISHED")), "the shadow's connection is ended");
      expect(await of(connection, zone)).toEqual(before);
    }
    await use();

    // A connection that was opened inside the shadow alone opens nothing on live.
    const [h1, h2] = [live.host("h1"), live.host("h2")];
    const heard = await hearUdp(live, "h1", 7001);
    await inShadow(stage, inside, await craft(live, "udp", h1, h2, 7001, 7001));
    await waitFor(async () => (await trackedIn(live, ours)).some((line) => line.startsWith("udp") && line.includes("sport=7001")), "the shadow took it");
    const answer = await craft(live, "udp", h2, h1, 7001, 7001);
    const comesIn = (frame: string): Promise<unknown> => live.ovs.ofctl("packet-out", "l1", `in_port=${outside},packet=${frame},actions=TABLE`);
    await comesIn(answer);
    await use(); // what came before it is through
    expect(await heard.ask()).toEqual({ heard: 0 });
    // The same on live does open: so the answer above could have come through.
    await live.ovs.ofctl("packet-out", "l1", `in_port=${inside},packet=${await craft(live, "udp", h1, h2, 7001, 7001)},actions=TABLE`);
    await comesIn(answer);
    await waitFor(async () => (await heard.ask()).heard === 1, "an answer to what live saw comes through");
    await heard.stop();

    const { bridges } = await stage.ctl<ListTrackingResponse>("shadow", "tracking");
    expect(bridges).toEqual([{ bridge: "l1", zones: isFromField ? [] : [{ live: zone, shadow: ours, colliding: false }], fromField: isFromField ? 2 : 0, rangeTranslations: 0, problems: [], problemCount: 0 }]);

    // What the switch holds is what it was told, however it says it.
    expect(stage.daemonLog.filter((line) => line.includes("an audit found differences"))).toEqual([]);

    // What we tracked goes with us, where that can be told from live's, and nothing else.
    await stage.ctl("detach");
    expect(await stage.daemonEnded()).toBe(0);
    expect((await trackedIn(live, ours)).length > 0).toBe(isFromField);
    for (const connection of [early, late]) expect((await of(connection, zone)).join()).toContain("ESTABLISHED");
    await use();
  }, 120_000);
}

test("a connection lives through promotion and demotion: the promoted shadow tracks in live's zones", async () => {
  await using stage = await guarded(5);
  const { live } = stage;
  await using connection = await TrackedConnection.open(live, "h1", "h2", 5001);
  stage.startDaemon();
  await stage.inStep(1, 30_000);
  expect(await connection.echo(20)).toEqual({ echoed: 20, failure: null });
  const named = async (): Promise<string[]> => [...(await live.ovs.ofctl("dump-flows", shadowBridge("l1"))).matchAll(/ct\([^)]*zone=(\d+)/g)].map(([, zone]) => zone ?? "");
  expect(await named()).toEqual(["32773", "32773"]);
  await stage.ctl("promote");
  expect(await named()).toEqual(["5", "5"]);
  // More than a window: an entry that did not see it would take what follows for invalid.
  expect(await connection.echo(3_000)).toEqual({ echoed: 3_000, failure: null });
  await stage.ctl("demote");
  expect(await connection.echo(50)).toEqual({ echoed: 50, failure: null });
  expect(await named()).toEqual(["32773", "32773"]);
  await stage.inStep(1, 30_000);
  // The shadow did not see the connection meanwhile, and takes it up anew.
  const invalid = async (): Promise<number> => {
    await live.ovs.appctl("revalidator/wait"); // counters are as old as its last round
    return Number(/n_packets=(\d+)[^\n]*\+inv/.exec(await live.ovs.ofctl("dump-flows", shadowBridge("l1")))?.[1]);
  };
  const before = await invalid();
  expect(await connection.echo(50)).toEqual({ echoed: 50, failure: null });
  await waitFor(async () => (await trackedIn(live, otherZone(5))).some((line) => line.includes("ESTABLISHED")), "the shadow takes the connection up");
  expect(await invalid()).toBe(before);
}, 120_000);

test("a shadow that was left in live's zones is put into its own, and a live zone in the shadows' range is told", async () => {
  await using stage = await guarded(5);
  const { live } = stage;
  const zonesOfShadow = async (): Promise<string[]> => [...(await live.ovs.ofctl("dump-flows", shadowBridge("l1"))).matchAll(/ct\([^)]*zone=(\d+)/g)].map(([, zone]) => zone ?? "");
  stage.startDaemon();
  await stage.inStep(1, 30_000);
  await stage.killDaemon("KILL");
  // As a controller of before would have left it.
  await live.ovs.capsule.run("ovs-ofctl", ["-O", "OpenFlow13", "add-flows", shadowBridge("l1"), "-"], { input: firewall(5).join("\n") });
  expect(await zonesOfShadow()).toEqual(["5", "5"]);
  stage.startDaemon();
  await waitFor(async () => (await zonesOfShadow()).join() === "32773,32773", "the shadow tracks in zones of its own", 30_000);
  await stage.inStep(1, 30_000);

  await live.ovs.ofctl("add-flow", "l1", "table=20,priority=1,ip,actions=ct(commit,zone=32773)");
  await live.ovs.ofctl("add-flow", "l1", "table=20,priority=2,ip,actions=write_actions(ct(commit,zone=NXM_NX_REG2[0..15]))");
  await waitFor(async () => (await zonesOfShadow()).includes("5"), "its shadow is in the other zone");
  const { bridges } = await stage.ctl<ListTrackingResponse>("shadow", "tracking", "--bridge", "l1");
  expect(bridges[0]?.zones).toEqual([{ live: 5, shadow: 32773, colliding: true }, { live: 32773, shadow: 5, colliding: true }]);
  expect(bridges[0]?.problems).toMatchObject([{ where: "table 20, priority 2, cookie 0x0", shared: true }]);
  const told = async (what: string, words: string): Promise<boolean> => (await stage.ctl<ListFidelityResponse>("fidelity")).conflicts.some(({ kind, bridge, detail }) => kind === what && bridge === "l1" && detail.includes(words));
  await waitFor(() => told("zone of shadows used", "zone 5, which live uses, too"), "the zone is told as a conflict");
  await waitFor(() => told("tracked in live's zone", "table 20, priority 2"), "the flow that is not isolated is told as a conflict");
}, 120_000);
