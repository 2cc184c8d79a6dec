/** ofp_meter_mod and ofp_meter_config, OpenFlow 1.3 and 1.4. */
import { WireError, type Reader, type Writer } from "../wire/reader.js";
import { struct, u16, u32 } from "../wire/struct.js";

const commands = ["add", "modify", "delete"] as const;
/** ofp_meter_flags. */
export const meterFlag = { kbps: 1, pktps: 2, burst: 4, stats: 8 } as const;
/** Every meter of a switch, for "delete". */
export const allMeters = 0xffffffff;

/** A band. Open vSwitch has drop bands (type 1) only. */
export interface MeterBand {
  /** In kbit/s or packets/s, as the meter's flags say. */
  readonly rate: number;
  /** In kbit or packets. */
  readonly burstSize: number;
  /** ofp_meter_band_type; drop when absent. */
  readonly bandType?: number;
  /** The last 32 bits of a band of another type. */
  readonly argument?: number;
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

const drop = 1;
const bandBody = struct({ bandType: u16, length: u16, rate: u32, burstSize: u32, argument: u32 });

function readBands(from: Reader): Required<MeterBand>[] {
  const bands: Required<MeterBand>[] = [];
  while (from.remaining > 0) {
    const start = from.offset;
    const { length, ...band } = bandBody.read(from);
    if (length !== bandBody.size) throw new WireError(`meter band length ${length}`, start + 2);
    bands.push(band);
  }
  return bands;
}

export function writeMeterMod(out: Writer, mod: MeterMod): void {
  out.u16(commands.indexOf(mod.command));
  out.u16(mod.flags);
  out.u32(mod.meterId);
  for (const band of mod.bands) bandBody.write(out, { bandType: drop, argument: 0, ...band, length: bandBody.size });
}

export function readMeterMod(from: Reader): MeterMod {
  const start = from.offset;
  const command = commands[from.u16()];
  if (command === undefined) throw new WireError("meter-mod command", start);
  return { type: "meterMod", command, flags: from.u16(), meterId: from.u32(), bands: readBands(from) };
}

const configHead = struct({ length: u16, flags: u16, meterId: u32 });
export interface MeterConfig {
  readonly meterId: number;
  readonly flags: number;
  readonly bands: readonly Required<MeterBand>[];
}

/** The body of a multipart reply of type METER_CONFIG. */
export function readMeterConfigs(from: Reader): MeterConfig[] {
  const meters: MeterConfig[] = [];
  while (from.remaining > 0) {
    const { length, ...head } = configHead.read(from);
    meters.push({ ...head, bands: readBands(from.sub(length - configHead.size)) });
  }
  return meters;
}

