/** ofp_meter_mod, ofp_meter_config, ofp_meter_stats and ofp_meter_features, from OpenFlow 1.3 on. */
import { WireError } from "../wire/reader.js";
import { list, named, ownLength, padding, rest, struct, u16, u32, u64, u8, type Codec, type ValueOf } from "../wire/struct.js";
import { byHand } from "../wire/shape.js";

const commands = ["add", "modify", "delete"] as const;
/** ofp_meter_flags. */
export const meterFlag = { kbps: 1, pktps: 2, burst: 4, stats: 8 } as const;
/** Every meter of a switch, for "delete" and for what is asked of all. */
export const allMeters = 0xffffffff;

/** A band. Open vSwitch has drop bands only. */
export interface MeterBand {
  /** In kbit/s or packets/s, as the meter's flags say. */
  readonly rate: number;
  /** In kbit or packets. */
  readonly burstSize: number;
  /** ofp_meter_band_type: 1 drop (when absent), 2 dscp remark, 0xffff experimenter. */
  readonly bandType?: number;
  /** Of dscp remark: by how much the drop precedence rises. */
  readonly precLevel?: number;
  readonly experimenter?: number;
  readonly data?: Uint8Array;
}

export interface MeterMod {
  readonly type: "meterMod";
  readonly command: (typeof commands)[number];
  readonly meterId: number;
  readonly flags: number;
  readonly bands: readonly MeterBand[];
}

export function meterMod(parts: Partial<Omit<MeterMod, "type">>): MeterMod {
  return { type: "meterMod", command: "add", meterId: 0, flags: meterFlag.pktps, bands: [], ...parts };
}

const [drop, dscpRemark, experimenterBand] = [1, 2, 0xffff];
const band: Codec<MeterBand & { readonly bandType: number }> = byHand("band", {
  read: (from) => {
    const start = from.offset;
    const bandType = from.u16();
    const length = from.u16();
    if (length < 16) throw new WireError(`meter band length ${length}`, start + 2);
    const body = from.sub(length - 4);
    const head = { rate: body.u32(), burstSize: body.u32(), bandType };
    let value: MeterBand & { readonly bandType: number };
    if (bandType === drop) {
      body.skip(4);
      value = head;
    } else if (bandType === dscpRemark) {
      value = { ...head, precLevel: body.u8() };
      body.skip(3);
    } else if (bandType === experimenterBand) value = { ...head, experimenter: body.u32(), data: body.rest() };
    else value = { ...head, data: body.rest() };
    if (body.remaining > 0) throw new WireError(`meter band length ${length}`, start + 2);
    if (body.isLossy) from.noteLoss();
    return value;
  },
  write: (out, { rate, burstSize, bandType = drop, precLevel, experimenter, data }) => {
    const start = out.length;
    out.u16(bandType);
    out.u16(0);
    out.u32(rate);
    out.u32(burstSize);
    if (bandType === drop) out.zeros(4);
    else if (bandType === dscpRemark) {
      out.u8(precLevel ?? 0);
      out.zeros(3);
    } else {
      if (experimenter !== undefined) out.u32(experimenter);
      if (data !== undefined) rest.write(out, data);
    }
    out.patchU16(start + 2, out.length - start);
  },
});

export const meterModCodec: Codec<Omit<MeterMod, "type">> = struct({ command: named(u16, commands), flags: u16, meterId: u32, bands: list<MeterBand>(band) });

export interface MeterConfig {
  readonly meterId: number;
  readonly flags: number;
  readonly bands: readonly (MeterBand & { readonly bandType: number })[];
}
export const meterConfigCodec: Codec<MeterConfig> = struct({ length: ownLength(), flags: u16, meterId: u32, bands: list(band) });

const bandStats = struct({ packetBandCount: u64, byteBandCount: u64 });
/** The meter's number stands before the length, which counts from the struct's start all the same. */
/** ofp_meter_stats; `bands` in the order of the meter's own. */
export type MeterStats = ValueOf<typeof meterStatsCodec>;
export const meterStatsCodec = struct({
  meterId: u32, length: ownLength(), pad0: padding(6), flowCount: u32, packetInCount: u64, byteInCount: u64, durationSec: u32, durationNsec: u32, bands: list(bandStats),
});
const featuresHead = struct({ maxMeter: u32, bandTypes: u32, capabilities: u32, maxBands: u8, maxColor: u8, pad0: padding(2) });
const features15 = struct({ features: u32, pad0: padding(4) });
type MeterFeatures = ValueOf<typeof featuresHead> & { readonly features?: number };
/** `features` in 1.5, where Open vSwitch leaves it out. */
export const meterFeatures: Codec<MeterFeatures> = byHand("meterFeatures", {
  read: (from) => ({ ...featuresHead.read(from), ...(from.version >= 6 && from.remaining > 0 ? features15.read(from) : {}) }),
  write: (out, value) => {
    featuresHead.write(out, value);
    if (value.features !== undefined) features15.write(out, { features: value.features });
  },
});
export const meterRequest = struct({ meterId: u32, pad0: padding(4) });
