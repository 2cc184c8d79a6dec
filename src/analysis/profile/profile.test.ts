import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import type { PacketHeader } from "sflow-collector";
import type { NetworkEvent } from "../../base/observation.js";
import { seeded } from "../../base/seeded.js";
import type { ObservedPacket } from "../../telemetry/observed-packet.js";
import { Conversations, serviceName, type Conversation, type Stage } from "./conversations.js";
import { dependencies } from "./dependencies.js";
import { diffProfiles } from "./document.js";
import { HeavyHitters } from "./heavy-hitters.js";
import { Profile } from "./profile.js";
import { readSnapshot, writeSnapshot } from "./snapshot.js";
import { SizeHistogram, Transfers } from "./transfers.js";

const base: PacketHeader = { ethDst: "", ethSrc: "", ethType: 0x0800, vlanVid: undefined, src: "10.0.0.1", dst: "10.0.0.2", protocol: 6, laterFragment: false, fragment: false, ttl: 64, srcPort: 40_000, dstPort: 80, tcpFlags: 0x10, payloadLength: 0 };
const packet = (tMs: number, header: Partial<PacketHeader> = {}, frameLength = 100): ObservedPacket => ({ tMs, weight: 1, frameLength, ingress: undefined, header: { ...base, ...header } });

/** A connection with so many data packets: SYN, answer, data, FIN. */
function connection(tMs: number, client: string, clientPort: number, server: string, port: number, packets = 2, frameLength = 100): ObservedPacket[] {
  const to = { src: client, srcPort: clientPort, dst: server, dstPort: port };
  const from = { src: server, srcPort: port, dst: client, dstPort: clientPort };
  return [
    packet(tMs, { ...to, tcpFlags: 0x02 }, 74),
    packet(tMs + 1, { ...from, tcpFlags: 0x12 }, 74),
    ...Array.from({ length: packets }, (_, i) => packet(tMs + 2 + i, { ...from, tcpFlags: 0x18, payloadLength: frameLength - 66 }, frameLength)),
    packet(tMs + 3 + packets, { ...to, tcpFlags: 0x11 }, 66),
  ];
}
const query = (tMs: number, client: string, clientPort: number, server: string): ObservedPacket[] => [
  packet(tMs, { protocol: 17, src: client, srcPort: clientPort, dst: server, dstPort: 53, tcpFlags: 0 }),
  packet(tMs + 1, { protocol: 17, src: server, srcPort: 53, dst: client, dstPort: clientPort, tcpFlags: 0 }),
];
const learn = (packets: readonly ObservedPacket[], options: Partial<ConstructorParameters<typeof Profile>[0]> = {}): { readonly profile: Profile; readonly events: NetworkEvent[] } => {
  const events: NetworkEvent[] = [];
  const profile = new Profile({ happened: (event) => events.push(event), ...options });
  for (const one of [...packets].sort((x, y) => x.tMs - y.tMs)) profile.packet(one);
  return { profile, events };
};

test("the server is whom the SYN goes to, also on a high port, and the same ports again are another conversation", () => {
  const ended: Conversation[] = [];
  const conversations = new Conversations({ started: () => {}, grown: () => {}, ended: (one) => ended.push({ ...one }) });
  for (const at of [1_000, 3_000]) for (const one of connection(at, "10.0.0.9", 1_024, "10.0.0.2", 50_000)) conversations.add(one);
  conversations.advance(100_000);
  expect(ended.map(({ client, service, bytes, hasStart }) => [client, serviceName(service), bytes, hasStart])).toEqual([
    ["10.0.0.9", "10.0.0.2 tcp/50000", 74 + 74 + 200 + 66, true],
    ["10.0.0.9", "10.0.0.2 tcp/50000", 74 + 74 + 200 + 66, true],
  ]);
});

test("a conversation seen in its middle has no start, and the lower port serves", () => {
  const started: Conversation[] = [];
  const conversations = new Conversations({ started: (one) => started.push(one), grown: () => {}, ended: () => {} });
  conversations.add(packet(0, { src: "10.0.0.2", srcPort: 443, dst: "10.0.0.1", dstPort: 50_000, payloadLength: 34 }));
  expect(started.map(({ client, service, hasStart }) => [client, serviceName(service), hasStart])).toEqual([["10.0.0.1", "10.0.0.2 tcp/443", false]]);
});

test("openings told exactly are the starts; samples of them add to them and count none twice, and none is lost when the telling ends", () => {
  const started: Conversation[] = [];
  const ended: Conversation[] = [];
  const conversations = new Conversations({ started: (one) => started.push(one), grown: () => {}, ended: (one) => ended.push(one) });
  const open = (tMs: number, clientPort: number) => ({ tMs, client: "10.0.0.9", clientPort, server: "10.0.0.2", port: 50_000 });
  conversations.opened(1_000, []);
  // Of 1024 samples come before its word, of 1025 none, of 1026 there is no word: it was there before.
  for (const one of connection(1_500, "10.0.0.9", 1_024, "10.0.0.2", 50_000)) conversations.add(one);
  expect(started).toEqual([]);
  conversations.opened(2_000, [open(1_480, 1_024), open(1_700, 1_025)]);
  conversations.opened(3_000, []);
  conversations.add(packet(2_100, { src: "10.0.0.9", srcPort: 1_026, dst: "10.0.0.2", dstPort: 50_000 }));
  conversations.opened(6_000, []);
  conversations.add(packet(8_000, { src: "10.0.0.9", srcPort: 1_026, dst: "10.0.0.2", dstPort: 50_000 }));
  expect(started.map(({ clientPort, firstMs, hasStart }) => [clientPort, firstMs, hasStart])).toEqual([[1_024, 1_480, true], [1_025, 1_700, true], [1_026, 2_100, false]]);
  expect(ended.find(({ clientPort }) => clientPort === 1_024)?.bytes).toBe(74 + 74 + 200 + 66);
  // The same ports, opened again; and nothing told for 5 s: samples begin conversations again.
  conversations.opened(9_000, [open(8_500, 1_024)]);
  for (const one of connection(20_000, "10.0.0.9", 1_030, "10.0.0.2", 50_000)) conversations.add(one);
  expect(started.slice(3).map(({ clientPort, firstMs, hasStart }) => [clientPort, firstMs, hasStart])).toEqual([[1_024, 8_500, true], [1_030, 20_000, true]]);
});

test("a chain name service → authentication → application is found, each with its direction and lag", () => {
  const random = seeded(3);
  const packets: ObservedPacket[] = [];
  let port = 20_000;
  for (let i = 0, at = 10_000; i < 60; i++, at += 3_000 + Math.floor(random() * 6_000)) {
    const client = `10.0.0.${10 + (i % 3)}`;
    packets.push(...query(at, client, port++, "10.0.0.53"));
    packets.push(...connection(at + 20, client, port++, "10.0.0.80", 8080));
    packets.push(...connection(at + 50, "10.0.0.80", port++, "10.0.0.90", 9000));
    // Something that has nothing to do with it, about as often.
    packets.push(...connection(10_000 + Math.floor(random() * 300_000), "10.0.0.80", port++, "10.0.0.99", 514));
  }
  const { dependencies: found, critical } = learn(packets).profile.document(400_000);
  const named = found.map(({ dependent, on, way }) => `${dependent} ${way} ${on}`);
  expect(named).toContain("10.0.0.80 tcp/8080 inside 10.0.0.90 tcp/9000");
  expect(named).toContain("10.0.0.80 tcp/8080 before 10.0.0.53 udp/53");
  expect(named.filter((name) => name.includes("tcp/514"))).toEqual([]);
  expect(named.filter((name) => name.startsWith("10.0.0.53") || name.startsWith("10.0.0.90"))).toEqual([]);
  expect(found.find(({ on }) => on === "10.0.0.90 tcp/9000")?.lagMs).toBe(30);
  expect(found.find(({ on }) => on === "10.0.0.53 udp/53")?.lagMs).toBe(20);
  expect(critical.map(({ host }) => host).sort()).toEqual(["10.0.0.53", "10.0.0.90"]);
});

test("the chain is found also when it is in constant use, by its short lags", () => {
  const random = seeded(4);
  const packets: ObservedPacket[] = [];
  let port = 20_000;
  for (let i = 0, at = 10_000; i < 80; i++, at += 40 + Math.floor(random() * 700)) {
    packets.push(...query(at, "10.0.0.1", port++, "10.0.0.2"), ...connection(at + 5, "10.0.0.1", port++, "10.0.0.3", 8080), ...connection(at + 9, "10.0.0.3", port++, "10.0.0.4", 9000));
  }
  const found = learn(packets).profile.document(100_000).dependencies;
  expect(found.map(({ dependent, on, way }) => `${dependent} ${way} ${on}`).sort()).toEqual(["10.0.0.3 tcp/8080 before 10.0.0.2 udp/53", "10.0.0.3 tcp/8080 inside 10.0.0.4 tcp/9000"]);
  expect(found.every(({ confidence, lagMs }) => confidence > 0.7 && lagMs <= 10)).toBe(true);
});

test("two services used at random of each other have no dependency", () => {
  const random = seeded(11);
  let wrong = 0;
  for (let run = 0; run < 40; run++) {
    const starts = (): number[] => Array.from({ length: 100 }, () => random() * 600_000).sort((x, y) => x - y);
    const edge = (client: string, server: string, port: number) => ({ client, service: { server, protocol: 6, port }, firstMs: 0, lastMs: 0, conversations: 100, bytes: 0, starts: starts() });
    wrong += dependencies([edge("c", "a", 1), edge("c", "b", 2), edge("a", "b", 2), edge("a", "d", 3)]).length;
  }
  expect(wrong).toBe(0);
});

test("an edge that was not there while learning is told once", () => {
  const packets = Array.from({ length: 20 }, (_, i) => connection(i * 1_000, "10.0.0.1", 30_000 + i, "10.0.0.2", 80)).flat();
  const { events } = learn([...packets, ...connection(15_000, "10.0.0.66", 1, "10.0.0.2", 22), ...connection(16_000, "10.0.0.66", 2, "10.0.0.2", 22)], { graph: { learningMs: 10_000, forgetMs: 1e9 } });
  expect(events.map(({ detail }) => detail)).toEqual([{ what: "new edge", client: "10.0.0.66", service: "10.0.0.2 tcp/22" }]);
});

test("transfer sizes are within a tenth, and a transfer that will be large is told after ten packets", () => {
  const sizes = new SizeHistogram();
  for (let i = 1; i <= 1_000; i++) sizes.add(i * 1_000);
  for (const share of [0.5, 0.9, 0.99]) expect(Math.abs(sizes.quantile(share) / (share * 1_000_000) - 1)).toBeLessThan(0.1);
  const transfers = new Transfers(100_000);
  const one = (bytes: number, first: Stage | undefined, server = "s"): Conversation => ({ client: "c", clientPort: 1, service: { server, protocol: 6, port: 21 }, firstMs: 0, lastMs: 0, bytes, packets: 10, samples: 10, stages: first === undefined ? [] : [first], hasStart: true });
  const [full, sparse] = [{ bytes: 12_000, tookMs: 3 }, { bytes: 1_200, tookMs: 3 }];
  const probability = (first: Stage | undefined, server?: string): number => transfers.guess(one(first?.bytes ?? 500, first, server)).probability;
  expect(probability(full)).toBeLessThan(0.2); // nothing is known: large ones are few
  for (let i = 0; i < 50; i++) transfers.ended(i % 2 === 0 ? one(2_000, sparse) : one(1_000_000, full));
  expect(probability(full)).toBeGreaterThan(0.9);
  expect(probability(sparse)).toBeLessThan(0.1);
  expect(probability({ bytes: 60_000, tookMs: 3 })).toBeCloseTo(0.5, 1); // none began like that: the service's share
  expect(probability(full, "another server")).toBeCloseTo(0.5, 1); // the port's share
  expect(transfers.guess(one(200_000, full)).probability).toBe(1);
  const again = new Transfers(100_000);
  again.restore(JSON.parse(JSON.stringify(transfers.state())) as ReturnType<Transfers["state"]>);
  for (const first of [full, sparse, undefined]) for (const server of ["s", "t"]) expect(again.guess(one(1_000, first, server)).probability).toBe(transfers.guess(one(1_000, first, server)).probability);
  const backups = Array.from({ length: 12 }, (_, i) => connection(i * 10_000, "10.0.0.7", 1_000 + i, "10.0.0.8", 873, 100, 1_500)).flat();
  const { events } = learn(backups, { elephantBytes: 100_000 });
  expect(events.length).toBeGreaterThan(5);
  expect(events.every(({ detail, kind }) => kind === "prediction" && Number(detail["bytesSoFar"]) < 15_000)).toBe(true);
});

test("of a service whose transfers differ only later, a large one is told later, once, and before it is large", () => {
  const mixed = Array.from({ length: 120 }, (_, i) => connection(i * 10_000, "10.0.0.7", 1_000 + i, "10.0.0.8", 80, [15, 30, 60, 1_000][i % 4], 1_500)).flat();
  const { events } = learn(mixed, { elephantBytes: 1_000_000 });
  const told = events.filter(({ kind }) => kind === "prediction");
  expect(told.length).toBeGreaterThan(20);
  expect(told.length).toBeLessThanOrEqual(30);
  for (const { detail } of told) {
    expect(Number(detail["packetsSoFar"])).toBe(80);
    expect(Number(detail["bytesSoFar"])).toBeLessThan(150_000);
  }
});

test("the heaviest talkers are found in a stream of many, with the error they may have", () => {
  const random = seeded(5);
  const hitters = new HeavyHitters(64);
  for (let i = 0; i < 20_000; i++) hitters.add(random() < 0.2 ? "elephant" : `mouse ${Math.floor(random() * 5_000)}`, 1);
  const [first, ...others] = hitters.above(0.1);
  expect(others).toEqual([]);
  expect(first?.key).toBe("elephant");
  expect(Math.abs(((first?.amount ?? 0) - (first?.error ?? 0)) / 4_000 - 1)).toBeLessThan(0.1);
  hitters.fade();
  expect(hitters.total).toBe(10_000);
});

test("a restarted profile goes on where it was", () => {
  const packets = Array.from({ length: 30 }, (_, i) => [...connection(i * 2_000, "10.0.0.1", 1_000 + i, "10.0.0.3", 8080), ...connection(i * 2_000 + 4, "10.0.0.3", 2_000 + i, "10.0.0.4", 9000)]).flat();
  const { profile } = learn(packets);
  profile.observation({ tMs: 3_600_000, windowMs: 5_000, side: "live", subject: { kind: "host", name: "10.0.0.1" }, values: { bitsPerS: 7 } });
  const before = profile.document(100_000);
  const dir = mkdtempSync(`${tmpdir()}/profile-`);
  try {
    writeSnapshot(`${dir}/profile.json`, profile.snapshot());
    const again = new Profile({ happened: () => {} });
    const kept = readSnapshot(`${dir}/profile.json`);
    expect(kept).toBeDefined();
    if (kept !== undefined) again.restore(kept);
    const { talkers: _, ...rest } = before; // what is lately large is not kept
    expect(again.document(100_000)).toMatchObject(rest);
    writeFileSync(`${dir}/profile.json`, "{}");
    expect(() => readSnapshot(`${dir}/profile.json`)).toThrow("not a profile of this program");
    expect(readSnapshot(`${dir}/none.json`)).toBeUndefined();
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("the document's version grows when it says something new, and the difference says what", () => {
  const { profile } = learn(connection(1_000, "10.0.0.1", 1, "10.0.0.2", 80));
  const first = profile.document(5_000);
  expect(profile.document(6_000).version).toBe(first.version);
  for (const one of connection(7_000, "10.0.0.3", 1, "10.0.0.2", 443)) profile.packet(one);
  const second = profile.document(9_000);
  expect(second.version).toBe(first.version + 1);
  expect(diffProfiles(first, second).map(({ section, key, what }) => [section, key, what])).toEqual([
    ["services", "10.0.0.2 tcp/443", "added"],
    ["edges", "10.0.0.3 > 10.0.0.2 tcp/443", "added"],
    ["talkers", "10.0.0.2 > 10.0.0.3", "added"],
    ["talkers", "10.0.0.3 > 10.0.0.2", "added"],
  ]);
  expect(JSON.parse(JSON.stringify(second))).toEqual(second);
});
