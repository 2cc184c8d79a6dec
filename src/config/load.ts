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

/** Checks `text`. `file` is only named in messages. Throws ConfigError with all problems. */
export function parseConfig(text: string, file: string): Config {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  if (document.errors.length > 0) throw new ConfigError(document.errors.map((error) => `${at(error.pos[0])}: ${error.message}`));
  const checked = configSchema.safeParse(document.toJS() ?? {});
  if (checked.success) return checked.data;
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

/** Reads and checks a file. Throws ConfigError, also when the file can't be read. */
export function loadConfig(file: string): Config {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new ConfigError([`${file}: ${(error as Error).message}`]);
  }
  return parseConfig(text, file);
}
