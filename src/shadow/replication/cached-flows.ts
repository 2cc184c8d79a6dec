/**
 * Bounds what fractions cost: a session that takes a fraction makes ovs-vswitchd cache one flow a connection. Above the bound such
 * sessions are suspended until somebody asks for a session again.
 */
export interface CachedFlowParts {
  /** The text of `upcall/show`. */
  readonly read: () => Promise<string>;
  readonly max: number;
  /** Whether a session takes a fraction now. */
  readonly isNeeded: () => boolean;
  readonly exceeded: (flows: number) => void;
}

/** Flows in the caches of all datapaths. Throws when the text is of another kind. */
export function readCachedFlows(text: string): number {
  const counts = [...text.matchAll(/flows\s*: \(current (\d+)\)/g)].map(([, count]) => Number(count));
  if (counts.length === 0) throw new Error(`"upcall/show" has no flow count: ${text.slice(0, 80)}`);
  return counts.reduce((sum, count) => sum + count, 0);
}

export class CachedFlows {
  private readonly parts: CachedFlowParts;
  /** At the last look; undefined when it could not be read. */
  current: number | undefined;

  constructor(parts: CachedFlowParts) {
    this.parts = parts;
  }

  async look(): Promise<void> {
    try {
      this.current = readCachedFlows(await this.parts.read());
    } catch {
      this.current = undefined;
      return;
    }
    if (this.current > this.parts.max && this.parts.isNeeded()) this.parts.exceeded(this.current);
  }
}
