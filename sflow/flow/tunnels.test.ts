/** Keys of tunnelled packets: by what Open vSwitch sampled of its own tunnels, beside the decoder that gives every layer. */
import { readFileSync } from "node:fs";
import { decodePacket, FlowCounts, FlowKey, PcapStream, SampleView, tunnelKinds, UdpExtractor, type Layer } from "../index.js";

/** Every sampled header of the recorded tunnels, with the virtual network its records tell. */
const samples: { readonly header: Uint8Array; readonly vniIngress: number }[] = [];
const udp = new UdpExtractor();
const view = new SampleView();
for (const packet of new PcapStream().push(readFileSync(`${import.meta.dirname}/../vectors/ovs-3.1-structures.pcap`))) {
  const payload = udp.take(packet)?.payload;
  if (payload === undefined) continue;
  view.open(payload);
  while (view.next()) if (view.headerProtocol === 1) samples.push({ header: payload.slice(view.headerAt, view.headerAt + view.headerLength), vniIngress: view.vniIngress });
}

type Ip = Extract<Layer, { readonly protocol: "ipv4" | "ipv6" }>;
const ipLayers = (header: Uint8Array): Ip[] => decodePacket(header).layers.filter((layer): layer is Ip => layer.protocol === "ipv4" || layer.protocol === "ipv6");
function tunnelOf(header: Uint8Array): string {
  for (const layer of decodePacket(header).layers) {
    if (layer.protocol === "vxlan" || layer.protocol === "geneve") return `${layer.protocol}:${layer.vni}`;
    if (layer.protocol === "gre") return `gre:${layer.key ?? 0}`;
  }
  return "none:0";
}
const shown = (key: FlowKey): string => `${tunnelKinds[key.tunnel] ?? "?"}:${key.tunnelKey}`;

test("by inner headers: the innermost addresses of every frame, with the tunnel's VNI or key", () => {
  const key = new FlowKey();
  const seen = new Set<string>();
  for (const { header } of samples) {
    const ips = ipLayers(header);
    expect(key.read(header, 0, header.length)).toBe(ips.length > 0);
    const inner = ips.at(-1);
    if (inner === undefined) continue;
    expect([key.srcText(), key.dstText(), key.protocol]).toEqual([inner.src, inner.dst, inner.next]);
    expect(shown(key)).toBe(ips.length > 1 ? tunnelOf(header) : "none:0");
    seen.add(shown(key));
  }
  // record.sh gives the tunnels the keys 11 * 7, 12 * 7 and 13 * 7.
  expect([...seen].sort()).toEqual(["geneve:84", "gre:91", "none:0", "vxlan:77"]);
});

test("by outer headers: the tunnel's own ends", () => {
  const key = new FlowKey({ headers: "outer" });
  let tunnelled = 0;
  for (const { header, vniIngress } of samples) {
    const [outer, inner] = ipLayers(header);
    if (outer === undefined) continue;
    key.read(header, 0, header.length);
    if (vniIngress >= 0) key.cameFrom(vniIngress);
    expect([key.srcText(), key.dstText(), key.protocol, shown(key)]).toEqual([outer.src, outer.dst, outer.next, "none:0"]);
    if (inner !== undefined) tunnelled++;
  }
  expect(tunnelled).toBeGreaterThanOrEqual(3);
});

test("a frame that had left its tunnel is told from the same of another network by the sample's record", () => {
  const key = new FlowKey();
  const vnis = new Set<number>();
  for (const { header, vniIngress } of samples) {
    if (vniIngress < 0 || !key.read(header, 0, header.length)) continue;
    expect(shown(key)).toBe("none:0");
    key.cameFrom(vniIngress);
    expect(shown(key)).toBe(`vni:${vniIngress}`);
    vnis.add(vniIngress);
  }
  expect([...vnis].sort()).toEqual([77, 84, 91]);
});

const vxlanFrame = (): Uint8Array => {
  const found = samples.find(({ header }) => tunnelOf(header) === "vxlan:77" && ipLayers(header).length === 2);
  if (found === undefined) throw new Error("the vectors have no frame in VXLAN");
  return Uint8Array.from(found.header);
};

test("the same addresses in two virtual networks are two flows; by outer headers they are one", () => {
  const [one, other] = [vxlanFrame(), vxlanFrame()];
  const vniAt = 14 + 20 + 8 + 4;
  other[vniAt + 2] = 78;
  const inner = new FlowCounts(16);
  const outer = new FlowCounts(16);
  const [innerKey, outerKey] = [new FlowKey(), new FlowKey({ headers: "outer" })];
  for (const bytes of [one, other, other]) {
    innerKey.read(bytes, 0, bytes.length);
    outerKey.read(bytes, 0, bytes.length);
    inner.add(innerKey, 1, 100);
    outer.add(outerKey, 1, 100);
  }
  expect([...inner.flows()].map(({ tunnel, samples: count }) => [tunnel?.kind, tunnel?.key, count]).sort()).toEqual([["vxlan", 77, 1], ["vxlan", 78, 2]]);
  expect([...outer.flows()].map(({ tunnel, samples: count, dstPort }) => [tunnel, count, dstPort])).toEqual([[undefined, 3, 4789]]);
  expect(innerKey.text()).toMatch(/^10\.7\.0\.\d+:\d+>10\.7\.0\.\d+:\d+\/1 vxlan:78$/);
});

test("cut anywhere, a tunnelled frame has its inner key, or its outer one, or none", () => {
  const whole = vxlanFrame();
  const key = new FlowKey();
  const seen: string[] = [];
  for (let length = 0; length <= whole.length; length++) seen.push(key.read(whole, 0, length) ? shown(key) : "no IP");
  const innerFrom = 14 + 20 + 8 + 8 + 14 + 20;
  expect(new Set(seen.slice(0, 34))).toEqual(new Set(["no IP"]));
  expect(new Set(seen.slice(34, innerFrom))).toEqual(new Set(["none:0"]));
  expect(new Set(seen.slice(innerFrom))).toEqual(new Set(["vxlan:77"]));
});

test("what only looks like a tunnel is none: no I flag, a version there is not, a payload that is no packet", () => {
  const key = new FlowKey();
  const withByte = (at: number, value: number): Uint8Array => {
    const bytes = vxlanFrame();
    bytes[at] = value;
    return bytes;
  };
  const innerEtherType = 14 + 20 + 8 + 8 + 12;
  for (const bytes of [withByte(14 + 20 + 8, 0), withByte(innerEtherType, 0x12)]) {
    expect(key.read(bytes, 0, bytes.length)).toBe(true);
    expect([shown(key), key.dstPort]).toEqual(["none:0", 4789]);
  }
});

test("tunnels within tunnels end after four, and an address block in IP keeps the network around it", () => {
  const ip = (protocol: number, ...rest: number[]): number[] => [0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, rest.length & 0xff, ...rest];
  const packet = (depth: number): number[] => (depth === 0 ? ip(17, 0, 1, 0, 2) : ip(4, ...packet(depth - 1)));
  const key = new FlowKey();
  const bytes = Uint8Array.from(packet(6));
  expect(key.read(bytes, 0, bytes.length, 11)).toBe(true);
  expect([shown(key), key.protocol]).toEqual(["ipip:0", 4]);
  const inVxlan = vxlanFrame();
  const innerIp = 14 + 20 + 8 + 8 + 14;
  const nested = Uint8Array.from([...inVxlan.subarray(0, innerIp), ...packet(1)]);
  expect(key.read(nested, 0, nested.length)).toBe(true);
  expect([shown(key), key.srcPort, key.dstPort]).toEqual(["vxlan:77", 1, 2]);
});
