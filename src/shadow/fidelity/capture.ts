/** A short capture of raw packets from a device, bounded in packets and time. It changes nothing about the device. */
import { createHash } from "node:crypto";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { PcapStream } from "sflow-collector";
import { untilBroken } from "../../base/until-broken.js";
import type { Packet } from "./sample.js";

const snapLength = 96;
/** The kernel's buffer, KiB. */
const bufferKiB = 4_096;

export interface Captured {
  readonly packets: readonly Packet[];
  /** From when to when it listened, ms since the epoch. */
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * Captures what comes in on `device`, at most `maxPackets` in `maxMs`; `listening` is called when it has begun. Rejects when
 * tcpdump can't, with its words, and when what it gives can't be read.
 */
export function capture(device: string, maxPackets: number, maxMs: number, listening: () => void = () => {}): Promise<Captured> {
  const args = ["-i", device, "-Q", "in", "-n", "-p", "-s", String(snapLength), "-B", String(bufferKiB), "-c", String(maxPackets), "--time-stamp-precision=nano", "--immediate-mode", "-U", "-w", "-"];
  return captureFrom(spawn("tcpdump", args, { stdio: ["ignore", "pipe", "pipe"] }), device, maxPackets, maxMs, listening);
}

/** The same from a tcpdump that somebody else has started with `-w -`. */
export async function captureFrom(child: ChildProcess, device: string, maxPackets: number, maxMs: number, listening: () => void = () => {}): Promise<Captured> {
  const pcap = new PcapStream();
  const packets: Packet[] = [];
  let errors = "";
  let fromMs: number | undefined;
  let timer: NodeJS.Timeout | undefined;
  let broken: string | undefined;
  const received = (chunk: Buffer): void => {
    for (const { tMs, bytes } of pcap.push(chunk)) packets.push({ tMs, digest: createHash("sha1").update(bytes).digest("base64") });
    pcap.check();
  };
  child.stdout?.on(
    "data",
    untilBroken(received, (why) => {
      broken = why;
      child.kill("SIGINT");
    }),
  );
  child.stderr?.on("data", (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-1_024);
    if (fromMs !== undefined || !errors.includes("listening on")) return;
    fromMs = Date.now();
    timer = setTimeout(() => child.kill("SIGINT"), maxMs);
    listening();
  });
  await once(child, "close");
  clearTimeout(timer);
  if (broken !== undefined) throw new Error(`the capture on ${device} can't be read: ${broken}`);
  if (fromMs === undefined) throw new Error(`tcpdump on ${device}: ${errors.trim()}`);
  return { packets, fromMs, toMs: packets.length >= maxPackets ? (packets.at(-1)?.tMs ?? Date.now()) : Date.now() };
}
