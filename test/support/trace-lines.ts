/** What one bridge does in a trace, line by line: without the bridges behind its patch ports, ports by number, so that live and shadow can be compared. */

import { table } from "../../src/network/pipeline.js";
import { otherZone } from "../../src/shadow/connection-zones.js";

/** Names of ports to numbers, for one bridge. */
export type PortNames = ReadonlyMap<string, number>;

const indentOf = (line: string): number => line.length - line.trimStart().length;

/**
 * The lines about `bridge` in an answer of ofproto/trace, and its final flow. Left out: blocks of other bridges, the tables that make
 * copies (live's alone), numbers of recirculations, and outputs to ports that `leavesOut` names.
 */
export function traceLines(text: string, bridge: string, names: PortNames, leavesOut: (port: number) => boolean): string[] {
  const found: string[] = [];
  /** Indents at which blocks of other bridges began; the innermost last. */
  let otherFrom: number | undefined;
  /** Indent at which a table that makes copies began. */
  let copyFrom: number | undefined;
  // What goes on once it is tracked, or hashed, begins anew; where that is another bridge, as the shadow behind a copy, it is that one's.
  const parts = text.split(/\n(?==+\nrecirc\()/).filter((part) => (/^\s*bridge\("([^"]+)"\)$/m.exec(part)?.[1] ?? bridge) === bridge);
  const lines = parts.join("\n").split("\n");
  for (const [i, line] of lines.entries()) {
    if (line.trim() === "" || /^\s*-+$/.test(line) || /^=+$/.test(line)) continue;
    const indent = indentOf(line);
    const header = /^\s*bridge\("([^"]+)"\)$/.exec(line)?.[1];
    if (header !== undefined && /^\s*-+$/.test(lines[i + 1] ?? "")) {
      if (otherFrom !== undefined && indent > otherFrom) continue;
      otherFrom = header === bridge ? undefined : indent;
      continue;
    }
    // Numbers of tables are written in two places: from 100 on a table begins where its bridge does.
    if (otherFrom !== undefined && (indent > otherFrom || (indent === otherFrom && /^\s*\d{3}\. /.test(line)))) continue;
    otherFrom = undefined;
    if (copyFrom !== undefined && indent > copyFrom) continue;
    const number = Number(/^\s*(\d+)\. /.exec(line)?.[1]);
    copyFrom = number >= table.replicate && number <= table.copy ? indent : undefined;
    if (copyFrom !== undefined) continue;
    if (/^(Flow|Megaflow|Datapath actions):/.test(line)) continue; // the question; what was looked at; both sides of the copy
    found.push(line.trimEnd());
  }
  return found.map((line) => numbered(line, names)).filter((line) => !/^\s*output:(\d+)$/.test(line) || !leavesOut(Number(line.split(":")[1])));
}

/** Lines of a shadow's trace with the zones of connection tracking that live has. */
export function inLiveZones(lines: readonly string[]): string[] {
  return lines.map((line) =>
    line
      .replace(/\bct_zone=(0x[0-9a-f]+|\d+)/g, (_, zone: string) => `ct_zone=${Number(zone) === 0 ? zone : zone.startsWith("0x") ? `0x${otherZone(Number(zone)).toString(16)}` : otherZone(Number(zone))}`)
      .replace(/\bzone=(\d+)/g, (_, zone: string) => `zone=${otherZone(Number(zone))}`)
      // Zone 0 is not written.
      .replace(/([(,])zone=0([,)])/g, (_, before: string, after: string) => (before === "," ? after : after === ")" ? "()" : "("))
      .replace(/\bct_zone=0x0\b/g, "ct_zone=0")
      .replace(/^(Final flow: .*),ct_zone=0,/, "$1,"),
  );
}

/** Ports in matches and actions by number. */
function numbered(line: string, names: PortNames): string {
  return line
    .replace(/recirc(_id=|\()0x[0-9a-f]+/g, "recirc$1N")
    .replace(/"([^"]+)"|\b([A-Za-z][\w.-]*)\b/g, (whole, quoted: string | undefined, plain: string | undefined) => {
      const number = names.get(quoted ?? plain ?? "");
      return number === undefined ? whole : String(number);
    });
}
