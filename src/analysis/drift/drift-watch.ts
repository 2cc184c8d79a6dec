/**
 * Watches whether the links of the live network are those intended, and tells as an event when one is not any more, is so otherwise, and is
 * as intended again. Without a topology file the first seen links are the intended ones, kept over restarts; links that come are then taken
 * in, because nothing intended speaks against them.
 */
import type { ObservationSink } from "../../base/observation.js";
import type { Network } from "../../network/model.js";
import { driftsOf, type Drift } from "./compare.js";
import { keep, linksOf, readIntended, readKept, type IntendedLink } from "./intended.js";

export interface DriftWatchParts {
  /** The topology file; undefined: what is first seen. */
  readonly file: string | undefined;
  readonly stateDir: string;
  readonly sink: Pick<ObservationSink, "happened">;
  readonly warn: (why: string) => void;
  /** ms since the epoch. */
  readonly nowMs: () => number;
}

export interface KnownDrift extends Drift {
  readonly sinceMs: number;
}

export class DriftWatch {
  private readonly parts: DriftWatchParts;
  /** Undefined until the network was seen for the first time. */
  private intended: readonly IntendedLink[] | undefined;
  private network: Network | undefined;
  private known = new Map<string, KnownDrift>();

  /** Reads the file, or what was kept. Throws ConfigError. */
  constructor(parts: DriftWatchParts) {
    this.parts = parts;
    this.intended = parts.file === undefined ? readKept(parts.stateDir) : readIntended(parts.file);
  }

  /** The network as it is, once discovery is sure of what is missing. */
  update(network: Network): void {
    this.network = network;
    if (this.parts.file === undefined) this.takeIn(network);
    this.compare(network);
  }

  /** How the links are others than intended, by link. */
  list(): KnownDrift[] {
    return [...this.known.values()];
  }

  /** Where the intended links are from. */
  get source(): string {
    return this.parts.file ?? "as first seen";
  }

  get links(): number {
    return this.intended?.length ?? 0;
  }

  /** From now on the network as it is is the intended one. Throws RangeError when a file says what is. */
  accept(): void {
    if (this.parts.file !== undefined) throw new RangeError(`what is intended is in ${this.parts.file}: edit that, it is read at the next start`);
    if (this.network === undefined) throw new RangeError("the network is not known yet");
    this.setIntended(linksOf(this.network));
    this.compare(this.network);
  }

  /** Links beyond the intended ones, between ports of which nothing is intended, are intended from now on. */
  private takeIn(network: Network): void {
    const { intended } = this;
    if (intended === undefined) {
      // A network without links has none that could be missed; the first ones seen are the first.
      if (network.links.length > 0) this.setIntended(linksOf(network));
      return;
    }
    const ends = new Set(intended.flat());
    const more = linksOf(network).filter((link) => link.every((key) => !ends.has(key)));
    if (more.length > 0) this.setIntended([...intended, ...more]);
  }

  private setIntended(links: readonly IntendedLink[]): void {
    this.intended = links;
    try {
      keep(this.parts.stateDir, links);
    } catch (error) {
      this.parts.warn(`the intended topology can't be kept: ${(error as Error).message}`);
    }
  }

  private compare(network: Network): void {
    const { intended, known, parts } = this;
    if (intended === undefined) return;
    const now = parts.nowMs();
    const tell = (link: string, detail: Readonly<Record<string, unknown>>): void => parts.sink.happened({ tMs: now, kind: "alert", side: "live", subject: `link ${link}`, detail });
    const next = new Map<string, KnownDrift>();
    for (const drift of driftsOf(intended, network, parts.file !== undefined)) {
      const before = known.get(drift.link);
      next.set(drift.link, { ...drift, sinceMs: before?.kind === drift.kind ? before.sinceMs : now });
      // The other end of a cut cable goes down a moment later: that is no news. Another place of a moved one is.
      if (before?.kind === drift.kind && (drift.kind !== "link moved" || before.why === drift.why)) continue;
      tell(drift.link, { what: drift.kind, why: drift.why });
    }
    for (const [link, { kind }] of known) if (!next.has(link)) tell(link, { what: "link as intended", was: kind });
    this.known = next;
  }
}
