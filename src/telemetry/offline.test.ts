import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { gzipSync } from "node:zlib";
import { DuckDBInstance } from "@duckdb/node-api";
import { decodeDatagram, PcapStream, UdpExtractor } from "sflow-collector";
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
