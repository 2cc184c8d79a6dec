/** The keep-alive of one connection, as a pure step function. Any received byte is life. */
export interface Liveness {
  readonly state: "alive" | "probing" | "dead";
  /** When the last byte came (alive) or the probe was sent (probing); monotonic ms. */
  readonly sinceMs: number;
}
export type LivenessEffect = "send-echo-request" | "close";

/** Advances to `nowMs`: after `probeAfterMs` of silence an echo request, after as much again the end. The dead stay dead. */
export function tick(now: Liveness, nowMs: number, probeAfterMs: number): readonly [Liveness, LivenessEffect | undefined] {
  if (now.state === "dead" || nowMs - now.sinceMs < probeAfterMs) return [now, undefined];
  if (now.state === "alive") return [{ state: "probing", sinceMs: nowMs }, "send-echo-request"];
  return [{ state: "dead", sinceMs: nowMs }, "close"];
}
