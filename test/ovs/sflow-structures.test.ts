/**
 * Every structure Open vSwitch sends, and every header it samples, as tshark reads them; where tshark gives up, as the
 * specification and the database say. The capture is made anew: sflow/vectors/record.sh.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { decodeDatagram, decodePacket, PcapStream, PortMap, SampleView, UdpExtractor, type Datagram, type FlowSample, type Layer } from "sflow-collector";
import { Capsule, projectDir } from "../../lab/capsule.js";
import { Ovs } from "../../lab/ovs.js";

const dir = mkdtempSync(`${tmpdir()}/sflow-`);
const capture = `${dir}/sflow.pcap`;
let payloads: readonly Uint8Array[];
let datagrams: readonly Datagram[];
let flows: readonly FlowSample[];
/** Bytes that came in by p-a, as the kernel counted them after the capture. */
let kernelBytes: number;
/** Of each port: name, OpenFlow port and ifIndex, as the database says. */
let ports: readonly { readonly name: string; readonly ofport: number; readonly ifindex: number }[];

beforeAll(async () => {
  await using ovs = await Ovs.start(await Capsule.start());
  await ovs.capsule.run("sh", [`${projectDir}/sflow/vectors/record.sh`, "/run/openvswitch/sflow.pcap"], { timeoutMs: 90_000 });
  copyFileSync(ovs.capsule.path("/run/openvswitch/sflow.pcap"), capture);
  kernelBytes = Number(readFileSync(`/proc/${ovs.capsule.pid}/net/dev`, "utf8").split("\n").find((line) => line.trim().startsWith("p-a:"))?.trim().split(/\s+/)[1]);
  const rows = await ovs.vsctl("--bare", "--no-heading", "--format=csv", "--columns=name,ofport,ifindex", "list", "interface");
  ports = rows.split("\n").map((row) => {
    const [name = "", ofport, ifindex] = row.split(",");
    return { name, ofport: Number(ofport), ifindex: Number(ifindex) };
  });
  const udp = new UdpExtractor();
  payloads = new PcapStream().push(readFileSync(capture)).flatMap((packet) => udp.take(packet)?.payload ?? []);
  datagrams = payloads.map((bytes) => decodeDatagram(bytes));
  flows = datagrams.flatMap(({ samples }) => samples.filter((sample) => sample.kind === "flow"));
}, 120_000);
afterAll(() => rmSync(dir, { recursive: true }));

const kinds = (): Set<string> => new Set(datagrams.flatMap(({ samples }) => samples.flatMap((sample) => (sample.kind === "unknown" ? [sample.kind] : sample.records.map(({ kind }) => kind)))));
const layersOf = (sample: FlowSample): readonly Layer[] => {
  const raw = sample.records.find((record) => record.kind === "sampledHeader");
  return raw === undefined ? [] : decodePacket(raw.header, raw.protocol).layers;
};
const pingOf = (dst: string) => (sample: FlowSample) => layersOf(sample).some((layer) => layer.protocol === "ipv4" && layer.dst === dst) && layersOf(sample).some((layer) => layer.protocol === "icmp" && layer.type === 8);

/** One line for each packet, of each field all its values. */
function tshark(file: string, fields: readonly string[], ...options: string[]): string[][][] {
  const args = ["-r", file, ...options, "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=|", ...fields.flatMap((field) => ["-e", field])];
  const lines = execFileSync("tshark", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"], maxBuffer: 64 << 20 }).replace(/\n$/, "").split("\n");
  return lines.map((line) => line.split("\t").map((values) => (values === "" ? [] : values.split("|"))));
}

test("every structure of Open vSwitch 3.1 is there, and none is unknown", () => {
  expect([...kinds()].sort()).toEqual(
    [
      "appResources",
      "ethernetCounters",
      "extendedIpv4TunnelEgress",
      "extendedIpv4TunnelIngress",
      "extendedMpls",
      "extendedSwitch",
      "extendedVniEgress",
      "extendedVniIngress",
      "ifCounters",
      "lagPortStats",
      "ofPort",
      "ovsDpStats",
      "portName",
      "sampledHeader",
    ].sort(),
  );
  const trailing = datagrams.flatMap(({ samples }) => samples.flatMap((sample) => (sample.kind === "unknown" ? [] : sample.records.filter((record) => "trailing" in record))));
  expect(trailing).toEqual([]);
});

test("flow samples are as tshark reads them", () => {
  const fields = [
    "sflow_245.sequence_number",
    "sflow.flow_sample.sequence_number",
    "sflow.flow_sample.source_id_class",
    "sflow.flow_sample.index",
    "sflow.flow_sample.sampling_rate",
    "sflow.flow_sample.sample_pool",
    "sflow.flow_sample.dropped_packets",
    "sflow.flow_sample.input_interface",
    "sflow.flow_sample.output_interface",
    "sflow_245.header.frame_length",
    "sflow_245.header.payload_stripped",
    "sflow_245.header",
  ];
  let compared = 0;
  for (const [i, read] of tshark(capture, fields).entries()) {
    const datagram = datagrams[i];
    if (datagram === undefined) throw new Error("a packet that is no datagram");
    const samples = datagram.samples.filter((sample) => sample.kind === "flow");
    const headers = samples.flatMap((sample) => sample.records.filter((record) => record.kind === "sampledHeader"));
    const ours: (string | number)[][] = [
      [datagram.sequenceNumber],
      samples.map((sample) => sample.sequenceNumber),
      samples.map((sample) => sample.dataSource.class),
      samples.map((sample) => sample.dataSource.index),
      samples.map((sample) => sample.samplingRate),
      samples.map((sample) => sample.samplePool),
      samples.map((sample) => sample.drops),
      samples.map(({ input }) => input.value),
      samples.map(({ output }) => output.format * 2 ** 30 + output.value),
      headers.map(({ frameLength }) => frameLength),
      headers.map(({ stripped }) => stripped),
      headers.map(({ header }) => Buffer.from(header).toString("hex")),
    ];
    for (const [j, values] of read.entries()) {
      // It stops at of_port records, which it calls malformed; up to there it must agree.
      const got = (ours[j] ?? []).slice(0, values.length).map(String);
      // It shows the padding to a whole word as part of the header; XDR's opaque<> does not count it in.
      const theirs = values.map((value, k) => (fields[j] === "sflow_245.header" ? value.replaceAll(":", "").slice(0, got[k]?.length) : value.startsWith("0x") ? String(Number(value)) : value));
      expect([fields[j], ...got]).toEqual([fields[j], ...theirs]);
      if (j > 0) compared += values.length;
    }
  }
  expect(compared).toBeGreaterThan(200);
});

test("interface counters never go back, and end where the kernel's are", () => {
  // tshark reads none of them: Open vSwitch puts them behind the of_port record.
  const ifindex = ports.find(({ name }) => name === "p-a")?.ifindex;
  const read = datagrams.flatMap(({ samples }) => samples.flatMap((sample) => (sample.kind === "counters" ? sample.records.filter((record) => record.kind === "ifCounters") : []))).filter(({ ifIndex }) => ifIndex === ifindex);
  expect(read.length).toBeGreaterThan(2);
  const octets = read.map(({ ifInOctets }) => ifInOctets);
  expect(octets).toEqual([...octets].sort((x, y) => Number(x - y)));
  expect(Number(octets.at(-1))).toBeGreaterThan(1_000);
  expect(Number(octets.at(-1))).toBeLessThanOrEqual(kernelBytes);
  expect(read.at(-1)).toMatchObject({ ifSpeed: 10_000_000_000n, ifStatus: 3 });
});

test("sampled headers are, layer by layer, as tshark reads the same frames", () => {
  const frames = flows.flatMap((sample) => sample.records.filter((record) => record.kind === "sampledHeader"));
  const u32 = (...values: number[]): Buffer => Buffer.from(Uint32Array.from(values).buffer);
  const pcap = Buffer.concat([u32(0xa1b2c3d4, 0x0004_0002, 0, 0, 65_535, 1), ...frames.flatMap(({ header, frameLength, stripped }, i) => [u32(i, 0, header.length, frameLength - stripped), header])]);
  writeFileSync(`${dir}/frames.pcap`, pcap);
  const all = <P extends Layer["protocol"], V>(layers: readonly Layer[], protocol: P, value: (layer: Extract<Layer, { readonly protocol: P }>) => V): string[] =>
    layers.flatMap((layer) => (layer.protocol === protocol ? [String(value(layer as Extract<Layer, { readonly protocol: P }>))] : []));
  const tagged = (layers: readonly Layer[], tpid: number): readonly Layer[] => layers.filter((layer) => layer.protocol === "vlan" && layer.tpid === tpid);
  const option = (layers: readonly Layer[], name: string): string[] =>
    layers.flatMap((layer) => (layer.protocol === "tcp" ? layer.options.filter((one) => one.name === name).map((one) => String(one.value ?? one.values?.[0])) : []));
  const ours: Readonly<Record<string, (layers: readonly Layer[]) => string[]>> = {
    "eth.src": (layers) => all(layers, "ethernet", ({ src }) => src),
    "eth.dst": (layers) => all(layers, "ethernet", ({ dst }) => dst),
    "vlan.id": (layers) => all(tagged(layers, 0x8100), "vlan", ({ vid }) => vid),
    "vlan.priority": (layers) => all(tagged(layers, 0x8100), "vlan", ({ pcp }) => pcp),
    "ieee8021ad.id": (layers) => all(tagged(layers, 0x88a8), "vlan", ({ vid }) => vid),
    "ieee8021ad.priority": (layers) => all(tagged(layers, 0x88a8), "vlan", ({ pcp }) => pcp),
    "mpls.label": (layers) => all(layers, "mpls", ({ label }) => label),
    "mpls.ttl": (layers) => all(layers, "mpls", ({ ttl }) => ttl),
    "arp.opcode": (layers) => all(layers, "arp", ({ operation }) => operation),
    "arp.src.proto_ipv4": (layers) => all(layers, "arp", ({ sender }) => sender),
    "arp.dst.hw_mac": (layers) => all(layers, "arp", ({ targetHardware }) => targetHardware),
    "ip.src": (layers) => all(layers, "ipv4", ({ src }) => src),
    "ip.dst": (layers) => all(layers, "ipv4", ({ dst }) => dst),
    "ip.len": (layers) => all(layers, "ipv4", ({ totalLength }) => totalLength),
    "ip.ttl": (layers) => all(layers, "ipv4", ({ ttl }) => ttl),
    "ip.proto": (layers) => all(layers, "ipv4", ({ next }) => next),
    "ipv6.src": (layers) => all(layers, "ipv6", ({ src }) => src),
    "ipv6.dst": (layers) => all(layers, "ipv6", ({ dst }) => dst),
    "ipv6.plen": (layers) => all(layers, "ipv6", ({ payloadLength }) => payloadLength),
    "ipv6.hlim": (layers) => all(layers, "ipv6", ({ hopLimit }) => hopLimit),
    "tcp.srcport": (layers) => all(layers, "tcp", ({ srcPort }) => srcPort),
    "tcp.dstport": (layers) => all(layers, "tcp", ({ dstPort }) => dstPort),
    "tcp.seq_raw": (layers) => all(layers, "tcp", ({ seq }) => seq),
    "tcp.hdr_len": (layers) => all(layers, "tcp", ({ headerLength }) => headerLength),
    "tcp.window_size_value": (layers) => all(layers, "tcp", ({ window }) => window),
    "tcp.options.mss_val": (layers) => option(layers, "mss"),
    "tcp.options.wscale.shift": (layers) => option(layers, "windowScale"),
    "tcp.options.timestamp.tsval": (layers) => option(layers, "timestamps"),
    "udp.srcport": (layers) => all(layers, "udp", ({ srcPort }) => srcPort),
    "udp.dstport": (layers) => all(layers, "udp", ({ dstPort }) => dstPort),
    "udp.length": (layers) => all(layers, "udp", ({ length }) => length),
    "sctp.srcport": (layers) => all(layers, "sctp", ({ srcPort }) => srcPort),
    "sctp.dstport": (layers) => all(layers, "sctp", ({ dstPort }) => dstPort),
    "icmp.type": (layers) => all(layers, "icmp", ({ type }) => type),
    "icmp.seq": (layers) => all(layers, "icmp", ({ sequence }) => sequence),
    "icmpv6.type": (layers) => all(layers, "icmpv6", ({ type }) => type),
    "vxlan.vni": (layers) => all(layers, "vxlan", ({ vni }) => vni),
    "geneve.vni": (layers) => all(layers, "geneve", ({ vni }) => vni),
    "gre.key": (layers) => all(layers, "gre", ({ key }) => key),
  };
  const fields = Object.keys(ours);
  const read = tshark(`${dir}/frames.pcap`, fields, "-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE");
  expect(read).toHaveLength(frames.length);
  for (const [i, record] of frames.entries()) {
    const { layers } = decodePacket(record.header, record.protocol);
    fields.forEach((field, j) => {
      const theirs = (read[i]?.[j] ?? []).map((value) => (value.startsWith("0x") ? String(Number(value)) : value));
      expect([i, field, ...(ours[field]?.(layers) ?? [])]).toEqual([i, field, ...theirs]);
    });
  }
  // Enough kinds of frames to say so.
  const seen = new Set(frames.flatMap(({ header }) => decodePacket(header).layers.map(({ protocol }) => protocol)));
  expect([...seen].sort()).toEqual(["arp", "ethernet", "geneve", "gre", "icmp", "icmpv6", "ipv4", "ipv6", "mpls", "sctp", "tcp", "udp", "vlan", "vxlan"]);
});

test("tunnels: where a packet will go and where it came from, with the virtual network", () => {
  for (const [i, protocol] of [17, 17, 47].entries()) {
    const vni = (11 + i) * 7;
    const out = flows.find((sample) => pingOf(`10.7.0.${11 + i}`)(sample) && sample.records.some(({ kind }) => kind === "extendedVniEgress"));
    expect(out?.records).toMatchObject(expect.arrayContaining([expect.objectContaining({ kind: "extendedVniEgress", vni })]));
    expect(out?.records.find((record) => record.kind === "extendedIpv4TunnelEgress")?.header).toMatchObject({ dstIp: "10.99.0.2", protocol });
    const back = flows.find((sample) => sample.records.some((record) => record.kind === "extendedVniIngress" && record.vni === vni));
    expect(back?.records.find((record) => record.kind === "extendedIpv4TunnelIngress")?.header).toMatchObject({ srcIp: "10.99.0.2", dstIp: "10.99.0.1", protocol });
  }
});

test("MPLS pushed, and a packet dropped by a flow", () => {
  const labelled = flows.find(pingOf("10.7.0.9"));
  const stack = labelled?.records.find((record) => record.kind === "extendedMpls");
  expect(stack?.inStack).toEqual([]);
  expect(stack?.outStack.map((entry) => entry >>> 12)).toEqual([1_234]);
  const map = new PortMap();
  expect(flows.filter(pingOf("10.7.0.8")).map(({ output }) => map.interface("127.0.0.1", output))).toEqual(Array(2).fill({ is: "dropped", reason: 256, reasonName: "unknown" }));
});

test("ports are mapped as the database has them", () => {
  const map = new PortMap();
  for (const datagram of datagrams) map.learn(datagram);
  const known = ports.filter(({ name }) => ["p-a", "p-b", "p-x", "b1", "phy"].includes(name));
  expect(known).toHaveLength(5);
  // OFPP_LOCAL is told with 16 bits, as OpenFlow 1.0 has it.
  for (const { name, ofport, ifindex } of known) expect(map.interface("127.0.0.1", { format: 0, value: ifindex })).toMatchObject({ is: "port", name, ofport });
});

test("the fast view sees what the full decoder sees", () => {
  const view = new SampleView();
  for (const [i, bytes] of payloads.entries()) {
    view.open(bytes);
    const samples = (datagrams[i]?.samples ?? []).filter((sample) => sample.kind === "flow");
    for (const sample of samples) {
      expect(view.next()).toBe(true);
      const raw = sample.records.find((record) => record.kind === "sampledHeader");
      expect({
        sequenceNumber: view.sequenceNumber,
        dataSource: { class: view.dataSourceClass, index: view.dataSourceIndex },
        samplingRate: view.samplingRate,
        output: { format: view.output >>> 30, value: view.output & 0x3fffffff },
        header: Buffer.from(view.bytes.subarray(view.headerAt, view.headerAt + view.headerLength)).toString("hex"),
      }).toEqual({
        sequenceNumber: sample.sequenceNumber,
        dataSource: sample.dataSource,
        samplingRate: sample.samplingRate,
        output: sample.output,
        header: Buffer.from(raw?.header ?? []).toString("hex"),
      });
    }
    expect(view.next()).toBe(false);
  }
});
