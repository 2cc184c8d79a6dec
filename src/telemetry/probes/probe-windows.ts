/** Round trip and loss of one pair's probes over windows of 1, 5 and 30 s. Bounded by rate and time; pure. */
import type { PingLine } from "./ping-output.js";

export interface ProbeWindow {
  readonly tMs: number;
  readonly windowMs: number;
  /** Of which it is known whether they were answered. */
  readonly sent: number;
  readonly lost: number;
  /** ms; undefined: none was answered. */
  readonly rttMs: number | undefined;
  readonly rttP99Ms: number | undefined;
}

/** A probe without an answer after this is lost; windows are told so much later. */
export const answerMs = 2_000;
const windowsMs = [1_000, 5_000, 30_000];
const keptMs = 30_000 + answerMs + 2_000;
/** Probes kept at most: 100 a second for as long as any window needs. */
const maxKept = 4_096;

interface Probe {
  readonly tMs: number;
  /** undefined: lost. */
  readonly rttMs: number | undefined;
}

export class ProbeWindows {
  /** Probes left out because there was no room. */
  refused = 0;
  private probes: Probe[] = [];
  /** When they were missed, by sequence number. */
  private readonly missing = new Map<number, number>();

  take(line: PingLine): void {
    if (line.is === "missing") {
      this.missing.set(line.seq, line.tMs);
      return;
    }
    this.missing.delete(line.seq);
    this.add({ tMs: line.tMs, rttMs: line.rttMs });
  }

  /** What was on its way is not judged: the probes pause. */
  pause(): void {
    this.missing.clear();
  }

  /** The windows that end with the last whole second of which all answers have come or never will. Windows without a probe are left out. */
  advance(nowMs: number): ProbeWindow[] {
    for (const [seq, tMs] of this.missing) {
      if (nowMs - tMs < answerMs) continue;
      this.missing.delete(seq);
      this.add({ tMs, rttMs: undefined });
    }
    this.probes = this.probes.filter(({ tMs }) => nowMs - tMs < keptMs);
    const endMs = Math.floor((nowMs - answerMs) / 1_000) * 1_000;
    return windowsMs.flatMap((windowMs) => {
      const within = this.probes.filter(({ tMs }) => tMs >= endMs - windowMs && tMs < endMs);
      const times = within.flatMap(({ rttMs }) => rttMs ?? []).sort((x, y) => x - y);
      if (within.length === 0) return [];
      return [{ tMs: endMs - windowMs, windowMs, sent: within.length, lost: within.length - times.length, rttMs: quantile(times, 0.5), rttP99Ms: quantile(times, 0.99) }];
    });
  }

  private add(probe: Probe): void {
    if (this.probes.length >= maxKept) this.refused++;
    else this.probes.push(probe);
  }
}

/** The least value that a share of all are not above; of sorted ones. */
const quantile = (sorted: readonly number[], share: number): number | undefined => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
