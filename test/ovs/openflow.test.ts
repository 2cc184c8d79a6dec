/** node-openflow against a private Open vSwitch; ovs-ofctl is the second witness. */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import {
  action,
  allForwards,
  allMeters,
  connect,
  flag,
  flowMod,
  group,
  groupMod,
  instruction,
  instructionsKey,
  match,
  matchKey,
  meterFlag,
  meterMod,
  OpenFlowServer,
  packetOut,
  port,
  portMod,
  type FlowUpdate,
  type OpenFlowConnection,
  type OpenFlowError,
  type PacketIn,
  type PortStatus,
  type RequestForward,
  type Version,
} from "node-openflow";

const dir = mkdtempSync(`${tmpdir()}/of-`);
const env = { ...process.env, OVS_RUNDIR: dir, OVS_LOGDIR: dir, OVS_DBDIR: dir, OVS_SYSCONFDIR: dir };
const started: ChildProcess[] = [];
const run = (tool: string, ...args: string[]): string => execFileSync(tool, args, { env, encoding: "utf8", timeout: 20_000, stdio: ["ignore", "pipe", "pipe"] });
const vsctl = (...args: string[]): string => run("ovs-vsctl", `--db=unix:${dir}/db.sock`, ...args);
const ofctl = (...args: string[]): string => run("ovs-ofctl", "-O", "OpenFlow14", ...args);
const mgmt = `unix:${dir}/br.mgmt`;
const isRoot = process.getuid?.() === 0;

async function until(holds: () => boolean, what: string, ms = 10_000): Promise<void> {
  const end = performance.now() + ms;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`waited ${ms} ms for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const open: OpenFlowConnection[] = [];
async function dial(version: Version): Promise<OpenFlowConnection> {
  const connection = await connect({ remote: mgmt, versions: [version] });
  open.push(connection);
  return connection;
}

beforeAll(async () => {
  if (!isRoot) return;
  run("ovsdb-tool", "create", `${dir}/conf.db`, "/usr/share/openvswitch/vswitch.ovsschema");
  const daemon = (tool: string, ...args: string[]): void => void started.push(spawn(tool, args, { env, stdio: "ignore" }));
  daemon("ovsdb-server", `${dir}/conf.db`, `--remote=punix:${dir}/db.sock`, `--unixctl=${dir}/db.ctl`);
  await until(() => existsSync(`${dir}/db.sock`), "ovsdb-server");
  vsctl("--no-wait", "init");
  daemon("unshare", "--net", "ovs-vswitchd", `unix:${dir}/db.sock`, "--disable-system", "--enable-dummy", `--unixctl=${dir}/v.ctl`);
  vsctl("add-br", "br", "--", "set", "bridge", "br", "datapath_type=dummy", "other_config:datapath-id=0000000000000abc", "protocols=OpenFlow13,OpenFlow14");
  for (const [name, number] of [["p1", 1], ["p2", 2]] as const) vsctl("add-port", "br", name, "--", "set", "interface", name, "type=dummy", `ofport_request=${number}`);
});
afterAll(async () => {
  await Promise.all(open.map((connection) => connection.close()));
  for (const child of started.reverse()) if (child.exitCode === null && child.kill()) await once(child, "exit");
  rmSync(dir, { recursive: true });
});

const ifRoot = isRoot ? describe : describe.skip;
ifRoot.each([4, 5] as const)("wire version %d", (version) => {
  let connection: OpenFlowConnection;
  beforeAll(async () => {
    connection = await dial(version);
  });
  beforeEach(async () => {
    await connection.apply([
      flowMod({ command: "delete", tableId: 0xff }),
      groupMod({ command: "delete", groupId: group.all }),
      meterMod({ command: "delete", meterId: allMeters, flags: 0 }),
    ]);
  });

  it("sets the session up and describes the switch", async () => {
    expect(connection.version).toBe(version);
    expect(connection.datapathId).toBe(0xabcn);
    expect(connection.features.nTables).toBe(254);
    expect((await connection.desc()).software).toMatch(/^3\.1/);
    expect((await connection.portDescs()).map((desc) => [desc.portNo, desc.name]).sort()).toEqual([[1, "p1"], [2, "p2"], [port.local, "br"]].sort());
    expect((await connection.portStats()).map((stats) => stats.portNo)).toEqual(expect.arrayContaining([1, 2]));
    expect(await connection.tableStats()).toHaveLength(254);
  });

  it("writes flows, groups and meters that ovs-ofctl reads, and reads them back as they were", async () => {
    const instructions = [
      instruction.meter(5),
      instruction.apply(
        action.load("reg0", 5n, 0, 16),
        action.move("reg0", 0, "reg1", 0, 16),
        action.setField("reg2", 4, 0xc),
        action.setField("ethDst", "00:00:00:00:00:07"),
        action.decNwTtl(),
        action.resubmit(9),
        action.group(7),
      ),
      instruction.writeMetadata(5n, 7n),
      instruction.gotoTable(4),
    ];
    const where = match({ tcpFlags: 2, ethType: 0x800, ipProto: 6, ipv4Dst: "10.0.0.0/8", tcpDst: 80, tunnelId: 0x99, reg5: [0x10, 0xf0] });
    const errors = await connection.apply([
      meterMod({ meterId: 5, flags: meterFlag.kbps | meterFlag.burst, bands: [{ rate: 1000, burstSize: 50 }] }),
      groupMod({ groupType: "select", groupId: 7, buckets: [1, 2].map((to) => ({ weight: to + 2, watchPort: port.any, watchGroup: group.any, actions: [action.output(to)] })) }),
      flowMod({ tableId: 3, priority: 77, cookie: 0xabn, idleTimeout: 60, flags: flag.sendFlowRem, match: where, instructions }),
    ]);
    expect(errors).toEqual([]);
    const dump = ofctl("dump-flows", mgmt, "table=3");
    expect(dump).toContain("cookie=0xab,");
    expect(dump).toContain("idle_timeout=60, send_flow_rem priority=77,tcp,reg5=0x10/0xf0,tun_id=0x99,nw_dst=10.0.0.0/8,tp_dst=80,tcp_flags=syn");
    expect(ofctl("dump-groups", mgmt)).toContain("group_id=7,type=select,bucket=weight:3,actions=output:1,bucket=weight:4,actions=output:2");

    const flows = await connection.flowStats({ tableId: 3 });
    expect(flows).toHaveLength(1);
    expect(flows[0]).toMatchObject({ tableId: 3, priority: 77, cookie: 0xabn, idleTimeout: 60, packetCount: 0n, flags: flag.sendFlowRem });
    expect(matchKey(flows[0]?.match ?? [])).toBe(matchKey(where));
    expect(instructionsKey(flows[0]?.instructions ?? [])).toBe(instructionsKey(instructions));
    expect(await connection.flowStats({ cookie: 0xacn })).toEqual([]);
    expect(await connection.groupDescs()).toEqual([
      expect.objectContaining({ groupId: 7, groupType: "select", buckets: [expect.objectContaining({ weight: 3, actions: [action.output(1)] }), expect.objectContaining({ weight: 4 })] }),
    ]);
    expect(await connection.groupStats()).toEqual([expect.objectContaining({ groupId: 7, refCount: 1, buckets: [{ packetCount: 0n, byteCount: 0n }, { packetCount: 0n, byteCount: 0n }] })]);
    expect(await connection.meterConfigs()).toEqual([expect.objectContaining({ meterId: 5, bands: [{ bandType: 1, rate: 1000, burstSize: 50 }] })]);
  });

  it("reads back every flow it cannot decode as it came", async () => {
    ofctl("add-flow", mgmt, "table=6,priority=1,ip,actions=learn(table=9,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),ct(commit,zone=3),clone(output:1)");
    const [flow] = await connection.flowStats({ tableId: 6 });
    const written = flow === undefined ? [] : await connection.apply([flowMod({ ...flow, tableId: 7 })]);
    expect(written).toEqual([]);
    const actions = (table: number): string => /actions=.*/.exec(ofctl("dump-flows", mgmt, `table=${table}`))?.[0] ?? "";
    expect(actions(7)).toContain("learn(table=9");
    expect(actions(7)).toBe(actions(6));
  });

  it("names the modifications the switch refused and does the others", async () => {
    const errors = await connection.apply([
      flowMod({ tableId: 5, priority: 1, instructions: [instruction.apply(action.output(1))] }),
      flowMod({ tableId: 5, priority: 2, instructions: [instruction.apply(action.group(4444))] }),
      flowMod({ tableId: 5, priority: 3, match: match({ tcpDst: 80 }) }),
      flowMod({ tableId: 5, priority: 4 }),
    ]);
    expect(errors.map((error) => [error.facts.index, error.message])).toEqual([
      [1, expect.stringContaining("OFPBAC_BAD_OUT_GROUP")],
      [2, expect.stringContaining("OFPBMC_BAD_PREREQ")],
    ]);
    expect((await connection.flowStats({ tableId: 5 })).map((flow) => flow.priority).sort()).toEqual([1, 4]);
  });

  it("commits a bundle whole", async () => {
    const bucket = { weight: 0, watchPort: port.any, watchGroup: group.any, actions: [action.output(2)] };
    await connection.bundle([
      groupMod({ groupId: 9, groupType: "all", buckets: [bucket] }),
      ...Array.from({ length: 500 }, (_, i) => flowMod({ tableId: 8, priority: i + 1, instructions: [instruction.apply(action.group(9))] })),
    ]);
    expect(await connection.flowStats({ tableId: 8 })).toHaveLength(500);
  });

  it.each([
    ["at add", flowMod({ tableId: 8, priority: 9, match: match({ tcpDst: 80 }) }), "OFPBMC_BAD_PREREQ"],
    ["at commit", flowMod({ tableId: 8, priority: 9, instructions: [instruction.apply(action.group(4444))] }), "OFPBAC_BAD_OUT_GROUP"],
    ["because the kind may not be in a bundle", meterMod({ meterId: 3, bands: [{ rate: 1, burstSize: 0 }] }), "OFPBFC_MSG_UNSUP"],
  ])("applies nothing of a bundle refused %s", async (_, bad, name) => {
    const good = flowMod({ tableId: 8, priority: 1 });
    const failed = (await connection.bundle([good, bad, good]).catch((error: unknown) => error)) as OpenFlowError;
    expect(failed).toMatchObject({ code: "switch-rejected", facts: { index: 1 } });
    expect((failed.cause as OpenFlowError[]).map((error) => error.message)).toEqual([expect.stringContaining(name)]);
    expect(await connection.flowStats({ tableId: 8 })).toEqual([]);
    await connection.bundle([good]); // and the next one goes through
    expect(await connection.flowStats({ tableId: 8 })).toHaveLength(1);
  });

  it("follows the changes of others, and its own by xid", async () => {
    const follower = await dial(version);
    ofctl("add-flow", mgmt, "table=1,priority=5,in_port=1,actions=output:2");
    const initial = await follower.monitorFlows();
    expect(initial).toEqual(expect.arrayContaining([expect.objectContaining({ event: "initial", tableId: 1, priority: 5, match: match({ inPort: 1 }) })]));
    const seen: FlowUpdate[] = [];
    follower.on("flowUpdates", (updates) => seen.push(...updates));
    ofctl("add-flow", mgmt, "table=1,priority=6,cookie=0x77,in_port=2,hard_timeout=99,actions=output:1");
    ofctl("mod-flows", mgmt, "table=1,in_port=2,actions=output:2");
    ofctl("--strict", "del-flows", mgmt, "table=1,priority=6,in_port=2");
    await until(() => seen.length >= 3, "three updates");
    expect(seen).toEqual([
      expect.objectContaining({ event: "added", tableId: 1, priority: 6, cookie: 0x77n, hardTimeout: 99, match: match({ inPort: 2 }), instructions: [instruction.apply(action.output(1))] }),
      expect.objectContaining({ event: "modified", priority: 6, instructions: [instruction.apply(action.output(2))] }),
      expect.objectContaining({ event: "removed", priority: 6, reason: 2 }),
    ]);
    await follower.apply([flowMod({ tableId: 1, priority: 7 })]);
    await until(() => seen.length >= 4, "the follower's own change");
    expect(seen[3]).toEqual({ event: "abbreviated", xid: expect.any(Number) });
  });

  it("brings packet-ins, flow-removed and port-status once miss_send_len is set", async () => {
    const listener = await dial(version);
    await listener.setConfig({ missSendLen: 65_535 });
    const packets: PacketIn[] = [];
    const statuses: PortStatus[] = [];
    listener.on("packetIn", (packet) => packets.push(packet));
    listener.on("portStatus", (status) => statuses.push(status));
    const removed = once(listener, "flowRemoved");
    await listener.apply([flowMod({ tableId: 0, priority: 9, cookie: 0x42n, flags: flag.sendFlowRem, match: match({ inPort: 1 }), instructions: [instruction.apply(action.toController())] })]);
    const frame = Uint8Array.from({ length: 60 }, (_, i) => (i < 12 ? i + 2 : i));
    listener.send(packetOut({ inPort: 1, actions: [action.output(port.table)], data: frame }));
    await until(() => packets.length > 0, "a packet-in");
    expect(packets[0]).toMatchObject({ cookie: 0x42n, tableId: 0, totalLen: 60, data: frame, match: match({ inPort: 1 }) });
    ofctl("--strict", "del-flows", mgmt, "table=0,priority=9,in_port=1");
    expect(((await removed) as unknown[])[0]).toMatchObject({ cookie: 0x42n, reason: 2, priority: 9 });

    const [desc] = (await listener.portDescs()).filter(({ portNo }) => portNo === 2);
    expect(await listener.apply([portMod({ portNo: 2, hwAddr: desc?.hwAddr ?? new Uint8Array(6), config: 1, mask: 1 })])).toEqual([]);
    await until(() => statuses.some(({ desc: { portNo, config } }) => portNo === 2 && config === 1), "the port goes down");
    await listener.apply([portMod({ portNo: 2, hwAddr: desc?.hwAddr ?? new Uint8Array(6), config: 0, mask: 1 })]);
  });

  it("asks for roles", async () => {
    const other = await dial(version);
    expect(await other.role("slave", 5n)).toMatchObject({ role: "slave" });
    const [refused] = await other.apply([flowMod({})]);
    expect(refused?.message).toMatch(/OFPBRC_IS_SLAVE/);
    await expect(other.role("master", 4n)).rejects.toThrow(/OFPRRFC_STALE/);
    expect(await other.role("equal")).toMatchObject({ role: "equal" });
  });

  it("sets what comes asynchronously", async () => {
    const listener = await dial(version);
    if (version === 4) {
      await listener.setAsync({ packetInMaster: 0 });
      expect(await listener.request({ type: "getAsyncRequest" })).toMatchObject({ masks: { packetInMaster: 0, portStatusMaster: 7 } });
      return;
    }
    const forwarded: RequestForward[] = [];
    listener.on("requestForward", (forward) => forwarded.push(forward));
    await listener.setAsync({ requestForwardMaster: allForwards });
    ofctl("add-group", mgmt, "group_id=55,type=all,bucket=actions=output:1");
    await until(() => forwarded.length > 0, "a request-forward");
    expect(forwarded[0]?.request).toMatchObject({ type: "groupMod", groupId: 55 });
  });

  it("dumps and writes thousands of flows", async () => {
    const count = 20_000;
    const mods = Array.from({ length: count }, (_, i) => flowMod({ tableId: 20, priority: 3, match: match({ metadata: i }), instructions: [instruction.apply(action.load("reg0", BigInt(i), 0, 32), action.output(2))] }));
    expect(await connection.apply(mods)).toEqual([]);
    expect(await connection.flowStats({ tableId: 20 })).toHaveLength(count);
    expect(await connection.apply([flowMod({ command: "delete", tableId: 20 })])).toEqual([]);
  });
});

ifRoot("a listening server", () => {
  it("is dialled by Open vSwitch and outlives garbage from another peer", async () => {
    const server = await OpenFlowServer.listen({ remote: `punix:${dir}/c.sock`, versions: [5] });
    try {
      const came = once(server, "connection") as Promise<[OpenFlowConnection]>;
      vsctl("set-controller", "br", `unix:${dir}/c.sock`);
      const [connection] = await came;
      expect(connection.datapathId).toBe(0xabcn);
      // On a busy machine a try of the switch's own may end before its greeting is read.
      const before = server.counters.rejected;
      const rejected = once(server, "rejected");
      const noise = net.connect(`${dir}/c.sock`);
      noise.on("error", () => undefined);
      noise.end(Buffer.alloc(10_000, 0xee));
      await rejected;
      expect(await connection.apply([flowMod({ tableId: 30 })])).toEqual([]);
      expect(await connection.flowStats({ tableId: 30 })).toHaveLength(1);
      expect(server.counters).toMatchObject({ accepted: 1, rejected: before + 1 });
    } finally {
      vsctl("del-controller", "br");
      await server.close();
    }
  });
});
