/** LevelService: how much the shadow has of each bridge. */
import type { LevelControl, LevelRow } from "../shadow/levels/level-control.js";
import { readLevel } from "../shadow/levels/levels.js";
import type { BridgeLevel, LevelServiceServer } from "./generated/ovsshadow/v1/level.js";
import { unary } from "./unary.js";

export type LevelSurface = Pick<LevelControl, "list" | "set" | "raise">;

const messages = (rows: readonly LevelRow[]): { levels: BridgeLevel[] } => ({ levels: rows.map((row) => ({ ...row })) });

export function levelHandlers(levels: LevelSurface): LevelServiceServer {
  return {
    listLevels: unary(() => messages(levels.list())),
    setLevel: unary(async ({ bridge, level }) => messages(await levels.set(bridge === "" ? undefined : bridge, level === "" ? undefined : readLevel(level)))),
    raiseLevel: unary(async ({ bridge, level, forS, why }) => messages(await levels.raise(bridge, readLevel(level), forS * 1_000, why === "" ? "asked for through the API" : why))),
  };
}
