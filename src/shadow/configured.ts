/** What a configuration, with the files that it names, says is copied and comes first. */
import type { Config } from "../config/schema.js";
import { sessionSchema, type Session } from "../config/session-schema.js";
import { criticalNames, readCritical } from "./critical-file.js";
import { profileSession, readProfile } from "./profile-file.js";

/** Bridges and hosts that are named as critical. Throws SessionError, naming file and place. */
export function criticalOf({ shadow: { critical, criticalFile } }: Config): readonly string[] {
  return criticalFile === undefined ? critical : [...critical, ...criticalNames(readCritical(criticalFile))];
}

/** Its sessions and the profile's, or without both everything. Throws SessionError, naming file and place. */
export function configuredSessions({ shadow: { sessions, profile } }: Config): readonly Session[] {
  if (sessions === undefined && profile === undefined) return [sessionSchema.parse({ name: "all" })];
  return [...(sessions ?? []), ...(profile === undefined ? [] : [profileSession(readProfile(profile))])];
}
