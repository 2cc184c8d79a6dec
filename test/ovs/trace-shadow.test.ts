/**
 * Live and shadow do the same: packets are traced by Open vSwitch itself on each live bridge of the lab and on its shadow, with the
 * daemon attached, and the two answers are equal, table by table. PACKETS and FLOWS in the environment make it longer.
 */
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { readFileSync, writeFileSync } from "node:fs";
import { connect, flowMod, type FlowMod, type FlowStats, type KnownField, type OpenFlowConnection } from "node-openflow";
import { Stage } from "../../lab/demo/stage.js";
import { waitFor } from "../../lab/wait.js";
import type { ExplainPacketResponse } from "../../src/api/generated/ovsshadow/v1/explain.js";
import { flowKey } from "../../src/network/flow-entry.js";
import { packetOf } from "../../src/network/flow-table.js";
import { isOurs, maxReplicatedPort } from "../../src/network/pipeline.js";
import { UnixctlConnection, vswitchdSocket } from "../../src/network/unixctl.js";
import { isAmbiguous } from "../../src/shadow/connection-zones.js";
import { shadowBridge } from "../../src/shadow/names.js";
import { zoneUse } from "../../src/shadow/zone-use.js";
import { Random } from "../support/random.js";
import { packetsFor, randomFlows, randomPacket } from "../support/random-tables.js";
import { inLiveZones, traceLines, type PortNames } from "../support/trace-lines.js";
import { traceText } from "../support/trace-world.js";
import { flowOf } from "./flow-generator.js";

const seed = Number(process.env["SEED"] ?? 1);
const packets = Number(process.env["PACKETS"] ?? 3_000);
const flowCount = Number(process.env["FLOWS"] ?? 10_000);
/** Packets traced without waiting for one another. */
const atOnce = 200;
const ifRoot = process.getuid?.() === 0 ? describe : describe.skip;
const bridges = ["l1", "l2", "s1", "s2"] as const;
const isCopyPort = (port: number): boolean => port > maxReplicatedPort && port < 0xff00;

ifRoot("live = shadow by ofproto/trace", () => {
  let stage: Stage;
  let control: UnixctlConnection;
  const connections = new Map<string, OpenFlowConnection>();
  const open = async (bridge: string): Promise<OpenFlowConnection> => {
    const known = connections.get(bridge);
    if (known !== undefined) return known;
    const made = await connect({ remote: `unix:${stage.live.ovs.capsule.path(`/run/openvswitch/${bridge}.mgmt`)}`, versions: [5] });
    connections.set(bridge, made);
    return made;
  };
  const portsOf = async (bridge: string): Promise<PortNames> => {
    // Patch ports' names may be longer than the 16 characters of OpenFlow: the database has them whole.
    const { data } = JSON.parse(await stage.live.ovs.vsctl("--format=json", "--columns=name,ofport", "list", "interface")) as { readonly data: readonly (readonly [string, number])[] };
    const own = new Set((await stage.live.ovs.vsctl("list-ports", bridge)).split("\n"));
    return new Map([...data.filter(([name]) => own.has(name)), [bridge, 65534] as const]);
  };
  beforeAll(async () => {
    stage = await Stage.build({ say: () => undefined });
    stage.startDaemon();
    await stage.everyHostReachesEveryOther();
    await stage.everyAddressIsLearned();
    // At rest: every host is learned, and the shadow has the same flows of ours for it.
    const ours = async (bridge: string): Promise<string> =>
      (await (await open(bridge)).flowStats()).filter(({ cookie, tableId }) => isOurs(cookie) && tableId > 0).map((flow) => flowKey(flow)).sort().join();
    await waitFor(
      async () => {
        const keys = await Promise.all(bridges.map(async (bridge) => [await ours(bridge), await ours(shadowBridge(bridge)).catch(() => "")] as const));
        return keys.every(([live, twin]) => live === twin && Object.values(stage.live.built.hosts).every(({ mac }) => live.includes(BigInt(`0x${mac.replaceAll(":", "")}`).toString(16))));
      },
      "every host is known on live and on the shadow",
      60_000,
    );
    await stage.inStep(bridges.length, 60_000);
    const name = (await vswitchdSocket(stage.live.ovs.runDir)).split("/").at(-1) ?? "";
    control = await UnixctlConnection.open(stage.live.ovs.capsule.path(`/run/openvswitch/${name}`));
    // A new port counts as live a moment later, and fast failover goes by it: a few packets tell when all has come to rest.
    const differing = async (bridge: string): Promise<number> => (await compare(bridge, await asksOf(bridge, new Random(99), 100))).differences.length;
    await waitFor(async () => (await Promise.all(bridges.map(differing))).every((count) => count === 0), "live and shadow have come to rest", 60_000);
  }, 240_000);
  afterAll(async () => {
    control?.close();
    for (const one of connections.values()) await one.close();
    await stage?.[Symbol.asyncDispose]();
  });

  /** The daemon takes another configuration. */
  const configure = async (change: (text: string) => string): Promise<void> => {
    const file = stage.live.ovs.capsule.path("/run/lab/config.yaml");
    writeFileSync(file, change(readFileSync(file, "utf8")));
    await stage.signalDaemon("HUP");
  };

  /** Traces packets on both; returns how many flows their ways met on live, and what differs. */
  const compare = async (bridge: string, asks: readonly (readonly KnownField[])[], seen: (onLive: string) => void = () => undefined): Promise<{ readonly met: number; readonly differences: readonly string[] }> => {
    const twin = shadowBridge(bridge);
    const [names, twinNames] = [await portsOf(bridge), await portsOf(twin)];
    const differences: string[] = [];
    const met = new Set<string>();
    const one = async (fields: readonly KnownField[]): Promise<void> => {
      const text = traceText(packetOf(fields));
      const [live, shadow] = await Promise.all([control.ask("ofproto/trace", ["--names", bridge, text]), control.ask("ofproto/trace", ["--names", twin, text])]);
      seen(live);
      const [ours, theirs] = [traceLines(live, bridge, names, isCopyPort), inLiveZones(traceLines(shadow, twin, twinNames, isCopyPort))];
      for (const line of ours) if (/^\s*\d+\. .*priority/.test(line)) met.add(line.trim());
      if (ours.join("\n") !== theirs.join("\n")) differences.push(`${bridge} ${text}\n${ours.filter((line) => !theirs.includes(line)).join("\n")}\n--- shadow\n${theirs.filter((line) => !ours.includes(line)).join("\n")}`);
    };
    for (let i = 0; i < asks.length; i += atOnce) await Promise.all(asks.slice(i, i + atOnce).map(one));
    return { met: met.size, differences };
  };
  const asksOf = async (bridge: string, random: Random, count: number): Promise<(readonly KnownField[])[]> => {
    const connection = await open(bridge);
    const flows = await connection.flowStats();
    const ports = (await connection.portDescs()).map(({ portNo }) => portNo).filter((port) => port < 0xff00 && !isCopyPort(port));
    const edge = (fields: readonly KnownField[]): readonly KnownField[] => fields.map((item) => (item.name === "inPort" && !ports.includes(Number(item.value)) ? { ...item, value: BigInt(random.pick(ports)) } : item));
    const usable = flows.filter(traceable);
    return [...packetsFor(random, usable, count), ...Array.from({ length: count / 10 }, () => randomPacket(random))].map(edge);
  };

  it("the operator's flows and ours, as the lab has them", async () => {
    const random = new Random(seed);
    let met = 0;
    for (const bridge of bridges) {
      const found = await compare(bridge, await asksOf(bridge, random, packets / bridges.length));
      expect(found.differences.slice(0, 3)).toEqual([]);
      met += found.met;
    }
    expect(met).toBeGreaterThan(20);
  }, 300_000);

  it("10,000 flows of many kinds by an operator", async () => {
    const random = new Random(seed + 1);
    const live = await open("l1");
    const twin = await open(shadowBridge("l1"));
    const mine = randomFlows(random, Math.floor(flowCount * 0.9), { tracking: false, normal: false, version: 5 }, 60_000);
    const generated = fc.sample(flowOf(5), { numRuns: Math.ceil(flowCount * 0.1), seed });
    const mods: FlowMod[] = [...mine.map((flow) => flowMod({ command: "add", ...flow })), ...generated.map((flow, i) => flowMod({ command: "add", ...flow, tableId: 6, priority: i + 1 }))].filter(({ instructions }) => !JSON.stringify(instructions, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value)).match(/"type":"(meter|group)"|meterId/));
    await live.apply(mods);
    const foreign = async (connection: OpenFlowConnection): Promise<number> => (await connection.flowStats()).filter(({ cookie }) => !isOurs(cookie)).length;
    const count = await foreign(live);
    expect(count).toBeGreaterThan(flowCount * 0.5);
    await waitFor(async () => (await foreign(twin)) === count, `the shadow has ${count} flows of the operator's`, 60_000);
    await stage.inStep(bridges.length, 60_000);
    const { met, differences } = await compare("l1", await asksOf("l1", random, packets));
    if (process.env["PACKETS"] !== undefined) process.stdout.write(`${count} flows, ${packets * 1.1} packets, ${met} flows met\n`);
    expect(differences.slice(0, 3)).toEqual([]);
    expect(met).toBeGreaterThan(50);
  }, 300_000);

  it("1,000 flows by an operator that track connections, in zones that the shadow has others for", async () => {
    const random = new Random(seed + 3);
    const [live, twin] = [await open("l2"), await open(shadowBridge("l2"))];
    // A trace of live has what its copies do in it, which is tracked as well: without copies it has live alone.
    await configure((text) => text.replace("shadow: {", "shadow: { replicate: false,"));
    const untouched = async (): Promise<boolean> => !(await control.ask("ofproto/trace", ["l2", "in_port=1,ip"])).includes(shadowBridge("l2"));
    await waitFor(untouched, "l2 makes no copies", 20_000);
    const mine = randomFlows(random, Math.floor(flowCount / 10), { tracking: true, normal: false, labels: false, version: 5 }, 60_000).filter(({ match }) => !isAmbiguous(match));
    await live.apply(mine.map((flow) => flowMod({ command: "add", ...flow })));
    const zones = async (connection: OpenFlowConnection): Promise<ReadonlySet<number>> => zoneUse(await connection.flowStats(), []).zones;
    await waitFor(async () => (await zones(twin)).size >= 4, "the shadow has them", 60_000);
    await stage.inStep(bridges.length, 60_000);
    expect([...(await zones(live))].sort()).toEqual([0, 1, 2, 3]);
    expect([...(await zones(twin))].filter((zone) => zone !== 0).sort()).toEqual([0x8000, 0x8001, 0x8002, 0x8003]);
    let tracked = 0;
    const { differences } = await compare("l2", await asksOf("l2", random, packets), (text) => (tracked += Number(/\bct\(/.test(text))));
    if (process.env["PACKETS"] !== undefined) process.stdout.write(`${mine.length} flows, ${packets * 1.1} packets, ${tracked} tracked\n`);
    expect(differences.slice(0, 3)).toEqual([]);
    expect(tracked).toBeGreaterThan(packets / 50);
    await configure((text) => text.replace("shadow: { replicate: false,", "shadow: {"));
    await waitFor(async () => !(await untouched()), "l2 makes copies again", 20_000);
  }, 300_000);

  it("explain shows both ways and finds no difference", async () => {
    const [h1, h3] = [stage.live.host("h1"), stage.live.host("h3")];
    const packet = `in_port=1,icmp,dl_src=${h1.mac},dl_dst=${h3.mac},nw_src=${h1.ip},nw_dst=${h3.ip},nw_ttl=64`;
    const both = await stage.ctl<ExplainPacketResponse>("explain", "--bridge", "l1", "--packet", packet);
    expect(both.difference).toBe("");
    expect(both.live?.steps.some(({ owner }) => owner === "ours: entry")).toBe(true);
    expect(both.shadow?.outputs.length).toBeGreaterThan(0);
    // Where the operator's flows have ALL, as some of those above, copies go by flows, which explain shows.
    expect(both.live?.outputs.filter(({ port }) => !isCopyPort(port))).toMatchObject((both.shadow?.outputs ?? []).map(({ port, packet: leaving }) => ({ port, packet: leaving })));
  }, 60_000);

  it("a flow changed by hand on the shadow, while nobody mends it, is found by both", async () => {
    await stage.killDaemon("KILL"); // no audit puts it right
    const twin = await open(shadowBridge("l1"));
    const foreign = (await twin.flowStats()).filter((flow: FlowStats) => !isOurs(flow.cookie) && flow.tableId === 0 && flow.instructions.length > 0 && traceable(flow));
    const planted = foreign.sort((a, b) => b.priority - a.priority)[0];
    if (planted === undefined) throw new Error("the operator's flows are not there");
    const { priority, match } = planted;
    await twin.apply([flowMod({ command: "modifyStrict", tableId: 0, priority, match, instructions: [] })]);
    const random = new Random(seed + 2);
    const asks = packetsFor(random, [planted], 200).filter((fields) => fields.some(({ name, value }) => name === "inPort" && value <= 4n));
    const found = await compare("l1", asks);
    expect(found.differences.length).toBeGreaterThan(0);
  }, 120_000);
});

/** Whether a packet for the flow can be said to ofproto/trace as we do: no tunnels, no headers we do not generate. */
function traceable({ match }: FlowStats): boolean {
  return match.every((item) => item.name !== "unknown" && !/^(tun|nsh|ct|conj|actset|icmpv6Nd|ipv6Flabel|sctp|mplsBos|mplsTtl|packetType|ipFrag|ipv6Nd|arpOp|xreg|xxreg|reg|ipProto)/.test(item.name.replace(/^ipProto$/, "")));
}
