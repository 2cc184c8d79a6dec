/** A block rule: which packets, by where they come in, where they go and what they are. Never by a source address: those lie. */
import { action, instruction, match, port, type MatchSpec } from "node-openflow";
import { z } from "zod";
import type { FlowEntry } from "../network/flow-entry.js";
import { cookie, dealtRegister, priority, table } from "../network/pipeline.js";

const portNumber = z.number().int().min(0).max(65535);

export const blockRuleSchema = z.strictObject({
  bridge: z.string().min(1),
  /** OpenFlow port it comes in by; absent: any. */
  inPort: z.number().int().min(1).optional(),
  ipv4Dst: z.ipv4(),
  /** IP protocol number. */
  ipProto: z.number().int().min(0).max(255).optional(),
  /** Only TCP packets that open a connection (SYN without ACK). */
  tcpSyn: z.boolean().optional(),
  tcpDst: portNumber.optional(),
  udpSrc: portNumber.optional(),
  udpDst: portNumber.optional(),
  icmpType: z.number().int().min(0).max(255).optional(),
  /** Only fragments after the first. */
  laterFragment: z.boolean().optional(),
});
export type BlockRule = z.output<typeof blockRuleSchema>;

const ipv4 = 0x0800;
const syn = 0x02;
const synAck = 0x12;
/** NXM_NX_IP_FRAG: bit 0 any fragment, bit 1 not the first (ovs-fields(7)). */
const laterFragment = 3;

export function ruleMatch(rule: BlockRule): MatchSpec {
  const isTcp = rule.tcpSyn === true || rule.tcpDst !== undefined;
  const isUdp = rule.udpSrc !== undefined || rule.udpDst !== undefined;
  const ipProto = rule.ipProto ?? (isTcp ? 6 : isUdp ? 17 : rule.icmpType !== undefined ? 1 : undefined);
  return {
    inPort: rule.inPort,
    ethType: ipv4,
    ipv4Dst: rule.ipv4Dst,
    ipProto,
    tcpFlags: rule.tcpSyn === true ? [syn, synAck] : undefined,
    tcpDst: rule.tcpDst,
    udpSrc: rule.udpSrc,
    udpDst: rule.udpDst,
    icmpv4Type: rule.icmpType,
    ipFrag: rule.laterFragment === true ? [laterFragment, laterFragment] : undefined,
  };
}

/** No output, and a mark, so that a guest's entry does not send it on either (src/forward/forwarding.ts). */
const dealt = action.load(dealtRegister.field, 1n, dealtRegister.bit, 1);

/** The flow of a rule in force: a drop that the switch itself ends after `remainingS` seconds. */
export function blockFlow(rule: BlockRule, changeId: number, remainingS: number): FlowEntry {
  return {
    tableId: table.admit,
    priority: priority.block,
    match: match(ruleMatch(rule)),
    cookie: cookie("change", BigInt(changeId)),
    instructions: [instruction.apply(dealt)],
    idleTimeout: 0,
    hardTimeout: Math.max(1, Math.ceil(remainingS)),
    flags: 0,
  };
}

/** The flow of a rule on trial: in the shadow, what it meets goes to LOCAL, where it is looked at, instead of nowhere. */
export function trialFlow(rule: BlockRule, changeId: number): FlowEntry {
  return {
    ...blockFlow(rule, changeId, 0),
    priority: priority.block + 1,
    cookie: cookie("trial", BigInt(changeId)),
    instructions: [instruction.apply(action.output(port.local), dealt)],
    hardTimeout: 0,
  };
}

/** "l2 port 2 → 10.0.0.1 tcp syn port 80" */
export function describeRule(rule: BlockRule): string {
  const what = [
    rule.tcpSyn === true ? "tcp syn" : rule.tcpDst !== undefined ? "tcp" : rule.udpSrc !== undefined || rule.udpDst !== undefined ? "udp" : rule.icmpType !== undefined ? "icmp" : rule.ipProto === undefined ? "all" : `ip protocol ${rule.ipProto}`,
    rule.tcpDst === undefined ? "" : `port ${rule.tcpDst}`,
    rule.udpDst === undefined ? "" : `port ${rule.udpDst}`,
    rule.udpSrc === undefined ? "" : `from port ${rule.udpSrc}`,
    rule.icmpType === undefined ? "" : `type ${rule.icmpType}`,
    rule.laterFragment === true ? "later fragments" : "",
  ];
  return `${rule.bridge} ${rule.inPort === undefined ? "any port" : `port ${rule.inPort}`} → ${rule.ipv4Dst} ${what.filter(Boolean).join(" ")}`;
}
