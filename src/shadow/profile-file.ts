/** The profile of a chosen part: which edge ports are copied, as a YAML file that can be edited and used again (`shadow.profile`). */
import { stringify } from "yaml";
import { z } from "zod";
import type { Session } from "../config/session-schema.js";
import type { Representation, Taken } from "./subset.js";
import { readYaml } from "./yaml-file.js";

const deviceSchema = z.strictObject({
  /** "bridge:ofport" */
  port: z.string().regex(/^.+:\d+$/, "expected BRIDGE:PORT NUMBER"),
  /** Chance with which it was drawn: figures of the part are weighted by one over it. */
  chance: z.number().gt(0).max(1).default(1),
});
const profileSchema = z.strictObject({
  seed: z.number().int().default(1),
  share: z.number().gt(0).max(100),
  devices: z.array(deviceSchema).min(1).max(4_096),
  /** What was measured when it was drawn; for people. */
  measured: z.unknown().optional(),
});
export type SubsetProfile = z.output<typeof profileSchema>;

/** Text of a profile, with how well it stood for the whole when it was drawn. */
export function printProfile(seed: number, share: number, taken: readonly Taken[], measured: Representation): string {
  const devices = [...taken].map(({ name, chance }) => ({ port: name, chance: Number(chance.toFixed(4)) })).sort((x, y) => (x.port < y.port ? -1 : 1));
  return stringify({ seed, share, devices, measured });
}

/** Reads a profile. Throws SessionError with file and place. */
export const readProfile = (file: string): SubsetProfile => readYaml(file, profileSchema, "a profile");

/** The session that copies what the profile names: what comes in there. */
export function profileSession(profile: SubsetProfile): Session {
  const origins = profile.devices.map(({ port }) => {
    const at = port.lastIndexOf(":");
    return { bridge: port.slice(0, at), port: Number(port.slice(at + 1)) };
  });
  return { name: "profile", origins, percent: 100, direction: "from" };
}
