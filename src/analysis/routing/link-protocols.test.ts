/** ARP, ND, LLDP, DHCP, DNS and OSPF: frames by hand, and what is kept of them. */
import { readFileSync } from "node:fs";
import { PcapStream } from "sflow-collector";
import type { NetworkEvent } from "../../base/observation.js";
import { readDhcp6 } from "./dhcp.js";
import { readDns } from "./dns.js";
import { RoutingInterceptor } from "./interceptor.js";
import { readLldp } from "./lldp-tlv.js";
import { fletcherHolds } from "./ospf.js";
import { DecodeError, internetChecksum } from "./reader.js";

const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ""), "hex");
const mac = (n: number): string => `02000000${n.toString(16).padStart(4, "0")}`;
const macText = (n: number): string => mac(n).match(/../g)?.join(":") ?? "";
const ether = (src: number, type: string, payload: Buffer, tag = ""): Buffer => Buffer.concat([hex(`ffffffffffff ${mac(src)} ${tag} ${type}`), payload]);
const ipv4 = (protocol: number, src: string, dst: string, payload: Buffer): Buffer => {
  const head = hex(`4500 0000 0000 4000 40 ${protocol.toString(16).padStart(2, "0")} 0000 ${src} ${dst}`);
  head.writeUInt16BE(20 + payload.length, 2);
  return Buffer.concat([head, payload]);
};
const ipv6 = (next: number, src: string, dst: string, payload: Buffer, hopLimit = 255): Buffer => {
  const head = hex(`60000000 0000 ${next.toString(16).padStart(2, "0")} ${hopLimit.toString(16).padStart(2, "0")} ${src} ${dst}`);
  head.writeUInt16BE(payload.length, 4);
  return Buffer.concat([head, payload]);
};
const udp = (src: number, dst: number, payload: Buffer): Buffer => {
  const head = Buffer.alloc(8);
  head.writeUInt16BE(src, 0);
  head.writeUInt16BE(dst, 2);
  head.writeUInt16BE(8 + payload.length, 4);
  return Buffer.concat([head, payload]);
};
const arp = (operation: number, n: number, address: string): Buffer => hex(`0001 0800 0604 ${operation.toString(16).padStart(4, "0")} ${mac(n)} ${address} 000000000000 0a000001`);

function listen(): { interceptor: RoutingInterceptor; readonly hear: (bytes: Buffer, tMs: number, at?: string) => NetworkEvent[]; events: NetworkEvent[] } {
  const events: NetworkEvent[] = [];
  const interceptor = new RoutingInterceptor({ sink: { happened: (event) => void events.push(event) }, side: "live" });
  return {
    interceptor,
    events,
    hear(bytes, tMs, at = "br0:1") {
      const before = events.length;
      interceptor.frame({ tMs, bytes, at });
      return events.slice(before);
    },
  };
}

test("ARP: a binding once, a conflict when two claim it, a move after silence, an expiry", () => {
  const { interceptor, hear, events } = listen();
  expect(hear(ether(1, "0806", arp(1, 1, "0a000002")), 0)).toMatchObject([{ kind: "routing", subject: "10.0.0.2", detail: { what: "binding", mac: macText(1), at: "br0:1", by: "arp" } }]);
  expect(hear(ether(1, "0806", arp(2, 1, "0a000002")), 1_000)).toEqual([]);
  expect(hear(ether(2, "0806", arp(2, 2, "0a000002")), 2_000, "br0:2")).toMatchObject([{ detail: { what: "binding-conflict", mac: macText(2), beforeMac: macText(1), beforeAt: "br0:1" } }]);
  expect(hear(ether(3, "0806", arp(2, 3, "0a000002")), 60_000, "br0:2")).toMatchObject([{ detail: { what: "binding", mac: macText(3), beforeMac: macText(2) } }]);
  // In a VLAN it is another network; a probe (sender 0.0.0.0) claims nothing.
  expect(hear(ether(4, "0806", arp(1, 4, "0a000002"), "8100 0007"), 61_000)).toMatchObject([{ detail: { what: "binding", vlanVid: 7 } }]);
  expect(hear(ether(4, "0806", arp(1, 4, "00000000")), 61_000)).toEqual([]);
  interceptor.advance(2_000_000);
  expect(events.filter(({ detail }) => detail["what"] === "binding-expired")).toHaveLength(2);
  expect(interceptor.snapshot().bindings).toEqual([]);
});

test("a host whose port becomes known later gets its place without an event", () => {
  const { interceptor, events } = listen();
  interceptor.frame({ tMs: 0, bytes: ether(1, "0806", arp(1, 1, "0a000002")), at: "capture0", isLocated: false });
  interceptor.locate(new Map([[macText(1), "br0:1"]]));
  expect(interceptor.snapshot().bindings).toMatchObject([{ at: "br0:1" }]);
  interceptor.frame({ tMs: 1, bytes: ether(1, "0806", arp(1, 1, "0a000002")), at: "br0:1" });
  expect(events).toHaveLength(1);
  // From port to port is a move.
  interceptor.frame({ tMs: 2, bytes: ether(1, "0806", arp(1, 1, "0a000002")), at: "br0:2" });
  expect(events.at(-1)).toMatchObject({ detail: { what: "binding", at: "br0:2", beforeAt: "br0:1" } });
});

const local = "fe80000000000000 0000000000000001";
const group = "ff02000000000000 0000000000000001";

test("ND: advertisements bind, routers are known for their lifetime, what came over a router is not believed", () => {
  const { interceptor, hear, events } = listen();
  const na = hex(`8800 0000 a0000000 20010db8000000000000000000000005 0201 ${mac(5)}`);
  expect(hear(ether(5, "86dd", ipv6(58, local, group, na)), 0)).toMatchObject([{ subject: "2001:db8::5", detail: { what: "binding", mac: macText(5), by: "nd" } }]);
  expect(hear(ether(6, "86dd", ipv6(58, local, group, na, 64)), 0)).toEqual([]);
  const ra = hex(`8600 0000 40 80 0708 00000000 00000000 0101 ${mac(5)} 0501 0000 000005dc 0304 40 c0 00000e10 00000708 00000000 20010db8000100000000000000000000 1903 0000 00000e10 20010db8000000000000000000000053`);
  expect(hear(ether(5, "86dd", ipv6(58, local, group, ra)), 10).at(-1)).toMatchObject({ subject: "fe80::1", detail: { what: "router-advertisement", lifetimeS: 1_800, prefixes: ["2001:db8:1::/64"], dnsServers: ["2001:db8::53"], managed: true } });
  expect(hear(ether(5, "86dd", ipv6(58, local, group, ra)), 20)).toEqual([]);
  expect(interceptor.snapshot().bindings.find(({ address }) => address === "fe80::1")?.isRouter).toBe(true);
  interceptor.advance(3_700_000);
  expect(events.some(({ detail, subject }) => detail["what"] === "router-gone" && subject === "fe80::1")).toBe(true);
  expect(interceptor.counters().malformed).toEqual({});
});

test("an option of length 0 is an error with its place", () => {
  const { interceptor, hear } = listen();
  hear(ether(5, "86dd", ipv6(58, local, group, hex("8800 0000 a0000000 20010db8000000000000000000000005 0200"))), 0);
  expect(interceptor.counters().malformed).toEqual({ "nd length": 1 });
  expect(interceptor.lastFaults.get("nd")).toBe("nd: an option without a length (at byte 24)");
});

const dhcp4 = (type: number, yours: string, client: number, options: string): Buffer =>
  Buffer.concat([hex(`${type === 2 || type === 5 ? "02" : "01"} 01 06 00 12345678 0000 0000 00000000 ${yours} 00000000 00000000 ${mac(client)} 00000000000000000000`), Buffer.alloc(192), hex(`63825363 3501 ${type.toString(16).padStart(2, "0")} ${options} ff`)]);

test("DHCP: an acknowledged lease with the client's name, a renewal is no news, it ends", () => {
  const { interceptor, hear, events } = listen();
  const frame = (from: number, to: number, payload: Buffer): Buffer => ether(9, "0800", ipv4(17, "0a000001", "ffffffff", udp(from, to, payload)));
  hear(frame(68, 67, dhcp4(3, "00000000", 7, "0c 06 6c6170746f70")), 0);
  const ack = dhcp4(5, "0a000007", 7, "3304 00000e10 3604 0a000001 0304 0a000001");
  expect(hear(frame(67, 68, ack), 10)).toMatchObject([{ subject: "10.0.0.7", detail: { what: "lease", client: macText(7), server: "10.0.0.1", leaseS: 3_600, hostName: "laptop" } }]);
  expect(hear(frame(67, 68, ack), 1_000_000)).toEqual([]);
  interceptor.advance(4_000_000);
  expect(interceptor.snapshot().leases).toHaveLength(1);
  interceptor.advance(4_700_000);
  expect(events.at(-1)).toMatchObject({ subject: "10.0.0.7", detail: { what: "lease-ended", why: "ran out" } });
});

test("DHCPv6: addresses of a relayed reply", () => {
  const reply = "07 abcdef 0001 0004 00030001 0002 0004 00030002 0003 0028 00000001 00000000 00000000 0005 0018 20010db8000000000000000000000007 00000708 00000e10";
  expect(readDhcp6(hex(`0d 00 ${"00".repeat(32)} 0009 ${(hex(reply).length).toString(16).padStart(4, "0")} ${reply}`))).toMatchObject({ type: "reply", transaction: 0xabcdef, clientId: "00030001", serverId: "00030002", addresses: [{ address: "2001:db8::7", preferredS: 1_800, validS: 3_600 }] });
});

test("DNS: an alias leads to the name that was asked for; pointers that lead nowhere are errors", () => {
  const { interceptor, hear } = listen();
  // www.example.org → web.example.org → 192.0.2.80
  const answer = hex("abcd 8180 0001 0002 0000 0000 03777777 076578616d706c65 036f7267 00 0001 0001 c00c 0005 0001 0000003c 0006 03776562 c010 c02d 0001 0001 0000003c 0004 c0000250");
  expect(hear(ether(3, "0800", ipv4(17, "0a000035", "0a000002", udp(53, 40_000, answer))), 0)).toMatchObject([{ subject: "192.0.2.80", detail: { what: "name", name: "web.example.org", asked: "www.example.org" } }]);
  expect(interceptor.snapshot().names).toMatchObject([{ address: "192.0.2.80" }]);
  const looped = hex("abcd 8180 0001 0000 0000 0000 03777777 c00c 0001 0001");
  expect(() => readDns(looped)).toThrow(DecodeError); // it comes round only so often
  expect(() => readDns(hex("abcd 8180 0001 0000 0000 0000 c00e 0001 0001"))).toThrow(/compression pointer to 14 \(at byte 12\)/);
  expect(() => readDns(hex("abcd 8180 ffff 0000 0000 0000"))).toThrow(/65535 questions/);
});

const lldp = (ttl: string): Buffer => hex(`0207 04 ${mac(8)} 0405 05 65746830 0602 ${ttl} 0a07 73772d6f6e652e 0e04 0014 0010 100c 05 01 0a0000fe 02 00000001 00 fe05 0012bb 01 00 0000`);

test("LLDP of another system: a neighbour with its port, for its time to live", () => {
  const { interceptor, hear, events } = listen();
  expect(readLldp(lldp("0078"))).toEqual({ chassisId: macText(8), portId: "eth0", ttlS: 120, systemName: "sw-one.", capabilities: ["router"], managementAddresses: ["10.0.0.254"], organisation: ["0012bb/1"] });
  expect(hear(ether(8, "88cc", lldp("0078")), 0)).toMatchObject([{ subject: "sw-one.", detail: { what: "neighbour-up", protocol: "lldp", at: "br0:1", capabilities: ["router"] } }]);
  expect(hear(ether(8, "88cc", lldp("0078")), 30_000)).toEqual([]);
  interceptor.advance(149_000);
  expect(interceptor.snapshot().lldp).toHaveLength(1);
  interceptor.advance(151_000);
  expect(events.at(-1)).toMatchObject({ detail: { what: "neighbour-down", why: "time to live passed" } });
  expect(() => readLldp(hex("0405 05 65746830"))).toThrow(/TLV 2 where the chassis id must be \(at byte 0\)/);
});

test("checksums as the routers make them", () => {
  expect(internetChecksum(hex("45000073000040004011b861c0a80001c0a800c7"))).toBe(0);
  expect(internetChecksum(hex("45000073000040004011b861c0a80001c0a800c8"))).not.toBe(0);
  expect(fletcherHolds(hex("0000"))).toBe(true);
  expect(fletcherHolds(hex("0102"))).toBe(false);
});

const recordings = ["frr-bird-bgp.pcap", "frr-bird-ospf.pcap"].map((name) => new PcapStream().push(readFileSync(`${import.meta.dirname}/fixtures/${name}`)));

test("the recordings of real routers are read without a fault", () => {
  for (const packets of recordings) {
    const { interceptor } = listen();
    for (const { tMs, bytes } of packets) interceptor.frame({ tMs, bytes, at: "x" });
    expect(interceptor.counters()).toMatchObject({ frames: packets.length, malformed: {} });
    expect(interceptor.rib.size + interceptor.rib.counters.withdrawn).toBeGreaterThan(3);
  }
});

const mutations = Number(process.env["MUTATIONS"] ?? 100_000);

test(`${mutations} changed frames: counted, never thrown, tables within their bounds`, () => {
  const originals = [...recordings.flat().map(({ bytes }) => Buffer.from(bytes)), ether(8, "88cc", lldp("0078")), ether(1, "0806", arp(1, 1, "0a000002"))];
  const { interceptor } = listen();
  let state = 11;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  for (let i = 0; i < mutations; i++) {
    let bytes = Buffer.from(originals[random(originals.length)] as Buffer);
    for (let change = random(4); change > 0; change--) bytes[random(bytes.length)] = random(256);
    if (random(10) === 0) bytes = bytes.subarray(0, random(bytes.length));
    interceptor.frame({ tMs: i, bytes, at: "x" });
    if (i % 1_000 === 0) interceptor.advance(i);
  }
  const { frames, malformed, bgp } = interceptor.counters();
  expect(frames).toBe(mutations);
  expect(Object.values(malformed).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(mutations / 50);
  expect(Object.keys(malformed)).toEqual(expect.arrayContaining(["ip length", "ospf checksum", "frame truncated"]));
  expect(bgp.messages).toBeGreaterThan(0);
  expect(interceptor.snapshot().bgp.length).toBeLessThanOrEqual(2 * 1_024);
});
