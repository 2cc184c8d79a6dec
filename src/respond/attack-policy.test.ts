import type { Prediction } from "../predict/onset.js";
import { candidates } from "./attack-policy.js";

const prediction = (ingress: Prediction["evidence"]["ingress"]): Prediction => ({
  id: 1,
  atMs: 0,
  subject: "10.0.0.1",
  kind: "attack",
  horizonMs: 1,
  confidence: 1,
  model: "m",
  counterEvidence: "",
  evidence: { subject: "10.0.0.1", atMs: 0, confidence: 1, answer: "attack", why: "", features: [], ingress },
});
const port = (bridge: string, ofport: number, classes: Record<string, number>): Prediction["evidence"]["ingress"][number] => ({ bridge, ofport, packetsPerS: 0, classes });

test("the narrowest rule names the port that carries the flood, not the one with a few benign SYNs", () => {
  const [first] = candidates(prediction([port("l2", 1, { "tcp-syn:80": 30, "tcp-other:80": 150 }), port("l2", 2, { "tcp-syn:80": 500 })]), 32);
  expect(first?.rules).toEqual([{ bridge: "l2", inPort: 2, ipv4Dst: "10.0.0.1", tcpSyn: true, tcpDst: 80 }]);
});

test("a flood from two ports gets a rule for each, and no rule ever names a source address", () => {
  const list = candidates(prediction([port("l1", 2, { "udp:src:53": 900 }), port("l2", 2, { "udp:src:53": 1_000 })]), 32);
  expect(list[0]?.rules).toEqual([
    { bridge: "l2", inPort: 2, ipv4Dst: "10.0.0.1", udpSrc: 53 },
    { bridge: "l1", inPort: 2, ipv4Dst: "10.0.0.1", udpSrc: 53 },
  ]);
  expect(JSON.stringify(list)).not.toMatch(/ipv4Src/);
});

test("candidates beyond the rule budget are left out, and without evidence there are none", () => {
  const many = Array.from({ length: 40 }, (_, i) => port("l1", i + 1, { "icmp:8": 10 }));
  expect(candidates(prediction(many), 32).every(({ rules }) => rules.length <= 32)).toBe(true);
  expect(candidates(prediction([]), 32)).toEqual([]);
});

test("an attack of two kinds by one port gets a candidate with both, and none for what comes in elsewhere", () => {
  const list = candidates(prediction([port("l2", 1, { "tcp-other:80": 150 }), port("l2", 2, { "udp:src:161": 930, "icmp:3": 70 })]), 32);
  const both = list.find(({ rules }) => rules.length === 2);
  expect(both?.rules).toEqual([
    { bridge: "l2", inPort: 2, ipv4Dst: "10.0.0.1", udpSrc: 161 },
    { bridge: "l2", inPort: 2, ipv4Dst: "10.0.0.1", icmpType: 3 },
  ]);
  expect(list.flatMap(({ rules }) => rules).every((rule) => rule.inPort === 2)).toBe(true);
});
