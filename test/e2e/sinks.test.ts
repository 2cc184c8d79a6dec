/** Collectors in another namespace get the copies in every kind of tunnel, as tshark decodes them there, and behind devices of the host; nothing of theirs gets in. */
import { once } from "node:events";
import { PatchPanel } from "../../lab/patch-panel.js";
import { waitFor } from "../../lab/wait.js";
import type { ListSinksResponse } from "../../src/api/generated/ovsshadow/v1/sink.js";
import { adapterBridge, collectorBridge } from "../../src/shadow/names.js";

const sink = (name: string, type: string, more = ""): string => `{ name: ${name}, type: ${type}, collector: 192.0.2.2, local: 192.0.2.1, mtu: 9100${more} }`;
const sinks = [
  sink("a", "gre"),
  sink("b", "erspan", ", origins: [{ bridge: l1, match: udp }], direction: from"),
  sink("c", "erspan3", ", maxLen: 64, origins: [{ bridge: l1, port: 1 }], direction: from"),
  sink("d", "vxlan"),
  sink("e", "geneve"),
];
const config = (list: readonly string[]): string[] => [
  "bridges: [l1, l2]", // not the one that carries the tunnels
  "sflow: { samplingRate: 1000000 }",
  "forward: { enabled: false }",
  "policy: { promotion: { automatic: false } }",
  `shadow: { sinks: [${list.join(", ")}] }`,
];
const fields = ["frame.protocols", "frame.len", "gre.key", "erspan.spanid", "erspan.index", "erspan.version", "vxlan.vni", "geneve.vni", "eth.src"];
/** Of each frame of a capture file the id that its sender put in, however it is wrapped and cut. */
const ids = `
import struct, sys
data = open(sys.argv[1], "rb").read()
at = 24
while at + 16 <= len(data):
    length = struct.unpack_from("<I", data, at + 8)[0]
    frame = data[at + 16:at + 16 + length]
    mark = frame.find(b"OVSCOPY")
    print("" if mark < 0 else struct.unpack_from("!Q", frame, mark + 7)[0])
    at += 16 + length`;

interface Frame {
  readonly kind: string;
  readonly length: number;
  readonly key: number;
  readonly index: number | undefined;
  /** The inner frame's sender, and its id. */
  readonly from: string;
  readonly id: string;
}

/** What the capture holds of tunnels with frames of ours in them. */
function read(stdout: string, idLines: string): Frame[] {
  const numbers = idLines.split("\n");
  return stdout.split("\n").flatMap((line, i): Frame[] => {
    const [protocols = "", length = "", greKey = "", spanId = "", index = "", version = "", vni = "", geneveVni = "", senders = ""] = line.split("\t");
    const kind = protocols.includes(":erspan") ? `erspan ${Number(version) + 1}` : (/:(gre|vxlan|geneve):/.exec(protocols)?.[1] ?? "");
    const from = senders.split(",").at(-1) ?? "";
    if (kind === "" || !from.startsWith("02:00:00:00:")) return [];
    return [{ kind, length: Number(length), key: Number([spanId, greKey, vni, geneveVni].find((one) => one !== "")), index: index === "" ? undefined : Number(index), from, id: numbers[i] ?? "" }];
  });
}

test("GRE, ERSPAN II and III, VXLAN and Geneve carry what came in, once, with where it came in; what a collector sends goes nowhere", async () => {
  await using live = await PatchPanel.start({ l1: 3, l2: 2 });
  await using far = await PatchPanel.start({});
  await live.join(far, 9_100);
  const bad = live.startDaemonOutside([...config([sink("short", "gre").replace("9100", "9045")]), "store: { kind: none }"]);
  expect((await once(bad, "exit"))[0]).toBe(2);
  expect(live.daemonLog.join("\n")).toMatch(/shadow.sinks short: mtu is 9045: frames of l\d:l\d-\d \(MTU 9000\) need 9046 in gre/);

  live.startDaemon(config(sinks));
  await live.inStep();
  const list = (): Promise<ListSinksResponse> => live.ctl<ListSinksResponse>("mirror", "sinks");
  const { sinks: rows, problems } = await list();
  expect(problems).toEqual([]);
  expect(rows.map(({ sink: name, bridge, problem }) => [name, bridge, problem])).toEqual(["a", "b", "c", "d", "e"].flatMap((name) => ["l1", "l2"].map((bridge) => [name, bridge, ""])));
  const number = (name: string, bridge: string): number => rows.find((row) => row.sink === name && row.bridge === bridge)?.number ?? 0;
  expect(new Set(rows.filter(({ type }) => type === "erspan").map((row) => row.number)).size).toBe(2);

  // With room for bursts, or tcpdump loses what a busy machine hands over at once. Only what comes: the collector's kernel answers tunnels that nobody there wants by ICMP, with what it quotes of them.
  const capture = far.ovs.capsule.spawn("tcpdump", ["-i", "ul", "-w", "/run/ul.pcap", "-U", "--immediate-mode", "-s", "4096", "-B", "16384", "-Q", "in", "not", "arp"], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  capture.stderr?.on("data", (chunk: Buffer) => (said += chunk.toString()));
  await waitFor(() => said.includes("listening on ul"), "the collector listens");
  const decoded = async (): Promise<Frame[]> => {
    // Frames that come meanwhile are in the second reading alone, at its end.
    const { stdout } = await far.ovs.capsule.run("tshark", ["-r", "/run/ul.pcap", "-T", "fields", ...fields.flatMap((name) => ["-e", name])], { mayFail: true });
    return read(stdout, (await far.ovs.capsule.run("/usr/bin/python3", ["-c", ids, "/run/ul.pcap"])).stdout);
  };
  // A tunnel asks for its collector's address with the first packets, which are lost meanwhile.
  const ready = async (): Promise<boolean> => {
    await live.send("l1-1-h", "udp", 0, 1, 100, "src=02:00:00:00:00:ff");
    await live.send("l2-1-h", "udp", 0, 1, 100, "src=02:00:00:00:00:ff");
    return ["gre", "erspan 2", "erspan 3", "vxlan", "geneve"].every((kind) => tunnels.has(kind)) || ((tunnels = new Set((await decoded()).map(({ kind }) => kind))).size === 5);
  };
  let tunnels = new Set<string>();
  await waitFor(ready, "every tunnel carries copies", 60_000);

  const count = 40;
  await live.send("l1-1-h", "udp", 1_000, count, 200, "src=02:00:00:00:01:01", "size=200");
  await live.send("l1-2-h", "tcp", 2_000, count, 200, "src=02:00:00:00:01:02", "vlan=9", "pcp=4");
  await live.send("l2-1-h", "jumbo", 3_000, count, 200, "src=02:00:00:00:02:01");
  const of = (frames: readonly Frame[], kind: string, from: string): Frame[] => frames.filter((frame) => frame.kind === kind && frame.from === from);
  const expected: readonly (readonly [kind: string, from: string, key: number, index?: number])[] = [
    ["gre", "02:00:00:00:01:01", number("a", "l1") * 2 ** 15 + 1],
    ["gre", "02:00:00:00:01:02", number("a", "l1") * 2 ** 15 + 2],
    ["gre", "02:00:00:00:02:01", number("a", "l2") * 2 ** 15 + 1],
    ["erspan 2", "02:00:00:00:01:01", number("b", "l1"), 1],
    ["erspan 3", "02:00:00:00:01:01", number("c", "l1")],
    ...["vxlan", "geneve"].flatMap((kind) => {
      const name = kind === "vxlan" ? "d" : "e";
      return [
        [kind, "02:00:00:00:01:01", number(name, "l1") * 2 ** 15 + 1],
        [kind, "02:00:00:00:01:02", number(name, "l1") * 2 ** 15 + 2],
        [kind, "02:00:00:00:02:01", number(name, "l2") * 2 ** 15 + 1],
      ] as const;
    }),
  ];
  await waitFor(async () => {
    const frames = await decoded();
    return expected.every(([kind, from]) => of(frames, kind, from).length >= count);
  }, "all copies arrived", 60_000);
  const frames = await decoded();
  for (const [kind, from, key, index] of expected) {
    const got = of(frames, kind, from);
    expect([kind, from, got.length, new Set(got.map((frame) => `${frame.key} ${frame.index ?? ""}`))]).toEqual([kind, from, count, new Set([`${key} ${index ?? ""}`])]);
    const first = from.endsWith("02:01") ? 3_000 : from.endsWith("01:02") ? 2_000 : 1_000;
    expect(got.map(({ id }) => id)).toEqual(Array.from({ length: count }, (_, i) => String(first + i)));
  }
  // TCP is none of what b asks for, and port 2 none of c's.
  expect(frames.some(({ kind, from }) => kind.startsWith("erspan") && from !== "02:00:00:00:01:01" && from !== "02:00:00:00:00:ff")).toBe(false);
  // Ethernet, IP, GRE with a sequence number, ERSPAN III, and 64 bytes of the frame.
  expect(new Set(of(frames, "erspan 3", "02:00:00:00:01:01").map(({ length }) => length))).toEqual(new Set([14 + 20 + 8 + 12 + 64]));
  const counted = (await list()).sinks.find((row) => row.sink === "b" && row.bridge === "l1");
  expect(counted?.packets).toBeGreaterThanOrEqual(count);

  // A collector that sends back, with the very key that the VXLAN tunnel takes in: counted at the tunnel's port, and nothing arrives at hosts or is learned.
  const sniffer = await live.sniff("l1-1-h", "l1-2-h", "l1-3-h", "l2-1-h");
  await sniffer.ask();
  const back = `
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
frame = bytes.fromhex("ffffffffffff0200000066660800") + b"OVSCOPY" + struct.pack("!Q", 99) + bytes(40)
for i in range(50): s.sendto(struct.pack("!II", 0x08000000, ${number("d", "l1")} << 8) + frame, ("192.0.2.1", 4789))`;
  const cameBack = async (): Promise<number> => Number(/rx pkts=(\d+)/.exec(await live.ovs.ofctl("dump-ports", adapterBridge("l1"), String(0x7ff3)))?.[1]);
  await waitFor(async () => {
    await far.ovs.capsule.run("/usr/bin/python3", ["-c", back]);
    return (await cameBack()) >= 50;
  }, "they came in by the tunnel's port", 30_000);
  const seen = await sniffer.ask();
  await sniffer.stop();
  expect(Object.values(seen).every((ids) => ids["99"] === undefined)).toBe(true);
  expect(await live.ovs.appctl("fdb/show", "l1")).not.toContain("02:00:00:00:66:66");

  await live.ctl("detach");
  expect(await live.ovs.vsctl("--bare", "--columns=name", "find", "Interface", "type=erspan")).toBe("");
}, 300_000);

test("devices of the host get what came in by every bridge, once, behind a tag where asked; what comes in by them goes nowhere; a restart changes nothing", async () => {
  await using panel = await PatchPanel.start({ l1: 3, l2: 2 });
  const { capsule } = panel.ovs;
  for (const name of ["ids", "raw"]) {
    await capsule.run("ip", ["link", "add", `${name}0`, "mtu", "9200", "type", "veth", "peer", "name", `${name}1`, "mtu", "9200"]);
    for (const end of [`${name}0`, `${name}1`]) await capsule.run("ip", ["link", "set", end, "addrgenmode", "none", "up"]);
  }
  panel.startDaemon(config(["{ name: ids, type: device, device: l1-1 }"]));
  await waitFor(() => panel.daemonLog.some((line) => line.includes("device l1-1 is a port of l1")), "a live port is refused");
  await panel.endDaemon("TERM");

  panel.startDaemon(config(["{ name: ids, type: device, device: ids0, vlan: 99 }", "{ name: raw, type: device, device: raw0, maxLen: 64, origins: [{ bridge: l1, port: 1 }], direction: from }", "{ name: gone, type: device, device: gone0 }"]));
  await panel.inStep();
  const { sinks: rows } = await panel.ctl<ListSinksResponse>("mirror", "sinks");
  expect(rows.map(({ sink: name, bridge, collector }) => [name, bridge, collector])).toEqual([["gone", "device gone0"], ["ids", "device ids0, VLAN 99"], ["raw", "device raw0"]].flatMap(([name, collector]) => ["l1", "l2"].map((bridge) => [name, bridge, collector])));
  expect(rows.find((row) => row.sink === "gone")?.problem).toMatch(/gone0/);

  const captures = ["ids1", "raw1"].map((device) => {
    const child = capsule.spawn("tcpdump", ["-i", device, "-w", `/run/${device}.pcap`, "-U", "--immediate-mode", "-s", "4096", "-B", "16384", "-Q", "in"], { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr?.on("data", (chunk: Buffer) => (said += chunk.toString()));
    return waitFor(() => said.includes("listening on"), `${device} listens`);
  });
  await Promise.all(captures);
  const count = 40;
  await panel.send("l1-1-h", "udp", 1_000, count, 200, "src=02:00:00:00:01:01", "size=200");
  await panel.send("l1-2-h", "tcp", 2_000, count, 200, "src=02:00:00:00:01:02", "vlan=9");
  await panel.send("l2-1-h", "jumbo", 3_000, count, 200, "src=02:00:00:00:02:01");
  const decoded = async (device: string): Promise<{ readonly from: string; readonly vlans: string; readonly length: number; readonly id: string }[]> => {
    const { stdout } = await capsule.run("tshark", ["-r", `/run/${device}.pcap`, "-T", "fields", ...["eth.src", "vlan.id", "frame.len"].flatMap((name) => ["-e", name])], { mayFail: true });
    const numbers = (await capsule.run("/usr/bin/python3", ["-c", ids, `/run/${device}.pcap`])).stdout.split("\n");
    return stdout.split("\n").flatMap((line, i) => {
      const [from = "", vlans = "", length = ""] = line.split("\t");
      return from.startsWith("02:00:00:00:0") ? [{ from, vlans, length: Number(length), id: numbers[i] ?? "" }] : [];
    });
  };
  await waitFor(async () => (await decoded("ids1")).length >= 3 * count && (await decoded("raw1")).length >= count, "all copies arrived", 30_000);
  const seen = await decoded("ids1");
  const numbered = (first: number): string[] => Array.from({ length: count }, (_, i) => String(first + i));
  for (const [from, first, vlans] of [["02:00:00:00:01:01", 1_000, "99"], ["02:00:00:00:01:02", 2_000, "99,9"], ["02:00:00:00:02:01", 3_000, "99"]] as const) {
    const got = seen.filter((frame) => frame.from === from);
    expect([from, got.map(({ id }) => id), new Set(got.map((frame) => frame.vlans))]).toEqual([from, numbered(first), new Set([vlans])]);
  }
  const raw = await decoded("raw1");
  expect([raw.map(({ id }) => id), new Set(raw.map(({ from, vlans, length }) => `${from} ${vlans} ${length}`))]).toEqual([numbered(1_000), new Set(["02:00:00:00:01:01  64"])]);

  // Nothing of what comes in by a device leaves the collector bridge.
  const sniffer = await panel.sniff("l1-1-h", "l1-2-h", "l1-3-h", "l2-1-h");
  await sniffer.ask();
  const taken = async (): Promise<number> => Number(/rx pkts=(\d+)/.exec(await panel.ovs.ofctl("dump-ports", collectorBridge, "ids0"))?.[1]);
  const before = await taken();
  await panel.send("ids1", "udp", 66, 50, 200, "src=02:00:00:00:66:66");
  await waitFor(async () => (await taken()) >= before + 50, "they came in by the device");
  const heard = await sniffer.ask();
  await sniffer.stop();
  expect(Object.values(heard).every((by) => by["66"] === undefined)).toBe(true);
  expect(await panel.ovs.appctl("fdb/show", "l1")).not.toContain("02:00:00:00:66:66");

  const rowsBefore = await panel.ovs.vsctl("get", "open_vswitch", ".", "next_cfg");
  await panel.endDaemon("KILL");
  panel.startDaemon(config(["{ name: ids, type: device, device: ids0, vlan: 99 }", "{ name: raw, type: device, device: raw0, maxLen: 64, origins: [{ bridge: l1, port: 1 }], direction: from }", "{ name: gone, type: device, device: gone0 }"]));
  await panel.inStep();
  expect(await panel.ovs.vsctl("get", "open_vswitch", ".", "next_cfg")).toBe(rowsBefore);
  await panel.ctl("detach");
  expect(await panel.ovs.vsctl("--bare", "--columns=name", "find", "Port", "name=ids0")).toBe("");
  expect((await capsule.run("ip", ["link", "show", "ids0"])).stdout).toContain("ids0");
}, 240_000);
