/**
 * How a budget is spent where it tells most: the squared error of a rate estimated from s samples is 1/s, whatever the traffic, so the weighted
 * sum of the errors under a given sum of samples is smallest when each gets samples by the square root of its weight. One can't give more than it
 * has; what it leaves goes to the others. Pure.
 */
export interface Claim {
  /** What it has: no share is larger. */
  readonly most: number;
  /** How much it matters; 1 is usual. */
  readonly weight: number;
}

/** What each gets of `total`, in order. Without anything to give a share is 0. */
export function fairShares(claims: readonly Claim[], total: number): number[] {
  const shares = claims.map(() => 0);
  let open = claims.map((claim, at) => ({ ...claim, at })).filter(({ most }) => most > 0);
  let left = Math.max(0, total);
  while (open.length > 0) {
    const roots = open.reduce((sum, { weight }) => sum + Math.sqrt(weight), 0);
    const wanted = (weight: number): number => (left * Math.sqrt(weight)) / roots;
    const full = open.filter(({ most, weight }) => most <= wanted(weight));
    if (full.length === 0) {
      for (const { at, weight } of open) shares[at] = wanted(weight);
      break;
    }
    const unfilled = open.filter((one) => !full.includes(one));
    for (const { at, most } of full) {
      shares[at] = most;
      left -= most;
    }
    open = unfilled;
  }
  return shares;
}
