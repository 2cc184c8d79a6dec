/**
 * The history of changes: JSON lines, each synced to disk before it counts and chained to the one before by SHA-256.
 *
 * A line torn by a crash is cut off at the next start and counted. When the disk is full the history says so and every later
 * record tries again; the controller goes on.
 */
import { createHash } from "node:crypto";
import { closeSync, fsyncSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import path from "node:path";
import type { Change } from "./change.js";

interface Line {
  readonly seq: number;
  readonly change: Change;
  /** SHA-256 over the previous line's hash and this line's change. */
  readonly hash: string;
}

const genesis = "0".repeat(64);

function hashOf(previous: string, seq: number, change: Change): string {
  return createHash("sha256").update(previous).update(String(seq)).update(JSON.stringify(change)).digest("hex");
}

export class History {
  /** Records at the end that a crash had torn, cut off when the file was opened: 0 or 1. */
  readonly cut: number;
  /** Records whose chain does not hold: somebody edited the file. They are kept. */
  readonly broken: number;
  /** Why the last record could not be written; undefined while all is well. */
  failure: string | undefined;
  private readonly fd: number;
  private size: number;
  private seq: number;
  private hash: string;
  private readonly latest: Map<number, Change>;
  private waiting: Change[] = [];

  private constructor(fd: number, size: number, cut: number, broken: number, lines: readonly Line[]) {
    this.fd = fd;
    this.size = size;
    this.cut = cut;
    this.broken = broken;
    this.seq = (lines.at(-1)?.seq ?? -1) + 1;
    this.hash = lines.at(-1)?.hash ?? genesis;
    this.latest = new Map(lines.map((line) => [line.change.id, line.change]));
  }

  /** Opens `dir`/changes.jsonl, making what is missing; cuts a torn last record off and counts those whose chain does not hold. */
  static open(dir: string): History {
    mkdirSync(dir, { recursive: true });
    const file = path.join(dir, "changes.jsonl");
    const fd = openSync(file, "a+");
    const bytes = readFileSync(file);
    const whole = bytes.lastIndexOf(0x0a) + 1;
    if (whole < bytes.length) ftruncateSync(fd, whole);
    const lines: Line[] = [];
    let broken = 0;
    let hash = genesis;
    for (const text of bytes.subarray(0, whole).toString("utf8").split("\n").slice(0, -1)) {
      const line = parseLine(text);
      if (line === undefined || line.hash !== hashOf(hash, line.seq, line.change)) broken++;
      if (line === undefined) continue;
      hash = line.hash;
      lines.push(line);
    }
    return new History(fd, whole, whole < bytes.length ? 1 : 0, broken, lines);
  }

  /** The last state of every change, by id. */
  changes(): Change[] {
    return [...this.latest.values()].sort((x, y) => x.id - y.id);
  }

  get nextId(): number {
    return Math.max(0, ...this.latest.keys()) + 1;
  }

  /** Writes and syncs. Returns false when the disk refused; the record is kept and tried again with the next one. */
  record(change: Change): boolean {
    this.latest.set(change.id, change);
    this.waiting.push(change);
    return this.retry();
  }

  /** Writes what could not be written before. Returns whether all is on disk now. */
  retry(): boolean {
    try {
      for (let next = this.waiting[0]; next !== undefined; next = this.waiting[0]) {
        const hash = hashOf(this.hash, this.seq, next);
        const bytes = Buffer.from(`${JSON.stringify({ seq: this.seq, change: next, hash } satisfies Line)}\n`);
        const written = writeSync(this.fd, bytes);
        if (written !== bytes.length) throw new Error(`only ${written} of ${bytes.length} bytes were written`);
        fsyncSync(this.fd);
        this.size += bytes.length;
        this.seq++;
        this.hash = hash;
        this.waiting.shift();
      }
      this.failure = undefined;
      return true;
    } catch (error) {
      this.failure = (error as Error).message;
      // Half a record, or one that is not known to be on disk, must not stand before the next.
      try {
        ftruncateSync(this.fd, this.size);
      } catch (again) {
        this.failure += `; ${(again as Error).message}`;
      }
      return false;
    }
  }

  close(): void {
    closeSync(this.fd);
  }
}

function parseLine(text: string): Line | undefined {
  try {
    const line = JSON.parse(text) as Partial<Line>;
    return typeof line.seq === "number" && typeof line.hash === "string" && line.change !== undefined ? (line as Line) : undefined;
  } catch {
    return undefined;
  }
}
