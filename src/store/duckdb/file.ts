/** A DuckDB file: opened, mended when a crash or a bad disk tore it, and asked in rows. */
import { copyFileSync, existsSync, mkdirSync, renameSync, statSync, truncateSync } from "node:fs";
import path from "node:path";
import { DuckDBInstance, type DuckDBConnection, type DuckDBValue } from "@duckdb/node-api";

export type Row = Readonly<Record<string, unknown>>;

export interface DuckFileOptions {
  readonly file: string;
  /** What DuckDB may use for its buffers. */
  readonly memoryMb: number;
  /** Stamps what is set aside. */
  readonly nowMs: () => number;
}

/** An entry of the write-ahead log whose checksum is wrong; DuckDB says where it starts. */
const corruptWal = /entry at byte position (\d+)/;

export class DuckFile {
  /** What was set aside or cut off when the file was opened. */
  readonly recovered: string[] = [];
  /** Writes: one statement at a time, by the owner's care. */
  writer!: DuckDBConnection;
  private reader!: DuckDBConnection;
  private instance!: DuckDBInstance;
  private readonly options: DuckFileOptions;
  private reads: Promise<unknown> = Promise.resolve();

  private constructor(options: DuckFileOptions) {
    this.options = options;
  }

  /**
   * Opens or makes the file. A log torn at its end loses the transaction that was being written, which nobody was told of; a log
   * that is damaged is cut at the damage and the original kept beside it; a file that is none is set aside and a new one begun.
   */
  static async open(options: DuckFileOptions): Promise<DuckFile> {
    mkdirSync(path.dirname(options.file), { recursive: true });
    const file = new DuckFile(options);
    await file.connect();
    return file;
  }

  async rows(sql: string, values: readonly DuckDBValue[] = []): Promise<Row[]> {
    // One connection runs one statement; readers wait for each other and not for the writer.
    const result = this.reads.then(async () => (await this.reader.runAndReadAll(sql, [...values])).getRowObjectsJS() as Row[]);
    this.reads = result.catch(() => undefined);
    return result;
  }

  /** Asks on the writing connection, which sees what its open transaction has done. */
  async written(sql: string, values: readonly DuckDBValue[] = []): Promise<Row[]> {
    return (await this.writer.runAndReadAll(sql, [...values])).getRowObjectsJS();
  }

  /** Runs `body` as one transaction; rejects, with nothing of it done, when anything in it fails. */
  async transaction<T>(body: () => Promise<T>): Promise<T> {
    await this.writer.run("BEGIN");
    let result: T;
    try {
      result = await body();
    } catch (error) {
      await this.writer.run("ROLLBACK").catch(() => undefined); // a failed statement may have ended it already
      throw error;
    }
    await this.writer.run("COMMIT");
    return result;
  }

  /** Bytes in use: blocks of the file that hold something, and the log. */
  async bytes(): Promise<number> {
    const [row] = await this.written("SELECT used_blocks * block_size AS used FROM pragma_database_size()");
    return Number(row?.used ?? 0) + sizeOf(`${this.options.file}.wal`);
  }

  /**
   * Gives memory that is free back to the system: rolling up takes tens of megabytes for a moment, in many pieces, and the C library keeps
   * them. DuckDB has it give back all of its free memory whenever the limit is set, also to what it is.
   */
  async trim(): Promise<void> {
    await this.writer.run(`SET memory_limit = '${this.options.memoryMb}MB'`);
  }

  /** Closes and opens it again, for when DuckDB says that it must be. */
  async reopen(): Promise<void> {
    await this.reads;
    this.close();
    await this.connect();
  }

  close(): void {
    this.writer.closeSync();
    this.reader.closeSync();
    this.instance.closeSync();
  }

  private async connect(): Promise<void> {
    this.instance = await this.openInstance();
    this.writer = await this.instance.connect();
    this.reader = await this.instance.connect();
  }

  private async openInstance(): Promise<DuckDBInstance> {
    const { file, memoryMb, nowMs } = this.options;
    const settings = { memory_limit: `${memoryMb}MB`, threads: "1", preserve_insertion_order: "false" };
    const wal = `${file}.wal`;
    const aside = `.damaged-${new Date(nowMs()).toISOString().replaceAll(/[-:]/g, "")}`;
    try {
      return await DuckDBInstance.create(file, settings);
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.recovered.push((error as Error).message);
    }
    const position = Number(corruptWal.exec(this.recovered.at(-1) ?? "")?.[1] ?? Number.NaN);
    if (Number.isInteger(position) && existsSync(wal)) {
      copyFileSync(wal, wal + aside);
      truncateSync(wal, position);
      this.recovered.push(`${wal} was cut at byte ${position}; the whole of it is ${wal}${aside}`);
      const cut = await DuckDBInstance.create(file, settings).catch((error: unknown) => error as Error);
      if (cut instanceof DuckDBInstance) return cut;
      this.recovered.push(cut.message);
    }
    for (const one of [wal, file]) {
      if (!existsSync(one)) continue;
      renameSync(one, one + aside);
      this.recovered.push(`${one} was set aside as ${one}${aside}`);
      if (one === file) break;
      const without = await DuckDBInstance.create(file, settings).catch((error: unknown) => error as Error);
      if (without instanceof DuckDBInstance) return without;
      this.recovered.push(without.message);
    }
    return DuckDBInstance.create(file, settings);
  }
}

/** What is wrong with the file's bytes, as against a lock, a missing right or a full disk. */
function isDamage(error: unknown): boolean {
  const text = error instanceof Error ? error.message : "";
  return /not a valid DuckDB|Could not read enough bytes|replaying WAL|[Cc]orrupt|checksum|Serialization Error|INTERNAL/.test(text) && !/lock on file|No space left/.test(text);
}

export function sizeOf(file: string): number {
  return existsSync(file) ? statSync(file).size : 0;
}
