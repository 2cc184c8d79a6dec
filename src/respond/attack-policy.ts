/**
 * From a prediction of an attack to candidate rules, narrowest first. Sources are spoofed, so a rule names where packets come in,
 * where they go and what they are. Pure.
 */
import type { BlockRule } from "../change/block-rule.js";
import type { Prediction } from "../predict/onset.js";
import type { IngressEvidence } from "../telemetry/destination-windows.js";

/** A candidate takes the strongest ports of a class until they carry this share of it; the wider one this. */
const mostShare = 0.8;
const nearlyAllShare = 0.97;

/** What a rule says of a packet besides its way. */
type Facts = Omit<BlockRule, "bridge" | "inPort" | "ipv4Dst">;

/** "tcp-syn:80" as the facts of a rule; undefined for a class no rule can meet narrowly. */
function factsOf(name: string): Facts | undefined {
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
function widened(facts: Facts): Facts {
  if (facts.tcpSyn === true) return { tcpSyn: true };
  if (facts.udpSrc !== undefined || facts.udpDst !== undefined) return { ipProto: 17 };
  if (facts.icmpType !== undefined) return { ipProto: 1 };
  return facts;
}

export interface Candidate {
  readonly rules: readonly BlockRule[];
  readonly why: string;
}

/** The strongest ports for a class, as few as carry `share` of it. */
function strongestPorts(prediction: Prediction, name: string, share: number): IngressEvidence[] {
  const ports = prediction.evidence.ingress.filter((port) => (port.classes[name] ?? 0) > 0).sort((x, y) => (y.classes[name] ?? 0) - (x.classes[name] ?? 0));
  const total = ports.reduce((sum, port) => sum + (port.classes[name] ?? 0), 0);
  let sum = 0;
  return ports.filter((port) => {
    const isNeeded = sum < share * total;
    sum += port.classes[name] ?? 0;
    return isNeeded;
  });
}

/**
 * Candidates for one prediction, narrowest first: the strongest class at the ports that carry most of it; at those that carry
 * nearly all; all classes that make up nearly all of what comes in there; the strongest class whatever the service. Each within
 * `maxRules`; an empty list when the evidence names no port.
 */
export function candidates(prediction: Prediction, maxRules: number): Candidate[] {
  const totals = new Map<string, number>();
  for (const port of prediction.evidence.ingress) for (const [name, rate] of Object.entries(port.classes)) totals.set(name, (totals.get(name) ?? 0) + rate);
  const ranked = [...totals].filter(([name]) => factsOf(name) !== undefined).sort(([, x], [, y]) => y - x);
  const [strongest] = ranked;
  if (strongest === undefined) return [];
  const [first] = strongest;
  const rulesFor = (share: number, change: (facts: Facts) => Facts = (facts) => facts): BlockRule[] => {
    const facts = factsOf(first);
    if (facts === undefined) return [];
    return strongestPorts(prediction, first, share).map((port): BlockRule => ({ bridge: port.bridge, inPort: port.ofport, ipv4Dst: prediction.subject, ...change(facts) }));
  };
  // An attack of several kinds comes in by the same ports: there, all kinds that make up nearly all that goes to the victim.
  const mixed = strongestPorts(prediction, first, mostShare).flatMap((port): BlockRule[] => {
    const kinds = Object.entries(port.classes).filter(([name]) => factsOf(name) !== undefined).sort(([, x], [, y]) => y - x);
    const total = kinds.reduce((sum, [, rate]) => sum + rate, 0);
    let sum = 0;
    return kinds.flatMap(([name, rate]) => {
      const facts = factsOf(name);
      if (facts === undefined || sum >= nearlyAllShare * total) return [];
      sum += rate;
      return [{ bridge: port.bridge, inPort: port.ofport, ipv4Dst: prediction.subject, ...facts }];
    });
  });

  const list: Candidate[] = [
    { rules: rulesFor(mostShare), why: `${first} where most of it comes in` },
    { rules: rulesFor(nearlyAllShare), why: `${first} where nearly all of it comes in` },
    { rules: mixed, why: `nearly all that comes in where most of ${first} does` },
    { rules: rulesFor(nearlyAllShare, widened), why: `${first}, any service` },
  ];
  const seen = new Set<string>();
  return list.filter(({ rules }) => {
    const key = JSON.stringify(rules);
    const isNew = !seen.has(key);
    seen.add(key);
    return isNew && rules.length > 0 && rules.length <= maxRules;
  });
}
