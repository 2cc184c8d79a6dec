/** The behavioural profile as a document: what it holds, and what changed between two of them. Pure. */
import type { Dependency } from "./dependencies.js";

export const profileSchema = "ovs-shadow/profile/1";

export interface ServiceProfile {
  readonly service: string;
  readonly clients: number;
  readonly conversations: number;
  /** Sizes of finished transfers, bytes; 0 with none. */
  readonly transfers: number;
  readonly p50Bytes: number;
  readonly p90Bytes: number;
  readonly p99Bytes: number;
}

export interface EdgeProfile {
  readonly client: string;
  readonly service: string;
  readonly conversations: number;
  readonly bytes: number;
  readonly firstMs: number;
  readonly lastMs: number;
}

export interface PeakProfile {
  /** Host address, or "bridge NAME". */
  readonly subject: string;
  /** ms after midnight UTC (or after the season's start). */
  readonly atMs: number;
  readonly atPlusMinusMs: number;
  /** bit/s. */
  readonly height: number;
  readonly plusMinus: number;
  /** How likely each of the two intervals holds what comes. */
  readonly probability: number;
  readonly seasons: number;
}

export interface TalkerProfile {
  readonly pair: string;
  /** Estimated, lately: older traffic fades. */
  readonly bytes: number;
  readonly share: number;
}

export interface CriticalProfile {
  readonly host: string;
  /** Services that need one of this host's, directly or through others. */
  readonly dependents: number;
}

export interface ProfileDocument {
  readonly schema: typeof profileSchema;
  /** One more whenever the content changed. */
  readonly version: number;
  readonly sinceMs: number;
  readonly generatedMs: number;
  readonly services: readonly ServiceProfile[];
  readonly edges: readonly EdgeProfile[];
  readonly dependencies: readonly Dependency[];
  readonly peaks: readonly PeakProfile[];
  readonly talkers: readonly TalkerProfile[];
  /** Hosts that others depend on, the most depended on first. */
  readonly critical: readonly CriticalProfile[];
}

export type ProfileSection = "services" | "edges" | "dependencies" | "peaks" | "talkers" | "critical";

export interface ProfileChange {
  readonly section: ProfileSection;
  readonly key: string;
  readonly what: "added" | "removed" | "changed";
  /** "conversations 12 → 40" */
  readonly detail: string;
}

type Entry = Readonly<Record<string, string | number>>;

/** What names an entry of a section, and which of its numbers are compared, with the relative change that counts as one. */
const sections: Readonly<Record<ProfileSection, { readonly key: (entry: Entry) => string; readonly compared: readonly string[]; readonly relative: number }>> = {
  services: { key: (entry) => String(entry["service"]), compared: ["clients", "p50Bytes", "p99Bytes"], relative: 0.25 },
  edges: { key: (entry) => `${entry["client"]} > ${entry["service"]}`, compared: [], relative: 0 },
  dependencies: { key: (entry) => `${entry["dependent"]} needs ${entry["on"]} (${entry["way"]})`, compared: ["lagMs"], relative: 0.5 },
  peaks: { key: (entry) => String(entry["subject"]), compared: ["atMs", "height"], relative: 0.1 },
  talkers: { key: (entry) => String(entry["pair"]), compared: [], relative: 0 },
  critical: { key: (entry) => String(entry["host"]), compared: ["dependents"], relative: 0 },
};
export const profileSections = Object.keys(sections) as ProfileSection[];

/** What `now` has that `before` had not, has no longer, or has with clearly other numbers. Counters that only grow are no change. */
export function diffProfiles(before: ProfileDocument, now: ProfileDocument): ProfileChange[] {
  return profileSections.flatMap((section) => {
    const { key, compared, relative } = sections[section];
    const old = new Map((before[section] as unknown as readonly Entry[]).map((entry) => [key(entry), entry]));
    const changes: ProfileChange[] = [];
    for (const entry of now[section] as unknown as readonly Entry[]) {
      const name = key(entry);
      const was = old.get(name);
      old.delete(name);
      if (was === undefined) {
        changes.push({ section, key: name, what: "added", detail: "" });
        continue;
      }
      const moved = compared.filter((metric) => differs(Number(was[metric]), Number(entry[metric]), relative));
      if (moved.length > 0) changes.push({ section, key: name, what: "changed", detail: moved.map((metric) => `${metric} ${short(was[metric])} → ${short(entry[metric])}`).join(", ") });
    }
    for (const name of old.keys()) changes.push({ section, key: name, what: "removed", detail: "" });
    return changes;
  });
}

const differs = (x: number, y: number, relative: number): boolean => x !== y && Math.abs(x - y) > relative * Math.max(Math.abs(x), Math.abs(y));
const short = (value: string | number | undefined): string => (typeof value === "number" ? String(Number(value.toPrecision(3))) : String(value));
