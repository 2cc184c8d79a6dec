/** Tells guards that somebody deleted from those that we put there for the first time, or made anew. */
import type { DatabaseChange, DesiredPort } from "../reconcile/database-state.js";

export class GuardWatch {
  /** Replica ports that had their guards after the last pass. */
  private guarded: ReadonlySet<string> = new Set();
  private wanted: ReadonlyMap<string, readonly DesiredPort[]> | undefined;

  /**
   * Takes in what a pass changed and what it wanted; returns the ports whose guards had been deleted by somebody: those of a port which
   * stood before, and which was guarded before.
   */
  restored(changes: readonly DatabaseChange[], wanted: ReadonlyMap<string, readonly DesiredPort[]>): string[] {
    if (changes.length === 0 && wanted === this.wanted) return [];
    this.wanted = wanted;
    const fresh = new Set(changes.flatMap((change) => (change.op === "add-port" ? [change.port.name] : [])));
    const remade = new Set(changes.flatMap((change) => (change.op === "delete-guard" ? [change.name] : [])));
    const restored = changes.flatMap((change) => (change.op === "add-guard" && !fresh.has(change.port) && !remade.has(change.name) && this.guarded.has(change.port) ? [change.port] : []));
    this.guarded = new Set([...wanted.values()].flatMap((ports) => ports.flatMap((port) => (port.guard === undefined ? [] : [port.name]))));
    return restored;
  }
}
