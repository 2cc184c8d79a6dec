/** What is asked of the whole shadow. */
export interface ShadowMode {
  /** Every bridge has all of its shadow, whatever its level. */
  complete: boolean;
  /** Replica ports carry guards. */
  guarded: boolean;
  /** The shadow carries the traffic. */
  promoted: boolean;
  /** Copies are made, while there are guards. */
  replicating: boolean;
}
