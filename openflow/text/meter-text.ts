/** Meters as ovs-ofctl takes them (add-meter) and prints them (dump-meters); ovs-ofctl(8), "Meter Syntax". */
import { allMeters, meterFlag, meterMod, type MeterBand, type MeterConfig, type MeterMod } from "../messages/meter.js";
import { bare, cut, fail, items, number, part, trimmed, valueOf, whole, type Item, type Span } from "./scan.js";

const flagWords = [["kbps", meterFlag.kbps], ["pktps", meterFlag.pktps], ["burst", meterFlag.burst], ["stats", meterFlag.stats]] as const;
const [drop, dscpRemark] = [1, 2];
/** Meters of the switch's own, by name: of packets to the controller and of the slow path. */
export const meterNames: readonly (readonly [string, number])[] = [["controller", 0xfffffffe], ["slowpath", 0xfffffffd], ["all", allMeters]];

function printBand(band: MeterBand): string {
  const type = band.bandType ?? drop;
  if (type !== drop && type !== dscpRemark) throw new RangeError(`there is no text for a meter band of type ${type}`);
  const parts = [`type=${type === drop ? "drop" : "dscp_remark"}`, `rate=${band.rate}`];
  if (band.burstSize !== 0) parts.push(`burst_size=${band.burstSize}`);
  if (type === dscpRemark) parts.push(`prec_level=${band.precLevel ?? 0}`);
  return parts.join(",");
}

/**
 * A meter as "ovs-ofctl add-meter" and mod-meter take it, on one line; of a delete its number alone, as del-meter takes it.
 * RangeError for a band of a type that has no name.
 */
export function printMeter(meter: MeterMod | MeterConfig): string {
  const id = `meter=${meterNames.find(([, number]) => number === meter.meterId)?.[0] ?? meter.meterId}`;
  if ("command" in meter && meter.command === "delete") return id;
  const flags = flagWords.filter(([, bit]) => (meter.flags & bit) !== 0).map(([word]) => word);
  return [id, ...flags, `bands=${meter.bands.map(printBand).join(",")}`].join(",");
}

/** Each band begins with its type. */
function parseBands(of: Span): Required<Pick<MeterBand, "rate" | "burstSize" | "bandType">>[] {
  const bands: { rate: number; burstSize: number; bandType: number; precLevel?: number }[] = [];
  const last = (item: Item) => bands.at(-1) ?? fail("type= at the start of a band", item.key);
  for (const item of items(of)) {
    const value = valueOf(item);
    switch (item.key.text) {
      case "type":
        if (value.text !== "drop" && value.text !== "dscp_remark") fail("drop or dscp_remark", value);
        bands.push({ rate: 0, burstSize: 0, bandType: value.text === "drop" ? drop : dscpRemark, ...(value.text === "drop" ? {} : { precLevel: 0 }) });
        break;
      case "rate":
        last(item).rate = number(value, 32);
        break;
      case "burst_size":
        last(item).burstSize = number(value, 32);
        break;
      case "prec_level":
        last(item).precLevel = number(value, 8);
        break;
      default:
        fail("type, rate, burst_size or prec_level", item.key);
    }
  }
  return bands;
}

export interface MeterParseOptions {
  readonly command?: MeterMod["command"];
}

/** Reads a meter as "ovs-ofctl add-meter" takes it; packets per second unless it says kbps. TextError for what is none. */
export function parseMeter(text: string, { command = "add" }: MeterParseOptions = {}): MeterMod {
  const of = trimmed(whole(text));
  const marked = cut(of, "bands=");
  let flags = 0;
  let meterId: number | undefined;
  for (const item of items(marked?.[0] ?? of)) {
    const flag = flagWords.find(([word]) => word === item.key.text);
    if (flag !== undefined) {
      bare(item);
      flags |= flag[1];
    } else if (item.key.text === "meter") {
      const value = valueOf(item);
      meterId = meterNames.find(([name]) => name === value.text)?.[1] ?? number(value, 32, "the number of a meter");
    } else fail("meter=, kbps, pktps, burst, stats or bands=", item.key);
  }
  if (marked === undefined && command !== "delete") fail("bands=", part(of, of.text.length));
  if ((flags & 3) === 3) fail("kbps or pktps", of);
  const bands = marked === undefined ? [] : parseBands(marked[1]);
  const isRated = (flags & (meterFlag.kbps | meterFlag.pktps)) !== 0;
  return meterMod({ command, meterId: meterId ?? fail("meter=", of), flags: isRated || command === "delete" ? flags : flags | meterFlag.pktps, bands });
}

/** Reads a meter as "ovs-ofctl dump-meters" prints it, on several lines or one. TextError for what is none. */
export function parseMeterConfig(text: string): MeterConfig {
  const { meterId, flags, bands } = parseMeter(text);
  return { meterId, flags, bands: bands.map((band) => ({ ...band, bandType: band.bandType ?? drop })) };
}
