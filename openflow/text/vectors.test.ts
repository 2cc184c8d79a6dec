/** Against ovs-ofctl, which shares no code with this: it prints the recorded messages, and so do we. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { instructionsKey } from "../actions/instruction.js";
import { isKnown, matchKey } from "../fields/match.js";
import type { FlowMod, FlowStats } from "../messages/flow.js";
import type { GroupDesc, GroupStats } from "../messages/group.js";
import { decodeMessage, encodeMessage, type Message } from "../messages/message.js";
import type { MeterConfig, MeterStats } from "../messages/meter.js";
import type { Version } from "../wire/reader.js";
import { printInstructions } from "./action-text.js";
import { parseFlow, parseFlowStats, printFlow } from "./flow-text.js";
import { parseGroup, parseGroupDesc, printGroup } from "./group-text.js";
import { parseMatch, printMatch } from "./match-text.js";
import { parseMeter, parseMeterConfig, printMeter } from "./meter-text.js";
import { parseGroupStats, parseMeterStats, printGroupStats, printMeterStats } from "./stats-text.js";

const versions: readonly Version[] = [1, 2, 3, 4, 5, 6];
const recorded = (version: Version): readonly Uint8Array[] =>
  readFileSync(path.join(__dirname, `../vectors/ovs-3.1-of1.${version - 1}.hex`), "utf8")
    .split("\n")
    .filter((line) => /^[<>] /.test(line))
    .map((line) => Uint8Array.from(Buffer.from(line.slice(2), "hex")));

const hasOfctl = existsSync("/usr/bin/ovs-ofctl");
const ifOfctl = hasOfctl ? describe : describe.skip;
/** What ovs-ofctl prints of the messages, without what it says of those it cannot decode itself. */
const ofctlPrints = (messages: readonly Uint8Array[]): string =>
  execFileSync("ovs-ofctl", ["--no-names", "ofp-parse", "-"], { input: Buffer.concat(messages), encoding: "utf8", timeout: 30_000, stdio: ["pipe", "pipe", "ignore"] });

type AnyFlowMod = FlowMod | (Omit<FlowMod, "type"> & { readonly type: "nxFlowMod" });
const isFlowMod = (message: Message): boolean => message.type === "flowMod" || message.type === "nxFlowMod";
/** In a match of OpenFlow 1.0's extension a cookie is a field, elsewhere a property of the flow. */
function flowOf(message: Message): FlowMod {
  const { match, ...flow } = message as AnyFlowMod;
  const cookie = match.filter(isKnown).find(({ name }) => name === "cookie");
  const masked = cookie === undefined ? {} : { cookie: cookie.value, cookieMask: cookie.mask ?? 0xffff_ffff_ffff_ffffn };
  return { ...flow, type: "flowMod", match: match.filter((item) => item !== cookie), ...masked };
}

/** ovs-ofctl 3.1 prints words that it does not read, or not for what they stand for: ours are those it reads. */
const readable = (text: string): string => text.replaceAll(/(?<=^|,)gtpu_/g, "tun_gtpu_").replaceAll(/\bset_vlan_(vid|pcp):/g, "mod_vlan_$1:").replaceAll(/note:(?=$|,)/g, "note:00.00.00.00.00.00");

ifOfctl.each(versions)("wire version %d", (version) => {
  it("prints match and actions of a flow-mod as ovs-ofctl does", () => {
    const messages = recorded(version).filter((bytes) => isFlowMod(decodeMessage(bytes)));
    const lines = ofctlPrints(messages).split("\n").filter((line) => line.includes("_FLOW_MOD "));
    expect(lines).toHaveLength(messages.length);
    const ours: string[] = [];
    const theirs: string[] = [];
    messages.forEach((bytes, i) => {
      const line = lines[i] ?? "";
      // Of ERSPAN's and GTP-U's fields ovs-ofctl 3.1 sends the value for the mask, and prints no mask at all.
      if (line.includes("***decode error") || /erspan|gtpu/.test(line)) return;
      const [, place = "", , actions = ""] = /: (?:ADD|MOD|DEL)(?:_STRICT)?(?: table:\d+)?(?: ((?!cookie:|idle:|hard:|importance:|out_|actions=|[a-z_]+_flow_rem|reset_counts|check_overlap|no_)\S+))?( .*?)? actions=(.*)$/.exec(line) ?? [];
      const flow = flowOf(decodeMessage(bytes));
      const priority = flow.priority === 0x8000 || /(MOD|DEL) /.test(/: \w+/.exec(line)?.[0].concat(" ") ?? "") ? "" : `priority=${flow.priority}`;
      ours.push(`${[priority, printMatch(flow.match)].filter((text) => text !== "").join(",")} ${printInstructions(flow.instructions)}`);
      // "No tag" is told without the mask of the layouts that have none.
      theirs.push(`${readable(place).replace(/vlan_tci=0x0000$/, "vlan_tci=0x0000/0x1fff")} ${readable(actions)}`);
    });
    expect(ours).toEqual(theirs);
    expect(ours.length).toBeGreaterThan(version === 2 ? 130 : 170);
  });

  it("prints a switch's flows and groups as ovs-ofctl does, and reads its print", () => {
    const replies = recorded(version).filter((bytes) => {
      const message = decodeMessage(bytes);
      return message.type === "multipartReply" && /^(flow|flowDesc|groupDesc|nxFlow|nxGroupDesc)$/.test(message.multipartType);
    });
    const printed = ofctlPrints(replies).split("\n").filter((line) => line.startsWith(" "));
    const entries = replies.flatMap((bytes) => (decodeMessage(bytes) as unknown as { readonly body: readonly (FlowStats | GroupDesc)[] }).body);
    expect(printed.length).toBeGreaterThan(0);
    expect(entries.map((entry) => ("groupId" in entry ? ` ${printGroup(entry)}` : printFlow(entry)))).toEqual(printed.map(readable));
    entries.forEach((entry, i) => {
      const line = printed[i] ?? "";
      if ("groupId" in entry) return expect(printGroup(parseGroupDesc(line, { version }))).toBe(line.trim());
      expect(printFlow(parseFlowStats(line, { version }))).toBe(readable(line));
    });
  });
});

const keyOf = (flow: { readonly match: FlowMod["match"]; readonly instructions: FlowMod["instructions"] }): readonly string[] => [
  matchKey(parseMatch(printMatch(flow.match))),
  // How much of a packet goes to a port that is not the controller's nobody asks, and no text tells.
  instructionsKey(flow.instructions.map((one) => (one.type === "applyActions" ? { ...one, actions: one.actions.map((item) => (item.type === "output" && item.maxLen === 0xffff && item.port < 0xffffff00 ? { ...item, maxLen: 0 } : item)) } : one))),
];

describe.each(versions)("wire version %d", (version) => {
  it("reads back each flow-mod it prints", () => {
    for (const message of recorded(version).map(decodeMessage).filter(isFlowMod)) {
      const flow = flowOf(message);
      const text = printFlow(flow);
      const again = parseFlow(text, { version });
      expect(printFlow(again)).toBe(text);
      const { command, tableId, cookie, cookieMask, idleTimeout, hardTimeout, flags, importance } = flow;
      const isDelete = command.startsWith("delete");
      expect(again).toMatchObject({ command, tableId: isDelete && tableId === 0 ? again.tableId : tableId, cookie, cookieMask, importance, ...(isDelete ? {} : { idleTimeout, hardTimeout, flags }) });
      // What 1.0 and 1.1 alone have cannot be keyed in the layout of others: the text above says it all.
      if (version > 2) expect(keyOf(again)).toEqual(keyOf(flow));
      expect(() => encodeMessage(version, 1, again)).not.toThrow(WireVersionError(version));
    }
  });

  it("reads back each group-mod and meter-mod it prints", () => {
    for (const message of recorded(version).map(decodeMessage)) {
      if (message.type === "groupMod") {
        const text = printGroup(message);
        const { version: _, xid: _1, ...group } = message;
        expect(parseGroup(text, { version })).toEqual(group);
      }
      if (message.type === "meterMod") {
        const { command, meterId, flags, bands } = message;
        const again = parseMeter(printMeter(message), { command });
        expect(again).toMatchObject({ command, meterId, flags });
        expect(again.bands).toEqual(bands);
      }
    }
  });
});
/** A fixed match takes what it has room for: nothing to say of the text. */
const WireVersionError = (version: Version): RegExp => (version <= 2 ? /^there is no action/ : /./);

ifOfctl("meters", () => {
  it("are printed as ovs-ofctl reads them, and read as it prints them", () => {
    const replies = versions.filter((version) => version >= 4).flatMap(recorded).filter((bytes) => {
      const message = decodeMessage(bytes);
      return message.type === "multipartReply" && message.multipartType === "meterConfig";
    });
    const configs = replies.flatMap((bytes) => (decodeMessage(bytes) as unknown as { readonly body: readonly MeterConfig[] }).body);
    const printed = ofctlPrints(replies).split(/\n(?=meter=)/).slice(1).map((text) => text.split(/\n(?=OFP)/)[0] ?? "");
    // Without "burst" the switch fills in a burst size that ovs-ofctl does not print.
    const shown = configs.map((config) => ((config.flags & 4) === 0 ? { ...config, bands: config.bands.map((band) => ({ ...band, burstSize: 0 })) } : config));
    expect(printed.map((text) => parseMeterConfig(text))).toEqual(shown);
    expect(configs.length).toBeGreaterThan(3);
  });
});

ifOfctl("statistics", () => {
  const counters = { packetCount: 5n, byteCount: 600n };
  const groupStats: readonly GroupStats[] = [
    { groupId: 7, refCount: 2, ...counters, durationSec: 12, durationNsec: 30_000_000, buckets: [counters, { packetCount: 0xffff_ffff_ffff_ffffn, byteCount: 0xffff_ffff_ffff_ffffn }, { packetCount: 0n, byteCount: 1n }] },
    { groupId: 0xfffffeff, refCount: 0, packetCount: 0xffff_ffff_ffff_fffen, byteCount: 0n, durationSec: 0, durationNsec: 1, buckets: [] },
  ];
  const band = { packetBandCount: 6n, byteBandCount: 0xffff_ffff_ffff_ffffn };
  const meterStats: readonly MeterStats[] = [
    { meterId: 3, flowCount: 1, packetInCount: 2n, byteInCount: 3n, durationSec: 4, durationNsec: 5_000_000, bands: [band, band] },
    { meterId: 0xfffffffe, flowCount: 0, packetInCount: 0n, byteInCount: 0n, durationSec: 0, durationNsec: 7, bands: [] },
  ];

  it.each(versions.filter((version) => version > 1))("of groups, ours and recorded ones, are printed as ovs-ofctl does, and read: wire version %d", (version) => {
    const duration = version >= 4;
    const made = encodeMessage(version, 1, { type: "multipartReply", multipartType: "group", flags: 0, body: groupStats });
    const replies = [made, ...recorded(version).filter((bytes) => {
      const message = decodeMessage(bytes);
      return message.type === "multipartReply" && message.multipartType === "group";
    })];
    const all = replies.flatMap((bytes) => (decodeMessage(bytes) as unknown as { readonly body: readonly GroupStats[] }).body);
    const lines = ofctlPrints(replies).split("\n").filter((line) => line.startsWith(" group_id="));
    expect(all.length).toBeGreaterThan(2);
    expect(all.map((stats) => ` ${printGroupStats(stats, { duration })}`)).toEqual(lines);
    for (const line of lines) expect(printGroupStats(parseGroupStats(line), { duration })).toBe(line.trim());
    if (duration) expect(lines.slice(0, 2).map(parseGroupStats)).toEqual(groupStats);
  });

  it.each(versions.filter((version) => version >= 4))("of meters likewise: wire version %d", (version) => {
    const made = encodeMessage(version, 1, { type: "multipartReply", multipartType: "meter", flags: 0, body: meterStats });
    const replies = [made, ...recorded(version).filter((bytes) => {
      const message = decodeMessage(bytes);
      return message.type === "multipartReply" && message.multipartType === "meter";
    })];
    const all = replies.flatMap((bytes) => (decodeMessage(bytes) as unknown as { readonly body: readonly MeterStats[] }).body);
    const texts = ofctlPrints(replies).split(/\n(?=meter:|OFP)/).filter((text) => text.startsWith("meter:")).map((text) => text.trimEnd());
    expect(all.length).toBeGreaterThan(2);
    expect(all.map(printMeterStats)).toEqual(texts);
    expect(texts.map(parseMeterStats)).toEqual(all);
  });
});
