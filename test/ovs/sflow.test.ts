/** Open vSwitch's sFlow against what was really sent: every packet at 1-in-1, a fair estimate at 1-in-4. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { decodeDatagram, decodePacketHeader, PcapStream, type Datagram, type PacketHeader } from "sflow-collector";
import { Capsule } from "../../lab/capsule.js";
import { Ovs } from "../../lab/ovs.js";
import { waitFor } from "../../lab/wait.js";

const udpPayloadAt = 42;
const target = "172.21.0.2";

/** A bridge with two hosts that samples one packet in `sampling`, and its datagrams as they arrive. */
class SampledBridge implements AsyncDisposable {
  readonly datagrams: Datagram[] = [];
  readonly ovs: Ovs;
  private capture: ChildProcess | undefined;

  private constructor(ovs: Ovs) {
    this.ovs = ovs;
  }

  static async start(sampling: number): Promise<SampledBridge> {
    const ovs = await Ovs.start(await Capsule.start());
    const bridge = new SampledBridge(ovs);
    const sh = (command: string) => ovs.capsule.run("sh", ["-c", command]);
    await sh("ip link set lo up");
    await ovs.vsctl("add-br", "b1", "--", "set", "bridge", "b1", "datapath_type=netdev");
    for (const [host, number] of [["a", 1], ["b", 2]] as const) {
      await sh(
        `ip netns add ${host}; sysctl -qw net.ipv6.conf.default.disable_ipv6=1; ip link add p-${host} type veth peer name eth0 netns ${host}; ip link set p-${host} up; ip netns exec ${host} sh -c 'ip link set lo up; ip addr add 172.21.0.${number}/24 dev eth0; ip link set eth0 up'`,
      );
      await ovs.vsctl("add-port", "b1", `p-${host}`, "--", "set", "interface", `p-${host}`, `ofport_request=${number}`);
    }
    // Something must listen: an unreachable port would cost the agent every second datagram.
    const sink = ovs.capsule.spawn("/usr/bin/python3", ["-c", "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('127.0.0.1', 6343)); print('ready', flush=True)\nwhile True: s.recv(65535)"], { stdio: ["ignore", "pipe", "ignore"] });
    if (sink.stdout !== null) await once(sink.stdout, "data");
    bridge.capture = ovs.capsule.spawn("tcpdump", ["-i", "lo", "-Z", "root", "-s", "0", "-U", "--immediate-mode", "-w", "-", "udp dst port 6343"], { stdio: ["ignore", "pipe", "pipe"] });
    const { stdout, stderr } = bridge.capture;
    if (stdout === null || stderr === null) throw new Error("no pipe");
    const pcap = new PcapStream();
    stdout.on("data", (chunk: Buffer) => bridge.datagrams.push(...pcap.push(chunk).map((packet) => decodeDatagram(packet.bytes.subarray(udpPayloadAt)))));
    await once(stderr, "data");
    await ovs.vsctl("--id=@s", "create", "sFlow", "agent=lo", `targets="127.0.0.1:6343"`, `sampling=${sampling}`, "polling=1", "header=128", "--", "set", "bridge", "b1", "sflow=@s");
    await waitFor(() => bridge.portNames().size >= 3, "every port is announced");
    return bridge;
  }

  ping(count: number): Promise<unknown> {
    return this.ovs.capsule.run("ip", ["netns", "exec", "a", "ping", "-q", "-c", String(count), "-i", "0.002", target], { timeoutMs: 30_000 });
  }

  /** Echo requests sampled where they came in: by p-a. */
  echoRequests(ifindex: number): { readonly header: PacketHeader; readonly samplingRate: number }[] {
    return this.datagrams.flatMap(({ samples }) =>
      samples.flatMap((sample) => {
        if (sample.kind !== "flow" || sample.input.value !== ifindex) return [];
        const raw = sample.records.find((record) => record.kind === "sampledHeader");
        const header = raw === undefined ? undefined : decodePacketHeader(raw.header);
        return header?.protocol === 1 && header.srcPort === 8 ? [{ header, samplingRate: sample.samplingRate }] : [];
      }),
    );
  }

  /** ifIndex to name and OpenFlow port, as the counter samples say. */
  portNames(): Map<number, string> {
    const names = new Map<number, string>();
    for (const sample of this.datagrams.flatMap(({ samples }) => samples)) {
      if (sample.kind !== "counters") continue;
      const name = sample.records.find((record) => record.kind === "portName");
      const port = sample.records.find((record) => record.kind === "ofPort");
      if (name !== undefined && port !== undefined) names.set(sample.dataSource.index, `${name.name}:${port.portNo}`);
    }
    return names;
  }

  async ifindex(name: string): Promise<number> {
    return Number(await this.ovs.vsctl("get", "interface", name, "ifindex"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.ovs[Symbol.asyncDispose]();
  }
}

test("at 1-in-1 every packet is sampled once, at the port it came in by", async () => {
  await using bridge = await SampledBridge.start(1);
  const ifindex = await bridge.ifindex("p-a");
  await bridge.ping(100);
  await waitFor(() => bridge.echoRequests(ifindex).length >= 100, "100 echo requests sampled");
  const counters = bridge.datagrams.length;
  await waitFor(() => bridge.datagrams.length > counters + 1, "the counters after them");
  const sampled = bridge.echoRequests(ifindex);
  expect(sampled).toHaveLength(100);
  expect(sampled[0]).toMatchObject({ samplingRate: 1, header: { src: "172.21.0.1", dst: target } });
});

test("ports are named in the counters as the database names them", async () => {
  await using bridge = await SampledBridge.start(1);
  const names = bridge.portNames();
  expect([names.get(await bridge.ifindex("p-a")), names.get(await bridge.ifindex("p-b"))]).toEqual(["p-a:1", "p-b:2"]);
  // Open vSwitch's own port of the bridge.
  expect(names.get(await bridge.ifindex("b1"))).toBe("b1:65534");
});

test("at 1-in-4 the estimate lies within the sampling error, and no datagram is missing", async () => {
  await using bridge = await SampledBridge.start(4);
  const ifindex = await bridge.ifindex("p-a");
  const sent = 2_000;
  await bridge.ping(sent);
  const counters = bridge.datagrams.length;
  await waitFor(() => bridge.datagrams.length > counters + 2, "the last samples are sent");
  const estimate = bridge.echoRequests(ifindex).reduce((sum, { samplingRate }) => sum + samplingRate, 0);
  // Binomial: 4 * sqrt(2000 * 1/4 * 3/4) is one standard deviation; five of them.
  expect(Math.abs(estimate - sent)).toBeLessThan(5 * 4 * Math.sqrt(sent * 0.25 * 0.75));
  const numbers = bridge.datagrams.map(({ sequenceNumber }) => sequenceNumber);
  expect(numbers).toEqual(numbers.map((_, i) => (numbers[0] ?? 0) + i));
});
