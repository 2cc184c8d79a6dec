/**
 * The shadow in step: what planning costs by the size of the network, how far behind a burst leaves it, and how far
 * behind an update of the database it is. Large networks on a real switch are in scale.bench.ts.
 */
import { performance } from "node:perf_hooks";
import { Attached } from "../lab/attached.js";
import { waitFor } from "../lab/wait.js";
import { sessionSchema } from "../src/config/session-schema.js";
import { BridgeIndex } from "../src/network/bridge-index.js";
import type { Row } from "ovsdb-client";
import type { Bridge, Network, Port } from "../src/network/model.js";
import { DatabaseDiff, type DatabaseChange, type DesiredPort } from "../src/reconcile/database-state.js";
import { shadowBridge } from "../src/shadow/names.js";
import { ShadowPlan } from "../src/shadow/plan.js";
import { atMost, type Bench, type Figure } from "./bench.js";

type Report = (figure: Figure) => void;

/** A network that only exists in memory: rows of a database and the model of it, `edges` edge ports a bridge and a ring of links. */
function mockNetwork(bridges: number, edges: number): { tables: { table(name: string): Map<string, Row> }; network: Network } {
  const tables = new Map<string, Map<string, Row>>(["Open_vSwitch", "Bridge", "Port", "Interface", "Mirror", "sFlow"].map((name) => [name, new Map<string, Row>()]));
  const put = (table: string, uuid: string, row: Record<string, Row[string]>): void => void tables.get(table)?.set(uuid, { _uuid: uuid, ...row });
  const model = new Map<string, Bridge>();
  for (let b = 0; b < bridges; b++) {
    const name = `br${b}`;
    const ports = new Map<number, Port>();
    const uuids: string[] = [];
    for (const ofport of [...Array.from({ length: edges }, (_, e) => e + 101), 1001, 1002]) {
      const port = `${name}-${ofport}`;
      put("Interface", `i-${port}`, { name: port, type: "internal", ofport });
      put("Port", `p-${port}`, { name: port, interfaces: [`i-${port}`] });
      uuids.push(`p-${port}`);
      ports.set(ofport, { name: port, ofport, role: ofport > 1000 ? "fabric" : "edge", type: "internal", up: true, ifindex: 0 });
    }
    put("Bridge", `b-${name}`, { name, ports: uuids, mirrors: [], datapath_id: (b + 1).toString(16), datapath_type: "netdev" });
    model.set(name, { name, datapathId: BigInt(b + 1), datapathType: "netdev", failMode: "secure", ports });
  }
  put("Open_vSwitch", "root", { bridges: [...model.keys()].map((name) => `b-${name}`) });
  const links = [...model.keys()].map((name, b) => ({ a: { bridge: name, ofport: 1001 }, b: { bridge: `br${(b + 1) % bridges}`, ofport: 1002 }, up: true }));
  return { tables: { table: (name) => tables.get(name) ?? new Map<string, Row>() }, network: { bridges: model, links, hosts: new Map() } };
}

/** Does to the rows in memory what the writer would do to a database: only what a first pass has. */
function realise(tables: { table(name: string): Map<string, Row> }, changes: readonly DatabaseChange[]): void {
  const put = (table: string, uuid: string, row: Record<string, Row[string]>): string => {
    tables.table(table).set(uuid, { _uuid: uuid, ...row });
    return uuid;
  };
  const marks = (role: string, live: string) => new Map([["ovs-shadow:role", role], ["ovs-shadow:live", live]]);
  const port = ({ name, type, options, ofport, role, live, tag, settings }: DesiredPort): string => {
    put("Interface", `i-${name}`, { name, type, options, ofport, ofport_request: ofport });
    return put("Port", `p-${name}`, { name, interfaces: [`i-${name}`], external_ids: marks(role, live), tag: tag ?? [], ...Object.fromEntries(settings ?? []) });
  };
  const extend = (table: string, uuid: string, column: string, one: string): void => {
    const row = tables.table(table).get(uuid);
    if (row !== undefined) tables.table(table).set(uuid, { ...row, [column]: [...(row[column] as readonly string[]), one] });
  };
  for (const change of changes) {
    if (change.op === "add-bridge") {
      const { name, role, live, ports, settings } = change.bridge;
      const ids = ports.map(port);
      put("Bridge", `b-${name}`, { name, ports: ids, mirrors: [], external_ids: marks(role, live), ...Object.fromEntries(settings ?? []), other_config: new Map([["disable-in-band", "true"]]) });
      extend("Open_vSwitch", "root", "bridges", `b-${name}`);
    } else if (change.op === "add-port") extend("Bridge", change.bridgeUuid, "ports", port(change.port));
    else if (change.op === "add-guard") {
      const uuid = put("Mirror", `m-${change.name}`, { name: change.name, output_port: `p-${change.port}`, select_src_port: change.source === undefined ? [] : [`p-${change.source}`], external_ids: marks("guard", change.port) });
      extend("Bridge", change.bridgeUuid, "mirrors", uuid);
    }
  }
}

/** Desired shadow and difference of a whole network, and again after one port came. */
function planning(report: Report, bridges: number, edges: number): void {
  const { tables, network } = mockNetwork(bridges, edges);
  const size = `${bridges.toLocaleString("en")} bridges, ${(bridges * edges).toLocaleString("en")} edge ports`;
  const start = performance.now();
  const index = new BridgeIndex(tables);
  const plan = new ShadowPlan(tables);
  const diff = new DatabaseDiff(tables);
  const options = { sessions: [sessionSchema.parse({ name: "all" })], replicate: true, guarded: true, tunnels: undefined };
  const pass = (of: Network): DatabaseChange[] => {
    const { bridges: own, livePorts } = plan.rows(of, of, (name) => index.bridge(name), options);
    return diff.changes(index.bridges(), { bridges: own, livePorts, sflow: new Map() });
  };
  const changes = pass(network).length;
  const wholeMs = performance.now() - start;
  if (changes < bridges * 4) throw new Error(`${changes} changes for ${size}`);
  report({ what: `shadow planned and compared, ${size}`, who: "ours", value: wholeMs, unit: "ms", ...(bridges === 1_000 ? { bar: atMost(wholeMs, 5_000, "ms") } : {}) });
  // The same network with its shadow in the database.
  realise(tables, pass(network));
  index.reset();
  pass(network);
  if (pass(network).length !== 0) throw new Error("the shadow that was made is not the one desired");
  // One port more, again and again, each time on another bridge; the median.
  const times: number[] = [];
  let now = network;
  for (let n = 0; n < 21; n++) {
    const name = `br${(n * 37) % bridges}`;
    const uuid = `b-${name}`;
    const old = tables.table("Bridge").get(uuid);
    const before = now.bridges.get(name);
    if (old === undefined || before === undefined) throw new Error(`no bridge ${name}`);
    const port = `${name}-new${n}`;
    tables.table("Interface").set(`i-${port}`, { _uuid: `i-${port}`, name: port, type: "internal", ofport: 1 + n });
    tables.table("Port").set(`p-${port}`, { _uuid: `p-${port}`, name: port, interfaces: [`i-${port}`] });
    const row: Row = { ...old, ports: [...(old["ports"] as readonly string[]), `p-${port}`] };
    tables.table("Bridge").set(uuid, row);
    const ports = new Map(before.ports).set(1 + n, { name: port, ofport: 1 + n, role: "edge", type: "internal", up: true, ifindex: 0 });
    const begin = performance.now();
    index.changed([{ table: "Bridge", uuid, old, new: row, columns: ["ports"] }]);
    now = { ...now, bridges: new Map(now.bridges).set(name, { ...before, ports }) };
    const planned = plan.plannedBridges;
    const found = pass(now);
    times.push(performance.now() - begin);
    if (found.length === 0) throw new Error("a port more changed nothing");
    if (plan.plannedBridges !== planned + 1) throw new Error("more than the changed bridge was planned");
    // Written, as it would be: else the next one would find it undone, too.
    const touched = new Set(found.flatMap((change) => ("bridgeUuid" in change ? [change.bridgeUuid] : [])));
    const olds = new Map([...touched].map((one) => [one, tables.table("Bridge").get(one)]));
    realise(tables, found);
    index.changed([...olds].map(([one, was]) => ({ table: "Bridge", uuid: one, old: was, new: tables.table("Bridge").get(one), columns: ["ports", "mirrors"] })));
    if (pass(now).length !== 0) throw new Error("the port that was added is not as desired");
  }
  const median = times.sort((x, y) => x - y)[times.length >> 1] ?? 0;
  report({ what: `one port more, ${size}`, who: "ours", value: median, unit: "ms", bar: atMost(median, 20, "ms") });
}

const burstFlows = 10_000;

/** Another controller's burst through ovs-ofctl, and when the shadow has it all. */
async function burst(report: Report): Promise<void> {
  await using lab = await Attached.start({ bridges: 5, edges: 3 }, { sflow: { pollingS: 60 } });
  await lab.inStep(5);
  const { ovs } = lab;
  const text = Array.from({ length: burstFlows }, (_, n) => `add table=5,priority=${n % 100},ip,nw_dst=10.${n >> 16}.${(n >> 8) & 255}.${n & 255},actions=output:${1 + (n % 2)}`).join("\n");
  const { shadow } = lab.controller;
  const installed = (): number => shadow.writerCounters().get(shadowBridge("br0"))?.flowMods ?? 0;
  for (const how of ["flow by flow", "in one bundle"]) {
    const before = installed();
    shadow.flowLag.clear();
    const start = performance.now();
    await ovs.capsule.run("ovs-ofctl", ["-O", "OpenFlow14", ...(how === "in one bundle" ? ["--bundle"] : []), "add-flows", "br0", "-"], { input: text.replace(/^add /gm, ""), timeoutMs: 120_000 });
    const end = performance.now();
    await waitFor(() => installed() - before >= burstFlows && shadow.flowLag.count >= burstFlows, "the burst is in the shadow", 60_000);
    const behind = performance.now() - end;
    const { p50Ms, p99Ms } = shadow.flowLag.summary();
    report({ what: `10,000 flow-mods ${how}, sent in`, who: "ovs-ofctl", value: end - start, unit: "ms" });
    report({ what: `in step after its end, ${how}`, who: "ours", value: behind, unit: "ms", bar: atMost(behind, 1_000, "ms") });
    report({ what: `lag of a flow p50, ${how}`, who: "ours", value: p50Ms, unit: "ms" });
    report({ what: `lag of a flow p99, ${how}`, who: "ours", value: p99Ms, unit: "ms", bar: atMost(p99Ms, 250, "ms") });
    await ovs.ofctl("del-flows", "br0", "table=5");
    await waitFor(() => installed() - before >= 2 * burstFlows, "the burst is gone from the shadow", 60_000);
  }
}

/** From an update of the database to the shadow ready. */
async function updates(report: Report): Promise<void> {
  await using lab = await Attached.start({ bridges: 5, edges: 3 }, { sflow: { pollingS: 60 } });
  await lab.inStep(5);
  const { controller, ovs } = lab;
  await controller.shadow.settle();
  controller.lags.length = 0;
  for (let n = 0; n < 40; n++) {
    const count = controller.shadow.edges("br0").length;
    await ovs.vsctl("add-port", "br0", `x${n % 2}`, "--", "set", "interface", `x${n % 2}`, "type=internal", `ofport_request=${100 + n}`);
    await waitFor(() => controller.shadow.edges("br0").length > count, "the port has a replica");
    await controller.shadow.settle();
    await ovs.vsctl("del-port", "br0", `x${n % 2}`);
    await waitFor(() => controller.shadow.edges("br0").length === count, "the replica is gone");
    await controller.shadow.settle();
  }
  const lags = [...controller.lags].sort((x, y) => x - y);
  const p99 = lags[Math.floor(lags.length * 0.99)] ?? 0;
  report({ what: "port added or deleted: shadow ready after the update, p50", who: "ours", value: lags[lags.length >> 1] ?? 0, unit: "ms" });
  report({ what: "port added or deleted: shadow ready after the update, p99", who: "ours", value: p99, unit: "ms", bar: atMost(p99, 100, "ms") });
}

export const shadowBench: Bench = {
  name: "shadow",
  about: "planning from memory; bursts and updates on a private Open vSwitch, live, shadow and controller on the same cores",
  async run(report) {
    await burst(report);
    await updates(report);
    planning(report, 100, 50);
    planning(report, 1_000, 50);
  },
};
