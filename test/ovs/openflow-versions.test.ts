/** node-openflow with Open vSwitch 3.1 in each of the six versions: written by us, read by ovs-ofctl, and the other way round. */
import { once } from "node:events";
import { connect, action, flowMod, groupMod, instruction, instructionsKey, match, matchKey, meterMod, OpenFlowServer, packetOut, versions, type FlowUpdate, type OpenFlowConnection, type PacketInView, type Version } from "node-openflow";
import { Capsule } from "../../lab/capsule.js";
import { Ovs } from "../../lab/ovs.js";
import { waitFor } from "../../lab/wait.js";

let ovs: Ovs;
const open: OpenFlowConnection[] = [];
beforeAll(async () => {
  ovs = await Ovs.start(await Capsule.start());
  const all = versions.map((version) => `OpenFlow1${version - 1}`).join(",");
  await ovs.vsctl("add-br", "br", "--", "set", "bridge", "br", "datapath_type=netdev", "fail_mode=secure", `protocols=${all}`, "other-config:datapath-id=0000000000000042");
  for (const n of [1, 2]) await ovs.vsctl("add-port", "br", `p${n}`, "--", "set", "interface", `p${n}`, "type=internal", `ofport_request=${n}`);
});
afterAll(async () => {
  await Promise.all(open.map((connection) => connection.close()));
  await ovs[Symbol.asyncDispose]();
});

async function dial(version: Version): Promise<OpenFlowConnection> {
  const connection = await connect({ remote: `unix:${ovs.capsule.path("/run/openvswitch/br.mgmt")}`, versions: [version] });
  open.push(connection);
  return connection;
}
const ofctl = (version: Version, ...args: string[]): Promise<{ readonly stdout: string }> => ovs.capsule.run("ovs-ofctl", ["-O", `OpenFlow1${version - 1}`, ...args]);

describe.each(versions)("wire version %d", (version) => {
  let connection: OpenFlowConnection;
  beforeAll(async () => {
    connection = await dial(version);
    await connection.apply([flowMod({ command: "delete", tableId: version === 1 ? 0 : 0xff })]);
  });

  test("the switch describes itself", async () => {
    expect([connection.version, connection.datapathId, connection.features.nTables]).toEqual([version, 0x42n, 254]);
    expect((await connection.desc()).manufacturer).toBe("Nicira, Inc.");
    expect((await connection.portDescs()).map(({ name }) => name).sort()).toEqual(["br", "p1", "p2"]);
    expect((await connection.portStats()).map(({ portNo }) => portNo).sort()).toEqual([1, 2, 0xfffffffe]);
    expect((await connection.tableStats()).length).toBeGreaterThan(0);
  });

  test("flows, groups and meters are written and read back, and ovs-ofctl reads the same", async () => {
    const flow = flowMod({
      priority: 77, cookie: 0x1234n, idleTimeout: 60,
      match: match({ inPort: 1, ethType: 0x800, ipProto: 6, ipv4Dst: "10.0.0.0/8", tcpDst: 80 }),
      instructions: [instruction.apply(action.load("reg0", 5n, 0, 16), action.output(2), action.resubmit(3))],
    });
    expect(await connection.apply([flow])).toEqual([]);
    const [read] = await connection.flowStats();
    expect(read).toMatchObject({ priority: 77, cookie: 0x1234n, idleTimeout: 60, packetCount: 0n });
    expect(matchKey(read?.match ?? [])).toBe(matchKey(flow.match));
    // 1.5 has no register load: it is a set-field with a mask.
    const load = version === 6 ? "set_field:0x5/0xffff->reg0" : "load:0x5->NXM_NX_REG0[0..15]";
    const written = version === 6 ? [instruction.apply(action.setField("reg0", 5, 0xffff), action.output(2), action.resubmit(3))] : flow.instructions;
    expect(instructionsKey(read?.instructions ?? [])).toBe(instructionsKey(written));
    expect((await ofctl(version, "dump-flows", "br")).stdout).toContain(`priority=77,tcp,in_port=1,nw_dst=10.0.0.0/8,tp_dst=80 actions=${load},output:2,resubmit(,3)`);
    expect(await connection.aggregateStats()).toMatchObject({ flowCount: 1 });
    if (version >= 2) {
      const buckets = [{ weight: 0, watchPort: 2, watchGroup: 0xffffffff, actions: [action.output(2)] }];
      expect(await connection.apply([groupMod({ groupId: 7, groupType: "ff", buckets })])).toEqual([]);
      expect(await connection.groupDescs()).toMatchObject([{ groupId: 7, groupType: "ff", buckets }]);
      expect((await ofctl(version, "dump-groups", "br")).stdout).toMatch(/group_id=7,type=ff,bucket=(bucket_id:0,)?watch_port:(2|p2),actions=output:(2|p2)/);
      await connection.apply([groupMod({ command: "delete", groupId: 7 })]);
    }
    if (version >= 4) {
      expect(await connection.apply([meterMod({ meterId: 3, bands: [{ rate: 100, burstSize: 0 }] })])).toEqual([]);
      expect(await connection.meterConfigs()).toMatchObject([{ meterId: 3, bands: [{ bandType: 1, rate: 100 }] }]);
      await connection.apply([meterMod({ command: "delete", meterId: 3 })]);
    }
    const [refused] = await connection.apply([flowMod({ instructions: [instruction.apply(action.group(99))] })].slice(version === 1 ? 1 : 0));
    if (version > 1) expect(refused).toMatchObject({ code: "switch-rejected", facts: { index: 0 }, message: expect.stringContaining("OFPBAC_BAD_OUT_GROUP") as string });
  });

  test("Nicira's flow-mod is taken: actions in 1.0, instructions in later versions", async () => {
    const instructions = [instruction.apply(action.output(2)), ...(version === 1 ? [] : [instruction.gotoTable(4)])];
    connection.send({ ...flowMod({ tableId: 0, priority: 78, match: match({ reg1: 5 }), instructions }), type: "nxFlowMod" });
    await connection.barrier();
    expect((await ofctl(version, "--no-names", "dump-flows", "br")).stdout).toMatch(new RegExp(`priority=78,reg1=0x5 actions=output:2${version === 1 ? "" : ",goto_table:4"}$`, "m"));
    await connection.apply([flowMod({ command: "delete", tableId: version === 1 ? 0 : 0xff })]);
  });

  test("what others change is followed", async () => {
    const watcher = await dial(version);
    const seen: FlowUpdate[] = [];
    watcher.on("flowUpdates", (updates) => seen.push(...updates));
    const initial = await watcher.monitorFlows();
    expect(initial.every((update) => update.event === "initial")).toBe(true);
    await ofctl(version, "add-flow", "br", "priority=5,udp,actions=output:1");
    await waitFor(() => seen.length === 1, "the addition is told");
    await ofctl(version, "del-flows", "br", "udp");
    await waitFor(() => seen.length === 2, "the removal is told");
    expect(seen).toMatchObject([{ event: "added", priority: 5 }, { event: "removed", priority: 5, reason: 2 }]);
    await watcher.close();
  });

  test("a packet goes out and comes in", async () => {
    await connection.setConfig({ missSendLen: 65_535 });
    const frame = Uint8Array.from({ length: 60 }, (_, i) => (i === 12 ? 8 : i));
    const came = once(connection, "packetIn") as Promise<[PacketInView]>;
    connection.send(packetOut({ inPort: 2, actions: [action.toController()], data: frame }));
    const [packet] = await came;
    expect([packet.inPort, packet.totalLen, Buffer.from(packet.data).toString("hex")]).toEqual([2, 60, Buffer.from(frame).toString("hex")]);
    expect(packet.match.find(({ name }) => name === "inPort")).toEqual({ name: "inPort", value: 2n });
  });

  if (version >= 3) {
    test("of two controllers one is master, with the higher generation id", async () => {
      const [first, second] = [await dial(version), await dial(version)];
      const generation = BigInt(version) * 10n;
      expect(await first.role("master", generation)).toEqual({ role: "master", generationId: generation });
      const told = version >= 5 ? once(first, "roleStatus") : undefined;
      expect(await second.role("master", generation + 1n)).toMatchObject({ role: "master" });
      await expect(first.role("master", generation)).rejects.toThrow(/OFPRRFC_STALE/);
      expect((await first.apply([flowMod({})]))[0]?.message).toContain("OFPBRC_IS_SLAVE");
      if (told !== undefined) expect((await told)[0]).toMatchObject({ role: 3, reason: 0 });
      await Promise.all([first.close(), second.close()]);
    });
  }

  if (version >= 4) {
    test("a bundle is all or none", async () => {
      const before = (await connection.flowStats()).length;
      await expect(connection.bundle([flowMod({ priority: 1 }), flowMod({ instructions: [instruction.gotoTable(0)] })])).rejects.toThrow(/none of 2/);
      expect(await connection.flowStats()).toHaveLength(before);
      await connection.bundle([flowMod({ priority: 1 }), flowMod({ priority: 2 })]);
      expect(await connection.flowStats()).toHaveLength(before + 2);
    });
  }
});

test("Open vSwitch dials in over TLS", async () => {
  const { capsule } = ovs;
  await capsule.run("sh", ["-c", [
    "cd /run && req() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \"$@\"; }",
    "req -x509 -keyout ca.key -out ca.pem -subj /CN=ca -days 1",
    "for n in controller switch; do req -keyout $n.key -out $n.csr -subj /CN=$n; openssl x509 -req -in $n.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out $n.pem -days 1; done",
  ].join("\n")]);
  const at = (name: string): string => capsule.path(`/run/${name}`);
  // The switch dials from its own network namespace: we listen outside, so a socket in there hands the bytes over.
  const server = await OpenFlowServer.listen({ remote: "pssl:0:127.0.0.1", tls: { certificate: at("controller.pem"), privateKey: at("controller.key"), caCertificate: at("ca.pem") } });
  try {
    const bridge = ["import socket, threading, sys", "a = socket.socket(); a.bind(('127.0.0.1', 6653)); a.listen(); sys.stdout.buffer.write(b'u'); sys.stdout.flush()", "c, _ = a.accept()",
      "import os", "def out():", "  while True:", "    d = c.recv(65536)", "    if not d: os._exit(0)", "    sys.stdout.buffer.write(d); sys.stdout.flush()",
      "threading.Thread(target=out, daemon=True).start()", "while True:", "  d = os.read(0, 65536)", "  if not d: os._exit(0)", "  c.sendall(d)"].join("\n");
    const child = capsule.spawn("/usr/bin/python3", ["-c", bridge], { stdio: ["pipe", "pipe", "inherit"] });
    const [up] = (await once(child.stdout as NodeJS.ReadableStream, "data")) as [Buffer];
    expect(up.toString()).toBe("u");
    const net = await import("node:net");
    const socket = net.connect(server.port ?? 0, "127.0.0.1");
    child.stdout?.pipe(socket);
    child.stdin?.on("error", () => undefined); // the last bytes find it gone
    if (child.stdin !== null) socket.pipe(child.stdin);
    const came = once(server, "connection") as Promise<[OpenFlowConnection]>;
    await ovs.vsctl("set-ssl", "/run/switch.key", "/run/switch.pem", "/run/ca.pem");
    await ovs.vsctl("set-controller", "br", "ssl:127.0.0.1:6653");
    const [connection] = await came;
    expect([connection.datapathId, connection.version]).toEqual([0x42n, 6]);
    expect((await connection.portDescs()).length).toBe(3);
    await ovs.vsctl("del-controller", "br");
    socket.destroy();
    child.kill();
  } finally {
    await server.close();
  }
}, 30_000);
