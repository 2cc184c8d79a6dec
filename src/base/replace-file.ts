/** The one way to keep a small file over restarts. */
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";

/**
 * Writes a file whole or not at all: beside it first, then in its place; its folder is made. With `flush` it is on the disk when this
 * returns, else a crash of the machine may lose it. Throws what the file system says.
 */
export function replaceFile(file: string, text: string, { flush = true }: { readonly flush?: boolean } = {}): void {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(`${file}.new`, text, { flush });
  renameSync(`${file}.new`, file);
}
