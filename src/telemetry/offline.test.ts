import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { gzipSync } from "node:zlib";
import { DuckDBInstance } from "@duckdb/node-api";
import { decodeDatagram, PcapStream, UdpExtractor, type Datagram } from "sflow-collector";
import { emptyNetwork, type Network } from "../network/model.js";
import { writeFeatures } from "../cli/feature-file.js";
import { featureColumns, offlineFeatures, type FeatureRow, type OfflineOptions } from "./offline.js";
import { SflowFeed } from "./sflow-feed.js";
import { TrafficWindows } from "./traffic-windows.js";

const vectors = `${import.meta.dirname}/../../sflow/vectors`;
const edge = { name: "p1", ofport: 1, role: "edge" as const, type: "", up: true, ifindex: 4 };
const network: Network = { ...emptyNetwork, bridges: new Map([["b1", { name: "b1", datapathId: 1n, datapathType: "netdev", failMode: undefined, ports: new Map([[1, edge]]) }]]) };
const plain: OfflineOptions = { kind: "traffic", sampling: 1, seed: 1 };

let dir: string;
beforeEach(() => (dir = mkdtempSync(`${tmpdir()}/features-`)));
afterEach(() => rmSync(dir, { recursive: true }));

/** Frames of one connection, and the same in tunnels. */
const innerFrames = Array.from({ length: 40 }, (_, i) => innerFrame(i % 2 === 0));
function ipHeader(protocol: number, length: number, src: readonly number[], dst: readonly number[]): number[] {
  return [0x45, 0, (20 + length) >> 8, (20 + length) & 0xff, 0, 0, 0x40, 0, 64, protocol, 0, 0, ...src, ...dst];
}
function innerFrame(isFirst: boolean): Uint8Array {
  const [a, b] = [[10, 1, 0, 1], [10, 1, 0, 2]] as const;
  const ports = isFirst ? [0x9c, 0x40, 0, 80] : [0, 80, 0x9c, 0x40];
  const tcp = [...ports, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 4, 0, 0, 0, 0, 0, 1, 2, 3, 4];
  return Uint8Array.from([...Array.from({ length: 12 }, () => 2), 8, 0, ...ipHeader(6, tcp.length, isFirst ? a : b, isFirst ? b : a), ...tcp]);
}
const ends = [[192, 0, 2, 1], [192, 0, 2, 2]] as const;
function vxlan(frame: Uint8Array): Uint8Array {
  const length = 16 + frame.length;
  return Uint8Array.from([...Array.from({ length: 12 }, () => 4), 8, 0, ...ipHeader(17, length, ...ends), 0xc0, 0, 0x12, 0xb5, length >> 8, length & 0xff, 0, 0, 8, 0, 0, 0, 0, 0, 77, 0, ...frame]);
}
function greIp(frame: Uint8Array): Uint8Array {
  const ip = frame.subarray(14);
  return Uint8Array.from([...Array.from({ length: 12 }, () => 4), 8, 0, ...ipHeader(47, 4 + ip.length, ...ends), 0, 0, 8, 0, ...ip]);
}
/** A capture of these frames, 50 ms apart. */
function pcapFile(name: string, frames: readonly Uint8Array[]): string {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65_535, 16);
  header.writeUInt32LE(1, 20);
  const records = frames.flatMap((frame, i) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(1_700_000_000 + Math.floor(i / 20), 0);
    record.writeUInt32LE((i % 20) * 50_000, 4);
    record.writeUInt32LE(frame.length, 8);
    record.writeUInt32LE(frame.length, 12);
    return [record, Buffer.from(frame)];
  });
  writeFileSync(`${dir}/${name}.pcap`, Buffer.concat([header, ...records]));
  return `${dir}/${name}.pcap`;
}

async function read(file: string, options: OfflineOptions = plain) {
  const counters = { packets: 0, unreadable: 0, broken: undefined as string | undefined };
  const rows: FeatureRow[] = [];
  for await (const row of offlineFeatures(file, options, counters)) rows.push(row);
  return { rows, counters };
}
const text = (rows: readonly FeatureRow[]): string[] => rows.map(({ endMs, windowMs, kind, subject, samples, values }) => `${endMs} ${windowMs} ${kind} ${subject} ${samples} ${Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString("hex")}`);

test("datagrams as they come and the same from a file give the same bytes", async () => {
  const feed = new SflowFeed();
  feed.update(network);
  const udp = new UdpExtractor();
  const windows = new TrafficWindows();
  const online: FeatureRow[] = [];
  let lastMs = 0;
  for (const packet of new PcapStream().push(readFileSync(`${vectors}/ovs-3.1-sflow.pcap`))) {
    lastMs = packet.tMs;
    const datagram = udp.take(packet);
    if (datagram === undefined) continue;
    for (const one of feed.packets(decodeDatagram(datagram.payload), packet.tMs)) for (const { subject, ...rest } of windows.add(one)) online.push({ ...rest, kind: subject.kind, subject: subject.name });
  }
  for (const { subject, ...rest } of windows.advance(lastMs + 2_000)) online.push({ ...rest, kind: subject.kind, subject: subject.name });
  const { rows, counters } = await read(`${vectors}/ovs-3.1-sflow.pcap`, { ...plain, sflow: network });
  expect(counters).toMatchObject({ unreadable: 0, broken: undefined });
  expect(rows.length).toBeGreaterThan(20);
  expect(text(rows)).toEqual(text(online));
});

test("by what is inside of tunnels: the vectors of the same packets without tunnels, offline as online", async () => {
  const tunnelled = pcapFile("tunnelled", innerFrames.map((frame, i) => (i % 2 === 0 ? vxlan(frame) : greIp(frame))));
  const bare = pcapFile("bare", innerFrames);
  const subjects = (rows: readonly FeatureRow[]): string[] => rows.map(({ endMs, windowMs, kind, subject, samples }) => `${endMs} ${windowMs} ${kind} ${subject} ${samples}`);
  const inner = await read(tunnelled, { ...plain, tunnels: "inner" });
  const without = await read(bare);
  expect(inner.rows.length).toBeGreaterThan(5);
  expect(subjects(inner.rows)).toEqual(subjects(without.rows));
  // Ports, flags and lengths are those of the inside, too: of the attack model's features only those of the bytes on the wire are other.
  const [ofInner, ofBare] = await Promise.all([read(tunnelled, { ...plain, kind: "attack", tunnels: "inner" }), read(bare, { ...plain, kind: "attack" })]);
  const bytes = featureColumns("attack").flatMap((name, i) => (["meanLength", "smallRatio"].includes(name) ? [i] : []));
  const rest = (rows: readonly FeatureRow[]): number[][] => rows.map(({ values }) => [...values].filter((_, i) => !bytes.includes(i)));
  expect(bytes).toHaveLength(2);
  expect(rest(ofInner.rows)).toEqual(rest(ofBare.rows));
  const outer = await read(tunnelled);
  expect([...new Set(outer.rows.filter(({ kind }) => kind === "host").map(({ subject }) => subject))].sort()).not.toContain("10.1.0.2");
  // The same frames as an agent's samples.
  const online = (tunnels: "inner" | "outer"): readonly (string | undefined)[] => {
    const feed = new SflowFeed({ tunnels });
    feed.update(network);
    const samples = innerFrames.map((frame) => ({ kind: "flow", samplingRate: 1, input: { format: 0, value: 4 }, output: { format: 0, value: 0 }, records: [{ kind: "sampledHeader", header: vxlan(frame), protocol: 1, frameLength: 100, stripped: 0 }] }));
    return feed.packets({ samples } as unknown as Datagram, 1_000).map(({ header }) => `${header.src ?? ""}>${header.dst ?? ""}:${header.dstPort}`);
  };
  expect(new Set(online("inner"))).toEqual(new Set(["10.1.0.1>10.1.0.2:80", "10.1.0.2>10.1.0.1:40000"]));
  expect(new Set(online("outer"))).toEqual(new Set(["192.0.2.1>192.0.2.2:4789"]));
});

test("Parquet gives back the same numbers", async () => {
  const { rows } = await read(`${vectors}/ovs-3.1-edge.pcap`);
  const file = `${dir}/rows.parquet`;
  expect(await writeFeatures(file, featureColumns("traffic"), (async function* () { yield* await Promise.resolve(rows); })())).toBe(rows.length);
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  const result = (await connection.runAndReadAll(`SELECT * FROM '${file}'`)).getRows();
  const back = result.map(([endMs, windowMs, kind, subject, samples, ...values]): FeatureRow => ({ endMs: Number(endMs), windowMs: Number(windowMs), kind: String(kind), subject: String(subject), samples: Number(samples), values: Float64Array.from(values as number[]) }));
  connection.closeSync();
  instance.closeSync();
  expect(text(back).sort()).toEqual(text(rows).sort());
});

test("a file that is cut off gives the rows up to the cut and says where", async () => {
  const whole = readFileSync(`${vectors}/ovs-3.1-edge.pcap`);
  writeFileSync(`${dir}/cut.pcap`, whole.subarray(0, 3_000));
  const cut = await read(`${dir}/cut.pcap`);
  expect(cut.rows.length).toBeGreaterThan(0);
  expect(cut.counters.broken).toContain("ends within a record");
  const packed = gzipSync(whole);
  writeFileSync(`${dir}/cut.pcap.gz`, packed.subarray(0, packed.length >> 1));
  expect((await read(`${dir}/cut.pcap.gz`)).counters.broken).toContain("unexpected end of file");
  writeFileSync(`${dir}/none.pcap`, "this is no capture, whatever its name says");
  expect((await read(`${dir}/none.pcap`)).counters.broken).toContain("not a capture");
});

test("sampling is the seed's, and weighs what it took", async () => {
  const sampled = { ...plain, sampling: 4, seed: 9 };
  const [one, again, other] = await Promise.all([read(`${vectors}/ovs-3.1-edge.pcap`, sampled), read(`${vectors}/ovs-3.1-edge.pcap`, sampled), read(`${vectors}/ovs-3.1-edge.pcap`, { ...sampled, seed: 10 })]);
  expect(text(one.rows)).toEqual(text(again.rows));
  expect(text(one.rows)).not.toEqual(text(other.rows));
  const rate = featureColumns("traffic").indexOf("packetsPerS");
  const seconds = one.rows.filter(({ kind, windowMs }) => kind === "host" && windowMs === 1_000);
  for (const { samples, values } of seconds) expect(values[rate]).toBe(samples * 4);
});

test("the attack model's vectors come from the same files", async () => {
  const { rows } = await read(`${vectors}/ovs-3.1-edge.pcap`, { ...plain, kind: "attack" });
  expect(rows.length).toBeGreaterThan(5);
  expect(rows[0]?.values.length).toBe(featureColumns("attack").length);
});
