/** ofp_group_mod, ofp_group_desc, ofp_group_stats and ofp_group_features: one layout up to 1.4, another with bucket numbers in 1.5. */
import { readActions, writeAction, type Action } from "../actions/action.js";
import { readFields, writeField, type Match } from "../fields/match.js";
import { WireError } from "../wire/reader.js";
import { byVersion, list, mapped, named, ownLength, padding, struct, text, u16, u32, u64, u8, type Codec } from "../wire/struct.js";
import { properties, type ExperimenterProperty, type Property } from "./property.js";
import { byHand } from "../wire/shape.js";

const groupTypes = ["all", "select", "indirect", "ff"] as const;
export type GroupType = (typeof groupTypes)[number];
const groupCommands = ["add", "modify", "delete", "insertBucket", "reserved", "removeBucket"] as const;

const noWatch = 0xffffffff;
const allBuckets = 0xffffffff;

export interface Bucket {
  readonly weight: number;
  /** Fast failover: the bucket is used while this port is up; 0xffffffff watches none. */
  readonly watchPort: number;
  readonly watchGroup: number;
  readonly actions: readonly Action[];
  /** In 1.5. */
  readonly bucketId?: number;
  readonly properties?: readonly BucketProperty[];
}
const bucketProperties = {
  weight: { number: 0, body: struct({ weight: u16, pad0: padding(2) }) },
  watchPort: { number: 1, body: struct({ port: u32 }) },
  watchGroup: { number: 2, body: struct({ group: u32 }) },
} as const;
type BucketProperty = Property<typeof bucketProperties>;

const actionList: Codec<readonly Action[]> = byHand("actions", {
  write: (out, actions) => {
    for (const one of actions) writeAction(out, one);
  },
  read: readActions,
});
const bucket11: Codec<Bucket> = struct({ length: ownLength(), weight: u16, watchPort: u32, watchGroup: u32, pad0: padding(4), actions: actionList });

const bucketProps = properties(bucketProperties);
const bucket15: Codec<Bucket> = byHand("bucket15", {
  read: (from) => {
    const start = from.offset;
    const length = from.u16();
    if (length < 8) throw new WireError(`bucket length ${length}`, start);
    const body = from.nested(length - 2);
    const actionsLength = body.u16();
    const bucketId = body.u32();
    const actions = readActions(body.nested(actionsLength));
    const all = bucketProps.read(body);
    let [weight, watchPort, watchGroup] = [0, noWatch, noWatch];
    const others: BucketProperty[] = [];
    for (const one of all) {
      if (one.type === "weight") weight = one.weight;
      else if (one.type === "watchPort") watchPort = one.port;
      else if (one.type === "watchGroup") watchGroup = one.group;
      else others.push(one);
    }
    return { weight, watchPort, watchGroup, actions, bucketId, ...(others.length === 0 ? {} : { properties: others }) };
  },
  write: (out, bucket) => {
    const start = out.length;
    out.zeros(4);
    out.u32(bucket.bucketId ?? 0);
    const actionsAt = out.length;
    actionList.write(out, bucket.actions);
    out.patchU16(start + 2, out.length - actionsAt);
    const own: BucketProperty[] = [];
    if (bucket.weight !== 0) own.push({ type: "weight", weight: bucket.weight });
    if (bucket.watchPort !== noWatch) own.push({ type: "watchPort", port: bucket.watchPort });
    if (bucket.watchGroup !== noWatch) own.push({ type: "watchGroup", group: bucket.watchGroup });
    bucketProps.write(out, [...own, ...(bucket.properties ?? [])]);
    out.patchU16(start, out.length - start);
  },
});
const bucketOf = byVersion<Bucket>([[2, bucket11], [6, bucket15]]);

/** Netronome's property, by which Open vSwitch is told how a select group selects. */
export interface SelectionMethod {
  readonly type: "selectionMethod";
  readonly method: string;
  readonly param: bigint;
  readonly fields: Match;
}
const netronome = 0x0000154d;
const selectionMethod = 1;
const selectionHead = struct({ pad0: padding(4), method: text(16), param: u64 });
const selectionFields: Codec<Match> = {
  read: (from) => readFields(from),
  write: (out, fields) => {
    for (const one of fields) writeField(out, one);
  },
};
export type GroupProperty = Property<Record<never, never>> | SelectionMethod;
const plain = properties({});
const groupProperties: Codec<readonly GroupProperty[]> = byHand("groupProperties", {
  read: (from) =>
    plain.read(from).map((one): GroupProperty => {
      if (one.type !== "experimenter" || one.experimenter !== netronome || one.expType !== selectionMethod) return one;
      const body = from.over(one.data);
      const head = selectionHead.read(body);
      const value: SelectionMethod = { type: "selectionMethod", ...head, fields: selectionFields.read(body) };
      return body.isLossy ? one : value;
    }),
  write: (out, all) => {
    for (const one of all ?? []) {
      if (one.type !== "selectionMethod") plain.write(out, [one]);
      else {
        const body = out.fresh();
        selectionHead.write(body, one);
        selectionFields.write(body, one.fields);
        plain.write(out, [{ type: "experimenter", experimenter: netronome, expType: selectionMethod, data: body.done() } satisfies ExperimenterProperty]);
      }
    }
  },
});

export interface GroupMod {
  readonly type: "groupMod";
  /** The last two with 1.5 only. */
  readonly command: Exclude<(typeof groupCommands)[number], "reserved">;
  readonly groupType: GroupType;
  readonly groupId: number;
  readonly buckets: readonly Bucket[];
  /** 1.5: which bucket is removed, or behind which is inserted; 0xffffffff all, 0xfffffffd first, 0xfffffffe last. */
  readonly commandBucketId?: number;
  readonly properties?: readonly GroupProperty[];
}
type GroupModBody = Omit<GroupMod, "type">;

export function groupMod(parts: Partial<GroupModBody>): GroupMod {
  return { type: "groupMod", command: "add", groupType: "all", groupId: 0, buckets: [], ...parts };
}

const modHead = { command: named(u16, groupCommands) as Codec<GroupMod["command"]>, groupType: named(u8, groupTypes), pad0: padding(1), groupId: u32 };
const mod11 = struct({ ...modHead, buckets: list(bucketOf) });
/** Buckets behind their length in bytes and `between` bytes; then properties. */
function bucketArray(between: Codec<number | undefined>): Codec<{ readonly between: number | undefined; readonly buckets: readonly Bucket[]; readonly properties: readonly GroupProperty[] }> {
  return {
    read: (from) => {
      const length = from.u16();
      const read = between.read(from);
      return { between: read, buckets: list(bucket15).read(from.nested(length)), properties: groupProperties.read(from) };
    },
    write: (out, value) => {
      const at = out.length;
      out.u16(0);
      between.write(out, value.between);
      const start = out.length;
      list(bucket15).write(out, value.buckets);
      out.patchU16(at, out.length - start);
      groupProperties.write(out, value.properties);
    },
  };
}
const modBuckets = byHand("numberedBuckets", bucketArray({ read: (from) => (from.skip(2), from.u32()), write: (out, id) => (out.zeros(2), out.u32(id ?? allBuckets)) }));
/** The layout of 1.5, which Nicira's group-mod has in every version. */
export const groupMod15: Codec<GroupModBody> = mapped(
  struct({ ...modHead, rest: modBuckets }),
  ({ rest: { between, buckets, properties: all }, ...head }): GroupModBody => ({ ...head, buckets, commandBucketId: between ?? allBuckets, ...(all.length === 0 ? {} : { properties: all }) }),
  ({ buckets, commandBucketId, properties: all, ...head }) => ({ ...head, rest: { between: commandBucketId, buckets, properties: all ?? [] } }),
);
export const groupModCodec = byVersion<GroupModBody>([[2, mod11], [6, groupMod15]]);

export interface GroupDesc {
  readonly groupId: number;
  readonly groupType: GroupType;
  readonly buckets: readonly Bucket[];
  readonly properties?: readonly GroupProperty[];
}
const descHead = { length: ownLength(), groupType: named(u8, groupTypes), pad0: padding(1), groupId: u32 };
const desc11 = struct({ ...descHead, buckets: list(bucketOf) });
const descBuckets = byHand("buckets", bucketArray({ read: (from) => (from.skip(6), undefined), write: (out) => out.zeros(6) }));
/** The layout of 1.5, which Nicira's statistics of 1.0 have too. */
export const groupDesc15: Codec<GroupDesc> = mapped(
  struct({ ...descHead, rest: descBuckets }),
  ({ rest: { buckets, properties: all }, ...head }): GroupDesc => ({ ...head, buckets, ...(all.length === 0 ? {} : { properties: all }) }),
  ({ buckets, properties: all, ...head }) => ({ ...head, rest: { between: undefined, buckets, properties: all ?? [] } }),
);
export const groupDescCodec = byVersion<GroupDesc>([[2, desc11], [6, groupDesc15]]);

const counters = struct({ packetCount: u64, byteCount: u64 });
export interface GroupStats {
  readonly groupId: number;
  readonly refCount: number;
  readonly packetCount: bigint;
  readonly byteCount: bigint;
  /** 0 before 1.3. */
  readonly durationSec: number;
  readonly durationNsec: number;
  /** One per bucket, in the group's order. */
  readonly buckets: readonly { readonly packetCount: bigint; readonly byteCount: bigint }[];
}
const statsHead = { length: ownLength(), pad0: padding(2), groupId: u32, refCount: u32, pad1: padding(4), packetCount: u64, byteCount: u64 };
const stats11 = mapped(struct({ ...statsHead, buckets: list(counters) }), (stats): GroupStats => ({ ...stats, durationSec: 0, durationNsec: 0 }), (stats) => stats);
/** The layout from 1.3 on, which Nicira's statistics of 1.0 have too. */
export const groupStats13: Codec<GroupStats> = struct({ ...statsHead, durationSec: u32, durationNsec: u32, buckets: list(counters) });
export const groupStatsCodec = byVersion<GroupStats>([[2, stats11], [4, groupStats13]]);

const four = (): Codec<readonly number[]> => byHand("four", { read: (from) => [from.u32(), from.u32(), from.u32(), from.u32()], write: (out, v) => [0, 1, 2, 3].forEach((i) => out.u32(v[i] ?? 0)) });
/** By type: all, select, indirect, ff. */
export const groupFeatures = struct({ types: u32, capabilities: u32, maxGroups: four(), actions: four() });
export const groupRequest = struct({ groupId: u32, pad0: padding(4) });
/** 1.5 asks for one group's description or all; before that there is nothing to say. */
export const groupDescRequest = byVersion<{ readonly groupId?: number }>([[2, struct({})], [6, groupRequest]]);
