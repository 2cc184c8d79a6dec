/** Conversations made after published distributions of flow sizes, as packets: what a script can replay through the profile. */
import { readFileSync } from "node:fs";
import type { PacketHeader } from "sflow-collector";
import type { ObservedPacket } from "../../src/telemetry/observed-packet.js";

/** Points of a cumulative distribution: [bytes, share], ascending. */
export type SizeDistribution = readonly (readonly [bytes: number, share: number])[];

/** Reads lines of "bytes share", the share up to 1 or up to 100. Throws when it falls or does not end at either. */
export function readDistribution(path: string): SizeDistribution {
  const points = readFileSync(path, "utf8").trim().split("\n").map((line) => line.trim().split(/\s+/).map(Number) as [number, number]);
  const all = points.at(-1)?.[1] ?? 0;
  if (all !== 1 && all !== 100) throw new Error(`${path}: ends at ${all}, expected 1 or 100`);
  points.forEach(([bytes, share], i) => {
    const [before, shareBefore] = points[i - 1] ?? [0, 0];
    if (!(bytes >= before && share >= shareBefore)) throw new Error(`${path}:${i + 1}: ${bytes} ${share} is less than the line before`);
  });
  return points.map(([bytes, share]) => [bytes, share / all] as const);
}

/** The size at a share, linear between points as the distributions' own generators have it. */
export function sizeAt(distribution: SizeDistribution, share: number): number {
  const next = distribution.findIndex(([, one]) => one >= share);
  const [toBytes, to] = distribution[next] ?? distribution.at(-1) ?? [0, 1];
  const [fromBytes, from] = distribution[Math.max(0, next - 1)] ?? [0, 0];
  return to <= from ? toBytes : fromBytes + ((toBytes - fromBytes) * (share - from)) / (to - from);
}

const segment = 1_448;
const headers = 66;
/** Single packets up to the last stage of a conversation (5,120 packets). */
const singleSegments = 3_500;
const blank: PacketHeader = { ethDst: "", ethSrc: "", ethType: 0x0800, vlanVid: undefined, src: "", dst: "", protocol: 6, laterFragment: false, fragment: false, ttl: 64, srcPort: 0, dstPort: 0, tcpFlags: 0x10, payloadLength: 0 };

/** The packets of a TCP transfer from server to client: each of the first segments with an acknowledgement to two, the others as one packet that stands for all. */
export function* transfer(tMs: number, client: string, clientPort: number, server: string, port: number, bytes: number): Generator<ObservedPacket> {
  const to = { src: client, srcPort: clientPort, dst: server, dstPort: port };
  const from = { src: server, srcPort: port, dst: client, dstPort: clientPort };
  let at = tMs;
  const packet = (header: Partial<PacketHeader>, payloadLength: number, weight = 1): ObservedPacket => ({ tMs: (at += 0.1), weight, frameLength: headers + payloadLength, ingress: undefined, header: { ...blank, ...header, payloadLength } });
  yield packet({ ...to, tcpFlags: 0x02 }, 0);
  yield packet({ ...from, tcpFlags: 0x12 }, 0);
  yield packet({ ...to, tcpFlags: 0x18 }, 200);
  let left = Math.max(1, Math.round(bytes));
  for (let i = 0; left > 0 && i < singleSegments; i++) {
    yield packet(from, Math.min(left, segment));
    left -= segment;
    if (i % 2 === 1) yield packet(to, 0);
  }
  if (left > 0) yield packet(from, segment, left / segment);
  yield packet({ ...from, tcpFlags: 0x11 }, 0);
  yield packet({ ...to, tcpFlags: 0x11 }, 0);
}
