/**
 * Which bridges send LLDP out of their links in which second. Of a small network all, each second. Of a large one they take turns, because
 * a round of LLDP over hundreds of links costs a switch and us more than all else at rest; a link that is silent at its turn is
 * asked for every second from then on, so that one that is gone is known to be gone nearly as soon. Pure.
 */

/** Ends of links that send in one second; of more, bridges take turns … */
const endsPerS = 64;
/** … of so many seconds at most. */
const longestS = 4;
/** How late what comes at its turn may be, in ms. */
const marginMs = 500;

/** Every link end of a network of so many sends once in so many seconds. */
export const turnEveryS = (ends: number): number => Math.min(longestS, Math.max(1, Math.ceil(ends / endsPerS)));

/** A link that was heard longer ago than this, in ms, has missed its turn. */
export const missedAfterMs = (everyS: number): number => everyS * 1_000 + marginMs;

/** `sends`: LLDP goes out of all its links; `isAsked`: the switch is also to say when it has been sent. */
export interface Turn {
  readonly sends: boolean;
  readonly isAsked: boolean;
}

/** What the bridge in this place does in this second. A round counts only when LLDP has left all links of the bridge: who is asked, sends. */
export function turnOf(place: number, second: number, everyS: number, isDoubtful: boolean): Turn {
  const isAsked = everyS === 1 || isDoubtful;
  return { isAsked, sends: isAsked || (place + second) % everyS === 0 };
}
