/** The store's thread: the only one that touches the file. Writes and upkeep run one after the other, questions beside them. */
import { parentPort, workerData } from "node:worker_threads";
import { errorText } from "../../base/error-text.js";
import type { Batch } from "../batch.js";
import { StoreError, type EventQuery, type ExportRequest, type LatestQuery, type Retention, type SeriesQuery, type TopQuery } from "../store.js";
import type { Side, Subject } from "../../base/observation.js";
import { exportParquet } from "./export.js";
import { DuckFile } from "./file.js";
import { StoreReader } from "./read.js";
import { Keeper } from "./roll-up.js";
import { Catalogue } from "./schema.js";
import { BatchWriter } from "./write.js";

/** What the thread is started with. */
export interface WorkerSetup {
  readonly file: string;
  readonly memoryMb: number;
  readonly retention: Retention;
  readonly maxBytes: number;
  /** By kind and metric. */
  readonly units: Readonly<Record<string, string>>;
  readonly sampling: unknown;
}

/** What can be asked of it. */
export interface Operations {
  open: [undefined, { readonly known: Catalogue["known"]; readonly recovered: readonly string[] }];
  write: [Batch, Awaited<ReturnType<BatchWriter["write"]>>];
  maintain: [{ readonly nowMs: number; readonly mayDelete: boolean }, Awaited<ReturnType<Keeper["maintain"]>>];
  query: [SeriesQuery, Awaited<ReturnType<StoreReader["query"]>>];
  latest: [LatestQuery, Awaited<ReturnType<StoreReader["latest"]>>];
  top: [TopQuery, Awaited<ReturnType<StoreReader["top"]>>];
  events: [EventQuery, Awaited<ReturnType<StoreReader["events"]>>];
  stateAt: [number, Awaited<ReturnType<StoreReader["stateAt"]>>];
  metrics: [{ readonly subject: Subject; readonly side: Side }, string[]];
  tiers: [undefined, Awaited<ReturnType<StoreReader["tiers"]>>];
  export: [ExportRequest & { readonly nowMs: number }, Awaited<ReturnType<typeof exportParquet>>];
  close: [undefined, undefined];
}
export type Operation = keyof Operations;
export interface Asked<O extends Operation = Operation> {
  readonly id: number;
  readonly operation: O;
  readonly argument: Operations[O][0];
}
export type Answered = { readonly id: number } & ({ readonly ok: true; readonly result: unknown } | { readonly ok: false; readonly message: string; readonly isOurs: boolean });

/** DuckDB says of itself that it can't go on with this connection to the file. */
const mustReopen = /invalidated|FATAL/;

class Thread {
  private readonly setup: WorkerSetup;
  private readonly file: DuckFile;
  private catalogue!: Catalogue;
  private writer!: BatchWriter;
  private keeper!: Keeper;
  private reader!: StoreReader;
  /** How often the file was opened or closed. */
  private opened = 0;
  private serial: Promise<unknown> = Promise.resolve();
  private upkeep: Promise<unknown> = Promise.resolve();

  private constructor(setup: WorkerSetup, file: DuckFile) {
    this.setup = setup;
    this.file = file;
  }

  static async open(setup: WorkerSetup): Promise<Thread> {
    const thread = new Thread(setup, await DuckFile.open({ file: setup.file, memoryMb: setup.memoryMb, nowMs: Date.now }));
    await thread.load();
    return thread;
  }

  run(operation: Operation, argument: unknown): Promise<unknown> {
    const as = <O extends Operation>(): Operations[O][0] => argument as Operations[O][0];
    switch (operation) {
      case "open":
        return Promise.resolve({ known: this.catalogue.known, recovered: this.file.recovered } satisfies Operations["open"][1]);
      case "write":
        return this.inTurn(() => this.writer.write(as<"write">()));
      case "maintain":
        return this.maintain(as<"maintain">());
      case "query":
        return this.reader.query(as<"query">());
      case "latest":
        return this.reader.latest(as<"latest">());
      case "top":
        return this.reader.top(as<"top">());
      case "events":
        return this.reader.events(as<"events">());
      case "stateAt":
        return this.reader.stateAt(as<"stateAt">());
      case "metrics":
        return this.reader.metrics(as<"metrics">().subject, as<"metrics">().side);
      case "tiers":
        return this.reader.tiers();
      case "export": {
        const { nowMs, ...request } = as<"export">();
        const unitOf = (kind: string, metric: string): string | undefined => this.setup.units[`${kind} ${metric}`];
        return exportParquet(this.file, this.catalogue, this.reader, request, { unitOf, sampling: this.setup.sampling, nowMs });
      }
      case "close":
        return this.inTurn(() => {
          this.opened++;
          this.file.close();
          return Promise.resolve(undefined);
        });
    }
  }

  /** Upkeep by pieces, between which batches are written; a call waits for the one before. */
  private maintain(at: Operations["maintain"][0]): Promise<Operations["maintain"][1]> {
    const result = this.upkeep.then(() => this.keeper.maintain({ ...at, retention: this.setup.retention, maxBytes: this.setup.maxBytes }));
    this.upkeep = result.catch(() => undefined);
    return result;
  }

  /** One after the other; what fails for good reason of the file has it opened anew. */
  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.serial.then(work).catch(async (error: unknown) => {
      if (mustReopen.test((error as Error).message)) await this.reopen().catch(() => undefined); // the next write says what is wrong
      throw error;
    });
    this.serial = result.catch(() => undefined);
    return result;
  }

  private async reopen(): Promise<void> {
    await this.file.reopen();
    await this.load();
  }

  private async load(): Promise<void> {
    this.catalogue = await Catalogue.load(this.file);
    this.writer = new BatchWriter(this.file, this.catalogue, this.writer);
    const opened = ++this.opened;
    // Upkeep that is under way ends with the file it began with: another catalogue would not hear what it has done.
    const stillOpen = <T>(work: () => Promise<T>): Promise<T> => (opened === this.opened ? work() : Promise.reject(new StoreError("the file was closed during upkeep")));
    this.keeper = new Keeper(this.file, this.catalogue, (work) => this.inTurn(() => stillOpen(work)));
    this.reader = new StoreReader(this.file, this.catalogue, this.setup.retention);
  }
}

if (parentPort !== null) {
  const port = parentPort;
  const opened = Thread.open(workerData as WorkerSetup);
  opened.catch(() => undefined); // told to whoever asks
  port.on("message", ({ id, operation, argument }: Asked) => {
    opened
      .then((thread) => thread.run(operation, argument))
      .then(
        (result) => port.postMessage({ id, ok: true, result } satisfies Answered),
        (error: unknown) => port.postMessage({ id, ok: false, message: errorText(error), isOurs: error instanceof StoreError } satisfies Answered),
      );
  });
}
