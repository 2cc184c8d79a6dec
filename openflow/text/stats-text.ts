/** What groups and meters counted, as ovs-ofctl prints it (dump-group-stats, meter-stats), and read again. */
import { group as reserved } from "../messages/flow.js";
import type { GroupStats } from "../messages/group.js";
import type { MeterStats } from "../messages/meter.js";
import { meterNames } from "./meter-text.js";
import { bigNumber, fail, items, number, part, trimmed, valueOf, whole, type Item, type Span } from "./scan.js";

/** Milliseconds, or nanoseconds where there are such. */
const printDuration = (seconds: number, nanoseconds: number): string =>
  `${seconds}.${nanoseconds % 1_000_000 === 0 ? String(nanoseconds / 1_000_000).padStart(3, "0") : String(nanoseconds).padStart(9, "0")}s`;

interface Duration {
  readonly durationSec: number;
  readonly durationNsec: number;
}
function parseDuration(of: Span): Duration {
  const [, seconds, digits = ""] = /^(\d{1,10})(?:\.(\d{1,9}))?s$/.exec(of.text) ?? fail('seconds and "s"', of);
  return { durationSec: number({ text: seconds ?? "", at: of.at }, 32), durationNsec: Number(digits.padEnd(9, "0")) };
}

/** A counter that the switch does not keep. */
const unknown = 0xffff_ffff_ffff_ffffn;

export interface GroupStatsOptions {
  /** Whether a duration is printed: 1.1 and 1.2 have none. True unless given. */
  readonly duration?: boolean;
}

/** A group's counters as "ovs-ofctl dump-group-stats" prints them, which leaves out a bucket whose packets are not counted. */
export function printGroupStats(stats: GroupStats, { duration = true }: GroupStatsOptions = {}): string {
  const buckets = stats.buckets.flatMap(({ packetCount, byteCount }, i) => (packetCount === unknown ? [] : [`bucket${i}:packet_count=${packetCount}`, `byte_count=${byteCount}`]));
  const age = duration ? [`duration=${printDuration(stats.durationSec, stats.durationNsec)}`] : [];
  return [`group_id=${stats.groupId}`, ...age, `ref_count=${stats.refCount}`, `packet_count=${stats.packetCount}`, `byte_count=${stats.byteCount}`, ...buckets].join(",");
}

/** Buckets stand behind their number; one that is left out counts nothing that is known. */
function parseBucket(item: Item, buckets: { packetCount: bigint; byteCount: bigint }[]): void {
  const index = Number(item.key.text.slice("bucket".length));
  const value = valueOf(item);
  const counted = /^packet_count=(.*)$/.exec(value.text)?.[1] ?? fail("packet_count=", value);
  // As many as a group can have: a bucket takes at least 16 bytes of its message.
  if (index < buckets.length || index >= 4096) fail(`the number of a bucket from ${buckets.length} on`, item.key);
  while (buckets.length < index) buckets.push({ packetCount: unknown, byteCount: unknown });
  buckets.push({ packetCount: bigNumber(part(value, value.text.length - counted.length), 64), byteCount: 0n });
}

/** Reads a line of "ovs-ofctl dump-group-stats". TextError for what is none. */
export function parseGroupStats(line: string): GroupStats {
  const of = trimmed(whole(line));
  const stats = { groupId: -1, refCount: 0, packetCount: 0n, byteCount: 0n, durationSec: 0, durationNsec: 0 };
  const buckets: { packetCount: bigint; byteCount: bigint }[] = [];
  for (const item of items(of)) {
    const value = valueOf(item);
    const bucket = buckets.at(-1);
    if (/^bucket\d{1,6}$/.test(item.key.text)) parseBucket(item, buckets);
    else if (item.key.text === "group_id") stats.groupId = value.text === "all" ? reserved.all : number(value, 32);
    else if (item.key.text === "duration") Object.assign(stats, parseDuration(value));
    else if (item.key.text === "ref_count") stats.refCount = number(value, 32);
    else if (item.key.text === "packet_count") stats.packetCount = bigNumber(value, 64);
    else if (item.key.text === "byte_count" && bucket !== undefined) bucket.byteCount = bigNumber(value, 64);
    else if (item.key.text === "byte_count") stats.byteCount = bigNumber(value, 64);
    else fail("a counter of a group", item.key);
  }
  return stats.groupId < 0 ? fail("group_id=", part(of, of.text.length)) : { ...stats, buckets };
}

/** A meter's counters as "ovs-ofctl meter-stats" prints them: a line for the meter and one for each band. */
export function printMeterStats(stats: MeterStats): string {
  const id = meterNames.find(([, meterId]) => meterId === stats.meterId)?.[0] ?? stats.meterId;
  const head = `meter:${id} flow_count:${stats.flowCount} packet_in_count:${stats.packetInCount} byte_in_count:${stats.byteInCount} duration:${printDuration(stats.durationSec, stats.durationNsec)} bands:`;
  return [head, ...stats.bands.map(({ packetBandCount, byteBandCount }, i) => `${i}: packet_count:${packetBandCount} byte_count:${byteBandCount}`)].join("\n");
}

const bandMark = /^(\d{1,5}): packet_count:(\d{1,20}) byte_count:(\d{1,20})$/;

function parseBand(of: Span, index: number): MeterStats["bands"][number] {
  const [, at, packets = "", bytes = ""] = bandMark.exec(of.text.trimEnd()) ?? fail("a band: N: packet_count:N byte_count:N", of);
  if (Number(at) !== index) fail(`band ${index}`, of);
  return { packetBandCount: bigNumber({ text: packets, at: of.at }, 64), byteBandCount: bigNumber({ text: bytes, at: of.at }, 64) };
}

/** Reads what "ovs-ofctl meter-stats" prints of a meter. TextError for what is none. */
export function parseMeterStats(text: string): MeterStats {
  const of = trimmed(whole(text));
  const lines = [...of.text.matchAll(/[^\n]+/g)].map(({ index, 0: line }) => part(of, index, index + line.length));
  const stats = { meterId: -1, flowCount: 0, packetInCount: 0n, byteInCount: 0n, durationSec: 0, durationNsec: 0 };
  for (const item of items(lines[0] ?? of)) {
    const value = valueOf(item);
    if (item.key.text === "meter") stats.meterId = meterNames.find(([name]) => name === value.text)?.[1] ?? number(value, 32, "the number of a meter");
    else if (item.key.text === "flow_count") stats.flowCount = number(value, 32);
    else if (item.key.text === "packet_in_count") stats.packetInCount = bigNumber(value, 64);
    else if (item.key.text === "byte_in_count") stats.byteInCount = bigNumber(value, 64);
    else if (item.key.text === "duration") Object.assign(stats, parseDuration(value));
    else if (item.key.text !== "bands" || value.text !== "") fail("a counter of a meter", item.key);
  }
  return stats.meterId < 0 ? fail("meter:", part(of, of.text.length)) : { ...stats, bands: lines.slice(1).map(parseBand) };
}
