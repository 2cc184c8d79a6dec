/** Actions of Nicira and Open vSwitch by subtype; bodies after vendor and subtype. Sources: ovs-actions(7) and what ovs-ofctl 3.1 sends. */
import { bitRange, niciraRef, type BitRange, type FieldRef } from "../fields/reference.js";
import { learn, learn2 } from "./learn.js";
import { padding, port16, rest, struct, u16, u32, u64, u8, type Codec } from "../wire/struct.js";
import { byHand, shaped } from "../wire/shape.js";

const none = struct({ pad0: padding(6) });
const sampleHead = { probability: u16, collectorSetId: u32, obsDomainId: u32, obsPointId: u32 };
const multiLink = { algorithm: u16, fields: u16, basis: u16, slaveType: u32 };

/** n 16-bit numbers behind their count, then `between`, and zeros up to a multiple of 8 that the action's frame adds. */
interface BundleTail {
  readonly slaves: readonly number[];
  readonly range: BitRange | undefined;
  readonly target: FieldRef | undefined;
}
const bundleTail: Codec<BundleTail> = byHand("bundleTail", {
  write: (out, { slaves, range, target }) => {
    out.u16(slaves.length);
    if (range === undefined || target === undefined) out.zeros(6);
    else {
      bitRange.write(out, range);
      niciraRef.write(out, target);
    }
    out.zeros(4);
    for (const port of slaves) port16.write(out, port);
  },
  read: (from) => {
    const count = from.u16();
    const isLoad = from.fork().number(6) !== 0n;
    let range: BitRange | undefined;
    let target: FieldRef | undefined;
    if (isLoad) [range, target] = [bitRange.read(from), niciraRef.read(from)];
    else from.skip(6);
    from.skip(4);
    return { slaves: Array.from({ length: count }, () => port16.read(from)), range, target };
  },
});

const counted16: Codec<readonly number[]> = byHand("counted16", {
  write: (out, ids) => {
    out.u16(ids.length);
    out.zeros(4);
    for (const id of ids) out.u16(id);
  },
  read: (from) => {
    const count = from.u16();
    from.skip(4);
    return Array.from({ length: count }, () => from.u16());
  },
});

/** Properties of NXAST_CONTROLLER2: type, length, value, zeros up to a multiple of 8. */
export interface ControllerOptions {
  readonly maxLen?: number;
  readonly controllerId?: number;
  /** ofp_packet_in_reason. */
  readonly reason?: number;
  /** Comes back in the packet-in. */
  readonly userdata?: Uint8Array;
  /** Freezes the packet's way through the tables until NXT_RESUME. */
  readonly pause?: true;
  readonly meterId?: number;
}
/** A number whose zeros up to four bytes count for its length, as Open vSwitch writes those of 16 bits but not those of 8. */
const inFour: Codec<number> = {
  write: (out, value) => {
    out.u16(value);
    out.zeros(2);
  },
  read: (from) => {
    const value = from.u16();
    if (from.remaining >= 2) from.skip(2);
    else from.noteLoss();
    return value;
  },
};
const controllerProperties: readonly (readonly [keyof ControllerOptions, Codec<unknown>])[] = [
  ["maxLen", inFour],
  ["controllerId", inFour],
  ["reason", u8],
  ["userdata", rest],
  ["pause", struct({})],
  ["meterId", u32],
];
const controllerOptions: Codec<ControllerOptions> = byHand("controllerOptions", {
  write: (out, options) =>
    controllerProperties.forEach(([key, codec], type) => {
      if (options[key] === undefined) return;
      const start = out.length;
      out.u16(type);
      out.u16(0);
      codec.write(out, options[key]);
      out.patchU16(start + 2, out.length - start);
      out.align8(start);
    }),
  read: (from) => {
    const options: Record<string, unknown> = {};
    while (from.remaining > 0) {
      const property = controllerProperties[from.u16()];
      const length = from.u16();
      const body = from.sub(length - 4);
      from.skip((8 - (length % 8)) % 8);
      if (property === undefined || options[property[0]] !== undefined) from.noteLoss();
      else {
        options[property[0]] = property[0] === "pause" ? true : property[1].read(body);
        if (body.remaining > 0 || body.isLossy) from.noteLoss();
      }
    }
    return options;
  },
});

/** What nat fills in; absent parts are those the action does not have. */
export interface NatRange {
  readonly ipv4Min?: bigint;
  readonly ipv4Max?: bigint;
  readonly ipv6Min?: bigint;
  readonly ipv6Max?: bigint;
  readonly protoMin?: bigint;
  readonly protoMax?: bigint;
}
const natParts = [["ipv4Min", 4], ["ipv4Max", 4], ["ipv6Min", 16], ["ipv6Max", 16], ["protoMin", 2], ["protoMax", 2]] as const;
const natRange: Codec<NatRange> = byHand("natRange", {
  write: (out, range) => {
    out.u16(natParts.reduce((bits, [key], i) => (range[key] === undefined ? bits : bits | (1 << i)), 0));
    for (const [key, length] of natParts) if (range[key] !== undefined) out.number(BigInt(range[key]), length);
  },
  read: (from) => {
    const present = from.u16();
    const range: { -readonly [K in keyof NatRange]: bigint } = {};
    natParts.forEach(([key, length], i) => {
      if ((present & (1 << i)) !== 0) range[key] = from.number(length);
    });
    if (present >> natParts.length !== 0) from.noteLoss();
    return range;
  },
});

/** ofp_ed_prop_header: class, type, length without padding, value. */
export interface EncapProperty {
  readonly propClass: number;
  readonly propType: number;
  readonly data: Uint8Array;
}
const encapProperties: Codec<readonly EncapProperty[]> = byHand("encapProperties", {
  write: (out, properties) => {
    for (const { propClass, propType, data } of properties) {
      const start = out.length;
      out.u16(propClass);
      out.u8(propType);
      out.u8(0);
      rest.write(out, data);
      out.patch(start + 3, out.length - start, 1);
      out.align8(start);
    }
  },
  read: (from) => {
    const properties: EncapProperty[] = [];
    while (from.remaining > 0) {
      const [propClass, propType, length] = [from.u16(), from.u8(), from.u8()];
      properties.push({ propClass, propType, data: from.copy(length - 4) });
      from.skip((8 - (length % 8)) % 8);
    }
    return properties;
  },
});

/** A value in a place of `length` bytes, zeros behind it. */
const filled = <T>(codec: Codec<T>, length: number): Codec<T> => shaped(filledOf(codec, length), { kind: "mapped", wire: codec, to: (value: T) => value });
const filledOf = <T>(codec: Codec<T>, length: number): Codec<T> => ({
  write: (out, value) => {
    const start = out.length;
    codec.write(out, value);
    out.zeros(length - (out.length - start));
  },
  read: (from) => {
    const value = codec.read(from);
    from.skip(from.remaining);
    return value;
  },
});

export const nicira = {
  resubmit16: { number: 1, body: struct({ inPort: port16, pad0: padding(4) }) },
  setTunnel: { number: 2, body: struct({ pad0: padding(2), tunId: u32 }) },
  popQueue: { number: 5, body: none },
  regMove: { number: 6, body: struct({ bits: u16, sourceOffset: u16, targetOffset: u16, source: niciraRef, target: niciraRef }) },
  note: { number: 8, body: struct({ note: byHand("note", { ...rest }) }) },
  setTunnel64: { number: 9, body: struct({ pad0: padding(6), tunId: u64 }) },
  multipath: {
    number: 10,
    body: struct({ fields: u16, basis: u16, pad0: padding(2), algorithm: u16, maxLink: u16, arg: u32, pad1: padding(2), range: bitRange, target: niciraRef }),
  },
  bundle: { number: 12, body: struct({ ...multiLink, to: bundleTail }) },
  bundleLoad: { number: 13, body: struct({ ...multiLink, to: bundleTail }) },
  /** To a table; 0xff is the packet's own. inPort 0xfffffff8 keeps the packet's own. */
  resubmit: { number: 14, body: struct({ inPort: port16, tableId: u8, pad0: padding(3) }) },
  outputReg: { number: 15, body: struct({ range: bitRange, source: niciraRef, maxLen: u16, pad0: padding(6) }) },
  learn: { number: 16, body: learn },
  exit: { number: 17, body: none },
  finTimeout: { number: 19, body: struct({ finIdleTimeout: u16, finHardTimeout: u16, pad0: padding(2) }) },
  controller: { number: 20, body: struct({ maxLen: u16, controllerId: u16, reason: u8, pad0: padding(1) }) },
  decTtlCntIds: { number: 21, body: struct({ controllerIds: counted16 }) },
  stackPush: { number: 27, body: struct({ offset: u16, field: niciraRef, bits: u16 }) },
  stackPop: { number: 28, body: struct({ offset: u16, field: niciraRef, bits: u16 }) },
  sample: { number: 29, body: struct(sampleHead) },
  outputReg2: { number: 32, body: struct({ range: bitRange, maxLen: u16, source: niciraRef }) },
  conjunction: { number: 34, body: struct({ clause: u8, clauses: u8, id: u32 }) },
  nat: { number: 36, body: struct({ pad0: padding(2), flags: u16, range: natRange }) },
  controller2: { number: 37, body: struct({ pad0: padding(6), options: controllerOptions }) },
  sample2: { number: 38, body: struct({ ...sampleHead, samplingPort: port16, direction: u8, pad0: padding(5) }) },
  outputTrunc: { number: 39, body: struct({ port: port16, maxLen: u32 }) },
  sample3: { number: 41, body: struct({ ...sampleHead, samplingPort: port16, direction: u8, pad0: padding(5) }) },
  ctClear: { number: 43, body: none },
  resubmitCt: { number: 44, body: struct({ inPort: port16, tableId: u8, pad0: padding(3) }) },
  learn2: { number: 45, body: learn2 },
  encap: { number: 46, body: struct({ headerSize: u16, packetType: u32, properties: encapProperties }) },
  decap: { number: 47, body: struct({ pad0: padding(2), packetType: u32 }) },
  decNshTtl: { number: 48, body: none },
  checkPktLarger: { number: 49, body: struct({ pktLen: u16, offset: u16, field: niciraRef }) },
  deleteField: { number: 50, body: struct({ field: filled(niciraRef, 14) }) },
  debugSlow: { number: 254, body: none },
  debugRecirc: { number: 255, body: none },
} as const;

/** What OpenFlow 1.0 has through Nicira actions only. */
export const nicira10 = {
  setQueue: { number: 4, body: struct({ pad0: padding(2), queueId: u32 }) },
  decNwTtl: { number: 18, body: none },
  writeMetadata: { number: 22, body: struct({ pad0: padding(6), metadata: u64, mask: u64 }) },
  pushMpls: { number: 23, body: struct({ ethType: u16, pad0: padding(4) }) },
  popMpls: { number: 24, body: struct({ ethType: u16, pad0: padding(4) }) },
  setMplsTtl: { number: 25, body: struct({ ttl: u8, pad0: padding(5) }) },
  decMplsTtl: { number: 26, body: none },
  setMplsLabel: { number: 30, body: struct({ pad0: padding(2), mplsLabel: u32 }) },
  setMplsTc: { number: 31, body: struct({ mplsTc: u8, pad0: padding(5) }) },
  group: { number: 40, body: struct({ pad0: padding(2), groupId: u32 }) },
} as const;
