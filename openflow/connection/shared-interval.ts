/**
 * One timer for all who want to be called as often. A thousand connections that each had their own, every five seconds, would wake the
 * process two hundred times a second, and waking it costs more than what is then looked at.
 */

/** Calls are spread over so many moments of the interval, so that what they send does not go out all at once … */
const maxMoments = 8;
/** … which are no closer than this, in ms. */
const leastGapMs = 250;

interface Shared {
  readonly moments: readonly Set<() => void>[];
  readonly timer: NodeJS.Timeout;
  next: number;
}

const shared = new Map<number, Shared>();

/** Calls `call` every `ms` until the returned function is called; the first time within `ms`. Keeps no process alive. `call` must not throw. */
export function everyShared(ms: number, call: () => void): () => void {
  let one = shared.get(ms);
  if (one === undefined) shared.set(ms, (one = begin(ms)));
  const own = one;
  const moment = own.moments.reduce((fewest, other) => (other.size < fewest.size ? other : fewest));
  moment.add(call);
  return () => {
    if (!moment.delete(call) || own.moments.some(({ size }) => size > 0)) return;
    clearInterval(own.timer);
    if (shared.get(ms) === own) shared.delete(ms);
  };
}

function begin(ms: number): Shared {
  const moments = Array.from({ length: Math.min(maxMoments, Math.max(1, Math.floor(ms / leastGapMs))) }, () => new Set<() => void>());
  const timer = setInterval(() => {
    const calls = moments[made.next];
    made.next = (made.next + 1) % moments.length;
    for (const call of calls ?? []) call();
  }, ms / moments.length);
  timer.unref();
  const made: Shared = { moments, timer, next: 0 };
  return made;
}
