/**
 * Gaps in the copy that others made: somebody took the flows away that copy, and until they were back packets came in uncopied.
 * From the moment the switch told us to the moment it had them again; the packets are those the edge ports counted meanwhile.
 */
export interface Gap {
  count: number;
  ms: number;
  packets: number;
}

export interface GapParts {
  /** Packets received by the copied edge ports of a bridge so far; undefined while the switch does not tell. */
  readonly received: (bridge: string) => Promise<number | undefined>;
  /** Resolves when the bridge has its flows again. */
  readonly mended: () => Promise<void>;
  readonly nowMs: () => number;
}

export class GapCounter {
  private readonly parts: GapParts;
  private readonly gaps = new Map<string, Gap>();
  private readonly open = new Set<string>();

  constructor(parts: GapParts) {
    this.parts = parts;
  }

  of(bridge: string): Readonly<Gap> {
    return this.gaps.get(bridge) ?? { count: 0, ms: 0, packets: 0 };
  }

  /** Flows that copy are gone from `bridge`. Many at a time are one gap. */
  async lost(bridge: string): Promise<void> {
    if (this.open.has(bridge)) return;
    this.open.add(bridge);
    const sinceMs = this.parts.nowMs();
    const received = (): Promise<number | undefined> => this.parts.received(bridge).catch(() => undefined);
    try {
      const [before] = await Promise.all([received(), this.parts.mended()]);
      const ms = this.parts.nowMs() - sinceMs;
      const after = await received();
      const old = this.of(bridge);
      const packets = before === undefined || after === undefined ? 0 : Math.max(0, after - before);
      this.gaps.set(bridge, { count: old.count + 1, ms: old.ms + ms, packets: old.packets + packets });
    } finally {
      this.open.delete(bridge);
    }
  }
}
