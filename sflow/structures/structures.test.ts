import { decodeDatagram, type CounterRecord, type FlowRecord } from "../index.js";

const u32 = (...values: number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => bytes.writeUInt32BE(value >>> 0, i * 4));
  return bytes;
};
const u64 = (value: bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
};
/** string<> and opaque<>: length, bytes, padding. */
const text = (value: string): Buffer => Buffer.concat([u32(Buffer.byteLength(value)), Buffer.from(value), Buffer.alloc(-Buffer.byteLength(value) & 3)]);
const hex = (value: string): Buffer => Buffer.from(value, "hex");
const cat = (...parts: Buffer[]): Buffer => Buffer.concat(parts);
const datagram = (sample: Buffer, format: number): Buffer => cat(u32(5, 1, 0x0a000001, 2, 3, 4, 1, format, sample.length), sample);
const record = (format: string, body: Buffer): Buffer => {
  const [enterprise = 0, number = 0] = format.split(":").map(Number);
  return cat(u32(enterprise * 4_096 + number, body.length), body);
};
function flow(format: string, body: Buffer): FlowRecord {
  const [sample] = decodeDatagram(datagram(cat(u32(1, 0x02000003, 64, 6_400, 0, 1, 2, 1), record(format, body)), 1)).samples;
  if (sample?.kind !== "flow" || sample.records[0] === undefined) throw new Error("no flow record");
  return sample.records[0];
}
function counter(format: string, body: Buffer): CounterRecord {
  const [sample] = decodeDatagram(datagram(cat(u32(1, 0x00000007, 1), record(format, body)), 2)).samples;
  if (sample?.kind !== "counters" || sample.records[0] === undefined) throw new Error("no counter record");
  return sample.records[0];
}

const ip4 = hex("0a000001");
const ip6 = hex("20010db8000000000000000000000001");
const address4 = cat(u32(1), ip4);
const address6 = cat(u32(2), ip6);
const mac = hex("0123456789ab0000");

/** What each structure of the specifications is in bytes, and must come out as. */
const flows: readonly [string, Buffer, object][] = [
  ["0:1", cat(u32(1, 100, 4), text("abcde")), { kind: "sampledHeader", protocol: 1, frameLength: 100, stripped: 4, header: Buffer.from("abcde") }],
  ["0:2", cat(u32(64), mac, mac, u32(0x86dd)), { kind: "sampledEthernet", length: 64, srcMac: "01:23:45:67:89:ab", dstMac: "01:23:45:67:89:ab", type: 0x86dd }],
  ["0:3", cat(u32(60, 6), ip4, ip4, u32(1, 2, 3, 4)), { kind: "sampledIpv4", length: 60, protocol: 6, srcIp: "10.0.0.1", dstIp: "10.0.0.1", srcPort: 1, dstPort: 2, tcpFlags: 3, tos: 4 }],
  ["0:4", cat(u32(60, 17), ip6, ip6, u32(1, 2, 3, 4)), { kind: "sampledIpv6", srcIp: "2001:db8::1", dstIp: "2001:db8::1", priority: 4 }],
  ["0:1001", u32(1, 2, 3, 0xffffffff), { kind: "extendedSwitch", srcVlan: 1, srcPriority: 2, dstVlan: 3, dstPriority: 0xffffffff }],
  ["0:1002", cat(address6, u32(24, 16)), { kind: "extendedRouter", nexthop: "2001:db8::1", srcMaskLen: 24, dstMaskLen: 16 }],
  [
    "0:1003",
    cat(address4, u32(65_000, 1, 2, 2, 2, 2, 10, 20, 1, 1, 30, 1, 99, 100)),
    { kind: "extendedGateway", nexthop: "10.0.0.1", as: 65_000, srcAs: 1, srcPeerAs: 2, dstAsPath: [{ type: 2, as: [10, 20] }, { type: 1, as: [30] }], communities: [99], localpref: 100 },
  ],
  ["0:1004", cat(u32(106), text("jörg"), u32(106), text("")), { kind: "extendedUser", srcCharset: 106, srcUser: "jörg", dstCharset: 106, dstUser: "" }],
  ["0:1005", cat(u32(1), text("/index.html"), text("example.org")), { kind: "extendedUrl", direction: 1, url: "/index.html", host: "example.org" }],
  ["0:1006", cat(u32(0), u32(1, 0x64100, 2, 1, 2)), { kind: "extendedMpls", nexthop: "unknown", inStack: [0x64100], outStack: [1, 2] }],
  ["0:1007", cat(address4, address6), { kind: "extendedNat", srcAddress: "10.0.0.1", dstAddress: "2001:db8::1" }],
  ["0:1008", cat(text("lsp"), u32(1, 2)), { kind: "extendedMplsTunnel", tunnelLspName: "lsp", tunnelId: 1, tunnelCos: 2 }],
  ["0:1009", cat(text("vc"), u32(3, 4)), { kind: "extendedMplsVc", vcInstanceName: "vc", vllVcId: 3, vcLabelCos: 4 }],
  ["0:1010", cat(text("ftn"), u32(5)), { kind: "extendedMplsFTN", mplsFTNDescr: "ftn", mplsFTNMask: 5 }],
  ["0:1011", u32(24), { kind: "extendedMplsLDPFEC", mplsFecAddrPrefixLength: 24 }],
  ["0:1012", u32(2, 0x88a80064, 0x81000008), { kind: "extendedVlantunnel", stack: [0x88a80064, 0x81000008] }],
  ["0:1013", cat(hex("000fac04"), text("abc")), { kind: "extended80211Payload", ciphersuite: 0x000fac04, data: Buffer.from("abc") }],
  ["0:1014", cat(text("net"), mac, u32(4, 36), u64(300_000_000n), u32(1, 2, 3)), { kind: "extended80211Rx", ssid: "net", bssid: "01:23:45:67:89:ab", version: 4, channel: 36, speed: 300_000_000n, rsni: 1, rcpi: 2, packetDuration: 3 }],
  ["0:1015", cat(text("net"), mac, u32(4, 2, 10, 20, 36), u64(9n), u32(100)), { kind: "extended80211Tx", transmissions: 2, packetDuration: 10, retransDuration: 20, channel: 36, speed: 9n, power: 100 }],
  ["0:1021", cat(u32(64), mac, mac, u32(0x800)), { kind: "extendedL2TunnelEgress", header: { length: 64, srcMac: "01:23:45:67:89:ab", dstMac: "01:23:45:67:89:ab", type: 0x800 } }],
  ["0:1022", cat(u32(64), mac, mac, u32(0x800)), { kind: "extendedL2TunnelIngress" }],
  ["0:1023", cat(u32(0, 17), ip4, ip4, u32(0, 4_789, 0, 0)), { kind: "extendedIpv4TunnelEgress", header: { length: 0, protocol: 17, srcIp: "10.0.0.1", dstIp: "10.0.0.1", srcPort: 0, dstPort: 4_789, tcpFlags: 0, tos: 0 } }],
  ["0:1024", cat(u32(0, 17), ip4, ip4, u32(0, 4_789, 0, 0)), { kind: "extendedIpv4TunnelIngress" }],
  ["0:1025", cat(u32(0, 17), ip6, ip6, u32(0, 4_789, 0, 0)), { kind: "extendedIpv6TunnelEgress" }],
  ["0:1026", cat(u32(0, 17), ip6, ip6, u32(0, 4_789, 0, 0)), { kind: "extendedIpv6TunnelIngress" }],
  ["0:1027", u32(50), { kind: "extendedDecapsulateEgress", innerHeaderOffset: 50 }],
  ["0:1028", u32(50), { kind: "extendedDecapsulateIngress", innerHeaderOffset: 50 }],
  ["0:1029", u32(77), { kind: "extendedVniEgress", vni: 77 }],
  ["0:1030", u32(77), { kind: "extendedVniIngress", vni: 77 }],
  ["0:1038", text("kfree_skb"), { kind: "extendedFunction", symbol: "kfree_skb" }],
  ["0:2100", cat(u32(6), ip4, ip4, u32(80, 1_024)), { kind: "extendedSocketIpv4", localPort: 80, remotePort: 1_024 }],
  ["0:2202", cat(text("shop"), text("buy"), text("a=b"), text("OK"), u64(10n), u64(20n), u32(30, 0)), { kind: "appOperation", context: { application: "shop", operation: "buy", attributes: "a=b" }, reqBytes: 10n, uS: 30 }],
];

test.each(flows)("flow record %s", (format, body, expected) => {
  expect(flow(format, body)).toMatchObject({ format, ...expected });
  expect(flow(format, body)).not.toHaveProperty("trailing");
  expect(flow(format, cat(body, u32(9)))).toMatchObject({ format, trailing: u32(9) });
});

/** Sizes of the structures that have one, from the specifications; the sums are not taken from the decoder's table. */
const counterSizes: Readonly<Record<string, number>> = {
  "0:1": 88,
  "0:2": 52,
  "0:3": 72,
  "0:4": 80,
  "0:5": 28,
  "0:6": 80,
  "0:7": 56,
  "0:1001": 28,
  "0:1002": 12,
  "0:1004": 12,
  "0:2002": 8,
  "0:2003": 68,
  "0:2004": 72,
  "0:2005": 52,
  "0:2006": 40,
  "0:2007": 76,
  "0:2008": 100,
  "0:2009": 60,
  "0:2010": 28,
  "0:2100": 28,
  "0:2101": 12,
  "0:2102": 16,
  "0:2103": 52,
  "0:2104": 40,
  "0:2203": 40,
  "0:2206": 20,
  "0:2207": 24,
};
test.each(Object.entries(counterSizes))("counter record %s is %d bytes", (format, size) => {
  const body = u32(...Array.from({ length: size / 4 }, (_, i) => i + 1));
  const read = counter(format, body);
  expect(read.kind).not.toBe("unknown");
  expect(read).not.toHaveProperty("trailing");
  const values = Object.values(read).filter((value) => typeof value === "number" || typeof value === "bigint");
  // Every word is in some field, the last one in the last.
  if (format !== "0:7" && format !== "0:2003") expect(BigInt(values.at(-1) ?? 0) & 0xffffffffn).toBe(BigInt(size / 4));
  expect(() => counter(format, body.subarray(0, size - 4))).toThrow(expect.objectContaining({ code: "truncated" }) as Error);
});

test("counter records of no fixed size, and some values", () => {
  expect(counter("0:1005", text("eth0"))).toMatchObject({ kind: "portName", name: "eth0" });
  expect(counter("0:2000", cat(text("host"), hex("00112233445566778899aabbccddeeff"), u32(3, 2), text("6.1")))).toMatchObject({
    kind: "hostDescr",
    hostname: "host",
    uuid: hex("00112233445566778899aabbccddeeff"),
    machineType: 3,
    osName: 2,
    osRelease: "6.1",
  });
  expect(counter("0:2001", cat(u32(2, 7, 1), mac, u32(8, 0)))).toMatchObject({ kind: "hostAdapters", adapters: [{ ifIndex: 7, macAddress: ["01:23:45:67:89:ab"] }, { ifIndex: 8, macAddress: [] }] });
  expect(counter("0:2202", cat(text("shop"), u32(...Array(11).keys())))).toMatchObject({ kind: "appOperations", application: "shop", success: 0, unauthorized: 10 });
  expect(counter("0:2003", cat(hex("3fc00000"), Buffer.alloc(64)))).toMatchObject({ kind: "hostCpu", loadOne: 1.5 });
  expect(counter("0:7", cat(mac, mac, u32(3), hex("05bd0002"), u32(...Array(8).keys())))).toMatchObject({ dot3adAggPortActorSystemID: "01:23:45:67:89:ab", dot3adAggPortState: hex("05bd0002"), dot3adAggPortStatsMarkerResponsePDUsTx: 7 });
  expect(counter("0:1001", u32(0xffffffff, 100, 200, 0, 1, 0, 2))).toMatchObject({ "5sCpu": -1, totalMemory: 1n, freeMemory: 2n });
});

test("what is in no table keeps its bytes and says its format", () => {
  expect(flow("4300:7", u32(1, 2))).toEqual({ format: "4300:7", kind: "unknown", bytes: u32(1, 2) });
  expect(counter("0:4000", u32(3))).toEqual({ format: "0:4000", kind: "unknown", bytes: u32(3) });
  expect(decodeDatagram(datagram(u32(8, 9), 1_048_575 * 4_096 + 4_095)).samples).toEqual([{ format: "1048575:4095", kind: "unknown", bytes: u32(8, 9) }]);
});

test("expanded samples and discarded packets", () => {
  const router = record("0:1038", text("f"));
  expect(decodeDatagram(datagram(cat(u32(9, 0, 0x01000001, 64, 1, 2, 0, 0x40000001, 2, 3, 1), router), 3)).samples).toMatchObject([
    { format: "0:3", kind: "flow", sequenceNumber: 9, dataSource: { class: 0, index: 0x01000001 }, samplingRate: 64, input: { format: 0, value: 0x40000001 }, output: { format: 2, value: 3 }, records: [{ symbol: "f" }] },
  ]);
  expect(decodeDatagram(datagram(cat(u32(9, 3, 5, 1), record("0:1002", u32(1, 2, 3))), 4)).samples).toMatchObject([{ format: "0:4", kind: "counters", dataSource: { class: 3, index: 5 }, records: [{ kind: "radioUtilization", onChannelBusyTime: 3 }] }]);
  expect(decodeDatagram(datagram(cat(u32(9, 0, 5, 1, 4, 0, 258, 1), router), 5)).samples).toMatchObject([{ format: "0:5", kind: "discarded", drops: 1, inputifindex: 4, outputifindex: 0, reason: 258, records: [{ kind: "extendedFunction" }] }]);
});

test("802.11 aggregation: records within a record, however deep the nesting", () => {
  const pdu = (...records: Buffer[]): Buffer => cat(u32(records.length), ...records);
  expect(flow("0:1016", cat(u32(2), pdu(record("0:1038", text("a"))), pdu(record("0:1038", text("b")), record("0:1011", u32(3)))))).toEqual({
    format: "0:1016",
    kind: "extended80211Aggregation",
    pdus: [
      { flowRecords: [{ format: "0:1038", kind: "extendedFunction", symbol: "a" }] },
      {
        flowRecords: [
          { format: "0:1038", kind: "extendedFunction", symbol: "b" },
          { format: "0:1011", kind: "extendedMplsLDPFEC", mplsFecAddrPrefixLength: 3 },
        ],
      },
    ],
  });
  let body = u32(0);
  for (let depth = 0; depth < 4_000; depth++) body = cat(u32(1), pdu(record("0:1016", body)));
  expect(JSON.stringify(flow("0:1016", body), (_, value: unknown) => (value instanceof Uint8Array ? value.length : value))).toMatch(/"kind":"unknown"/);
});
