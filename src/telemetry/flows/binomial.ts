/** Exact tails of the binomial distribution, and which of many tests hold. Pure. */

/** ln Γ(x) for x > 0 (Lanczos, g = 7, n = 9; relative error below 1e-13). */
function logGamma(x: number): number {
  const coefficients = [0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7];
  const shifted = x - 1;
  const base = shifted + 7.5;
  const sum = coefficients.reduce((total, c, i) => total + (i === 0 ? c : c / (shifted + i)), 0);
  return 0.5 * Math.log(2 * Math.PI) + (shifted + 0.5) * Math.log(base) - base + Math.log(sum);
}

/** Continued fraction of the incomplete beta function (modified Lentz). */
function betaFraction(x: number, a: number, b: number): number {
  const tiny = 1e-300;
  const kept = (value: number): number => (Math.abs(value) < tiny ? tiny : value);
  let c = 1;
  let d = 1 / kept(1 - ((a + b) * x) / (a + 1));
  let result = d;
  for (let m = 1; m <= 10_000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / kept(1 + even * d);
    c = kept(1 + even / c);
    result *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / kept(1 + odd * d);
    c = kept(1 + odd / c);
    const step = d * c;
    result *= step;
    if (Math.abs(step - 1) < 1e-14) break;
  }
  return result;
}

/** Regularized incomplete beta function I_x(a, b), for a, b > 0 and x from 0 to 1. */
export function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x));
  return x < (a + 1) / (a + b + 2) ? (front * betaFraction(x, a, b)) / a : 1 - (front * betaFraction(1 - x, b, a)) / b;
}

/** P(X >= k) of n trials with probability p each. */
export const binomialAtLeast = (k: number, n: number, p: number): number => (k <= 0 ? 1 : k > n ? 0 : incompleteBeta(p, k, n - k + 1));

/** P(X <= k) likewise. */
export const binomialAtMost = (k: number, n: number, p: number): number => (k >= n ? 1 : k < 0 ? 0 : incompleteBeta(1 - p, n - k, k + 1));

/**
 * The q-value of each of many p-values: the share of false ones among all up to it that are expected, if it is called one (Benjamini and Hochberg 1995).
 * `tests`: how many were made, where not all are given; those left out count as not significant.
 */
export function falseDiscoveryRates(pValues: readonly number[], tests = pValues.length): number[] {
  const order = pValues.map((_, i) => i).sort((x, y) => (pValues[y] ?? 1) - (pValues[x] ?? 1));
  const rates = new Array<number>(pValues.length).fill(1);
  let least = 1;
  order.forEach((i, fromLast) => {
    least = Math.min(least, ((pValues[i] ?? 1) * tests) / (pValues.length - fromLast));
    rates[i] = least;
  });
  return rates;
}
