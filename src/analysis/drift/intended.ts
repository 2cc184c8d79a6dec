/** The links a network is meant to have: from a topology file, or as they were first seen. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { replaceFile } from "../../base/replace-file.js";
import { ConfigError } from "../../config/load.js";
import { portKey, type Network } from "../../network/model.js";

const end = z.string().regex(/^.+:\d+$/, "expected BRIDGE:PORT NUMBER");
const fileSchema = z.strictObject({
  /** Both ends of each, in any order. */
  links: z
    .array(z.tuple([end, end]))
    .max(100_000)
    .superRefine((links, context) => {
      const seen = new Set<string>();
      for (const [i, one] of links.flat().entries()) {
        if (seen.has(one)) context.addIssue({ code: "custom", path: [i >> 1], message: `${one} is the end of two links` });
        seen.add(one);
      }
    }),
});

export type IntendedLink = readonly [a: string, b: string];

/** Both ends in the order in which the model has them. */
const ordered = ([a, b]: readonly [string, string]): IntendedLink => (a < b ? [a, b] : [b, a]);

/** Reads a topology file (YAML or JSON). Throws ConfigError with file and place. */
export function readIntended(file: string): IntendedLink[] {
  let value: unknown;
  try {
    value = parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new ConfigError([`${file}: ${(error as Error).message}`]);
  }
  const checked = fileSchema.safeParse(value);
  if (checked.success) return checked.data.links.map(ordered);
  throw new ConfigError(checked.error.issues.map((issue) => `${file}: ${issue.path.join(".")}: ${issue.message}`));
}

/** The links of a network as it is. */
export const linksOf = (network: Pick<Network, "links">): IntendedLink[] => network.links.map(({ a, b }) => [portKey(a), portKey(b)]);

/** Where what was first seen is kept. */
export const keptFile = (stateDir: string): string => path.join(stateDir, "topology.json");

/** What was kept; undefined when nothing was. Throws ConfigError when it can't be read. */
export function readKept(stateDir: string): IntendedLink[] | undefined {
  try {
    return readIntended(keptFile(stateDir));
  } catch (error) {
    if (error instanceof ConfigError && error.message.includes("ENOENT")) return undefined;
    throw error;
  }
}

/** Keeps links over restarts. Throws when the file can't be written. */
export function keep(stateDir: string, links: readonly IntendedLink[]): void {
  replaceFile(keptFile(stateDir), `${JSON.stringify({ links }, undefined, 1)}\n`);
}
