/** What is out of the ordinary: every subject's metrics against what is usual for it at this time of day. Pure; bounded. */
import { subjectKey, type NetworkEvent, type Observation, type Subject } from "../base/observation.js";
import { anomaly, Baseline, differences, largestZ, noAnomaly, type AnomalyState, type BaselineOptions, type MetricDifference } from "./baseline.js";
import { catalogue } from "./features.js";

export interface AnomalyOptions {
  readonly baseline: BaselineOptions;
  /** z-score above which a comparison counts. */
  readonly threshold: number;
  /** Comparisons in a row to begin, and to end. */
  readonly onset: number;
  readonly clear: number;
}
/** A subject is compared every 5 s: known after 5 minutes, by the hour once it was seen on several days. */
export const defaultAnomalyOptions: AnomalyOptions = { baseline: { slots: 1, kept: 720, minCount: 60, minRelativeSpread: 0.1 }, threshold: 8, onset: 2, clear: 3 };

/** Metrics that are compared; the others are shares and counts that say what traffic is like, not that something is wrong. */
const compared = new Set(["packetsPerS", "bitsPerS", "sources", "services", "inPacketsPerS", "inBitsPerS", "dropsPerS", "lossRatio", "rttMs", "retransmissionsPerS", "deviation"]);
const comparedWindowMs = 5_000;
const maxSubjects = 4_096;
const units = new Map(catalogue.map(({ name, unit }) => [name, unit]));

interface Watched {
  readonly subject: Subject;
  readonly baselines: Map<string, Baseline>;
  state: AnomalyState;
  comparedMs: number;
  worst: MetricDifference | undefined;
}

export interface ActiveAnomaly {
  readonly subject: Subject;
  readonly side: string;
  readonly sinceMs: number;
  readonly worst: MetricDifference;
}

export class Anomalies {
  /** Subjects beyond the bound. */
  overflow = 0;
  private readonly options: AnomalyOptions;
  private readonly watched = new Map<string, Watched>();

  constructor(options: AnomalyOptions = defaultAnomalyOptions) {
    this.options = options;
  }

  /** Takes an observation; returns what began or ended with it. Only windows of 5 s are looked at, each subject once in 5 s. */
  take({ tMs, windowMs, side, subject, values }: Observation): NetworkEvent[] {
    if (windowMs !== comparedWindowMs) return [];
    // Which samples tell of a link depends on how many could be followed; its counters tell it whole.
    if (subject.kind === "link" && "inferredRatio" in values) return [];
    const metrics = Object.fromEntries(Object.entries(values).filter(([name]) => compared.has(name)));
    if (Object.keys(metrics).length === 0) return [];
    // Observations of one subject that measure different things are watched apart.
    const key = `${side} ${subjectKey(subject)} ${Object.keys(metrics).join(" ")}`;
    let known = this.watched.get(key);
    if (known === undefined) {
      if (this.watched.size >= maxSubjects) {
        this.overflow++;
        return [];
      }
      known = { subject, baselines: new Map(), state: noAnomaly, comparedMs: -Infinity, worst: undefined };
      this.watched.set(key, known);
    }
    if (tMs - known.comparedMs < comparedWindowMs && tMs >= known.comparedMs) return [];
    known.comparedMs = tMs;
    const compare = differences(tMs, metrics, known.baselines, units);
    const was = known.state;
    known.state = anomaly(was, tMs, largestZ(compare), this.options);
    known.worst = known.state.above > 0 || !known.state.isAnomalous ? compare.differences[0] : known.worst;
    // What is out of the ordinary is not learned as usual; after long enough it is the new usual, because the row of values ends.
    if (known.state.above === 0) for (const [name, value] of Object.entries(metrics)) this.baseline(known, name).add(tMs, value);
    else if (was.isAnomalous && known.state.above % 12 === 0) for (const [name, value] of Object.entries(metrics)) this.baseline(known, name).add(tMs, value);
    if (known.state.isAnomalous === was.isAnomalous) return [];
    const { worst } = known;
    const detail = known.state.isAnomalous && worst !== undefined ? { what: "anomaly", metric: worst.metric, unit: worst.unit, value: worst.value, usual: worst.usual, z: worst.z } : { what: "anomaly over" };
    return [{ tMs, kind: "alert", side, subject: subjectKey(subject), detail }];
  }

  /** What is out of the ordinary now, the longest first. */
  active(): ActiveAnomaly[] {
    return [...this.watched]
      .flatMap(([key, { subject, state, worst }]) => (state.isAnomalous && worst !== undefined ? [{ subject, side: key.split(" ")[0] ?? "", sinceMs: state.sinceMs ?? 0, worst }] : []))
      .sort((x, y) => x.sinceMs - y.sinceMs);
  }

  private baseline(watched: Watched, metric: string): Baseline {
    let baseline = watched.baselines.get(metric);
    if (baseline === undefined) {
      baseline = new Baseline(this.options.baseline);
      watched.baselines.set(metric, baseline);
    }
    return baseline;
  }
}
