/** The learn action: the flow to be added in the words of ovs-actions(7). */
import type { Action } from "../actions/action.js";
import type { LearnSpec } from "../actions/learn.js";
import { rowOf } from "../fields/table.js";
import { bitsOf, fieldOfText, textOf } from "./field-names.js";
import { bare, bigNumber, fail, items, number, part, trimmed, valueOf, type Item, type Span } from "./scan.js";
import { arrow, parseSubfield, printRef, printSubfield, type Subfield } from "./subfield-text.js";
import { hex, hexOr0, parseValue, printValue, type PortNumbers } from "./value-text.js";

type Learn = Extract<Action, { readonly type: "learn" | "learn2" }>;
const defaultPriority = 0x8000;
const flags = { sendFlowRem: 1, deleteLearned: 2, writesResult: 4 } as const;

const valueOfBytes = (bytes: Uint8Array): bigint => bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);

function printSpec({ bits, source, target }: LearnSpec): string {
  const from = "immediate" in source ? undefined : printSubfield({ ...source, bits });
  if (target === "output") return `output:${from ?? hex(0)}`;
  const place = "load" in target ? target.load : target.match;
  const to = printSubfield({ ...place, bits });
  if ("load" in target) return `load:${from ?? hexOr0("immediate" in source ? valueOfBytes(source.immediate) : 0n)}->${to}`;
  if (from !== undefined) return from === to ? to : `${to}=${from}`;
  const value = "immediate" in source ? valueOfBytes(source.immediate) : 0n;
  const name = typeof place.field === "string" ? place.field : undefined;
  if (name === undefined || place.offset !== 0 || bits !== bitsOf(name)) return `${to}=${hexOr0(value)}`;
  // in_port in 16 bits: the reserved ones have 32-bit numbers in all other texts.
  return `${printRef(name)}=${printValue(textOf(name).format, { value: name === "nxInPort" && value >= 0xff00n ? value + 0xffff0000n : value })}`;
}

export function printLearn(item: Learn): string {
  const parts = [`table=${item.tableId}`];
  const add = (text: string, isThere: boolean): void => void (isThere && parts.push(text));
  add(`idle_timeout=${item.idleTimeout}`, item.idleTimeout !== 0);
  add(`hard_timeout=${item.hardTimeout}`, item.hardTimeout !== 0);
  add(`fin_idle_timeout=${item.finIdleTimeout}`, item.finIdleTimeout !== 0);
  add(`fin_hard_timeout=${item.finHardTimeout}`, item.finHardTimeout !== 0);
  add(`priority=${item.priority}`, item.priority !== defaultPriority);
  add("send_flow_rem", (item.flags & flags.sendFlowRem) !== 0);
  add("delete_learned", (item.flags & flags.deleteLearned) !== 0);
  add(`cookie=${hex(item.cookie)}`, item.cookie !== 0n);
  if (item.type === "learn2") {
    add(`limit=${item.limit}`, item.limit !== 0);
    if (item.result !== undefined) parts.push(`result_dst=${printSubfield({ field: item.result, offset: item.resultOffset, bits: 1 })}`);
  }
  return `learn(${[...parts, ...item.specs.map(printSpec)].join(",")})`;
}

/** `bits` bits in as many 16-bit words as they need. */
function immediate(value: bigint, bits: number): { readonly immediate: Uint8Array } {
  const length = Math.ceil(bits / 16) * 2;
  return { immediate: Uint8Array.from({ length }, (_, i) => Number((value >> BigInt(8 * (length - 1 - i))) & 0xffn)) };
}
const place = ({ field, offset }: Subfield) => ({ field, offset });

function parseLoad(of: Span): LearnSpec {
  const [from, to] = arrow(of);
  const target = parseSubfield(to);
  const source = /^\d/.test(trimmed(from).text) ? undefined : parseSubfield(from);
  if (source !== undefined && source.bits !== target.bits) fail(`${target.bits} bits`, from);
  return { bits: target.bits, source: source === undefined ? immediate(bigNumber(from, target.bits), target.bits) : place(source), target: { load: place(target) } };
}

function parseMatchSpec(item: Item, ports: PortNumbers | undefined): LearnSpec {
  const target = parseSubfield(item.key);
  const { bits } = target;
  const matched = { match: place(target) };
  if (item.value === undefined) return { bits, source: place(target), target: matched };
  const value = valueOf(item);
  const name = /^[^[]*/.exec(trimmed(value).text)?.[0] ?? "";
  if (fieldOfText(name) !== undefined || name.startsWith("unknown_")) {
    const source = parseSubfield(value);
    if (source.bits !== bits) fail(`${bits} bits`, value);
    return { bits, source: place(source), target: matched };
  }
  const row = typeof target.field === "string" ? textOf(target.field) : fail("a field that is known", item.key);
  if (item.key.text.includes("[") && bits !== rowOf(row.name).bits) return { bits, source: immediate(bigNumber(value, bits), bits), target: matched };
  const { value: parsed, mask } = parseValue(value, row, ports);
  if (mask !== undefined && row.format !== "tunFlags") fail("no mask", value);
  return { bits, source: immediate(BigInt.asUintN(bits, parsed), bits), target: matched };
}

export function parseLearn(of: Span, ports?: PortNumbers): Action {
  const head = { idleTimeout: 0, hardTimeout: 0, priority: defaultPriority, cookie: 0n, flags: 0, tableId: 1, finIdleTimeout: 0, finHardTimeout: 0 };
  const specs: LearnSpec[] = [];
  let limit: number | undefined;
  let result: Subfield | undefined;
  for (const item of items(of)) {
    const word = item.key.text;
    if (word === "table") head.tableId = number(valueOf(item), 8);
    else if (word === "idle_timeout") head.idleTimeout = number(valueOf(item), 16);
    else if (word === "hard_timeout") head.hardTimeout = number(valueOf(item), 16);
    else if (word === "fin_idle_timeout") head.finIdleTimeout = number(valueOf(item), 16);
    else if (word === "fin_hard_timeout") head.finHardTimeout = number(valueOf(item), 16);
    else if (word === "priority") head.priority = number(valueOf(item), 16);
    else if (word === "cookie") head.cookie = bigNumber(valueOf(item), 64);
    else if (word === "limit") limit = number(valueOf(item), 32);
    else if (word === "result_dst") result = singleBit(valueOf(item));
    else if (word === "send_flow_rem" || word === "delete_learned") {
      bare(item);
      head.flags |= word === "send_flow_rem" ? flags.sendFlowRem : flags.deleteLearned;
    } else if (word === "load" && item.form === ":") specs.push(parseLoad(valueOf(item)));
    else if (word === "output" && item.form === ":") {
      const source = parseSubfield(valueOf(item));
      specs.push({ bits: source.bits, source: place(source), target: "output" });
    } else specs.push(parseMatchSpec(item, ports));
  }
  if (limit === undefined && result === undefined) return { type: "learn", ...head, specs };
  const flagged = result === undefined ? head.flags : head.flags | flags.writesResult;
  return { type: "learn2", ...head, flags: flagged, limit: limit ?? 0, resultOffset: result?.offset ?? 0, ...(result === undefined ? {} : { result: result.field }), specs };
}
function singleBit(of: Span): Subfield {
  const found = parseSubfield(of);
  return found.bits === 1 ? found : fail("a single bit", part(of, 0));
}
