import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { gzipSync } from "node:zlib";
import { transfer } from "../../../lab/simulated-tcp.js";
import { connectionsOf } from "./offline.js";
import { summarize } from "./summary.js";
import { TcpTracker } from "./tracker.js";

const bgp = `${import.meta.dirname}/../../analysis/routing/fixtures/frr-bird-bgp.pcap`;
const { frames, truth } = transfer(7, 1_000, 40, 12);

const u32 = (...values: number[]): Buffer => Buffer.from(Uint32Array.from(values).buffer);
const micros = (tMs: number): number => Math.round((tMs % 1_000) * 1e3);
const pcap = Buffer.concat([
  u32(0xa1b2c3d4, 0x0004_0002, 0, 0, 65_535, 1),
  ...frames.flatMap(({ bytes, tMs }) => [u32(Math.floor(tMs / 1_000), micros(tMs), bytes.length, bytes.length), bytes]),
]);
const block = (type: number, ...parts: readonly Uint8Array[]): Buffer => {
  const body = Buffer.concat(parts);
  const padded = Buffer.concat([body, Buffer.alloc(-body.length & 3)]);
  const length = u32(12 + padded.length);
  return Buffer.concat([u32(type), length, padded, length]);
};
const pcapng = Buffer.concat([
  block(0x0a0d0d0a, u32(0x1a2b3c4d, 1, 0xffffffff, 0xffffffff)),
  block(1, u32(1, 65_535)),
  ...frames.map(({ bytes, tMs }) => {
    const ticks = BigInt(Math.floor(tMs / 1_000)) * 1_000_000n + BigInt(micros(tMs));
    return block(6, u32(0, Number(ticks >> 32n), Number(ticks & 0xffffffffn), bytes.length, bytes.length), bytes);
  }),
]);

let dir: string;
beforeEach(() => (dir = mkdtempSync(`${tmpdir()}/connections-`)));
afterEach(() => rmSync(dir, { recursive: true }));
const file = (name: string, bytes: Uint8Array | string): string => {
  writeFileSync(`${dir}/${name}`, bytes);
  return `${dir}/${name}`;
};

test("pcap, pcapng and gzipped: what the tracker says online of the same frames", async () => {
  const tracker = new TcpTracker({ capacity: 4, seed: 1 });
  for (const { bytes, tMs } of frames) tracker.frame(bytes, 1, Math.floor(tMs / 1_000) * 1_000 + micros(tMs) / 1e3);
  const online = summarize(tracker.table, [...tracker.table.slots()][0] ?? -1);
  expect(online.client).toMatchObject({ retransmissions: truth.retransmissions, appBytes: truth.appBytes });
  for (const path of [file("a.pcap", pcap), file("a.pcapng", pcapng), file("a.pcap.gz", gzipSync(pcap))]) {
    const { connections, counters, broken } = await connectionsOf(path);
    expect(broken).toBeUndefined();
    expect(connections).toEqual([online]);
    expect(counters).toMatchObject({ frames: frames.length, segments: frames.length, connections: 1, known: 1, malformed: 0, leftOut: 0 });
  }
});

test("a real capture: its connections by address, with a bound, the rest counted", async () => {
  const all = await connectionsOf(bgp);
  expect(all.broken).toBeUndefined();
  expect(all.connections.length).toBeGreaterThan(0);
  for (const { client, server } of all.connections) expect([client.port, server.port]).toContain(179);
  const address = all.connections[0]?.client.address ?? "";
  const some = await connectionsOf(bgp, { address });
  expect(some.connections).toEqual(all.connections.filter(({ client, server }) => client.address === address || server.address === address));
  const one = await connectionsOf(bgp, { limit: 1 });
  expect([one.connections.length, one.counters.leftOut]).toEqual([1, all.connections.length - 1]);
  expect((await connectionsOf(bgp, { address: "192.0.2.1" })).connections).toEqual([]);
});

test("connections that had to be forgotten are in the answer, and those beyond the bound are counted", async () => {
  const many = [1, 2, 3, 4, 5].flatMap((seed) => transfer(seed, seed * 7_777, 3, 5).frames.map(({ bytes, tMs }) => ({ bytes: moved(bytes, seed), tMs: tMs + seed * 1_000 })));
  const path = file("many.pcap", Buffer.concat([pcap.subarray(0, 24), ...many.flatMap(({ bytes, tMs }) => [u32(Math.floor(tMs / 1_000), micros(tMs), bytes.length, bytes.length), bytes])]));
  const roomy = await connectionsOf(path);
  expect([roomy.connections.length, roomy.counters.evicted]).toEqual([5, 0]);
  const tight = await connectionsOf(path, { capacity: 2 });
  expect([tight.connections.length, tight.counters.evicted, tight.counters.leftOut]).toEqual([5, 3, 0]);
  const tightest = await connectionsOf(path, { capacity: 2, maxForgotten: 1 });
  expect([tightest.connections.length, tightest.counters.leftOut]).toEqual([3, 2]);
});

test("a bad capture is said to be one, with the place; what was read of it stays", async () => {
  const cut = await connectionsOf(file("cut.pcap", pcap.subarray(0, pcap.length - 5)));
  expect(cut.broken).toMatch(/cut\.pcap: ends within a record, \d+ bytes of it are there \(at byte \d+\)$/);
  expect(cut.counters.frames).toBe(frames.length - 1);
  expect((await connectionsOf(file("none.pcap", "this is no capture at all"))).broken).toMatch(/none\.pcap: not a capture \(at byte 0\)$/);
  expect((await connectionsOf(file("empty.pcap", ""))).broken).toMatch(/empty\.pcap: is empty$/);
  const damaged = Buffer.from(pcap);
  damaged.writeUInt32LE(0x7fffffff, 24 + 8);
  expect((await connectionsOf(file("damaged.pcap", damaged))).broken).toMatch(/record of 2147483647 bytes \(at byte 24\)$/);
  const packed = gzipSync(readFileSync(bgp));
  packed[packed.length >> 1] = (packed[packed.length >> 1] ?? 0) ^ 0xff;
  expect((await connectionsOf(file("damaged.pcap.gz", packed))).broken).toContain("damaged.pcap.gz: ");
  await expect(connectionsOf(`${dir}/missing.pcap`)).rejects.toThrow("ENOENT");
  await expect(connectionsOf(`${dir}/missing.pcap.gz`)).rejects.toThrow("ENOENT");
});

/** The frame with another port on the client's side. */
function moved(frame: Uint8Array, by: number): Uint8Array {
  const bytes = Buffer.from(frame);
  for (const at of [34, 36]) if (bytes.readUInt16BE(at) === 40_000) bytes.writeUInt16BE(40_000 + by, at);
  return bytes;
}
