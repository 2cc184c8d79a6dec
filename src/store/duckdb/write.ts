/** Writing a batch: one transaction, rows by the chunk. */
import { BIGINT, DOUBLE, DuckDBDataChunk, INTEGER, VARCHAR, type DuckDBAppender, type DuckDBBigIntVector, type DuckDBDoubleVector, type DuckDBIntegerVector } from "@duckdb/node-api";
import { blockRows, type Batch, type Block, type EventRow, type MetricDefinition, type SeriesDefinition } from "../batch.js";
import { tierStepMs } from "../store.js";
import type { DuckFile } from "./file.js";
import { tableOf, type Catalogue } from "./schema.js";

export interface Written {
  readonly rows: number;
  /** Rows of buckets that had been rolled up; they are marked to be made again. */
  readonly late: number;
  /** Rows of a time whose raw rows are deleted. */
  readonly tooOld: number;
}

/** One appender a table for a whole batch: each closing goes through all that the transaction has put into the table so far. */
class Appenders {
  private readonly file: DuckFile;
  private readonly open = new Map<string, DuckDBAppender>();

  constructor(file: DuckFile) {
    this.file = file;
  }

  async of(table: string): Promise<DuckDBAppender> {
    let appender = this.open.get(table);
    if (appender === undefined) this.open.set(table, (appender = await this.file.writer.createAppender(table)));
    return appender;
  }

  /** To be called within the transaction, failed or not: an appender that is only forgotten writes its rows when it is collected, after the roll-back. */
  close(): void {
    const errors: unknown[] = [];
    for (const appender of this.open.values()) {
      try {
        appender.closeSync();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}

export class BatchWriter {
  private readonly file: DuckFile;
  private readonly catalogue: Catalogue;
  /** Told of and not yet on disk. */
  private readonly newSeries: Map<number, SeriesDefinition>;
  private readonly newMetrics: Map<string, MetricDefinition>;

  /** `before`: the writer of the same file before it was opened anew. */
  constructor(file: DuckFile, catalogue: Catalogue, before?: BatchWriter) {
    this.file = file;
    this.catalogue = catalogue;
    this.newSeries = before?.newSeries ?? new Map<number, SeriesDefinition>();
    this.newMetrics = before?.newMetrics ?? new Map<string, MetricDefinition>();
  }

  /** Resolves when the batch is on disk. Rejects with nothing of it written; it may then be given again. */
  async write(batch: Batch): Promise<Written> {
    const { file, catalogue } = this;
    for (const one of batch.series) this.newSeries.set(one.id, one);
    for (const one of batch.metrics) this.newMetrics.set(`${one.kind} ${one.id}`, one);
    for (const block of batch.blocks) await catalogue.ensure("raw", block.kind, block.columns.map(({ metric }) => metric));
    let late = 0;
    let tooOld = 0;
    await file.transaction(async () => {
      await this.writeDefinitions();
      const appenders = new Appenders(file);
      try {
        for (const block of batch.blocks) {
          const lateMinutes = new Set<number>();
          const kept = this.sort(block, lateMinutes);
          late += kept.late;
          tooOld += kept.tooOld;
          await this.writeBlock(block, kept.rows, appenders);
          for (const minute of lateMinutes) await file.writer.run("INSERT INTO dirty VALUES (?, ?)", [block.kind, BigInt(minute)]);
        }
      } finally {
        appenders.close();
      }
      await this.writeEvents(batch.events);
    });
    for (const one of this.newSeries.values()) catalogue.addSeries(one);
    for (const one of this.newMetrics.values()) catalogue.addMetric(one);
    this.newSeries.clear();
    this.newMetrics.clear();
    catalogue.nextEvent += BigInt(batch.events.length);
    return { rows: batch.rows - tooOld, late, tooOld };
  }

  /** Which rows are kept, and which minutes must be rolled up again for them. */
  private sort(block: Block, lateMinutes: Set<number>): { readonly rows: Int32Array; readonly late: number; readonly tooOld: number } {
    const { catalogue } = this;
    const doneMs = catalogue.doneMs(block.kind, "1s");
    const deletedMs = catalogue.deletedBeforeMs("raw");
    const rows = new Int32Array(block.rows);
    let n = 0;
    let late = 0;
    for (let i = 0; i < block.rows; i++) {
      const t = block.tMs[i] ?? 0;
      if (t < deletedMs) continue;
      rows[n++] = i;
      if (t >= doneMs) continue;
      late++;
      lateMinutes.add(Math.floor(t / tierStepMs["1m"]) * tierStepMs["1m"]);
    }
    return { rows: rows.subarray(0, n), late, tooOld: block.rows - n };
  }

  private async writeDefinitions(): Promise<void> {
    if (this.newSeries.size > 0) {
      const appender = await this.file.writer.createAppender("series");
      for (const { id, kind, side, name, windowMs } of this.newSeries.values()) {
        appender.appendInteger(id);
        appender.appendVarchar(kind);
        appender.appendVarchar(side);
        appender.appendVarchar(name);
        appender.appendInteger(windowMs);
        appender.endRow();
      }
      appender.closeSync();
    }
    for (const { kind, id, name } of this.newMetrics.values()) await this.file.writer.run("INSERT INTO metrics VALUES (?, ?, ?)", [kind, id, name]);
  }

  private async writeBlock(block: Block, rows: Int32Array, appenders: Appenders): Promise<void> {
    if (rows.length === 0) return;
    const columns = this.catalogue.columnsOf("raw", block.kind).map((name) => (name === "t" || name === "s" ? name : Number(name.slice(1))));
    const types = columns.map((metric) => (metric === "t" ? BIGINT : metric === "s" ? INTEGER : DOUBLE));
    const chunk = DuckDBDataChunk.create(types, rows.length);
    const byMetric = new Map(block.columns.map(({ metric, values }) => [metric, values]));
    for (const [at, column] of columns.entries()) {
      const vector = chunk.getColumnVector(at);
      if (column === "t") for (let i = 0; i < rows.length; i++) (vector as DuckDBBigIntVector).setItem(i, BigInt(Math.floor(block.tMs[rows[i] ?? 0] ?? 0)));
      else if (column === "s") for (let i = 0; i < rows.length; i++) (vector as DuckDBIntegerVector).setItem(i, block.series[rows[i] ?? 0] ?? 0);
      else {
        const values = byMetric.get(column);
        for (let i = 0; i < rows.length; i++) {
          const value = values?.[rows[i] ?? 0] ?? Number.NaN;
          (vector as DuckDBDoubleVector).setItem(i, Number.isNaN(value) ? null : value);
        }
      }
      vector.flush();
    }
    (await appenders.of(tableOf("raw", block.kind))).appendDataChunk(chunk);
  }

  private async writeEvents(events: readonly EventRow[]): Promise<void> {
    for (let from = 0; from < events.length; from += blockRows) {
      const part = events.slice(from, from + blockRows);
      const chunk = DuckDBDataChunk.create([BIGINT, BIGINT, VARCHAR, VARCHAR, VARCHAR, VARCHAR], part.length);
      const first = this.catalogue.nextEvent + BigInt(from);
      chunk.setColumns([
        part.map((_, i) => first + BigInt(i)),
        part.map(({ tMs }) => BigInt(Math.floor(tMs))),
        part.map(({ kind }) => kind),
        part.map(({ side }) => side),
        part.map(({ subject }) => subject),
        part.map(({ detail }) => detail),
      ]);
      const appender = await this.file.writer.createAppender("events");
      appender.appendDataChunk(chunk);
      appender.closeSync();
    }
  }
}
