/**
 * From a prediction of an attack to candidate rules, narrowest first. Sources are spoofed, so a rule names where packets come in,
 * where they go and what they are. Pure.
 */
import type { BlockRule } from "../change/block-rule.js";
import type { Prediction } from "../predict/onset.js";

/** Ports with less than this share of the surge are not worth a rule. */
const minPortShare = 0.05;

/** "tcp-syn:80" as the facts of a rule; undefined for a class no rule can meet narrowly. */
function factsOf(name: string): Omit<BlockRule, "bridge" | "inPort" | "ipv4Dst"> | undefined {
  const [kind, ...rest] = name.split(":");
  const number = Number(rest.at(-1));
  switch (kind) {
    case "tcp-syn":
      return { tcpSyn: true, tcpDst: number };
    case "tcp-other":
      return { ipProto: 6, tcpDst: number };
    case "udp":
      return rest[0] === "src" ? { udpSrc: number } : { udpDst: number };
    case "icmp":
      return { icmpType: number };
    case "fragment":
      return { ipProto: number, laterFragment: true };
    case "ip":
      return { ipProto: number };
    default:
      return undefined;
  }
}

/** The same without the service: all SYNs, all UDP, all ICMP. */
function widened(facts: Omit<BlockRule, "bridge" | "inPort" | "ipv4Dst">): Omit<BlockRule, "bridge" | "inPort" | "ipv4Dst"> {
  if (facts.tcpSyn === true) return { tcpSyn: true };
  if (facts.udpSrc !== undefined || facts.udpDst !== undefined) return { ipProto: 17 };
  if (facts.icmpType !== undefined) return { ipProto: 1 };
  return facts;
}

export interface Candidate {
  readonly rules: readonly BlockRule[];
  readonly why: string;
}

/**
 * Candidates for one prediction: the strongest class of packets at the ports that carry it; then the strongest classes together
 * that make up nearly all; then the strongest one without its service. Each within `maxRules`; an empty list when the evidence
 * names no port.
 */
export function candidates(prediction: Prediction, maxRules: number): Candidate[] {
  const totals = new Map<string, number>();
  for (const port of prediction.evidence.ingress) for (const [name, rate] of Object.entries(port.classes)) totals.set(name, (totals.get(name) ?? 0) + rate);
  const ranked = [...totals].filter(([name]) => factsOf(name) !== undefined).sort(([, x], [, y]) => y - x);
  const [strongest] = ranked;
  if (strongest === undefined) return [];
  const all = [...totals.values()].reduce((sum, rate) => sum + rate, 0);

  const rulesFor = (names: readonly string[], change: (facts: NonNullable<ReturnType<typeof factsOf>>) => NonNullable<ReturnType<typeof factsOf>> = (facts) => facts): BlockRule[] =>
    names.flatMap((name) => {
      const facts = factsOf(name);
      const total = totals.get(name) ?? 0;
      if (facts === undefined) return [];
      return prediction.evidence.ingress
        .filter((port) => (port.classes[name] ?? 0) >= minPortShare * total)
        .map((port): BlockRule => ({ bridge: port.bridge, inPort: port.ofport, ipv4Dst: prediction.subject, ...change(facts) }));
    });

  const nearlyAll: string[] = [];
  let sum = 0;
  for (const [name, rate] of ranked) {
    if (sum >= 0.9 * all) break;
    nearlyAll.push(name);
    sum += rate;
  }
  const list: Candidate[] = [
    { rules: rulesFor([strongest[0]]), why: `strongest class ${strongest[0]}` },
    ...(nearlyAll.length > 1 ? [{ rules: rulesFor(nearlyAll), why: `classes ${nearlyAll.join(", ")}` }] : []),
    { rules: rulesFor([strongest[0]], widened), why: `${strongest[0]}, any service` },
  ];
  return list.filter((candidate) => candidate.rules.length > 0 && candidate.rules.length <= maxRules);
}
