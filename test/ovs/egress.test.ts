/** Outputs that Open vSwitch's samples don't tell: what is inferred from its tables is what `ofproto/trace` says of the same packets. */
import type { ChildProcess } from "node:child_process";
import { connect, type OpenFlowConnection } from "node-openflow";
import { decodeDatagram, type FlowSample } from "sflow-collector";
import { Capsule } from "../../lab/capsule.js";
import { Ovs } from "../../lab/ovs.js";
import { waitFor } from "../../lab/wait.js";
import { readBridgeState } from "../../src/network/bridge-state.js";
import { SoftwareSwitch, type BridgeState, type SwitchMirror } from "../../src/network/flow-table.js";
import { inferredEgress, type EgressQuestion } from "../../src/telemetry/egress.js";
import { EgressInference } from "../../src/telemetry/egress-inference.js";
import { sampledPacket } from "../../src/telemetry/sampled-packet.js";
import { parseTrace, replay } from "../support/trace.js";
import { traceText } from "../support/trace-world.js";

const hosts = [1, 2, 3, 4, 5, 6];
/** Frames, each sent by a host with its own address as the sender: UDP with a destination port, ARP, and others. */
const sender = `
import socket, struct, sys
host = int(sys.argv[1])
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("eth0", 0))
mac = lambda n: bytes([2, 0, 0, 0, 0, n])
def ip4(dst, body, ttl=64):
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 7, 0, ttl, 17, 0, bytes([10, 0, 0, host]), bytes(dst)) + body
def udp(port, size=4):
    return struct.pack("!HHHH", 4000, port, 8 + size, 0) + bytes(size)
def send(dst, kind, body):
    frame = dst + mac(host) + kind + body
    out.send(frame + bytes(max(0, 60 - len(frame))))
broadcast = bytes([255] * 6)
for port in (5353, 2000, 2001, 2002, 2003, 2004, 2005, 9):
    send(mac(3), b"\\x08\\x00", ip4([10, 0, 0, 3], udp(port)))
send(bytes.fromhex("01005e010101"), b"\\x08\\x00", ip4([239, 1, 1, 1], udp(9)))
send(bytes.fromhex("333300000001"), b"\\x86\\xdd", struct.pack("!IHBB", 6 << 28, 12, 17, 64) + bytes.fromhex("fe80" + "00" * 13 + "01" + "ff02" + "00" * 13 + "01") + udp(9))
send(broadcast, b"\\x08\\x06", bytes.fromhex("0001080006040001") + mac(host) + bytes([10, 0, 0, host]) + bytes(6) + bytes([10, 0, 0, 3]))
send(broadcast, b"\\x81\\x00\\x00\\x07\\x08\\x00", ip4([255, 255, 255, 255], udp(9)))
send(mac(99), b"\\x08\\x00", ip4([10, 0, 0, 99], udp(9)))
`;
const flows = [
  "priority=100,udp,tp_dst=5353,actions=group:7",
  "priority=90,udp,tp_dst=2000,actions=output:2,output:5",
  "priority=90,udp,tp_dst=2001,actions=group:8",
  "priority=90,udp,tp_dst=2002,actions=output:3",
  "priority=90,udp,tp_dst=2003,actions=drop",
  "priority=90,udp,tp_dst=2004,actions=ct(table=1)",
  "table=1,priority=1,actions=output:2,output:4",
  "priority=90,udp,tp_dst=2005,actions=dec_ttl,mod_vlan_vid:9,output:4,strip_vlan,resubmit(,2)",
  "table=2,priority=1,actions=output:2,IN_PORT",
  "priority=0,actions=NORMAL",
];

let ovs: Ovs;
let connection: OpenFlowConnection;
let sink: ChildProcess;
const samples: FlowSample[] = [];
let ifindexes: ReadonlyMap<number, number>;
let mirrors: readonly SwitchMirror[];

beforeAll(async () => {
  ovs = await Ovs.start(await Capsule.start());
  const { capsule } = ovs;
  await capsule.run("ip", ["link", "set", "lo", "up"]);
  await ovs.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev", "fail_mode=secure");
  for (const n of hosts) {
    for (const command of [`netns add h${n}`, `link add p${n} type veth peer name eth0 netns h${n}`, `link set p${n} addrgenmode none`, `link set p${n} up`, `-n h${n} link set eth0 addrgenmode none`, `-n h${n} link set eth0 address 02:00:00:00:00:0${n}`, `-n h${n} link set eth0 up`]) {
      await capsule.run("ip", command.split(" "));
    }
    await ovs.vsctl("add-port", "br0", `p${n}`, "--", "set", "interface", `p${n}`, `ofport_request=${n}`);
  }
  await ovs.ofctl("add-group", "br0", "group_id=7,type=all,bucket=output:2,bucket=output:3,bucket=output:4");
  await ovs.ofctl("add-group", "br0", "group_id=8,type=select,bucket=output:2,bucket=output:3,output:4");
  for (const flow of flows) await ovs.ofctl("add-flow", "br0", flow);
  // What h5 sends is mirrored to p6: Open vSwitch then says "several", wherever it goes.
  await ovs.vsctl("--", "--id=@o", "get", "port", "p6", "--", "--id=@s", "get", "port", "p5", "--", "--id=@m", "create", "mirror", "name=m", "select_src_port=@s", "output_port=@o", "--", "add", "bridge", "br0", "mirrors", "@m");
  mirrors = [{ name: "m", selectAll: false, selectSource: [5], selectDestination: [], selectVlans: [], outputPort: 6 }];
  sink = capsule.spawn("python3", ["-u", "-c", 'import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.bind(("127.0.0.1", 6343))\nprint("ready")\nwhile True: print(s.recv(65535).hex())'], { stdio: ["ignore", "pipe", "inherit"] });
  let isReady = false;
  let rest = "";
  sink.stdout?.on("data", (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "ready") isReady = true;
      else for (const sample of decodeDatagram(Buffer.from(line, "hex")).samples) if (sample.kind === "flow") samples.push(sample);
    }
  });
  await waitFor(() => isReady, "the sink listens");
  await ovs.vsctl("--id=@s", "create", "sFlow", "agent=lo", 'targets="127.0.0.1:6343"', "sampling=1", "polling=0", "header=128", "--", "set", "bridge", "br0", "sflow=@s");
  const rows = await ovs.vsctl("--bare", "--no-heading", "--format=csv", "--columns=ofport,ifindex", "list", "interface");
  ifindexes = new Map(rows.split("\n").map((row) => row.split(",").map(Number)).map(([ofport = 0, ifindex = 0]) => [ifindex, ofport]));
  // Until sampling is in force samples are missing; all hosts send until each frame was seen of each, and their addresses are learned.
  const seen = (): number => new Set(samples.map((sample) => `${sample.input.value} ${Buffer.from(headerOf(sample)).toString("hex")}`)).size;
  await waitFor(
    async () => {
      for (const n of [1, 2, 5]) await capsule.run("ip", ["netns", "exec", `h${n}`, "python3", "-c", sender, String(n)]);
      return seen() >= 3 * 13;
    },
    "every frame of three hosts is sampled",
    40_000,
  );
  connection = await connect({ remote: `unix:${capsule.path("/run/openvswitch/br0.mgmt")}`, versions: [5] });
}, 90_000);
afterAll(async () => {
  sink.kill();
  await connection.close();
  await ovs[Symbol.asyncDispose]();
});

const headerOf = (sample: FlowSample): Uint8Array => sample.records.find((record) => record.kind === "sampledHeader")?.header ?? new Uint8Array();
const questionOf = (sample: FlowSample): EgressQuestion => ({ sample, bridge: "br0", inPort: ifindexes.get(sample.input.value) ?? 0 });
const read = (): Promise<BridgeState> => readBridgeState("br0", { connection, row: undefined, mirrors, macTable: () => ovs.appctl("fdb/show", "br0") });

/** The ports that Open vSwitch's trace sends a sampled packet to. */
async function traced(sample: FlowSample, names: ReadonlyMap<string, number>): Promise<readonly number[]> {
  const { inPort } = questionOf(sample);
  const packet = sampledPacket(headerOf(sample), inPort)?.packet;
  if (packet === undefined) throw new Error("not Ethernet");
  const { outputs, unread } = replay(parseTrace(await ovs.appctl("ofproto/trace", "--names", "br0", traceText(packet))), packet);
  expect(unread).toEqual([]);
  return [...new Set(outputs.flatMap(({ port }) => names.get(port) ?? []))].sort((x, y) => x - y);
}

test("multicast, floods, mirrored and several outputs go where ofproto/trace says; what a hash or a connection decides stays open", async () => {
  const inference = new EgressInference({ read, clockMs: () => performance.now(), cpuShare: 1 });
  const asked = new Map(samples.map((sample) => [`${sample.input.value} ${Buffer.from(headerOf(sample)).toString("hex")}`, sample]));
  const state = await read();
  const names = new Map(state.ports.map(({ name, number }) => [name, number]));
  await waitFor(() => {
    for (const sample of asked.values()) inference.egress(questionOf(sample));
    return inference.counters.inferred > 0;
  }, "the tables are known");
  const kinds = new Map<string, number>();
  for (const sample of asked.values()) {
    const egress = inference.egress(questionOf(sample));
    kinds.set(egress.how, (kinds.get(egress.how) ?? 0) + 1);
    const shown = `${sample.input.value} ${Buffer.from(headerOf(sample)).toString("hex")}`;
    if (egress.how === "inferred") expect([shown, ...egress.ports]).toEqual([shown, ...(await traced(sample, names))]);
    if (egress.how === "one of") expect(egress.why.join()).toMatch(/select group 8|connection tracking decides/);
  }
  // Of h1 and h2: a select group and a tracked packet, of which the samples say "dropped"; and what is dropped indeed. Of what h5 sends they say the
  // mirror's port then.
  expect(Object.fromEntries(kinds)).toEqual({ "one of": 4, dropped: 2, inferred: kinds.get("inferred"), sampled: kinds.get("sampled") });
  expect(kinds.get("inferred")).toBeGreaterThan(20);
});

test("where a sample does say its port, the tables say the same", async () => {
  const tables = new SoftwareSwitch([await read()]);
  let compared = 0;
  for (const sample of samples) {
    if (sample.output.format !== 0 || sample.output.value === 0) continue;
    const said = ifindexes.get(sample.output.value);
    const egress = inferredEgress(tables, questionOf(sample));
    // A packet to an address that was learned meanwhile was flooded then; those of one rule always went by one port.
    if (egress.how !== "inferred" || !Buffer.from(headerOf(sample)).includes(Buffer.from("0fa007d2", "hex"))) continue;
    expect(egress.ports).toEqual([said]);
    compared++;
  }
  expect(compared).toBeGreaterThan(1);
});
