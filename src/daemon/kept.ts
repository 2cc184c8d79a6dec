/** What the controller takes from files: the sessions, levels and critical bridges that the configuration names, and what operators set at run time. */
import type { Config } from "../config/schema.js";
import { sessionSchema, type Session } from "../config/session-schema.js";
import { criticalNames, readCritical } from "../shadow/critical-file.js";
import { LevelStore } from "../shadow/levels/level-store.js";
import { profileSession, readProfile } from "../shadow/profile-file.js";
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

export function criticalOf({ shadow: { critical, criticalFile } }: Config): readonly string[] {
  return criticalFile === undefined ? critical : [...critical, ...criticalNames(readCritical(criticalFile))];
}

/** What the configuration says is copied: its sessions and the profile's, or without both everything. */
export function configuredSessions({ shadow: { sessions, profile } }: Config): readonly Session[] {
  if (sessions === undefined && profile === undefined) return [sessionSchema.parse({ name: "all" })];
  return [...(sessions ?? []), ...(profile === undefined ? [] : [profileSession(readProfile(profile))])];
}
