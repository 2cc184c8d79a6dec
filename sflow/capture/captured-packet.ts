/** What a capture is made of. */

export interface CapturedPacket {
  /** Since the epoch, in ms. */
  readonly tMs: number;
  /** Bytes on the wire. */
  readonly frameLength: number;
  /** What was captured, from the link-layer header on. */
  readonly bytes: Uint8Array;
  /** LINKTYPE: 1 Ethernet, 101 raw IP, 113 Linux cooked v1, 276 Linux cooked v2. */
  readonly linkType: number;
}

/** No packet and no block is longer; a capture that says so is broken. */
export const maxRecord = 1 << 18;
