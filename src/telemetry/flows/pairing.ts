/** What is compared of one direction of a flow: sampled packets that were looked for, by spells of some seconds over the last two minutes. Pure. */
import type { PairedCounts } from "./paired.js";

/** What became of a packet that live delivered. */
export type Judged = "found" | "elsewhere" | "missing" | "not copied";

/** A live bridge: a number for it, and the time in which samples of packets that it delivered came. */
export interface KnownBridge {
  readonly number: number;
  sampledFromMs: number;
  sampledToMs: number;
}

interface Spell {
  readonly number: number;
  samples: number;
  notCopied: number;
  missing: number;
  elsewhere: number;
  span: number;
  found: number;
  /** Delivered by the shadow. */
  delivered: number;
  /** Samples on the bridge that delivers, of which it is not known where they left, or that could not be looked for. */
  unjudged: number;
}

const spellMs = 4_000;
/** Two minutes. */
const maxSpells = 30;

export class Pairing {
  /** Packets that the shadow delivered since the flow is known. */
  private index = 0;
  private spells: Spell[] = [];
  /** Where the last found sample was; undefined: there was none since the sampling rate is what it is. */
  private lastFound: number | undefined;
  private samplingRate = 0;
  /** Whose shadow delivered last. */
  private bridge: KnownBridge | undefined;

  /** What was counted is forgotten; the numbers of packets go on. */
  reset(): void {
    this.spells = [];
    this.lastFound = undefined;
  }

  /** The shadow of a bridge delivered a packet; its number. */
  delivered(tMs: number, bridge: KnownBridge): number {
    this.bridge = bridge;
    this.at(tMs).delivered++;
    return ++this.index;
  }

  /** A sample can't be judged: one of those that are not there may have been it. */
  unjudged(tMs: number, bridge: KnownBridge): void {
    if (bridge === this.bridge) this.at(tMs).unjudged++;
  }

  /** A sampled packet was looked for. `index`: its number, where the shadow delivered it. */
  judged(tMs: number, samplingRate: number, how: Judged, index: number | undefined): void {
    if (this.samplingRate !== samplingRate) {
      // Samples of another rate say something else of the packets between them.
      for (const spell of this.spells) spell.span = spell.found = 0;
      this.lastFound = undefined;
      this.samplingRate = samplingRate;
    }
    const spell = this.at(tMs);
    spell.samples++;
    if (how === "not copied") spell.notCopied++;
    else if (how === "missing") spell.missing++;
    else if (how === "elsewhere") spell.elsewhere++;
    if (index === undefined) return;
    if (this.lastFound !== undefined) {
      spell.span += Math.max(0, index - this.lastFound);
      spell.found++;
    }
    this.lastFound = Math.max(index, this.lastFound ?? 0);
  }

  /**
   * The sums over the last two minutes, but for the one spell that says most against equal networks: what happens once, as while a flow table changes, is no
   * difference of the networks. Undefined where nothing can be said. `sampleAgeMs`: how old a sample may be when it comes.
   */
  counts(nowMs: number, usualRate: number, sampleAgeMs: number): (Omit<PairedCounts, "lostSamples"> & { readonly unjudged: number }) | undefined {
    const oldest = spellOf(nowMs) - maxSpells;
    const spells = this.spells.filter(({ number }) => number > oldest);
    const samplingRate = this.samplingRate || usualRate;
    if (samplingRate === 0) return undefined;
    const samples = total(spells, (spell) => spell.samples);
    const unjudged = total(spells, (spell) => spell.unjudged);
    if (samples === 0) {
      // What was delivered while samples of that bridge came, and so long before the last one that its own would have come.
      const { sampledFromMs = Infinity, sampledToMs = -Infinity } = this.bridge ?? {};
      const settled = spells.filter(({ number }) => number * spellMs >= sampledFromMs && (number + 1) * spellMs <= sampledToMs - sampleAgeMs);
      const span = withoutWorst(settled, (spell) => spell.delivered, (spell) => spell.delivered);
      return span === 0 ? undefined : { samples: 0, notCopied: 0, missing: 0, elsewhere: 0, span, found: 0, samplingRate, unjudged };
    }
    const differing = (spell: Spell): number => spell.missing + spell.elsewhere;
    const lacking = (spell: Spell): number => spell.span - spell.found * samplingRate;
    return {
      samples: withoutWorst(spells, differing, (spell) => spell.samples),
      notCopied: withoutWorst(spells, differing, (spell) => spell.notCopied),
      missing: withoutWorst(spells, differing, (spell) => spell.missing),
      elsewhere: withoutWorst(spells, differing, (spell) => spell.elsewhere),
      span: withoutWorst(spells, lacking, (spell) => spell.span),
      found: withoutWorst(spells, lacking, (spell) => spell.found),
      samplingRate,
      unjudged,
    };
  }

  private at(tMs: number): Spell {
    const number = spellOf(tMs);
    // What comes late, or with a clock that stepped back, counts in the newest.
    const last = this.spells.at(-1);
    if (last !== undefined && last.number >= number) return last;
    const spell: Spell = { number, samples: 0, notCopied: 0, missing: 0, elsewhere: 0, span: 0, found: 0, delivered: 0, unjudged: 0 };
    this.spells.push(spell);
    if (this.spells.length > maxSpells) this.spells.shift();
    return spell;
  }
}

const spellOf = (tMs: number): number => Math.floor(tMs / spellMs);
const total = (spells: readonly Spell[], of: (spell: Spell) => number): number => spells.reduce((sum, spell) => sum + of(spell), 0);

/** The sum of `of` but for the spell of which `badness` is largest. */
function withoutWorst(spells: readonly Spell[], badness: (spell: Spell) => number, of: (spell: Spell) => number): number {
  const [first] = spells;
  if (first === undefined) return 0;
  const worst = spells.reduce((most, spell) => (badness(spell) > badness(most) ? spell : most), first);
  return total(spells, of) - of(worst);
}
