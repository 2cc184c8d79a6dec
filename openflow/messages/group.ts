/** ofp_group_mod, ofp_group_desc and ofp_meter_mod, OpenFlow 1.3 and 1.4. */
import { readActions, writeAction, type Action } from "../actions/action.js";
import { WireError, type Reader, type Writer } from "../wire/reader.js";

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

function writeBucket(out: Writer, bucket: Bucket): void {
  const start = out.length;
  out.u16(0);
  out.u16(bucket.weight);
  out.u32(bucket.watchPort);
  out.u32(bucket.watchGroup);
  out.zeros(4);
  for (const one of bucket.actions) writeAction(out, one);
  out.patchU16(start, out.length - start);
}

function readBuckets(from: Reader): Bucket[] {
  const buckets: Bucket[] = [];
  while (from.remaining > 0) {
    const start = from.offset;
    const length = from.u16();
    if (length < 16) throw new WireError(`bucket length ${length}`, start);
    const body = from.sub(length - 2);
    const weight = body.u16();
    const watchPort = body.u32();
    const watchGroup = body.u32();
    body.skip(4);
    buckets.push({ weight, watchPort, watchGroup, actions: readActions(body) });
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

const meterCommands = ["add", "modify", "delete"] as const;
/** ofp_meter_flags. */
export const meterFlag = { kbps: 1, pktps: 2, burst: 4, stats: 8 } as const;

/** A drop band. */
export interface MeterBand {
  /** In kbit/s or packets/s, as the meter's flags say. */
  readonly rate: number;
  readonly burstSize: number;
}

export interface MeterMod {
  readonly type: "meterMod";
  readonly command: (typeof meterCommands)[number];
  readonly meterId: number;
  readonly flags: number;
  readonly bands: readonly MeterBand[];
}

export function meterMod(parts: Partial<Omit<MeterMod, "type">>): MeterMod {
  return { type: "meterMod", command: "add", meterId: 0, flags: meterFlag.pktps, bands: [], ...parts };
}

export function writeMeterMod(out: Writer, mod: MeterMod): void {
  out.u16(meterCommands.indexOf(mod.command));
  out.u16(mod.flags);
  out.u32(mod.meterId);
  for (const band of mod.bands) {
    out.u16(1); // OFPMBT_DROP
    out.u16(16);
    out.u32(band.rate);
    out.u32(band.burstSize);
    out.zeros(4);
  }
}

export interface MeterConfig {
  readonly meterId: number;
  readonly flags: number;
  /** Bands as they came: type, then the rest. */
  readonly bands: readonly { readonly bandType: number; readonly rate: number; readonly burstSize: number }[];
}

/** The body of a multipart reply of type METER_CONFIG. */
export function readMeterConfigs(from: Reader): MeterConfig[] {
  const meters: MeterConfig[] = [];
  while (from.remaining > 0) {
    const body = from.sub(from.u16() - 2);
    const flags = body.u16();
    const meterId = body.u32();
    const bands: MeterConfig["bands"][number][] = [];
    while (body.remaining > 0) {
      const bandType = body.u16();
      const band = body.sub(body.u16() - 4);
      const rate = band.u32();
      bands.push({ bandType, rate, burstSize: band.u32() });
    }
    meters.push({ meterId, flags, bands });
  }
  return meters;
}
