#!/usr/bin/env node
/** ofp-json decode | encode: OpenFlow messages, hex lines to JSON lines and back. */
import { once } from "node:events";
import { decodeLine, encodeLine } from "../messages/json.js";

/** The JSON of the longest message fits several times. */
const maxLineLength = 4 << 20;

/** Lines of the input; of one that is too long the beginning, which then cannot be read. */
async function* lines(input: AsyncIterable<string>): AsyncGenerator<string> {
  let held = "";
  for await (const chunk of input) {
    const parts = (held + chunk).split("\n");
    held = (parts.pop() ?? "").slice(0, maxLineLength);
    yield* parts;
  }
  if (held !== "") yield held;
}

async function main(mode: string | undefined): Promise<number> {
  const convert = { decode: decodeLine, encode: encodeLine }[mode ?? ""];
  if (convert === undefined) {
    process.stderr.write("usage: ofp-json decode < HEX-LINES\n       ofp-json encode < JSON-LINES\n");
    return 2;
  }
  process.stdin.setEncoding("utf8");
  for await (const line of lines(process.stdin as AsyncIterable<string>)) {
    if (line.trim() === "") continue;
    if (!process.stdout.write(`${convert(line)}\n`)) await once(process.stdout, "drain");
  }
  return 0;
}

process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));
void main(process.argv[2]).then((code) => (process.exitCode = code));
