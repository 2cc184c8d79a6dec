/** Levels that an operator set at run time: in the state directory, so that a restart keeps them. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { replaceFile } from "../../base/replace-file.js";
import { levelSchema, type Level } from "../../config/level-schema.js";

const fileSchema = z.strictObject({
  /** Of all bridges that have none of their own. */
  whole: levelSchema.optional(),
  bridges: z.record(z.string().min(1), levelSchema),
});
type Kept = z.output<typeof fileSchema>;

/** Bridges with a level of their own at most. */
const maxBridges = 10_000;

/** The kept levels can't be read. */
export class LevelStoreError extends Error {
  override readonly name = "LevelStoreError";
}

export class LevelStore {
  private readonly file: string;
  private kept: Kept;

  private constructor(file: string, kept: Kept) {
    this.file = file;
    this.kept = kept;
  }

  /** Reads `stateDir`/levels.json. Throws LevelStoreError when it is there and can't be taken. */
  static open(stateDir: string): LevelStore {
    const file = path.join(stateDir, "levels.json");
    let text: string;
    try {
      text = readFileSync(file, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return new LevelStore(file, { bridges: {} });
      throw new LevelStoreError(`${file}: ${(error as Error).message}`, { cause: error });
    }
    try {
      return new LevelStore(file, fileSchema.parse(JSON.parse(text)));
    } catch (error) {
      const what = error instanceof z.ZodError ? `${error.issues[0]?.path.join(".")}: ${error.issues[0]?.message}` : (error as Error).message;
      throw new LevelStoreError(`${file}: ${what}`, { cause: error });
    }
  }

  of(bridge: string): Level | undefined {
    return Object.hasOwn(this.kept.bridges, bridge) ? this.kept.bridges[bridge] : this.kept.whole;
  }

  /** Sets the level of a bridge, or with `bridge` undefined of all that have none of their own; `level` undefined takes it back. */
  set(bridge: string | undefined, level: Level | undefined): void {
    const { whole, bridges } = this.kept;
    if (bridge === undefined) return this.write({ bridges, ...(level === undefined ? {} : { whole: level }) });
    const others = Object.fromEntries(Object.entries(bridges).filter(([name]) => name !== bridge));
    if (level !== undefined && Object.keys(others).length >= maxBridges) throw new RangeError(`${maxBridges} bridges have a level of their own already`);
    this.write({ ...(whole === undefined ? {} : { whole }), bridges: level === undefined ? others : { ...others, [bridge]: level } });
  }

  private write(kept: Kept): void {
    replaceFile(this.file, `${JSON.stringify(kept, undefined, 2)}\n`);
    this.kept = kept;
  }
}
