/** The inactivity probe, as a pure step function: any received byte is life. */

export interface Liveness {
  readonly state: "alive" | "probing" | "dead";
  /** When the last byte came (alive) or the probe was sent (probing); monotonic ms. */
  readonly sinceMs: number;
}
export type LivenessEffect = "send-echo" | "close";

/** What to do at `nowMs` when nothing came for `probeMs` (send an echo), and nothing again for as long (close). */
export function tick(now: Liveness, nowMs: number, probeMs: number): readonly [Liveness, LivenessEffect | undefined] {
  if (now.state === "dead" || nowMs - now.sinceMs < probeMs) return [now, undefined];
  if (now.state === "alive") return [{ state: "probing", sinceMs: nowMs }, "send-echo"];
  return [{ state: "dead", sinceMs: nowMs }, "close"];
}
