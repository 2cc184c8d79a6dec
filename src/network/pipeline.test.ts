import fc from "fast-check";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as pipeline from "./pipeline.js";
import { commonReplicaPort, cookie, cookieKind, cookiePrefix, groupBase, isOurGroup, isOurs, mark, maxReplicatedPort, nodeMark, nodePorts, passedRegister, priority, readCookie, replicaPort, table, type CookieKind, type RowRole } from "./pipeline.js";

const page = readFileSync(join(__dirname, "../../docs/pipeline.md"), "utf8");
/** Rows of the page's tables, as cells without backquotes. */
const rows = page.split("\n").filter((line) => line.startsWith("| ")).map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim().replaceAll("`", "")));
const hasRow = (...cells: string[]): boolean => rows.some((row) => cells.every((cell, i) => row[i] === cell));
const kinds = Object.keys(cookieKind) as CookieKind[];

test("docs/pipeline.md has every table, priority and cookie under its number", () => {
  for (const [name, number] of Object.entries(table)) expect({ name, found: hasRow(String(number), name) }).toEqual({ name, found: true });
  for (const [name, number] of Object.entries(priority)) expect({ name, found: hasRow(String(number), name) }).toEqual({ name, found: true });
  for (const name of kinds) {
    const number = `0x${cookieKind[name].toString(16).padStart(2, "0")}`;
    expect({ name, found: hasRow(name, number, `0x${cookie(name).toString(16)}`) }).toEqual({ name, found: true });
  }
});

test("docs/pipeline.md has no table, priority or cookie that the code does not have", () => {
  const below = (heading: string): string[][] => {
    const text = page.slice(page.indexOf(`\n## ${heading}\n`) + 1);
    const section = text.slice(0, text.indexOf("\n## ", 1));
    return section.split("\n").filter((line) => /^\| [^-]/.test(line)).slice(1).map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim().replaceAll("`", "")));
  };
  expect(below("Tables").map(([number]) => Number(number))).toEqual(Object.values(table));
  expect(below("Priorities").map(([number]) => Number(number))).toEqual(Object.values(priority));
  expect(below("Cookies").map(([name]) => name)).toEqual(kinds);
});

test("docs/pipeline.md names the register bit, ranges, keys and roles", () => {
  const roles: Record<RowRole, true> = { shadow: true, adapter: true, collector: true, replica: true, ingress: true, egress: true, deliveries: true, edge: true, fabric: true, guard: true, node: true, sflow: true, sink: true };
  const { field, bit, mask } = passedRegister;
  const words = [
    `\`${field}\`, bit ${bit}, mask 0x${mask.toString(16)}`,
    `0x${groupBase.toString(16)} (${groupBase})`,
    `0x${(groupBase + 0xffff).toString(16)} (${groupBase + 0xffff})`,
    `0x${maxReplicatedPort.toString(16)} (${maxReplicatedPort})`,
    `0x${pipeline.sinkPort(0).toString(16)} to 0x${pipeline.sinkPort(15).toString(16)} (\`sinkPort\`)`,
    `0x${replicaPort(0).toString(16)} + N`,
    `0x${nodePorts.first.toString(16)} to 0x${(nodePorts.first + nodePorts.count - 1).toString(16)}`,
    `0x${nodeMark.toString(16)}`,
    `cookie=0x${cookiePrefix.toString(16)}/0x${pipeline.cookiePrefixMask.toString(16)}`,
    ...Object.values(mark).map((key) => `| \`${key}\` |`),
    ...Object.keys(roles).map((role) => `| \`${role}\` |`),
  ];
  expect(words.filter((word) => !page.includes(word))).toEqual([]);
});

test("a cookie says its kind and serial, and only ours are ours", () => {
  fc.assert(
    fc.property(fc.constantFrom(...kinds), fc.bigInt(0n, (1n << 40n) - 1n), (kind, serial) => {
      expect(readCookie(cookie(kind, serial))).toEqual({ kind, serial });
    }),
  );
  fc.assert(fc.property(fc.bigInt(0n, (1n << 64n) - 1n), (value) => expect(isOurs(value)).toBe(value >> 48n === 0x5348n)));
  expect(readCookie(0x5348_ff00_0000_0000n)).toBeUndefined();
});

test("a replica port is no live port's number and none of OpenFlow's own", () => {
  expect(replicaPort(1)).toBeGreaterThan(maxReplicatedPort);
  expect(replicaPort(maxReplicatedPort)).toBeLessThan(0xff00);
  expect(nodePorts.first).toBeGreaterThan(maxReplicatedPort);
  expect(nodePorts.first + nodePorts.count).toBeLessThanOrEqual(commonReplicaPort);
  expect([groupBase, groupBase + 0xffff, groupBase - 1, groupBase + 0x10000].map(isOurGroup)).toEqual([true, true, false, false]);
});
