/** Queues: ofp_packet_queue of the configuration up to 1.3, ofp_queue_desc from 1.4 on, ofp_queue_stats. */
import { byVersion, list, ownLength, padding, port16, rest, since, struct, u16, u32, u64, type Codec } from "../wire/struct.js";
import { WireError } from "../wire/reader.js";
import { properties, type Property } from "./property.js";
import { byHand } from "../wire/shape.js";

/** Rates in tenths of a percent of the port's; above 1,000 the queue has none. */
export type OldQueueProperty =
  | { readonly type: "none" }
  | { readonly type: "minRate" | "maxRate"; readonly rate: number }
  | { readonly type: "experimenter"; readonly experimenter: number; readonly data: Uint8Array }
  | { readonly type: "unknown"; readonly propType: number; readonly data: Uint8Array };
const oldTypes = ["none", "minRate", "maxRate"] as const;
const experimenter = 0xffff;
const rateBody = struct({ rate: u16, pad0: padding(6) });

const oldProperty: Codec<OldQueueProperty> = byHand("oldQueueProperty", {
  read: (from) => {
    const start = from.offset;
    const propType = from.u16();
    const length = from.u16();
    if (length < 8) throw new WireError(`queue property length ${length}`, start + 2);
    from.skip(4);
    const body = from.sub(length - 8);
    const type = oldTypes[propType];
    if (type === "none" && length === 8) return { type };
    if ((type === "minRate" || type === "maxRate") && length === 16) return { type, ...rateBody.read(body) };
    if (propType === experimenter && length >= 16) {
      const id = body.u32();
      body.skip(4);
      return { type: "experimenter", experimenter: id, data: body.rest() };
    }
    return { type: "unknown", propType, data: body.rest() };
  },
  write: (out, property) => {
    const start = out.length;
    out.u16(property.type === "unknown" ? property.propType : property.type === "experimenter" ? experimenter : oldTypes.indexOf(property.type));
    out.zeros(6);
    if (property.type === "minRate" || property.type === "maxRate") rateBody.write(out, property);
    else if (property.type === "experimenter") {
      out.u32(property.experimenter);
      out.zeros(4);
      rest.write(out, property.data);
    } else if (property.type === "unknown") rest.write(out, property.data);
    out.patchU16(start + 2, out.length - start);
  },
});

/** The length stands after the queue's numbers and counts from the struct's start. */
export interface PacketQueue {
  readonly queueId: number;
  /** From 1.2 on. */
  readonly portNo?: number;
  readonly properties: readonly OldQueueProperty[];
}
const queue10 = struct({ queueId: u32, length: ownLength(), pad0: padding(2), properties: list(oldProperty) });
const queue12 = struct({ queueId: u32, portNo: u32, length: ownLength(), pad0: padding(6), properties: list(oldProperty) });
const packetQueue = byVersion<PacketQueue>([[1, queue10], [3, queue12]]);

export const queueConfigRequest = byVersion<{ readonly portNo: number }>([[1, struct({ portNo: port16, pad0: padding(2) })], [2, struct({ portNo: u32, pad0: padding(4) })]]);
export interface QueueConfig {
  readonly portNo: number;
  readonly queues: readonly PacketQueue[];
}
export const queueConfigReply = byVersion<QueueConfig>([
  [1, struct({ portNo: port16, pad0: padding(6), queues: list(packetQueue) })],
  [2, struct({ portNo: u32, pad0: padding(4), queues: list(packetQueue) })],
]);

const rate = struct({ rate: u16, pad0: padding(2) });
const descProperties = { minRate: { number: 1, body: rate }, maxRate: { number: 2, body: rate } } as const;
export interface QueueDesc {
  readonly portNo: number;
  readonly queueId: number;
  readonly properties: readonly Property<typeof descProperties>[];
}
export const queueDescCodec: Codec<QueueDesc> = struct({ portNo: u32, queueId: u32, length: ownLength(), pad0: padding(6), properties: properties(descProperties) });

export interface QueueStats {
  readonly portNo: number;
  readonly queueId: number;
  readonly txBytes: bigint;
  readonly txPackets: bigint;
  readonly txErrors: bigint;
  /** 0 before 1.3. */
  readonly durationSec: number;
  readonly durationNsec: number;
  readonly properties?: readonly Property<Record<never, never>>[];
}
const counters = { queueId: u32, txBytes: u64, txPackets: u64, txErrors: u64, durationSec: since(4, u32, 0), durationNsec: since(4, u32, 0) };
export const queueStatsCodec = byVersion<QueueStats>([
  [1, struct({ portNo: port16, pad0: padding(2), ...counters })],
  [2, struct({ portNo: u32, ...counters })],
  [5, struct({ length: ownLength(), pad0: padding(6), portNo: u32, ...counters, properties: properties({}) })],
]);
/** 0xffffffff stands for all ports or all queues. */
export const queueStatsRequest = byVersion<{ readonly portNo: number; readonly queueId: number }>([
  [1, struct({ portNo: port16, pad0: padding(2), queueId: u32 })],
  [2, struct({ portNo: u32, queueId: u32 })],
]);
