/** The embedded store: facts go in batches to a thread that keeps them in a DuckDB file. */
import { performance } from "node:perf_hooks";
import { Worker } from "node:worker_threads";
import type { NetworkEvent, Observation, Side, Subject } from "../../base/observation.js";
import { threadFile } from "../../base/thread-file.js";
import { Batcher, blockRows, type Batch } from "../batch.js";
import { lookAtClock, type ClockState } from "../clock-guard.js";
import { checkQuery, checkRange } from "../limits.js";
import { noCounters, StoreError, type EventAnswer, type EventQuery, type ExportRequest, type ExportResult, type LatestQuery, type LatestValues, type Retention, type SeriesAnswer, type SeriesQuery, type StateAnswer, type StoreHealth, type TierInfo, type TimeSeriesStore, type TopAnswer, type TopQuery } from "../store.js";
import type { Answered, Operation, Operations, WorkerSetup } from "./worker.js";

export interface DuckDbOptions {
  readonly file: string;
  readonly retention: Retention;
  /** Bytes the file may have; beyond, the oldest goes before its time. */
  readonly maxBytes: number;
  readonly memoryMb: number;
  /** Rows that may wait to be written; more are dropped and counted. */
  readonly maxWaiting: number;
  /** A batch is written this long after its first event, or when it is large … */
  readonly flushMs: number;
  /** … and this long after its first observation; default as with events. */
  readonly flushObservationsMs?: number;
  /** How often tiers are rolled up and old rows deleted; 0: only when asked. */
  readonly maintainMs: number;
  readonly nowMs: () => number;
  /** A clock that nobody sets, in ms; tells when `nowMs` leaps. */
  readonly steadyMs?: () => number;
  /** Units for the exports, by "kind metric". */
  readonly units?: Readonly<Record<string, string>>;
  /** What the exports say about sampling. */
  readonly sampling?: unknown;
}

/** Rows after which a batch is written without waiting. */
const largeBatch = 4 * blockRows;
const retryMs = 500;
/** Questions that may wait for their answers. */
const maxQuestions = 64;

export class DuckDbStore implements TimeSeriesStore {
  private readonly options: DuckDbOptions;
  private readonly worker: Worker;
  private readonly counters = noCounters();
  private readonly asked = new Map<number, { readonly done: (result: unknown) => void; readonly failed: (error: Error) => void }>();
  private nextId = 0;
  private batcher!: Batcher;
  private recovered: readonly string[] = [];
  private timer: NodeJS.Timeout | undefined;
  /** When the timer writes; monotonic. */
  private writeAtMs = Infinity;
  private upkeep: NodeJS.Timeout | undefined;
  private writing: Promise<void> | undefined;
  /** A batch the file did not take; it goes before all others. */
  private refused: Batch | undefined;
  private failure: string | undefined;
  private bytes: number | undefined;
  private clock: ClockState | undefined;
  private ended: Error | undefined;
  private closing: Promise<void> | undefined;

  private constructor(options: DuckDbOptions) {
    this.options = options;
    const { file, memoryMb, retention, maxBytes, units = {}, sampling = null } = options;
    this.worker = new Worker(threadFile(import.meta.url), { workerData: { file, memoryMb, retention, maxBytes, units, sampling } satisfies WorkerSetup, execArgv: [] });
    this.worker.on("message", (message: Answered) => this.heard(message));
    this.worker.on("error", (error) => this.end(error));
    this.worker.on("exit", (code) => this.end(new Error(`the store's thread ended with status ${code}`)));
  }

  /** Opens or makes the file. Rejects when it can't be, as when another process has it. */
  static async open(options: DuckDbOptions): Promise<DuckDbStore> {
    const store = new DuckDbStore(options);
    try {
      const { known, recovered } = await store.ask("open", undefined);
      store.recovered = recovered;
      const { nowMs, retention, maxWaiting } = options;
      store.batcher = new Batcher({ nowMs, keepRawMs: retention.raw, keepEventsMs: retention.events, maxWaiting, counters: store.counters }, known);
    } catch (error) {
      await store.worker.terminate();
      throw error;
    }
    if (options.maintainMs > 0) store.upkeep = setInterval(() => void store.maintain().catch(() => undefined), options.maintainMs).unref();
    return store;
  }

  observe(observation: Observation): void {
    this.batcher.observe(observation);
    this.schedule(this.options.flushObservationsMs ?? this.options.flushMs);
  }

  happened(event: NetworkEvent): void {
    this.batcher.happened(event);
    this.schedule(this.options.flushMs);
  }

  async flush(): Promise<void> {
    // A batch on its way was taken before the rows that came since.
    for (let round = 0; round < 2; round++) {
      await (this.writing ?? this.write());
      if (this.failure !== undefined) throw new StoreError(this.failure);
    }
  }

  async query(query: SeriesQuery): Promise<SeriesAnswer> {
    checkQuery(query);
    return this.question("query", query);
  }
  latest(query: LatestQuery): Promise<LatestValues[]> {
    return this.question("latest", query);
  }
  async top(query: TopQuery): Promise<TopAnswer> {
    checkRange(query);
    return this.question("top", query);
  }
  async events(query: EventQuery): Promise<EventAnswer> {
    checkRange(query);
    return this.question("events", query);
  }
  stateAt(tMs: number): Promise<StateAnswer> {
    return this.question("stateAt", tMs);
  }
  metrics(subject: Subject, side: Side): Promise<string[]> {
    return this.question("metrics", { subject, side });
  }
  retention(): Promise<TierInfo[]> {
    return this.question("tiers", undefined);
  }
  async exportParquet(request: ExportRequest): Promise<ExportResult> {
    checkRange(request);
    return this.question("export", { ...request, nowMs: this.options.nowMs() });
  }

  async maintain(): Promise<void> {
    const nowMs = this.options.nowMs();
    this.clock = lookAtClock(this.clock, nowMs, (this.options.steadyMs ?? (() => performance.now()))());
    const { mayDelete } = this.clock as ReturnType<typeof lookAtClock>;
    const { bytes } = await this.ask("maintain", { nowMs, mayDelete });
    this.bytes = bytes;
  }

  health(): Promise<StoreHealth> {
    const { batcher, counters, failure, recovered, bytes } = this;
    return Promise.resolve({ backend: "duckdb", counters: structuredClone(counters), waiting: batcher.waiting + batcher.outside, failure: this.ended?.message ?? failure, recovered, bytes });
  }

  /** Writes what waits, if the disk takes it, and ends the thread. */
  close(): Promise<void> {
    this.closing ??= (async () => {
      clearInterval(this.upkeep);
      await this.flush().catch(() => undefined);
      clearTimeout(this.timer);
      await this.ask("close", undefined).catch(() => undefined);
      await this.worker.terminate();
    })();
    return this.closing;
  }

  /** What has come is to be written within so long. */
  private schedule(withinMs: number): void {
    if (this.writing !== undefined || this.refused !== undefined || this.ended !== undefined) return;
    if (this.batcher.waiting >= largeBatch) return void this.write();
    const due = performance.now() + withinMs;
    if (this.timer !== undefined && due >= this.writeAtMs) return;
    clearTimeout(this.timer);
    this.writeAtMs = due;
    this.timer = setTimeout(() => void this.write(), withinMs);
  }

  private write(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.writing ??= this.writeNext().finally(() => {
      this.writing = undefined;
      if (this.refused !== undefined && this.closing === undefined) this.timer ??= setTimeout(() => void this.write(), retryMs);
      else if (this.batcher.waiting > 0) this.schedule(this.options.flushMs);
    });
    return this.writing;
  }

  private async writeNext(): Promise<void> {
    const batch = this.refused ?? this.batcher.take();
    if (batch === undefined) return;
    if (batch === this.refused) this.counters.retries++;
    try {
      const { rows, late, tooOld } = await this.ask("write", batch);
      this.refused = undefined;
      this.failure = undefined;
      this.batcher.outside -= batch.rows;
      this.counters.acknowledged += rows;
      this.counters.late += late;
      this.counters.dropped.tooOld += tooOld;
    } catch (error) {
      this.refused = batch;
      this.failure = (error as Error).message;
    }
  }

  private question<O extends Operation>(operation: O, argument: Operations[O][0]): Promise<Operations[O][1]> {
    if (this.asked.size >= maxQuestions) return Promise.reject(new StoreError(`${maxQuestions} questions wait for their answers`));
    return this.ask(operation, argument);
  }

  private ask<O extends Operation>(operation: O, argument: Operations[O][0]): Promise<Operations[O][1]> {
    if (this.ended !== undefined) return Promise.reject(this.ended);
    const id = this.nextId++;
    const answer = new Promise<unknown>((done, failed) => this.asked.set(id, { done, failed }));
    // Copied, not transferred: a batch that is refused is needed again.
    this.worker.postMessage({ id, operation, argument });
    return answer as Promise<Operations[O][1]>;
  }

  private heard(message: Answered): void {
    const waiting = this.asked.get(message.id);
    this.asked.delete(message.id);
    if (message.ok) waiting?.done(message.result);
    else waiting?.failed(message.isOurs ? new StoreError(message.message) : new Error(message.message));
  }

  private end(error: Error): void {
    this.ended ??= error;
    for (const { failed } of this.asked.values()) failed(this.ended);
    this.asked.clear();
  }
}
