/** Actions and instructions in the words of ovs-actions(7), read and printed as ovs-ofctl does. */
import type { Action } from "../actions/action.js";
import type { Instruction } from "../actions/instruction.js";
import { isKnown, type Match } from "../fields/match.js";
import type { Version } from "../wire/reader.js";
import { parseAction, parseActionList, type ActionContext } from "./action-parse.js";
import { printActions, printMetadata } from "./action-print.js";
import { bare, bigNumber, fail, hexBytes, items, number, valueOf, whole, type Item, type Span } from "./scan.js";
import { ones, parseMasked, type PortNumbers } from "./value-text.js";
export { printActions } from "./action-print.js";

export interface ActionOptions {
  /** The numbers of ports that are given by name; without it only reserved ports have names. */
  readonly ports?: PortNumbers;
  /**
   * The wire version the actions are for, 5 (OpenFlow 1.4) unless given: "mod_dl_src:…" is an action of 1.0 and 1.1 and a
   * set-field from 1.2 on, "meter:…" an instruction up to 1.4 and an action in 1.5.
   */
  readonly version?: Version;
  /** The flow's match: by it "mod_tp_src:…" knows the protocol, and "mod_vlan_vid:…" whether there is a tag to change. */
  readonly match?: Match;
}

const protocols = new Map([[6n, "tcp"], [17n, "udp"], [132n, "sctp"]] as const);
export function contextOf({ ports, version = 5, match = [] }: ActionOptions): ActionContext {
  const known = new Map(match.filter(isKnown).map((item) => [item.name, item]));
  const vlan = known.get("vlanVid") ?? known.get("vlanTci");
  const proto = known.get("ipProto")?.value;
  return {
    version,
    ports,
    protocol: proto === undefined ? "" : (protocols.get(proto as 6n) ?? ""),
    hasVlan: known.has("vlanPcp") || (vlan !== undefined && (vlan.value & (vlan.mask ?? 0x1fffn) & 0x1000n) !== 0n),
  };
}

/** Reads a list of actions; "drop" and nothing stand for none. TextError for what is none, instructions included. */
export const parseActions = (text: string, options: ActionOptions = {}): readonly Action[] => parseActionList(whole(text), contextOf(options));

/** In which order instructions are executed, and printed. */
const order = ["meter", "applyActions", "clearActions", "writeActions", "writeMetadata", "statTrigger", "gotoTable", "unknown"] as const satisfies readonly Instruction["type"][];

function printInstruction(item: Instruction): string {
  switch (item.type) {
    case "meter":
      return `meter:${item.meterId}`;
    case "applyActions":
      return printActions(item.actions);
    case "clearActions":
      return "clear_actions";
    case "writeActions":
      return `write_actions(${printActions(item.actions)})`;
    case "writeMetadata":
      return printMetadata(item.metadata, item.mask);
    case "gotoTable":
      return `goto_table:${item.tableId}`;
    case "statTrigger":
      return `stat_trigger(flags=${item.flags},thresholds=0x${Buffer.from(item.thresholds).toString("hex")})`; // Open vSwitch has none
    case "unknown":
      return `unknown_instruction(${Buffer.from(item.bytes).toString("hex")})`;
  }
}

/** What stands behind "actions=": instructions in the order they are executed in, those of apply-actions bare. "drop" for none. */
export function printInstructions(instructions: readonly Instruction[]): string {
  const effective = instructions.filter((item) => item.type !== "applyActions" || item.actions.length > 0);
  if (effective.length === 0) return "drop";
  return [...effective].sort((a, b) => order.indexOf(a.type) - order.indexOf(b.type)).map(printInstruction).join(",");
}

const anyBits = (bits: number) => (of: Span): bigint => bigNumber(of, bits);
function parseInstruction(item: Item, context: ActionContext): Instruction | Action | undefined {
  switch (item.key.text) {
    case "meter": {
      const meterId = number(valueOf(item), 32);
      return { type: "meter", meterId };
    }
    case "clear_actions":
      bare(item);
      return { type: "clearActions" };
    case "write_actions":
      return { type: "writeActions", actions: parseActionList(valueOf(item), { ...context }) };
    case "write_metadata": {
      const { value, mask = ones(64) } = parseMasked(valueOf(item), anyBits(64));
      return { type: "writeMetadata", metadata: value, mask };
    }
    case "goto_table":
      return { type: "gotoTable", tableId: number(valueOf(item), 8) };
    case "stat_trigger": {
      const parts = items(valueOf(item));
      const value = (name: string): Span => valueOf(parts.find(({ key }) => key.text === name) ?? fail(`${name}=`, valueOf(item)));
      const thresholds = value("thresholds");
      return { type: "statTrigger", flags: number(value("flags"), 32), thresholds: hexBytes({ text: thresholds.text.replace(/^0x/, ""), at: thresholds.at }) };
    }
    case "unknown_instruction":
      return { type: "unknown", bytes: hexBytes(valueOf(item)) };
    default:
      return undefined;
  }
}

/** Of those that are actions in one version and instructions in another. */
const isAction = (item: Instruction | Action, version: Version): boolean => (item.type === "meter" && version >= 6) || (item.type === "writeMetadata" && version === 1);

export function parseInstructionsOf(of: Span, options: ActionOptions): readonly Instruction[] {
  const context = contextOf(options);
  const applied: Action[] = [];
  const others: Instruction[] = [];
  for (const item of items(of)) {
    const found = parseInstruction(item, context);
    if (found === undefined) applied.push(...(parseAction(item, context) ?? fail("an action or an instruction", item.key)));
    else if (isAction(found, context.version)) applied.push(found as Action);
    else if (found.type !== "unknown" && others.some(({ type }) => type === found.type)) fail(`${item.key.text} once`, item.key);
    else others.push(found as Instruction);
  }
  const all: Instruction[] = applied.length === 0 ? others : [{ type: "applyActions", actions: applied }, ...others];
  return all.sort((a, b) => order.indexOf(a.type) - order.indexOf(b.type));
}

/**
 * Reads what stands behind "actions=": actions, which become one apply-actions, and instructions, in the order they are executed
 * in. TextError for what is none.
 */
export const parseInstructions = (text: string, options: ActionOptions = {}): readonly Instruction[] => parseInstructionsOf(whole(text), options);
