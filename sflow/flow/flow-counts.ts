/** Counts per 5-tuple (and tunnel), in typed arrays of a fixed size: no allocation while counting, no more memory than said. */
import { FlowKey, tunnelKinds, type TunnelKind } from "./flow-key.js";

export interface FlowCount {
  readonly src: string;
  readonly dst: string;
  readonly protocol: number;
  readonly srcPort: number;
  readonly dstPort: number;
  /** The tunnel it is in, and the VNI or key there; undefined for what is in none, and where keys are of outer headers. */
  readonly tunnel: { readonly kind: Exclude<TunnelKind, "none">; readonly key: number } | undefined;
  readonly samples: number;
  /** Estimated: each sample stands for its sampling rate. */
  readonly packets: number;
  readonly bytes: number;
}

/** Words of a key: two addresses of four, the ports, protocol with IP version and kind of tunnel. The tunnel's key lies apart: most have none. */
const words = 10;
/** The kinds that are in a tunnel begin here. */
const tunnelled = 1 << 16;

export class FlowCounts {
  /** Samples of flows beyond the bound: counted in `overflow` only. */
  overflow = 0;
  size = 0;
  private readonly capacity: number;
  private readonly mask: number;
  private readonly keys: Int32Array;
  private readonly tunnelKeys: Int32Array;
  private readonly samples: Uint32Array;
  private readonly packets: Float64Array;
  private readonly bytes: Float64Array;

  /** Room for `maxFlows` flows; takes about 130 bytes for each. RangeError unless from 1 to 2^24. */
  constructor(maxFlows = 65_536) {
    if (!(maxFlows >= 1 && maxFlows <= 1 << 24)) throw new RangeError(`maxFlows must be from 1 to ${1 << 24}, got ${maxFlows}`);
    this.capacity = maxFlows;
    // At most half full, so that a search ends soon.
    const slots = 2 ** Math.ceil(Math.log2(maxFlows * 2));
    this.mask = slots - 1;
    this.keys = new Int32Array(slots * words);
    this.tunnelKeys = new Int32Array(slots);
    this.samples = new Uint32Array(slots);
    this.packets = new Float64Array(slots);
    this.bytes = new Float64Array(slots);
  }

  /** Counts one sample that stands for `weight` packets of `frameLength` bytes. False when it went to `overflow`. */
  add(key: FlowKey, weight: number, frameLength: number): boolean {
    const { keys, samples, mask } = this;
    const ports = (key.srcPort << 16) | key.dstPort;
    const kind = (key.tunnel << 16) | (key.version << 8) | key.protocol;
    let hash = Math.imul(key.src0 ^ Math.imul(key.dst0, 0x9e3779b1), 0x85ebca6b) ^ Math.imul(ports ^ kind, 0xc2b2ae35);
    const tunnelKey = kind < tunnelled ? 0 : key.tunnelKey | 0;
    if (tunnelKey !== 0) hash ^= Math.imul(tunnelKey, 0x27d4eb2f);
    if (key.version === 6) hash ^= Math.imul(key.src1 ^ Math.imul(key.src2, 31) ^ Math.imul(key.src3, 0x27d4eb2f), 0x165667b1) ^ Math.imul(key.dst1 ^ Math.imul(key.dst2, 31) ^ Math.imul(key.dst3, 0x2c1b3c6d), 0x297a2d39);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
    let slot = (hash ^ (hash >>> 13)) & mask;
    for (;;) {
      const at = slot * words;
      if (samples[slot] === 0) {
        if (this.size >= this.capacity) {
          this.overflow++;
          return false;
        }
        this.size++;
        this.store(at, key, ports, kind);
        if (kind >= tunnelled) this.tunnelKeys[slot] = tunnelKey;
        break;
      }
      if (
        keys[at] === key.src0 &&
        keys[at + 4] === key.dst0 &&
        keys[at + 8] === ports &&
        keys[at + 9] === kind &&
        (kind < tunnelled || this.tunnelKeys[slot] === tunnelKey) &&
        (key.version === 4 ||
          (keys[at + 1] === key.src1 && keys[at + 2] === key.src2 && keys[at + 3] === key.src3 && keys[at + 5] === key.dst1 && keys[at + 6] === key.dst2 && keys[at + 7] === key.dst3))
      )
        break;
      slot = (slot + 1) & mask;
    }
    samples[slot] = (samples[slot] ?? 0) + 1;
    this.packets[slot] = (this.packets[slot] ?? 0) + weight;
    this.bytes[slot] = (this.bytes[slot] ?? 0) + weight * frameLength;
    return true;
  }

  private store(at: number, key: FlowKey, ports: number, kind: number): void {
    const { keys } = this;
    keys[at] = key.src0;
    keys[at + 1] = key.src1;
    keys[at + 2] = key.src2;
    keys[at + 3] = key.src3;
    keys[at + 4] = key.dst0;
    keys[at + 5] = key.dst1;
    keys[at + 6] = key.dst2;
    keys[at + 7] = key.dst3;
    keys[at + 8] = ports;
    keys[at + 9] = kind;
  }

  /** Every flow, in no order. */
  *flows(): Generator<FlowCount> {
    const { keys, samples } = this;
    const key = new FlowKey();
    for (let slot = 0; slot <= this.mask; slot++) {
      const count = samples[slot] ?? 0;
      if (count === 0) continue;
      const word = (i: number): number => keys[slot * words + i] ?? 0;
      key.version = (word(9) >>> 8) & 0xff;
      const tunnel = tunnelKinds[word(9) >>> 16] ?? "none";
      [key.src0, key.src1, key.src2, key.src3] = [word(0), word(1), word(2), word(3)];
      [key.dst0, key.dst1, key.dst2, key.dst3] = [word(4), word(5), word(6), word(7)];
      yield {
        src: key.srcText(),
        dst: key.dstText(),
        protocol: word(9) & 0xff,
        srcPort: word(8) >>> 16,
        dstPort: word(8) & 0xffff,
        tunnel: tunnel === "none" ? undefined : { kind: tunnel, key: (this.tunnelKeys[slot] ?? 0) >>> 0 },
        samples: count,
        packets: this.packets[slot] ?? 0,
        bytes: this.bytes[slot] ?? 0,
      };
    }
  }

  clear(): void {
    this.samples.fill(0);
    this.packets.fill(0);
    this.bytes.fill(0);
    this.size = 0;
    this.overflow = 0;
  }
}
