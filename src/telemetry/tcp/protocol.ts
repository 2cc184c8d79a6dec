/** What the monitor and its worker tell each other. */
import type { Observation, Side } from "../../base/observation.js";
import type { ConnectionSummary } from "./summary.js";

export interface WorkerSetup {
  readonly capacity: number;
  readonly seed: number;
  /** Whose connections they are. */
  readonly side: Side;
  /** The kernel's buffer for each device; undefined: for the packets of many hosts. */
  readonly bufferKiB?: number | undefined;
}

export interface TcpCounters {
  /** Frames that came over the pipe, and what became of them: their sum is `frames`. */
  readonly frames: number;
  readonly segments: number;
  readonly other: number;
  readonly malformed: number;
  readonly fragments: number;
  readonly badOptions: number;
  /** Frames waiting for their turn. */
  readonly waiting: number;
  /** Frames sent on before their turn. */
  readonly early: number;
  readonly clockStepsBack: number;
  readonly kernelDropped: number;
  readonly captureRestarts: number;
  readonly connections: number;
  readonly known: number;
  readonly capacity: number;
  readonly bytesPerConnection: number;
  readonly evicted: number;
  readonly expired: number;
  /** Subjects left out of the observations. */
  readonly leftOut: number;
}

/** A connection whose handshake was captured and is done. */
export interface Opened {
  /** Of the SYN, whole ms since the epoch. */
  readonly tMs: number;
  readonly client: string;
  readonly clientPort: number;
  readonly server: string;
  readonly port: number;
}

export interface Query {
  /** Only connections of this address; "" all. */
  readonly address: string;
  /** The latest so many. */
  readonly limit: number;
}

export type ToWorker =
  | { readonly is: "devices"; readonly devices: readonly string[] }
  | { readonly is: "list"; readonly id: number; readonly query: Query }
  | { readonly is: "close" };
export type FromWorker =
  | { readonly is: "capturing"; readonly devices: readonly string[] }
  | { readonly is: "second"; readonly observations: readonly Observation[]; readonly opened: readonly Opened[]; readonly counters: TcpCounters }
  | { readonly is: "list"; readonly id: number; readonly connections: readonly ConnectionSummary[] }
  | { readonly is: "failure"; readonly device: string; readonly why: string }
  | { readonly is: "closed"; readonly counters: TcpCounters };
