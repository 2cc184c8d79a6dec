/** What the daemon says of itself and of both networks: the answer to GetStatus. */
import type { SflowReceiver } from "sflow-collector";
import type { GetStatusResponse, StoreStatus } from "../api/generated/ovsshadow/v1/shadow.js";
import type { History } from "../change/history.js";
import type { StalenessWatch } from "../shadow/staleness/staleness-watch.js";
import type { StoreHealth, TimeSeriesStore } from "../store/store.js";
import type { Controller } from "./controller.js";
import type { Copies } from "./copies.js";
import type { Learning } from "./learning.js";
import type { Nodes } from "./nodes.js";
import type { Observer } from "./observer.js";

export interface StatusParts {
  readonly controller: Controller;
  readonly observer: Observer;
  readonly copies: Copies;
  readonly learning: Learning;
  readonly staleness: StalenessWatch;
  readonly nodes: Pick<Nodes, "failure">;
  readonly sflow: SflowReceiver;
  readonly history: History;
  readonly store: TimeSeriesStore;
  /** The folder of the model; undefined: none. */
  readonly model: string | undefined;
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((x, y) => x - y);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

function storeStatus({ backend, counters, waiting, failure }: StoreHealth): StoreStatus {
  const dropped = Object.entries(counters.dropped).flatMap(([reason, count]) => (count === 0 ? [] : [{ reason, count }]));
  return { backend, observed: counters.observed + counters.events, acknowledged: counters.acknowledged, waiting, dropped, failure: failure ?? "" };
}

/** What an operator should know is wrong, in words. */
function problemsOf({ controller, observer, copies, learning, staleness, nodes }: StatusParts): string[] {
  const problems = [...controller.database.problems()].map(([name, error]) => `${name}: ${error}`);
  if (controller.copying.stopped !== undefined) problems.push(`copying is off: ${controller.copying.stopped}`);
  if (observer.failure !== undefined) problems.push(observer.failure);
  if (controller.resubmits.failure !== undefined) problems.push(`the resubmit budget can't be watched: ${controller.resubmits.failure}`);
  if (controller.shadow.late.length > 0) problems.push(`critical bridges did not come in step before the others: ${controller.shadow.late.join(", ")}`);
  if (nodes.failure !== undefined) problems.push(nodes.failure);
  problems.push(...copies.problems(), ...learning.problems(), ...staleness.problems(), ...controller.shadow.sinks.problems());
  return problems;
}

export async function status(parts: StatusParts): Promise<GetStatusResponse> {
  const { controller, observer, copies, sflow, history, store, model } = parts;
  const counters = controller.live.counters();
  return {
    database: controller.databaseState,
    settled: controller.discovery.settled,
    bridges: [...controller.discovery.sessions()].map(([name, session]) => {
      const own = counters.get(name);
      return { name, connected: session.connected, why: session.why ?? "", flowMods: own?.flowMods ?? 0, blocked: own?.blocked ?? 0, refused: own?.refused ?? 0, repaired: own?.repaired ?? 0 };
    }),
    shadows: controller.shadow.status().map((shadow) => ({ ...shadow, differences: [...shadow.differences] })),
    held: controller.shadow.held.map(({ element, why }) => ({ element, why })),
    promotion: controller.promotion.state,
    convergence: { count: controller.lags.length, p50Ms: quantile(controller.lags, 0.5), p99Ms: quantile(controller.lags, 0.99) },
    sflow: {
      datagrams: sflow.counters.datagrams,
      packets: observer.feed.counters.packets,
      inside: observer.feed.counters.inside,
      unmapped: observer.feed.counters.unmapped,
      malformed: Object.values(sflow.counters.malformed).reduce((sum, count) => sum + count, 0),
      lost: sflow.counters.lost,
    },
    model: model ?? "none",
    history: history.failure === undefined ? "ok" : `failing: ${history.failure}`,
    fidelity: copies.meter.measured().map(({ port, selected, copied, received }) => ({ port, selected, copied, received })),
    left: controller.shadow.left.map(({ port, why }) => `${port}: ${why}`),
    problems: problemsOf(parts),
    flowLag: controller.shadow.flowLag.summary(),
    databaseWrites: controller.databaseWrites,
    store: storeStatus(await store.health()),
    tcp: observer.tcp?.counters,
    gaps: controller.replication.bridges().flatMap(({ bridge, gaps, gapMs, gapPackets }) => (gaps === 0 ? [] : [{ bridge, count: gaps, ms: gapMs, packets: gapPackets }])),
  };
}
