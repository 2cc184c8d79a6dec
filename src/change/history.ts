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
  /** Records at the end that a crash had torn, cut off when the file was opened. */
  readonly cut: number;
  /** Why the last record could not be written; undefined while all is well. */
  failure: string | undefined;
  private readonly fd: number;
  private size: number;
  private seq: number;
  private hash: string;
  private readonly latest: Map<number, Change>;
  private waiting: Change[] = [];

  private constructor(fd: number, size: number, cut: number, lines: readonly Line[]) {
    this.fd = fd;
    this.size = size;
    this.cut = cut;
    this.seq = lines.length;
    this.hash = lines.at(-1)?.hash ?? genesis;
    this.latest = new Map(lines.map((line) => [line.change.id, line.change]));
  }

  /** Opens `dir`/changes.jsonl, making what is missing, and checks the chain up to the first line that does not hold. */
  static open(dir: string): History {
    mkdirSync(dir, { recursive: true });
    const file = path.join(dir, "changes.jsonl");
    const fd = openSync(file, "a+");
    const text = readFileSync(file, "utf8");
    const lines: Line[] = [];
    let good = 0;
    let hash = genesis;
    const parts = text.split("\n");
    for (const part of parts.slice(0, -1)) {
      const line = parseLine(part);
      if (line === undefined || line.seq !== lines.length || line.hash !== hashOf(hash, line.seq, line.change)) break;
      hash = line.hash;
      lines.push(line);
      good += Buffer.byteLength(part) + 1;
    }
    const cut = parts.filter((part) => part !== "").length - lines.length;
    if (cut > 0) ftruncateSync(fd, good);
    return new History(fd, good, cut, lines);
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
    try {
      for (let next = this.waiting[0]; next !== undefined; next = this.waiting[0]) {
        const hash = hashOf(this.hash, this.seq, next);
        const bytes = Buffer.from(`${JSON.stringify({ seq: this.seq, change: next, hash } satisfies Line)}\n`);
        const written = writeSync(this.fd, bytes);
        if (written !== bytes.length) {
          ftruncateSync(this.fd, this.size);
          throw new Error(`only ${written} of ${bytes.length} bytes were written`);
        }
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
