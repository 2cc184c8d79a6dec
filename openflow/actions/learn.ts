/** NXAST_LEARN and NXAST_LEARN2: the flow to be added, as a list of specs; ovs-actions(7), "The learn action". */
import { niciraRef, type FieldRef } from "../fields/reference.js";
import { WireError, type Reader } from "../wire/reader.js";
import { fromHex, padding, struct, u16, u32, u64, u8, type Codec, type ValueOf } from "../wire/struct.js";
import { byHand } from "../wire/shape.js";

interface Place {
  readonly field: FieldRef;
  readonly offset: number;
}
/** Takes `bits` bits from the packet or from the action itself, to match on them, load them, or output to the port they name. */
export interface LearnSpec {
  readonly bits: number;
  readonly source: Place | { readonly immediate: Uint8Array };
  readonly target: { readonly match: Place } | { readonly load: Place } | "output";
}

const immediateBit = 1 << 13;
const kinds = ["match", "load", "output"] as const;
const bitsMask = 0x3ff;

const place: Codec<Place> = struct({ field: niciraRef, offset: u16 });
const immediateBytes = (bits: number): number => Math.ceil(bits / 16) * 2;

const specs: Codec<readonly LearnSpec[]> = byHand("learnSpecs", {
  write: (out, all) => {
    for (const { bits, source, target } of all) {
      const kind = target === "output" ? 2 : "load" in target ? 1 : 0;
      out.u16((bits & bitsMask) | (kind << 11) | ("immediate" in source ? immediateBit : 0));
      if ("immediate" in source) {
        const bytes = typeof source.immediate === "string" ? fromHex(source.immediate) : source.immediate;
        if (bytes.length !== immediateBytes(bits)) throw new RangeError(`${bits} bits are ${immediateBytes(bits)} bytes, got ${bytes.length}`);
        out.raw(bytes);
      } else place.write(out, source);
      if (target !== "output") place.write(out, "load" in target ? target.load : target.match);
    }
  },
  read: (from) => {
    const all: LearnSpec[] = [];
    while (from.remaining >= 2 && from.fork().u16() !== 0) all.push(readSpec(from));
    return all;
  },
});

function readSpec(from: Reader): LearnSpec {
  const at = from.offset;
  const header = from.u16();
  const bits = header & bitsMask;
  const kind = kinds[(header >> 11) & 3];
  if (kind === undefined || (header & 0xc400) !== 0 || bits === 0) throw new WireError(`learn spec header 0x${header.toString(16)}`, at);
  const source = (header & immediateBit) === 0 ? place.read(from) : { immediate: from.copy(immediateBytes(bits)) };
  if (kind === "output") return { bits, source, target: "output" };
  const to = place.read(from);
  return { bits, source, target: kind === "load" ? { load: to } : { match: to } };
}

const head = { idleTimeout: u16, hardTimeout: u16, priority: u16, cookie: u64, flags: u16, tableId: u8, pad0: padding(1), finIdleTimeout: u16, finHardTimeout: u16 };
/** Flags: 1 send-flow-removed, 2 delete learned flows with this one. */
export const learn = struct({ ...head, specs });

const learn2Head = struct({ ...head, limit: u32, resultOffset: u16, pad1: padding(2) });
const writesResult = 4;
type Learn2 = ValueOf<typeof learn2Head> & { readonly result?: FieldRef; readonly specs: readonly LearnSpec[] };
/** With flag 4 it writes into bit `resultOffset` of `result` whether the flow could be added within `limit`. */
export const learn2: Codec<Learn2> = byHand("learn2", {
  write: (out, value) => {
    learn2Head.write(out, value);
    if ((value.flags & writesResult) !== 0 && value.result !== undefined) niciraRef.write(out, value.result);
    specs.write(out, value.specs);
  },
  read: (from) => {
    const value = learn2Head.read(from);
    const result = (value.flags & writesResult) !== 0 ? niciraRef.read(from) : undefined;
    return { ...value, ...(result === undefined ? {} : { result }), specs: specs.read(from) };
  },
});
