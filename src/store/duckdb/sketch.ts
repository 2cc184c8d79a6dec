/**
 * A sketch of many values: how many fell into each bucket of a logarithmic scale. Buckets are 4 % wide, so that a quantile read from it is
 * within 2 % of a value that was there. Sketches of parts add up to the sketch of the whole.
 */

const lnGamma = Math.log(1.04);
/** Keys of positive values; negative ones have the same with a minus, zero has 0. */
const offset = 1_000;

/** The SQL for a value's key. */
export const keySql = (value: string): string =>
  `CASE WHEN ${value} IS NULL THEN NULL WHEN ${value} = 0 THEN 0 ELSE sign(${value}) * greatest(1, ${offset} + ceil(ln(abs(${value})) / ${lnGamma})) END::SMALLINT`;

/** The middle of a key's bucket. */
export function valueOfKey(key: number): number {
  if (key === 0) return 0;
  return (Math.sign(key) * 2 * Math.exp((Math.abs(key) - offset) * lnGamma)) / (1 + Math.exp(lnGamma));
}

/** The value below which `share` of the counted values lie. `counts` in the order of their keys; undefined when it is empty. */
export function quantileOf(counts: readonly (readonly [key: number, count: number])[], share: number): number | undefined {
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  const rank = share * (total - 1);
  let seen = 0;
  for (const [key, count] of counts) {
    seen += count;
    if (seen > rank) return valueOfKey(key);
  }
  return undefined;
}
