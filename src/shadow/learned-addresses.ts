/**
 * Addresses that live's NORMAL has learned, brought to the shadow. What live sent before copying began, or while it was off, taught
 * the shadow nothing; without it the shadow floods what live delivers. Pure but for `LearnedAddresses`.
 *
 * OVS tells its table on its control socket only, and by no event: it is looked at now and then. An address is taught by a frame from
 * it that NORMAL is given at the port in question. The first floods in the shadow, as the host's own did on live; as it is sent to the
 * same address, what meets it later ends there. The adapters drop what comes out.
 */
import { errorText } from "../base/error-text.js";
import { openflowLocal } from "../network/database-view.js";
import { readMacTable, type LearnedAddress } from "../network/mac-table.js";

/** What is learned behind numbered ports: of LOCAL the shadow has another, and a static address is configuration. */
const learned = (shown: string): LearnedAddress[] => readMacTable(shown).filter(({ port, isStatic }) => port !== openflowLocal && !isStatic);
const keyOf = ({ vlan, mac }: LearnedAddress): string => `${vlan} ${mac}`;
/**
 * What live knows and the shadow does not, or believes elsewhere from frames that are no newer: a host that moves meanwhile is put right
 * at the next look. `most`: of many, those heard last.
 */
export function missingAddresses(live: readonly LearnedAddress[], shadow: readonly LearnedAddress[], most: number): LearnedAddress[] {
  const known = new Map(shadow.map((one) => [keyOf(one), one]));
  return live
    .filter((one) => {
      const there = known.get(keyOf(one));
      return there === undefined || (there.port !== one.port && there.ageS >= one.ageS);
    })
    .sort((x, y) => x.ageS - y.ageS)
    .slice(0, most);
}

/** IEEE 802 local experimental EtherType 1: no host takes it for anything. */
const experimental = 0x88b5;
const shortestFrame = 60;

/** The frame that teaches `mac`: from it and to it, tagged when `vlan` is given. */
export function addressFrame(mac: string, vlan: number | undefined): Uint8Array {
  const frame = Buffer.alloc(shortestFrame);
  const address = Buffer.from(mac.replaceAll(":", ""), "hex");
  address.copy(frame, 0);
  address.copy(frame, 6);
  if (vlan === undefined) frame.writeUInt16BE(experimental, 12);
  else {
    frame.writeUInt16BE(0x8100, 12);
    frame.writeUInt16BE(vlan, 14);
    frame.writeUInt16BE(experimental, 16);
  }
  return frame;
}

/** One bridge and its shadow, for as long as a look takes. */
export interface BridgePair {
  readonly bridge: string;
  /** `fdb/show` of live, and of the shadow. */
  readonly live: () => Promise<string>;
  readonly shadow: () => Promise<string>;
  /** The VLAN of frames without a tag at a port: its `tag`; undefined when it has none. */
  readonly untagged: (port: number) => number | undefined;
  /** Sends a frame to the shadow's NORMAL as if it came in by `port`. */
  readonly teach: (port: number, frame: Uint8Array) => void;
}

/** Frames for one bridge in one look; what is left comes with the next. */
const maxFrames = 512;

export interface LearnedCounters {
  /** Addresses taught. */
  taught: number;
  /** Looks that failed. */
  failures: number;
}

export class LearnedAddresses {
  readonly counters: LearnedCounters = { taught: 0, failures: 0 };
  private readonly pairs: () => Iterable<BridgePair>;
  private running: Promise<void> | undefined;
  /** Why the last look failed; undefined when it did not. */
  failure: string | undefined;

  /** `pairs`: bridges whose forwarding depends on what is learned. */
  constructor(pairs: () => Iterable<BridgePair>) {
    this.pairs = pairs;
  }

  /** Looks at all bridges once, one look at a time. Does not reject. */
  look(): Promise<void> {
    this.running ??= this.once().finally(() => (this.running = undefined));
    return this.running;
  }

  /** Resolves when no look is underway. */
  async settled(): Promise<void> {
    await this.running;
  }

  private async once(): Promise<void> {
    this.failure = undefined;
    for (const pair of this.pairs()) {
      try {
        await this.visit(pair);
      } catch (error) {
        this.counters.failures++;
        this.failure = `${pair.bridge}: ${errorText(error)}`;
      }
    }
  }

  private async visit({ live, shadow, untagged, teach }: BridgePair): Promise<void> {
    for (const { port, vlan, mac } of missingAddresses(learned(await live()), learned(await shadow()), maxFrames)) {
      teach(port, addressFrame(mac, vlan === 0 || untagged(port) === vlan ? undefined : vlan));
      this.counters.taught++;
    }
  }
}
