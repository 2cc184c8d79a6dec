/**
 * The TCP connections of a capture, by the code that follows them online. A capture made at one point sees the path's halves from there; one
 * of several edges, as the shadow's copies are, sees each segment where it entered the network.
 */
import { capturedPackets } from "../capture/capture-file.js";
import { time } from "./layout.js";
import type { TcpCounters } from "./protocol.js";
import { summarize, type ConnectionSummary } from "./summary.js";
import { TcpTracker } from "./tracker.js";

export interface OfflineConnections {
  /** Those heard of last first; those that were forgotten on the way, as they were then, among them. */
  readonly connections: readonly ConnectionSummary[];
  readonly counters: TcpCounters;
  /** Why, and where, the file could not be read to its end; undefined: it was. */
  readonly broken: string | undefined;
}

export interface OfflineConnectionsOptions {
  /** Only connections of this address; "" all. */
  readonly address?: string;
  /** The latest so many. */
  readonly limit?: number;
  /** Connections known at once; default 65,536. */
  readonly capacity?: number;
  /** Connections forgotten for want of room, or because they were over, that are kept for the answer; more are counted as left out. Default 65,536. */
  readonly maxForgotten?: number;
}

const defaultCapacity = 65_536;
const secondMs = 1_000;

/** Reads a capture (pcap or pcapng, also gzipped) to its end, or as far as it can be read. Rejects when it can't be opened. */
export async function connectionsOf(file: string, { address = "", limit = Infinity, capacity = defaultCapacity, maxForgotten = defaultCapacity }: OfflineConnectionsOptions = {}): Promise<OfflineConnections> {
  // The same file gives the same answer; nobody chooses keys here against the hash who could not as well make the file large.
  const tracker = new TcpTracker({ capacity, seed: 1 });
  const { table } = tracker;
  const isWanted = ({ client, server }: ConnectionSummary): boolean => address === "" || client.address === address || server.address === address;
  const forgotten: ConnectionSummary[] = [];
  let leftOut = 0;
  table.forgetting = (slot) => {
    const one = summarize(table, slot);
    if (!isWanted(one)) return;
    if (forgotten.length < maxForgotten) forgotten.push(one);
    else leftOut++;
  };
  let broken: string | undefined;
  let second = -Infinity;
  for await (const read of capturedPackets(file, (why) => (broken = why))) {
    for (const { bytes, linkType, tMs } of read) {
      // By the capture's clock, as by ours online, what was silent too long is over.
      const now = Math.floor(tMs / secondMs);
      if (now > second) {
        second = now;
        tracker.endSecond(now * secondMs);
      }
      tracker.frame(bytes, linkType, tMs);
    }
  }
  const { frames, segments, clockStepsBack, connections } = tracker.counters;
  const known = table.size;
  // A summary is many times as large as a slot: of those that nobody asked for none is made.
  const lastOf = (one: ConnectionSummary | number): number => (typeof one === "number" ? (table.times[one * time.size + time.last] ?? 0) : one.lastMs);
  const shown: ConnectionSummary[] = [];
  for (const one of [...forgotten, ...table.slots()].sort((x, y) => lastOf(y) - lastOf(x))) {
    if (shown.length >= limit && address === "") leftOut++;
    else {
      const summary = typeof one === "number" ? summarize(table, one) : one;
      if (!isWanted(summary)) continue;
      if (shown.length < limit) shown.push(summary);
      else leftOut++;
    }
  }
  const counters: TcpCounters = {
    ...tracker.segment.counters,
    frames,
    segments,
    waiting: 0,
    early: 0,
    clockStepsBack,
    kernelDropped: 0,
    captureRestarts: 0,
    connections,
    known,
    capacity: table.capacity,
    bytesPerConnection: table.bytesPerConnection,
    evicted: Object.values(table.evicted).reduce((sum, count) => sum + count, 0),
    expired: table.expired,
    leftOut,
  };
  return { connections: shown, counters, broken };
}
