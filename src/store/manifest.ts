/** What goes with exported files, so that somebody who trains on them knows what the numbers are. Pure. */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { StoreError, type ExportRequest, type ExportResult, type Gone } from "./store.js";

export interface ExportedFile {
  readonly file: string;
  readonly rows: number;
  readonly columns: readonly { readonly name: string; readonly type: string; readonly unit: string | undefined }[];
}

/** The unit of a metric; undefined when nobody told it. */
export type UnitOf = (kind: string, metric: string) => string | undefined;

/** Makes the directory. Throws StoreError when there is something in it: an export overwrites nothing. */
export function emptyDirectory(dir: string): void {
  if (!path.isAbsolute(dir)) throw new StoreError(`${dir}: an absolute path is needed`);
  try {
    mkdirSync(dir, { recursive: true });
    if (readdirSync(dir).length > 0) throw new StoreError(`${dir} is not empty`);
  } catch (error) {
    if (error instanceof StoreError) throw error;
    throw new StoreError((error as Error).message);
  }
}

/** Writes manifest.json beside the files. */
export function writeManifest(request: ExportRequest, files: readonly ExportedFile[], about: { readonly backend: string; readonly sampling: unknown; readonly gone: Gone | undefined; readonly nowMs: number }): ExportResult {
  const manifest = {
    format: "ovs-shadow observations, version 1",
    madeAt: new Date(about.nowMs).toISOString(),
    backend: about.backend,
    range: { fromMs: request.fromMs, toMs: request.toMs },
    // A part that was asked for and is kept no longer is not in the files.
    gone: about.gone ?? null,
    sampling: about.sampling,
    files: files.map((file) => ({ ...file, sha256: createHash("sha256").update(readFileSync(path.join(request.dir, file.file))).digest("hex") })),
  };
  const name = path.join(request.dir, "manifest.json");
  writeFileSync(name, `${JSON.stringify(manifest, null, 2)}\n`);
  return { files: files.map(({ file, rows }) => ({ file, rows })), manifest: name };
}
