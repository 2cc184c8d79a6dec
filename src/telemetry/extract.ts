#!/usr/bin/env node
/**
 * Feature vectors of captures, as CSV: the training's view of exactly what inference sees.
 *
 *   node dist/src/telemetry/extract.js --sampling N --seed S INPUT... > vectors.csv
 *
 * INPUT is FILE[,attack][,stretch=F][,victim=ADDRESS][,delay=MS][,from=MS,to=MS]. Several inputs are laid over each other in time, each starting at
 * its delay; `attack` marks its packets; `stretch` makes its time F times as long; `victim` sends what goes to its most
 * frequent destination to that address instead, and answers from there. Sampling is random, one in N, by the seed.
 */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { HeaderReader, PcapStream, type CapturedPacket, type PacketHeader } from "sflow-collector";
import { seeded } from "../base/seeded.js";
import { FeatureWindows, type DestinationVector } from "./destination-windows.js";
import { featureNames } from "./features.js";
import type { ObservedPacket } from "./observed-packet.js";

const ethernet = 1;
const cooked = 113;
const cooked2 = 276;

/** The header of a captured packet, for Ethernet and Linux cooked captures. In these only packets that came in or passed count. */
export function headerOf(packet: CapturedPacket, reader: HeaderReader): PacketHeader | undefined {
  if (packet.linkType === ethernet) return reader.frame(packet.bytes);
  const { bytes } = packet;
  const isOld = packet.linkType === cooked;
  if (!isOld && packet.linkType !== cooked2) return undefined;
  const at = isOld ? 16 : 20;
  if (bytes.length < at) return undefined;
  const ethType = isOld ? ((bytes[14] ?? 0) << 8) | (bytes[15] ?? 0) : ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0);
  return { ethDst: "", ethSrc: "", ethType, vlanVid: undefined, ...reader.ip(bytes, at, ethType) };
}

interface Input {
  readonly file: string;
  readonly isAttack: boolean;
  readonly stretch: number;
  readonly victim: string | undefined;
  readonly delayMs: number;
  readonly fromMs: number;
  readonly toMs: number;
}

export function parseInput(text: string): Input {
  const [file = "", ...options] = text.split(",");
  const value = (name: string): string | undefined => options.find((option) => option.startsWith(`${name}=`))?.slice(name.length + 1);
  return {
    file,
    isAttack: options.includes("attack"),
    stretch: Number(value("stretch") ?? 1),
    victim: value("victim"),
    delayMs: Number(value("delay") ?? 0),
    fromMs: Number(value("from") ?? 0),
    toMs: Number(value("to") ?? Infinity),
  };
}

/** The packets of one input, timed from 0. A packet captured on several devices of one host counts once. */
function load(input: Input): ObservedPacket[] {
  const raw = readFileSync(input.file);
  const pcap = new PcapStream();
  const captured = pcap.push(input.file.endsWith(".gz") ? gunzipSync(raw) : raw);
  pcap.check();
  const first = captured[0]?.tMs ?? 0;
  const recent = new Map<string, number>();
  const reader = new HeaderReader("outer");
  const packets: { tMs: number; frameLength: number; header: PacketHeader }[] = [];
  for (const packet of captured) {
    const atMs = packet.tMs - first;
    if (atMs < input.fromMs || atMs >= input.toMs) continue;
    const header = headerOf(packet, reader);
    if (header?.src === undefined) continue;
    if (packet.linkType !== ethernet) {
      // "-i any" shows a forwarded packet at each device: the same IP bytes within a few ms are one packet.
      const key = Buffer.from(packet.bytes.subarray(packet.linkType === cooked ? 16 : 20)).toString("latin1");
      const seen = recent.get(key);
      recent.set(key, packet.tMs);
      if (recent.size > 20_000) recent.clear();
      if (seen !== undefined && packet.tMs - seen < 20) continue;
    }
    packets.push({ tMs: (atMs - input.fromMs) * input.stretch + input.delayMs, frameLength: packet.frameLength, header });
  }
  const victim = input.victim;
  const counts = new Map<string, number>();
  for (const { header } of packets) counts.set(header.dst ?? "", (counts.get(header.dst ?? "") ?? 0) + 1);
  const target = [...counts].sort(([, x], [, y]) => y - x)[0]?.[0];
  return packets.map(({ tMs, frameLength, header }) => {
    const dst = victim !== undefined && header.dst === target ? victim : header.dst;
    const src = victim !== undefined && header.src === target ? victim : header.src;
    // Answers of the victim are not the attack.
    return { tMs, weight: 1, frameLength, ingress: undefined, header: { ...header, src, dst }, isAttack: input.isAttack && header.dst === target };
  });
}

/** Vectors of inputs laid over each other, sampled one in `sampling`. */
export function extract(inputs: readonly Input[], sampling: number, seed: number): DestinationVector[] {
  const random = seeded(seed);
  const packets = inputs.flatMap(load).sort((x, y) => x.tMs - y.tMs);
  const windows = new FeatureWindows();
  const vectors: DestinationVector[] = [];
  for (const packet of packets) if (sampling === 1 || random() * sampling < 1) vectors.push(...windows.add({ ...packet, weight: sampling }));
  vectors.push(...windows.advance((packets.at(-1)?.tMs ?? 0) + 1_000));
  return vectors;
}

function main(args: readonly string[]): void {
  const option = (name: string, fallback: number): number => Number(args[args.indexOf(`--${name}`) + 1 || -1] ?? fallback);
  const isOption = (i: number): boolean => (args[i] ?? "").startsWith("--") || (args[i - 1] ?? "").startsWith("--");
  const inputs = args.filter((_, i) => !isOption(i)).map(parseInput);
  const out = [["subject", "windowEndMs", "samples", "attackRatio", ...featureNames].join(",")];
  for (const vector of extract(inputs, option("sampling", 1), option("seed", 1))) {
    out.push([vector.subject, vector.windowEndMs, vector.samples, vector.attackRatio, ...vector.values].join(","));
  }
  process.stdout.write(`${out.join("\n")}\n`);
}

if (process.argv[1]?.endsWith("extract.js") === true) main(process.argv.slice(2));
