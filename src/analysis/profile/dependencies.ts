/**
 * Which service needs which other one, from when conversations begin. Pure.
 *
 * Two ways to depend: a server that is asked asks another one ("inside": the application asks the authentication), and a client that is about
 * to use a service uses another one first ("before": it looks up the name). In both, what follows must follow more often than
 * chance alone would have it, within one of several spans of time: of two services in constant use only a short one can tell. The
 * lag is the median time between the two.
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
  /** 0 to 1: the share of uses that go with the other service, beyond chance; the lower end of its interval. */
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
/** Spans tried, as shares of the longest lag. */
const spans = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];
/** As several spans are tried for each pair, and many pairs, an interval of three standard deviations is used. */
const deviations = 3;

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
      const need = on === dependent || seen === undefined ? undefined : judged({ dependent, on, way: "inside" }, seen, options);
      if (need !== undefined) found.push(need);
    }
  }

  const before = new Map<string, { readonly which: Pick<Dependency, "dependent" | "on" | "way">; readonly first: Pooled; readonly after: Pooled }>();
  for (const mine of byClient.values()) {
    for (const use of busiest(mine)) {
      for (const other of busiest(mine)) {
        if (use === other) continue;
        const which = { dependent: serviceName(use.service), on: serviceName(other.service), way: "before" as const };
        const key = `${which.dependent}\n${which.on}`;
        const sum = before.get(key) ?? { which, first: new Pooled(), after: new Pooled() };
        sum.first.add(precedes(use.starts, other.starts, options.maxLagMs));
        sum.after.add(follows(use.starts, other.starts, options.maxLagMs));
        before.set(key, sum);
      }
    }
  }
  for (const { which, first, after } of before.values()) {
    const need = judged(which, first, options);
    // Of two that go together, the one that comes first is the one that is needed.
    if (need !== undefined && need.confidence > (judged(which, after, options)?.confidence ?? 0)) found.push(need);
  }
  return found.sort((x, y) => y.confidence - x.confidence || (x.dependent < y.dependent ? -1 : 1));
}

interface Following {
  /** Of those uses that were followed, how long it took. */
  readonly lags: readonly number[];
  readonly count: number;
  /** How many of the others come in a ms, on average: by it comes how likely a use would be followed by chance. */
  readonly perMs: number;
}

/** The same of several clients together. */
class Pooled implements Following {
  readonly lags: number[] = [];
  count = 0;
  private expected = 0;

  get perMs(): number {
    return this.count === 0 ? 0 : this.expected / this.count;
  }

  add(seen: Following | undefined): void {
    if (seen === undefined) return;
    this.lags.push(...seen.lags);
    this.count += seen.count;
    this.expected += seen.perMs * seen.count;
  }
}

function judged(which: Pick<Dependency, "dependent" | "on" | "way">, { lags, count, perMs }: Following, options: DependencyOptions): Dependency | undefined {
  if (count < options.minSupport) return undefined;
  const sorted = [...lags].sort((x, y) => x - y);
  let best: Dependency | undefined;
  for (const span of spans) {
    const spanMs = span * options.maxLagMs;
    const after = sorted.findIndex((lag) => lag > spanMs);
    const hits = after < 0 ? sorted.length : after;
    const chance = 1 - Math.exp(-perMs * spanMs);
    const confidence = (wilsonLow(hits, count) - chance) / Math.max(1 - chance, 1e-9);
    if (hits > 0 && confidence >= options.minConfidence && confidence > (best?.confidence ?? 0)) best = { ...which, lagMs: sorted[hits >> 1] ?? 0, confidence, support: count };
  }
  return best;
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
  return { lags, count, perMs: inside / Math.max(to - from, 1) };
}

/** Lower end of Wilson's interval for a share. */
function wilsonLow(hits: number, count: number): number {
  const z = deviations;
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
