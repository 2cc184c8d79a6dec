/** What a tally of captured flows is given, and what it counts of itself. */

export interface TallyOptions {
  readonly maxFlows: number;
  /** Packets of each kind that are remembered for comparing; 0: nothing is compared. */
  readonly maxRecent: number;
}

export interface TallyCounters {
  frames: number;
  /** Not IP, or cut off before their addresses. */
  unreadable: number;
  evicted: number;
  /** Samples looked for. */
  judged: number;
  /** Samples of flows of which nothing was captured: their edges are not copied. */
  uncaptured: number;
  /** Samples that could not be: they came too late for what is remembered, packets had been dropped by the kernel, or too many waited. */
  unjudged: number;
}
