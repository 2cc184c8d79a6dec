/**
 * The one form in which measured facts travel: from sFlow, counters, captures and the routing interceptor to features, store
 * and API. An observation is one second (or window) of facts about one subject; an event is something that happened.
 */

/** What a fact is about. */
export type SubjectKind = "host" | "port" | "link" | "bridge" | "pair" | "connection" | "meter" | "group" | "flow" | "datapath" | "process";

export interface Subject {
  readonly kind: SubjectKind;
  /** host: address; port: "bridge:ofport"; link: "a:1-b:2"; bridge: name; pair: "src>dst" (addresses); others: unique in their kind. */
  readonly name: string;
}

/** Which of the two networks was looked at. */
export type Side = "live" | "shadow";

export interface Observation {
  /** Start of the window, ms since the epoch. */
  readonly tMs: number;
  /** Length of the window in ms: whole seconds (`wholeSeconds`). */
  readonly windowMs: number;
  readonly side: Side;
  readonly subject: Subject;
  /** By metric name; units are in the catalogue of the part that measures. A value that could not be measured is absent, never 0. */
  readonly values: Readonly<Record<string, number>>;
}

export type EventKind = "topology" | "tables" | "edit" | "routing" | "prediction" | "change" | "promotion" | "fidelity" | "alert";

/** Something that happened, with its details as plain JSON. */
export interface NetworkEvent {
  readonly tMs: number;
  readonly kind: EventKind;
  readonly side: Side;
  /** What it is about; free text where no subject fits. */
  readonly subject: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** What every source of facts gives its facts to. It must not block and must not throw: what it can't take it counts. */
export interface ObservationSink {
  observe(observation: Observation): void;
  happened(event: NetworkEvent): void;
}

/** The length of a window in whole seconds. A store keeps each length as a series of its own: it must not vary with a timer's jitter. */
export const wholeSeconds = (ms: number): number => Math.max(1, Math.round(ms / 1_000)) * 1_000;

export const subjectKey = ({ kind, name }: Subject): string => `${kind} ${name}`;
