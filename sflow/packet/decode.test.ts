import { decodePacket, decodePacketHeader, ipv6Text, type Layer } from "../index.js";

const hex = (...parts: string[]): Buffer => Buffer.from(parts.join("").replace(/ /g, ""), "hex");
const ethernet = "020000000002 020000000001";
const ipv4 = (protocol: string, body: string): string => `4500 ${(20 + body.replace(/ /g, "").length / 2).toString(16).padStart(4, "0")} 0001 0000 40 ${protocol} 0000 0a000001 0a000002 ${body}`;
const udp = "0457 08ae 000c 0000 61626364";
const protocols = (layers: readonly Layer[]): string[] => layers.map(({ protocol }) => protocol);

test("headers that begin with IP or MPLS, by header_protocol", () => {
  const ip = hex(ipv4("11", udp));
  expect(protocols(decodePacket(ip, 11).layers)).toEqual(["ipv4", "udp"]);
  expect(decodePacket(hex("60000000 0000 3b40", "20010db8000000000000000000000001", "00000000000000000000000000000001"), 12).layers).toMatchObject([{ protocol: "ipv6", src: "2001:db8::1", dst: "::1", next: 59 }]);
  expect(decodePacket(Buffer.concat([hex("00064140"), hex("000c8140"), ip]), 13).layers).toMatchObject([{ protocol: "mpls", label: 100, bottom: true, ttl: 64 }]);
  expect(protocols(decodePacket(Buffer.concat([hex("00064040"), hex("000c8140"), ip]), 13).layers)).toEqual(["mpls", "mpls", "ipv4", "udp"]);
  expect(decodePacket(ip, 15)).toEqual({ layers: [], truncated: false });
});

test("GRE with checksum, key and sequence; what is within it", () => {
  const inner = `${ethernet} 0800 ${ipv4("11", udp)}`;
  const { layers } = decodePacket(hex(ethernet, "0800", ipv4("2f", `b000 6558 1234 0000 0000004d 00000007 ${inner}`)));
  expect(protocols(layers)).toEqual(["ethernet", "ipv4", "gre", "ethernet", "ipv4", "udp"]);
  expect(layers[2]).toEqual({ protocol: "gre", type: 0x6558, key: 77, sequence: 7 });
});

test("Geneve passes over its options; IP in IP; IPv6 in IPv4", () => {
  const geneve = `1388 17c1 0000 0000 0200 6558 00004d00 0102030405060708 ${ethernet} 0800 ${ipv4("11", udp)}`;
  const { layers } = decodePacket(hex(ethernet, "0800", ipv4("11", geneve)));
  expect(layers[3]).toEqual({ protocol: "geneve", vni: 77, type: 0x6558, optionsLength: 8 });
  expect(protocols(layers).slice(4)).toEqual(["ethernet", "ipv4", "udp"]);
  expect(protocols(decodePacket(hex(ethernet, "0800", ipv4("04", ipv4("11", udp)))).layers)).toEqual(["ethernet", "ipv4", "ipv4", "udp"]);
  const six = `60000000 000c 1140 20010db8000000000000000000000001 20010db8000000000000000000000002 ${udp}`;
  expect(protocols(decodePacket(hex(ethernet, "0800", ipv4("29", six))).layers)).toEqual(["ethernet", "ipv4", "ipv6", "udp"]);
});

test("IPv6 extension headers: hop by hop, routing, authentication, then a later fragment ends it", () => {
  const head = (length: string): string => `60000000 ${length} 00 40 20010db8000000000000000000000001 20010db8000000000000000000000002`;
  const authentication = "2c04 0000 00000001 00000002 000102030405060708090a0b";
  const chain = `2b00 0102 0000 0000 3300 0000 00000000 ${authentication}`;
  const { layers } = decodePacket(hex(ethernet, "86dd", head("0040"), chain, "1100 0010 0000abcd", udp));
  expect(layers[1]).toMatchObject({ extensions: [0, 43, 51, 44], fragment: { identification: 0xabcd, offset: 16, more: false }, next: 17 });
  expect(layers).toHaveLength(2);
  expect(protocols(decodePacket(hex(ethernet, "86dd", head("0040"), chain, "1100 0001 0000abcd", udp)).layers)).toEqual(["ethernet", "ipv6", "udp"]);
});

test("what is cut off is said to be, with the layers before it", () => {
  const whole = hex(ethernet, "0800", ipv4("11", udp));
  expect(decodePacket(whole.subarray(0, 40))).toMatchObject({ truncated: true, layers: [{ protocol: "ethernet" }, { protocol: "ipv4" }] });
  expect(decodePacket(whole)).toMatchObject({ truncated: false });
  expect(decodePacket(new Uint8Array())).toEqual({ layers: [], truncated: true });
});

test("ARP for other than Ethernet and IPv4 is shown in hex", () => {
  expect(decodePacket(hex(ethernet, "0806", "0001 86dd 02 03 0001 0a0b 010203 0c0d 040506")).layers[1]).toEqual({
    protocol: "arp",
    operation: 1,
    senderHardware: "0a0b",
    sender: "010203",
    targetHardware: "0c0d",
    target: "040506",
  });
});

test("IPv6 text is RFC 5952's", () => {
  const cases: readonly [string, string][] = [
    ["00000000000000000000000000000000", "::"],
    ["00000000000000000000000000000001", "::1"],
    ["20010db8000000000000000000000001", "2001:db8::1"],
    ["20010db8000000010001000100010001", "2001:db8:0:1:1:1:1:1"],
    ["20010000000000010000000000000001", "2001:0:0:1::1"],
    ["20010db8000000000001000000000001", "2001:db8::1:0:0:1"],
    ["fe800000000000000000000000000000", "fe80::"],
    ["0000ABCD000000000000000000000000", "0:abcd::"],
    ["00010002000300040005000600070008", "1:2:3:4:5:6:7:8"],
  ];
  for (const [bytes, text] of cases) expect(ipv6Text(hex(bytes), 0)).toBe(text);
  expect(decodePacketHeader(hex(ethernet, "86dd 60000000 0004 8440 20010db8000000000000000000000001 20010db8000000000000000000000002 15b31a0a"))).toMatchObject({ src: "2001:db8::1", protocol: 132, srcPort: 5_555, dstPort: 6_666 });
});
