/** HistoryService: the past, from the store. */
import type { EventKind, NetworkEvent, Side, SubjectKind } from "../base/observation.js";
import { isGone } from "../network/elements.js";
import { aggregates, type Aggregate, type Gone, type StateAnswer, type TimeSeriesStore } from "../store/store.js";
import { InvalidArgument } from "./convert.js";
import type { GetStateAtResponse, HistoryEvent, HistoryServiceServer } from "./generated/ovsshadow/v1/history.js";
import { unary } from "./unary.js";

const sides: readonly Side[] = ["live", "shadow"];
const defaultLimit = 1_000;

const eventMessage = ({ tMs, kind, side, subject, detail }: NetworkEvent): HistoryEvent => ({ timeMs: tMs, kind, side, subject, detail: JSON.stringify(detail) });

/** One of `known`, or InvalidArgument. */
function oneOf<T extends string>(field: string, value: string, known: readonly T[], otherwise: T): T {
  if (value === "") return otherwise;
  const found = known.find((one) => one === value);
  if (found === undefined) throw new InvalidArgument(field, `expected one of ${known.join(", ")}`);
  return found;
}

const goneMessage = (gone: Gone | undefined) => (gone === undefined ? undefined : { fromMs: Math.max(0, gone.fromMs), toMs: gone.toMs, keptSinceMs: gone.keptSinceMs, why: gone.why });

const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

/** Sorts the last events of all subjects into what a network is. */
function stateMessage(atMs: number, { events, gone }: StateAnswer): GetStateAtResponse {
  const of = (kind: EventKind): NetworkEvent[] => events.filter((event) => event.kind === kind && !isGone(event.detail));
  const horizon = ({ tMs, detail }: NetworkEvent): number => tMs + Number(detail.horizonMs ?? 0);
  const known = new Set<EventKind>(["topology", "tables", "prediction", "change", "promotion"]);
  const recorder = events.find(({ kind, subject }) => kind === "alert" && subject === "recorder");
  return {
    recording: recorder?.detail.running === true,
    promotion: textOf(of("promotion").at(-1)?.detail.state),
    topology: of("topology").map(({ subject, detail }) => ({ name: subject, detail: JSON.stringify(detail) })).sort((x, y) => (x.name < y.name ? -1 : 1)),
    digests: of("tables").map(({ side, subject, detail }) => {
      const slash = subject.lastIndexOf("/");
      return { side, bridge: subject.slice(0, slash), table: Number(subject.slice(slash + 1)), digest: String(detail.digest), flows: Number(detail.flows) };
    }),
    predictions: of("prediction").filter((event) => horizon(event) > atMs).map(eventMessage),
    changes: of("change").map(eventMessage),
    others: events.filter(({ kind, detail }) => !known.has(kind) && !isGone(detail)).map(eventMessage),
    gone: goneMessage(gone),
  };
}

export function historyHandlers(store: TimeSeriesStore): HistoryServiceServer {
  return {
    getStateAt: unary(async ({ atMs }) => {
      await store.flush().catch(() => undefined); // what is waiting belongs to the past as well
      return stateMessage(atMs, await store.stateAt(atMs));
    }),
    queryEvents: unary(async ({ fromMs, toMs, kinds, subject, limit }) => {
      await store.flush().catch(() => undefined);
      const query = { fromMs, toMs, limit: limit || defaultLimit, ...(kinds.length === 0 ? {} : { kinds: kinds as EventKind[] }), ...(subject === "" ? {} : { subject }) };
      const { events, cut, gone } = await store.events(query);
      return { events: events.map(eventMessage), cut, gone: goneMessage(gone) };
    }),
    querySeries: unary(async ({ kind, subject, side, metric, fromMs, toMs, bucketMs, aggregate, windowMs }) => {
      await store.flush().catch(() => undefined);
      const query = {
        subject: { kind: kind as SubjectKind, name: subject },
        side: oneOf("side", side, sides, "live"),
        metric,
        fromMs,
        toMs,
        aggregate: oneOf<Aggregate>("aggregate", aggregate, aggregates, "mean"),
        ...(bucketMs === 0 ? {} : { bucketMs }),
        ...(windowMs === 0 ? {} : { windowMs }),
      };
      const { tier, points, gone } = await store.query(query);
      return { tier, points: points.map(({ tMs, value, count }) => ({ timeMs: tMs, value, count })), gone: goneMessage(gone) };
    }),
    getRetention: unary(async () => {
      const [tiers, health] = await Promise.all([store.retention(), store.health()]);
      return {
        backend: health.backend,
        tiers: [...tiers],
        waiting: health.waiting,
        acknowledged: health.counters.acknowledged,
        dropped: { ...health.counters.dropped },
        failure: health.failure ?? "",
        recovered: [...health.recovered],
      };
    }),
    exportParquet: unary(async (request) => {
      await store.flush();
      const { files, manifest } = await store.exportParquet(request);
      return { files: [...files], manifest };
    }),
  };
}
