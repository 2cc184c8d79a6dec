/** ofp_group_mod, ofp_group_desc and ofp_group_stats, OpenFlow 1.3 and 1.4. */
import { readActions, writeAction, type Action } from "../actions/action.js";
import { WireError, type Reader, type Writer } from "../wire/reader.js";
import { padding, struct, u16, u32, u64 } from "../wire/struct.js";

const groupTypes = ["all", "select", "indirect", "ff"] as const;
export type GroupType = (typeof groupTypes)[number];
const groupCommands = ["add", "modify", "delete"] as const;

export interface Bucket {
  readonly weight: number;
  /** Fast failover: the bucket is used while this port is up; 0xffffffff watches none. */
  readonly watchPort: number;
  readonly watchGroup: number;
  readonly actions: readonly Action[];
}

export interface GroupMod {
  readonly type: "groupMod";
  readonly command: (typeof groupCommands)[number];
  readonly groupType: GroupType;
  readonly groupId: number;
  readonly buckets: readonly Bucket[];
}

export function groupMod(parts: Partial<Omit<GroupMod, "type">>): GroupMod {
  return { type: "groupMod", command: "add", groupType: "all", groupId: 0, buckets: [], ...parts };
}

export interface GroupDesc {
  readonly groupId: number;
  readonly groupType: GroupType;
  readonly buckets: readonly Bucket[];
}

const bucketHead = struct({ length: u16, weight: u16, watchPort: u32, watchGroup: u32, pad0: padding(4) });

function writeBucket(out: Writer, bucket: Bucket): void {
  const start = out.length;
  bucketHead.write(out, { length: 0, ...bucket });
  for (const one of bucket.actions) writeAction(out, one);
  out.patchU16(start, out.length - start);
}

function readBuckets(from: Reader): Bucket[] {
  const buckets: Bucket[] = [];
  while (from.remaining > 0) {
    const start = from.offset;
    const { length, ...head } = bucketHead.read(from);
    if (length < bucketHead.size) throw new WireError(`bucket length ${length}`, start);
    buckets.push({ ...head, actions: readActions(from.sub(length - bucketHead.size)) });
  }
  return buckets;
}

function groupType(number: number, offset: number): GroupType {
  const type = groupTypes[number];
  if (type === undefined) throw new WireError(`group type ${number}`, offset);
  return type;
}

export function writeGroupMod(out: Writer, mod: GroupMod): void {
  out.u16(groupCommands.indexOf(mod.command));
  out.u8(groupTypes.indexOf(mod.groupType));
  out.zeros(1);
  out.u32(mod.groupId);
  for (const bucket of mod.buckets) writeBucket(out, bucket);
}

export function readGroupMod(from: Reader): GroupMod {
  const start = from.offset;
  const command = groupCommands[from.u16()];
  if (command === undefined) throw new WireError("group-mod command", start);
  const type = groupType(from.u8(), start + 2);
  from.skip(1);
  return { type: "groupMod", command, groupType: type, groupId: from.u32(), buckets: readBuckets(from) };
}

/** The body of a multipart reply of type GROUP_DESC. */
export function readGroupDescs(from: Reader): GroupDesc[] {
  const groups: GroupDesc[] = [];
  while (from.remaining > 0) {
    const start = from.offset;
    const body = from.sub(from.u16() - 2);
    const type = groupType(body.u8(), start + 2);
    body.skip(1);
    groups.push({ groupType: type, groupId: body.u32(), buckets: readBuckets(body) });
  }
  return groups;
}

const counters = struct({ packetCount: u64, byteCount: u64 });
const statsHead = struct({ pad0: padding(2), groupId: u32, refCount: u32, pad1: padding(4), packetCount: u64, byteCount: u64, durationSec: u32, durationNsec: u32 });
export type GroupStats = ReturnType<typeof statsHead.read> & {
  /** One per bucket, in the group's order. */
  readonly buckets: readonly ReturnType<typeof counters.read>[];
};

/** The body of a multipart reply of type GROUP. */
export function readGroupStats(from: Reader): GroupStats[] {
  const groups: GroupStats[] = [];
  while (from.remaining > 0) {
    const body = from.sub(from.u16() - 2);
    const head = statsHead.read(body);
    const buckets: ReturnType<typeof counters.read>[] = [];
    while (body.remaining > 0) buckets.push(counters.read(body));
    groups.push({ ...head, buckets });
  }
  return groups;
}
