/** Reads a YAML configuration; every problem is told as "file:line:column: path: what is wrong". */
import { readFileSync } from "node:fs";
import { isMap, isNode, isSeq, LineCounter, parseDocument, type Document, type Node } from "yaml";
import type { z } from "zod";
import { configSchema, type Config } from "./schema.js";

/** A configuration that was not taken; `problems` has one line for each thing wrong with it. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.problems = problems;
  }
}

/** The node at `path`, or the deepest one on the way to it: that is where something is missing. */
function nodeAt(document: Document, path: readonly PropertyKey[], wantKey: boolean): Node | undefined {
  let node: unknown = document.contents;
  let found: Node | undefined = isNode(node) ? node : undefined;
  for (const [i, step] of path.entries()) {
    let next: unknown;
    if (isMap(node)) {
      const pair = node.items.find((item) => String((item.key as { value?: unknown } | null)?.value ?? item.key) === String(step));
      if (pair === undefined) break;
      next = pair.value;
      if (wantKey && i === path.length - 1 && isNode(pair.key)) return pair.key;
    } else if (isSeq(node)) next = node.items[Number(step)];
    if (!isNode(next)) break;
    node = next;
    found = next;
  }
  return found;
}

/** "file:line" of what a configuration says at a path; undefined where it says nothing there. */
export type Where = (path: readonly PropertyKey[]) => string | undefined;

/** Checks `text`. `file` is only named in messages. Throws ConfigError with all problems. */
export const parseConfig = (text: string, file: string): Config => parsePlaced(text, file).config;

/** The same, with where in the file each part stands. */
export function parsePlaced(text: string, file: string): { readonly config: Config; readonly where: Where } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  if (document.errors.length > 0) throw new ConfigError(document.errors.map((error) => `${at(error.pos[0])}: ${error.message}`));
  const checked = configSchema.safeParse(document.toJS() ?? {});
  if (checked.success) return { config: checked.data, where: (path) => placeOf(document, path, lines, file) };
  throw new ConfigError(checked.error.issues.flatMap((issue) => problems(document, issue, at)));
}

function problems(document: Document, issue: z.core.$ZodIssue, at: (offset: number) => string): string[] {
  const name = (path: readonly PropertyKey[]): string => path.map(String).join(".") || "(top level)";
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => {
      const path = [...issue.path, key];
      return `${at(nodeAt(document, path, true)?.range?.[0] ?? 0)}: ${name(path)}: unknown key`;
    });
  }
  return [`${at(nodeAt(document, issue.path, false)?.range?.[0] ?? 0)}: ${name(issue.path)}: ${issue.message}`];
}

function placeOf(document: Document, path: readonly PropertyKey[], lines: LineCounter, file: string): string | undefined {
  if (!document.hasIn(path)) return undefined;
  const offset = nodeAt(document, path, true)?.range?.[0];
  return offset === undefined ? undefined : `${file}:${lines.linePos(offset).line}`;
}

/** Reads and checks a file. Throws ConfigError, also when the file can't be read. */
export const loadConfig = (file: string): Config => loadPlaced(file).config;

/** The same, with where in the file each part stands. */
export function loadPlaced(file: string): { readonly config: Config; readonly where: Where } {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new ConfigError([`${file}: ${(error as Error).message}`]);
  }
  return parsePlaced(text, file);
}
