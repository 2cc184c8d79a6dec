/** What the profile has learned, on disk: so that a restarted daemon goes on learning where it was. */
import { readFileSync } from "node:fs";
import { replaceFile } from "../../base/replace-file.js";
import type { PeaksState } from "./peaks.js";
import type { ServiceEdge } from "./service-graph.js";
import type { TransfersState } from "./transfers.js";

export interface ProfileSnapshot {
  readonly format: 1;
  readonly version: number;
  readonly sinceMs: number | undefined;
  readonly edges: readonly ServiceEdge[];
  readonly peaks: PeaksState;
  readonly transfers: TransfersState;
}

/** The snapshot of a file; undefined when there is none. Throws when it can't be read: the caller says so and begins anew. */
export function readSnapshot(file: string): ProfileSnapshot | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const snapshot = JSON.parse(text) as Partial<ProfileSnapshot>;
  if (snapshot.format !== 1 || !Array.isArray(snapshot.edges) || snapshot.peaks === undefined || snapshot.transfers === undefined) throw new Error(`${file}: not a profile of this program`);
  return snapshot as ProfileSnapshot;
}

/** Replaces the file whole: a crash leaves the old one or the new one. */
export function writeSnapshot(file: string, snapshot: ProfileSnapshot): void {
  replaceFile(file, JSON.stringify(snapshot), { flush: false });
}
