/** What the controller takes from files: the sessions, levels and critical bridges that the configuration names, and what operators set at run time. */
import type { Config } from "../config/schema.js";
import { configuredSessions, criticalOf } from "../shadow/configured.js";
import { LevelStore } from "../shadow/levels/level-store.js";
import { SessionStore } from "../shadow/replication/session-store.js";

export interface Kept {
  readonly sessions: SessionStore;
  readonly levels: LevelStore;
  /** What the configuration and its file name as critical. */
  readonly critical: readonly string[];
}

/** Reads the files. Throws SessionError or LevelStoreError, naming file and place. */
export function openKept(config: Config): Kept {
  return { sessions: SessionStore.open(config.stateDir, configuredSessions(config)), levels: LevelStore.open(config.stateDir), critical: criticalOf(config) };
}
