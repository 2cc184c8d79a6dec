import fc from "fast-check";
import { match } from "node-openflow";
import { defaultHostBounds, emptyHostTable, hostsFromFlows, ipv6Text, learnHost, learnSerial, type HostTable } from "./hosts.js";
import { cookie } from "./pipeline.js";

// Captured with tcpdump on a veth pair between two Linux namespaces that pinged each other.
const frames = {
  mldReport: "33330000001602000000000a86dd600000000024000100000000000000000000000000000000ff0200000000000000000000000000163a000502000001008f006f800000000104000000ff0200000000000000000001ff00000a",
  duplicateCheck: "3333ff00000a02000000000a86dd6000000000203aff00000000000000000000000000000000ff0200000000000000000001ff00000a87002b9e00000000fe80000000000000000000fffe00000a0e01300cb16561fa",
  routerSolicitation: "33330000000202000000000a86dd6000000000103afffe80000000000000000000fffe00000aff02000000000000000000000000000285007b1a00000000010102000000000a",
  arpRequest: "ffffffffffff02000000000a0806000108000604000102000000000a0a0700010000000000000a070002",
  arpReply: "02000000000a02000000000b0806000108000604000202000000000b0a07000202000000000a0a070001",
  ping: "02000000000b02000000000a080045000054f994400040012d040a0700010a0700020800c71436ae0001ee41016b0000000044bc070000000000101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637",
  solicitation: "3333ff00000b02000000000a86dd6000000000203afffe80000000000000000000fffe00000aff0200000000000000000001ff00000b87007c7300000000fe80000000000000000000fffe00000b010102000000000a",
  advertisement: "02000000000a02000000000b86dd6000000000203afffe80000000000000000000fffe00000bfe80000000000000000000fffe00000a88001af660000000fe80000000000000000000fffe00000b020102000000000b",
} as const;
const a = "02:00:00:00:00:0a";
const b = "02:00:00:00:00:0b";
const bytes = (hex: string): Uint8Array => Buffer.from(hex, "hex");
const see = (table: HostTable, hex: string, ofport = 1, nowMs = 0, bounds = defaultHostBounds): HostTable => learnHost(table, { bridge: "leaf1", ofport, data: bytes(hex) }, nowMs, bounds);
const addressesAfter = (...seen: string[]): readonly string[] | undefined => [...seen.reduce((table, hex) => see(table, hex), emptyHostTable).hosts.values()][0]?.addresses;

test("a host is learned from the first frame it sends, an address when it speaks of itself", () => {
  expect([...see(emptyHostTable, frames.mldReport).hosts.values()]).toEqual([{ mac: a, addresses: [], at: { bridge: "leaf1", ofport: 1 } }]);
  expect(addressesAfter(frames.duplicateCheck)).toEqual([]);
  expect(addressesAfter(frames.ping)).toEqual([]);
  expect(addressesAfter(frames.mldReport, frames.routerSolicitation, frames.arpRequest, frames.solicitation)).toEqual(["fe80::ff:fe00:a", "10.7.0.1"]);
  expect(addressesAfter(frames.arpReply, frames.advertisement)).toEqual(["10.7.0.2", "fe80::ff:fe00:b"]);
});

test("behind VLAN tags it reads the same", () => {
  const tagged = frames.arpRequest.slice(0, 24) + "88a80064" + "8100001e" + frames.arpRequest.slice(24);
  expect(addressesAfter(tagged)).toEqual(["10.7.0.1"]);
});

test("nothing new gives the same table back", () => {
  const table = see(see(emptyHostTable, frames.arpRequest), frames.solicitation);
  for (const hex of [frames.mldReport, frames.arpRequest, frames.ping]) expect(see(table, hex)).toBe(table);
});

test("group senders, the zero address, link-local protocols and half a header teach nothing", () => {
  const from = (mac: string): string => frames.arpRequest.slice(0, 12) + mac + frames.arpRequest.slice(24);
  const bpdu = "0180c2000000" + "02000000000c" + "0026424203";
  for (const hex of [from("03000000000a"), from("ffffffffffff"), from("000000000000"), bpdu, frames.arpRequest.slice(0, 26)]) expect(see(emptyHostTable, hex)).toBe(emptyHostTable);
});

test("who speaks for another is not believed", () => {
  // The ARP body says 0a, the frame comes from 0c; and a neighbour advertisement a router passed on.
  expect(addressesAfter(frames.arpRequest.slice(0, 12) + "02000000000c" + frames.arpRequest.slice(24))).toEqual([]);
  expect(addressesAfter(frames.advertisement.replace("3aff", "3afe"))).toEqual([]);
});

test("a host moves with its address, and no more often than allowed", () => {
  let table = see(emptyHostTable, frames.arpRequest, 1);
  // Frames from port 2 and port 1 in turn: four are followed, then of the rest each second one says something else.
  for (let i = 0; i < 20; i++) table = see(table, frames.ping, 2 - (i % 2), i);
  expect(table).toMatchObject({ moved: 4, movesHeld: 8 });
  table = see(table, frames.ping, 7, 1_500);
  expect(table.hosts.get(a)).toEqual({ mac: a, addresses: ["10.7.0.1"], at: { bridge: "leaf1", ofport: 7 } });
  expect(table.recent.size).toBe(1);
});

test("bounds per port and in all hold for any sequence of senders, and what is refused is counted", () => {
  const bounds = { perPort: 3, inAll: 5, movesPerS: 100 };
  const sender = fc.record({ host: fc.nat(15), ofport: fc.integer({ min: 1, max: 3 }) });
  fc.assert(
    fc.property(fc.array(sender, { maxLength: 40 }), (seen) => {
      let table = emptyHostTable;
      for (const { host, ofport } of seen) {
        const before = table;
        const last = host.toString(16).padStart(2, "0");
        table = see(table, frames.ping.slice(0, 12) + `0200000000${last}` + frames.ping.slice(24), ofport, 0, bounds);
        if (table.hosts.get(`02:00:00:00:00:${last}`)?.at.ofport !== ofport) expect(table.refused).toBe(before.refused + 1);
      }
      expect(table.hosts.size).toBeLessThanOrEqual(bounds.inAll);
      for (const port of [1, 2, 3]) expect([...table.hosts.values()].filter((host) => host.at.ofport === port).length).toBeLessThanOrEqual(bounds.perPort);
    }),
  );
});

test("any bytes and any prefix of a frame are read without throwing", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 160 }), (data) => void learnHost(emptyHostTable, { bridge: "x", ofport: 1, data }, 0)));
  for (const hex of Object.values(frames)) for (let n = 0; n <= hex.length; n += 2) see(emptyHostTable, hex.slice(0, n));
});

test("addresses of one host are bounded, the oldest go first", () => {
  let table = emptyHostTable;
  for (let i = 1; i <= 30; i++) table = see(table, frames.arpRequest.replace("0a070001", `0a0700${i.toString(16).padStart(2, "0")}`));
  expect(table.hosts.get(a)?.addresses).toHaveLength(16);
  expect(table.hosts.get(a)?.addresses.at(-1)).toBe("10.7.0.30");
});

test("hosts come back from the learning flows, with the address their cookie carries", () => {
  const host = { mac: b, addresses: ["fe80::1", "255.7.0.2"], at: { bridge: "leaf1", ofport: 3 } };
  const flows = [
    { match: match({ inPort: 3, ethSrc: b }), cookie: cookie("learn", learnSerial(host)) },
    { match: match({ inPort: 4, ethSrc: a }), cookie: cookie("learn", learnSerial({ ...host, addresses: [] })) },
    { match: match({ inPort: 3 }), cookie: cookie("learn") },
    { match: match({ inPort: 4, ethSrc: a, ethType: 0x0806 }), cookie: cookie("learn") },
  ];
  expect(hostsFromFlows("leaf1", flows)).toEqual([
    { ...host, addresses: ["255.7.0.2"] },
    { mac: a, addresses: [], at: { bridge: "leaf1", ofport: 4 } },
  ]);
});

test.each([
  ["00000000000000000000000000000001", "::1"],
  ["20010db8000000000001000000000001", "2001:db8::1:0:0:1"],
  ["20010db8000000010001000100010001", "2001:db8:0:1:1:1:1:1"],
  ["fe800000000000000000000000000000", "fe80::"],
  ["00000000000000000000000000000000", "::"],
])("IPv6 %s is written as RFC 5952 says", (hex, text) => expect(ipv6Text(bytes(hex))).toBe(text));
