/** A YAML file that a schema describes: profiles, lists of critical devices. */
import { readFileSync } from "node:fs";
import { parse, YAMLParseError } from "yaml";
import type { z } from "zod";
import { SessionError } from "./replication/selector.js";

/** Reads a file. Throws SessionError with file and place; `what` the file should be, when nothing better can be said. */
export function readYaml<S extends z.ZodType>(file: string, schema: S, what: string): z.output<S> {
  let value: unknown;
  try {
    value = parse(readFileSync(file, "utf8"));
  } catch (error) {
    const at = error instanceof YAMLParseError ? `:${error.linePos?.[0].line ?? 0}:${error.linePos?.[0].col ?? 0}` : "";
    throw new SessionError(`${file}${at}`, (error as Error).message);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new SessionError(file, `${issue?.path.join(".") ?? ""}: ${issue?.message ?? `not ${what}`}`);
}
