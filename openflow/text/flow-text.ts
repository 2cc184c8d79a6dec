/** Flows as ovs-ofctl takes them (add-flows) and prints them (dump-flows); ovs-ofctl(8), "Flow Syntax". */
import type { Match } from "../fields/match.js";
import { anyGroup, anyPort, flag, flowMod, type FlowMod, type FlowModCommand, type FlowStats } from "../messages/flow.js";
import { parseInstructionsOf, printInstructions, type ActionOptions } from "./action-text.js";
import { MatchBuilder, printMatch } from "./match-text.js";
import { bare, bigNumber, cut, fail, items, number, part, signed, trimmed, valueOf, whole, type Item, type Span } from "./scan.js";
import { hex, parsePort, printPort } from "./value-text.js";

const allTables = 0xff;
const defaultPriority = 0x8000;
const allCookie = 0xffff_ffff_ffff_ffffn;
const flagWords = [["send_flow_rem", flag.sendFlowRem], ["check_overlap", flag.checkOverlap], ["reset_counts", flag.resetCounts], ["no_packet_counts", flag.noPktCounts], ["no_byte_counts", flag.noByteCounts]] as const;
/** The words before the flow in a file for add-flows. */
const commandWords: { readonly [K in FlowModCommand]: string } = { add: "add", modify: "modify", modifyStrict: "modify_strict", delete: "delete", deleteStrict: "delete_strict" };
const commands = new Map(Object.entries(commandWords).map(([command, word]) => [word, command as FlowModCommand]));
const isDelete = (command: FlowModCommand): boolean => command === "delete" || command === "deleteStrict";

type Common = Pick<FlowMod, "idleTimeout" | "hardTimeout" | "flags" | "importance" | "priority" | "match" | "instructions">;
/** From the time-outs on, as both kinds of flow are printed. A priority counts where there is an order: not for what is not strict. */
function printRest(flow: Common, hasPriority = true, ages = ""): string {
  const words = flagWords.filter(([, bit]) => (flow.flags & bit) !== 0).map(([word]) => `${word} `);
  const head = [flow.idleTimeout === 0 ? "" : `idle_timeout=${flow.idleTimeout}, `, flow.hardTimeout === 0 ? "" : `hard_timeout=${flow.hardTimeout}, `, ...words, flow.importance === 0 ? "" : `importance=${flow.importance}, `];
  const match = printMatch(flow.match);
  const priority = hasPriority && flow.priority !== defaultPriority ? `priority=${flow.priority}` : "";
  const place = [priority, match].filter((text) => text !== "").join(",");
  return `${head.join("")}${ages}${place}${place === "" ? "" : " "}`;
}

/** Seconds with milliseconds, as ovs-ofctl prints them: "0.761s", "16s" when the switch tells no part of one. */
const duration = (seconds: number, nanoseconds: number): string => `${seconds}${nanoseconds === 0xffffffff ? "" : `.${String(Math.floor(nanoseconds / 1_000_000)).padStart(3, "0")}`}s`;

function printStats(flow: FlowStats, hasStats: boolean): string {
  const head = [`cookie=${hex(flow.cookie)}`];
  if (hasStats) head.push(`duration=${duration(flow.durationSec, flow.durationNsec)}`);
  if (hasStats || flow.tableId !== 0) head.push(`table=${flow.tableId}`);
  // All ones: the switch does not know.
  if (hasStats && flow.packetCount !== allCookie) head.push(`n_packets=${flow.packetCount}`);
  if (hasStats && flow.byteCount !== allCookie) head.push(`n_bytes=${flow.byteCount}`);
  return ` ${head.join(", ")}, ${printRest(flow, true, hasStats ? printAges(flow) : "")}actions=${printInstructions(flow.instructions)}`;
}

/** Nicira's statistics, which 1.0 has, count ages from 1 on. */
type WithAges = FlowStats & { readonly idleAge?: number; readonly hardAge?: number };
function printAges({ oxs, idleAge = 0, hardAge = 0, durationSec }: WithAges): string {
  const idle = oxs?.idleSec ?? (idleAge > 0 ? idleAge - 1 : undefined);
  const isOlder = hardAge > 0 && hardAge - 1 !== durationSec; // changed since it was added
  return `${idle === undefined ? "" : `idle_age=${idle}, `}${isOlder ? `hard_age=${hardAge - 1}, ` : ""}`;
}

function printMod(flow: FlowMod): string {
  const { command } = flow;
  const parts: string[] = [];
  const isAdd = command === "add";
  if (flow.cookieMask !== 0n && !isAdd) parts.push(`cookie=${hex(flow.cookie)}/${flow.cookieMask === allCookie ? "-1" : hex(flow.cookieMask)}`);
  else if (flow.cookie !== 0n && !isDelete(command)) parts.push(`cookie=${hex(flow.cookie)}`);
  if (flow.tableId !== (isDelete(command) ? allTables : 0)) parts.push(`table=${flow.tableId}`);
  if (isDelete(command) && flow.outPort !== anyPort) parts.push(`out_port=${printPort(flow.outPort)}`);
  if (isDelete(command) && flow.outGroup !== anyGroup) parts.push(`out_group=${flow.outGroup}`);
  const isStrict = command === "add" || command === "modifyStrict" || command === "deleteStrict";
  const rest = printRest(isDelete(command) ? { ...flow, idleTimeout: 0, hardTimeout: 0, flags: 0, importance: 0 } : flow, isStrict);
  const head = parts.map((text) => `${text}, `).join("");
  const text = `${head}${rest}${isDelete(command) ? "" : `actions=${printInstructions(flow.instructions)}`}`.trim().replace(/,$/, "");
  return isAdd ? text : `${commandWords[command]} ${text}`.trim();
}

export interface FlowTextOptions {
  /** False leaves out what was counted: a flow's age, its packets and bytes. */
  readonly stats?: boolean;
}

/**
 * A flow-mod as a line for "ovs-ofctl add-flows", of other commands with the command's word before it; a flow of a switch as
 * "ovs-ofctl dump-flows" prints it, which add-flows reads as well. A buffer is left out.
 */
export function printFlow(flow: FlowMod | FlowStats, options: FlowTextOptions = {}): string {
  return "command" in flow ? printMod(flow) : printStats(flow, options.stats ?? true);
}

export interface FlowParseOptions extends Omit<ActionOptions, "match"> {
  /** The command where the text has none before the flow. */
  readonly command?: FlowModCommand;
}

interface Parsed {
  tableId: number | undefined;
  priority: number;
  cookie: bigint;
  cookieMask: bigint;
  idleTimeout: number;
  hardTimeout: number;
  flags: number;
  importance: number;
  outPort: number;
  outGroup: number;
  durationSec: number;
  durationNsec: number;
  packetCount: bigint;
  byteCount: bigint;
  idleAge: number | undefined;
  match: Match;
}
type Reader = (flow: Parsed, item: Item, options: FlowParseOptions) => void;

function readDuration(flow: Parsed, item: Item): void {
  const of = valueOf(item);
  const [, seconds, parts = ""] = /^(\d+)(?:\.(\d{1,9}))?s$/.exec(of.text) ?? fail("seconds", of);
  flow.durationSec = number({ text: seconds ?? "", at: of.at }, 32);
  flow.durationNsec = Number(parts.padEnd(9, "0"));
}
function readCookie(flow: Parsed, item: Item, { command = "add" }: FlowParseOptions): void {
  const of = valueOf(item);
  const masked = cut(of, "/");
  flow.cookie = signed(masked?.[0] ?? of, 64);
  if (masked !== undefined && command === "add") fail("no mask of the cookie of a flow that is added", masked[1]);
  if (masked === undefined && isDelete(command)) fail("cookie/mask: a flow that is deleted gets no cookie", of);
  if (masked !== undefined) flow.cookieMask = signed(masked[1], 64);
}
const readers: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ["table", (flow, item) => (flow.tableId = number(valueOf(item), 8))],
  ["priority", (flow, item) => (flow.priority = number(valueOf(item), 16))],
  ["cookie", readCookie],
  ["idle_timeout", (flow, item) => (flow.idleTimeout = number(valueOf(item), 16))],
  ["hard_timeout", (flow, item) => (flow.hardTimeout = number(valueOf(item), 16))],
  ["importance", (flow, item) => (flow.importance = number(valueOf(item), 16))],
  ["out_port", (flow, item, { ports }) => (flow.outPort = parsePort(valueOf(item), ports))],
  ["out_group", (flow, item) => (flow.outGroup = number(valueOf(item), 32))],
  ...flagWords.map(([word, bit]): [string, Reader] => [word, (flow, item) => (bare(item), (flow.flags |= bit))]),
  // What a dump has beside; for a flow that is added it says nothing.
  ["duration", readDuration],
  ["n_packets", (flow, item) => (flow.packetCount = bigNumber(valueOf(item), 64))],
  ["n_bytes", (flow, item) => (flow.byteCount = bigNumber(valueOf(item), 64))],
  ["idle_age", (flow, item) => (flow.idleAge = number(valueOf(item), 32))],
  ["hard_age", (_, item) => void number(valueOf(item), 32)],
]);

/** The part before "actions=" and that behind it, if any. */
function halves(of: Span): readonly [Span, Span | undefined] {
  const found = /(^|[\s,])actions?\s*=/.exec(of.text);
  return found === null ? [of, undefined] : [part(of, 0, found.index), part(of, found.index + found[0].length)];
}

function parseHead(of: Span, options: FlowParseOptions): Parsed {
  const flow: Parsed = {
    tableId: undefined, priority: defaultPriority, cookie: 0n, cookieMask: 0n, idleTimeout: 0, hardTimeout: 0, flags: 0, importance: 0, outPort: anyPort, outGroup: anyGroup,
    durationSec: 0, durationNsec: 0, packetCount: 0n, byteCount: 0n, idleAge: undefined, match: [],
  };
  const match = new MatchBuilder(options);
  for (const item of items(of)) {
    const read = readers.get(item.key.text);
    if (read !== undefined) read(flow, item, options);
    else if (!match.take(item)) fail("a match field or a property of a flow", item.key);
  }
  flow.match = match.done();
  return flow;
}

/**
 * Reads a flow as "ovs-ofctl add-flows" takes it; the word of a command may stand before it. TextError for what is none: unlike
 * ovs-ofctl, which leaves them out, for fields whose protocol the match does not name.
 */
export function parseFlow(text: string, options: FlowParseOptions = {}): FlowMod {
  const of = trimmed(whole(text));
  const word = /^[a-z_]+(?=\s|$)/.exec(of.text)?.[0];
  const named = word === undefined ? undefined : commands.get(word);
  const command = named ?? options.command ?? "add";
  const [head, actions] = halves(named === undefined ? of : part(of, word?.length ?? 0));
  const { tableId = isDelete(command) ? allTables : 0, durationSec: _, durationNsec: _1, packetCount: _2, byteCount: _3, idleAge: _4, ...flow } = parseHead(head, { ...options, command });
  if (actions === undefined && !isDelete(command)) fail('"actions="', part(of, of.text.length));
  return flowMod({ ...flow, command, tableId, instructions: actions === undefined ? [] : parseInstructionsOf(actions, { ...options, match: flow.match }) });
}

/** Reads a flow as "ovs-ofctl dump-flows" prints it. TextError for what is none. */
export function parseFlowStats(line: string, options: Omit<ActionOptions, "match"> = {}): FlowStats {
  const of = whole(line);
  const [head, actions] = halves(of);
  const { tableId = 0, cookieMask: _, outPort: _1, outGroup: _2, idleAge, ...flow } = parseHead(head, options);
  const instructions = parseInstructionsOf(actions ?? fail('"actions="', part(of, of.text.length)), { ...options, match: flow.match });
  return { ...flow, tableId, instructions, ...(idleAge === undefined ? {} : { oxs: { idleSec: idleAge, idleNsec: 0 } }) };
}
