/**
 * Which service needs which other one, from when conversations begin. Pure.
 *
 * Two ways to depend: a server that is asked asks another one ("inside": the application asks the authentication), and a client that is about
 * to use a service uses another one first ("before": it looks up the name). In both, what follows must follow more often than
 * chance alone would have it; the lag is the median time between the two.
 */
import { serviceName } from "./conversations.js";
import type { ServiceEdge } from "./service-graph.js";

export interface Dependency {
  /** The service that needs … */
  readonly dependent: string;
  /** … this one. */
  readonly on: string;
  readonly way: "inside" | "before";
  readonly lagMs: number;
  /** 0 to 1: the share of uses that go with the other service, beyond chance; the lower end of its 95 % interval. */
  readonly confidence: number;
  /** Uses looked at. */
  readonly support: number;
}

export interface DependencyOptions {
  /** What comes later than this is taken to have nothing to do with it. */
  readonly maxLagMs: number;
  readonly minSupport: number;
  readonly minConfidence: number;
}
export const defaultDependencyOptions: DependencyOptions = { maxLagMs: 2_000, minSupport: 10, minConfidence: 0.3 };

/** Services and edges of one host that are compared with each other, the busiest; n × n pairs are looked at. */
const maxPerHost = 32;

/** All dependencies that the edges show, the surest first. */
export function dependencies(edges: readonly ServiceEdge[], options: DependencyOptions = defaultDependencyOptions): Dependency[] {
  const busiest = (list: readonly ServiceEdge[]): ServiceEdge[] => [...list].sort((x, y) => y.starts.length - x.starts.length).slice(0, maxPerHost);
  const byClient = grouped(edges, (edge) => edge.client);
  const byService = grouped(edges, (edge) => serviceName(edge.service));
  const found: Dependency[] = [];

  for (const [dependent, uses] of byService) {
    const [first] = uses;
    if (first === undefined) continue;
    const asked = merged(uses.map((edge) => edge.starts));
    for (const call of busiest(byClient.get(first.service.server) ?? [])) {
      const on = serviceName(call.service);
      // Only what is inside of the time we know both of counts.
      const seen = follows(asked, call.starts, options.maxLagMs);
      if (on !== dependent && seen !== undefined) found.push(...judged({ dependent, on, way: "inside" }, seen, options));
    }
  }

  const before = new Map<string, { hits: number; count: number; chance: number; lags: number[]; after: number }>();
  for (const mine of byClient.values()) {
    for (const use of busiest(mine)) {
      for (const other of busiest(mine)) {
        if (use === other) continue;
        const seen = precedes(use.starts, other.starts, options.maxLagMs);
        const reverse = follows(use.starts, other.starts, options.maxLagMs);
        if (seen === undefined) continue;
        const key = `${serviceName(use.service)}\n${serviceName(other.service)}`;
        const sum = before.get(key) ?? { hits: 0, count: 0, chance: 0, lags: [], after: 0 };
        sum.hits += seen.lags.length;
        sum.count += seen.count;
        sum.chance += seen.chance * seen.count;
        sum.lags.push(...seen.lags);
        sum.after += reverse?.lags.length ?? 0;
        before.set(key, sum);
      }
    }
  }
  for (const [key, { count, chance, lags, after }] of before) {
    const [dependent = "", on = ""] = key.split("\n");
    // Of two that go together, the one that comes first is the one that is needed.
    if (after >= lags.length) continue;
    found.push(...judged({ dependent, on, way: "before" }, { lags, count, chance: count === 0 ? 0 : chance / count }, options));
  }
  return found.sort((x, y) => y.confidence - x.confidence || (x.dependent < y.dependent ? -1 : 1));
}

interface Following {
  /** Of those uses that were followed, how long it took. */
  readonly lags: readonly number[];
  readonly count: number;
  /** How likely a use would be followed if the two had nothing to do with each other. */
  readonly chance: number;
}

function judged(which: Pick<Dependency, "dependent" | "on" | "way">, { lags, count, chance }: Following, options: DependencyOptions): Dependency[] {
  if (count < options.minSupport || lags.length === 0) return [];
  const low = wilsonLow(lags.length, count);
  const confidence = Math.max(0, (low - chance) / Math.max(1 - chance, 1e-9));
  if (confidence < options.minConfidence) return [];
  const sorted = [...lags].sort((x, y) => x - y);
  return [{ ...which, lagMs: sorted[sorted.length >> 1] ?? 0, confidence, support: count }];
}

/** How often one of `then` comes within `maxLagMs` after one of `first`. Undefined when the two were not seen at the same time. */
function follows(first: readonly number[], then: readonly number[], maxLagMs: number): Following | undefined {
  return within(first, then, (at, next) => next - at, maxLagMs, false);
}

/** How often one of `earlier` comes within `maxLagMs` before one of `uses`. */
function precedes(uses: readonly number[], earlier: readonly number[], maxLagMs: number): Following | undefined {
  return within(uses, earlier, (at, before) => at - before, maxLagMs, true);
}

function within(points: readonly number[], others: readonly number[], lag: (point: number, other: number) => number, maxLagMs: number, isBefore: boolean): Following | undefined {
  const [firstPoint, firstOther] = [points[0], others[0]];
  const [lastPoint, lastOther] = [points.at(-1), others.at(-1)];
  if (firstPoint === undefined || firstOther === undefined || lastPoint === undefined || lastOther === undefined) return undefined;
  const from = Math.max(firstPoint, firstOther) - maxLagMs;
  const to = Math.min(lastPoint, lastOther) + maxLagMs;
  const lags: number[] = [];
  let count = 0;
  let at = 0;
  let latest = 0;
  for (const point of points) {
    if (point < from || point > to) continue;
    count++;
    if (isBefore) {
      while (latest < others.length && (others[latest] ?? Infinity) <= point) latest++;
      const earlier = others[latest - 1];
      if (earlier !== undefined && lag(point, earlier) <= maxLagMs) lags.push(lag(point, earlier));
    } else {
      while (at < others.length && (others[at] ?? Infinity) < point) at++;
      const next = others[at];
      if (next !== undefined && lag(point, next) <= maxLagMs) lags.push(lag(point, next));
    }
  }
  const inside = others.filter((other) => other >= from && other <= to).length;
  return { lags, count, chance: 1 - Math.exp((-inside / Math.max(to - from, 1)) * maxLagMs) };
}

/** Lower end of Wilson's 95 % interval for a share. */
function wilsonLow(hits: number, count: number): number {
  const z = 1.96;
  const share = hits / count;
  const centre = share + z ** 2 / (2 * count);
  return Math.max(0, (centre - z * Math.sqrt((share * (1 - share)) / count + z ** 2 / (4 * count ** 2))) / (1 + z ** 2 / count));
}

function grouped<T>(list: readonly T[], key: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const one of list) {
    const name = key(one);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [one]);
    else group.push(one);
  }
  return groups;
}

function merged(lists: readonly (readonly number[])[]): number[] {
  return lists.flat().sort((x, y) => x - y);
}
