import fc from "fast-check";
import { finalStates, propose, transition, type ChangeEvent, type TrialReport, type Verdict } from "./change.js";
import { judgeTrial } from "./verdict.js";

const report = (verdict: Verdict): TrialReport => ({ startedAtMs: 0, endedAtMs: 1, verdict, attackMatchedRatio: 1, benignMatchedRatio: 0, attackPackets: 9, benignPackets: 9, fidelity: 1, reasons: [] });
const event: fc.Arbitrary<ChangeEvent> = fc.oneof(
  fc.constantFrom<Verdict>("pass", "fail", "inconclusive").map((verdict): ChangeEvent => ({ type: "tried", report: report(verdict) })),
  fc.constantFrom<ChangeEvent>({ type: "push" }, { type: "breach", why: "b" }, { type: "cancel", why: "c" }, { type: "deadline" }),
);

test("whatever happens: nothing is live without a passed trial or an override, all that is live ends, the dead stay dead", () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 12 }), fc.boolean(), (events, isOverridden) => {
      let change = propose({ id: 1, origin: { by: "policy", reason: "r" }, rules: [], leaseMs: 100, ...(isOverridden ? { override: "mine" } : {}) }, 0);
      let now = 0;
      for (const one of events) {
        now += 30;
        const before = change;
        change = transition(change, one, now);
        if (finalStates.has(before.state)) expect(change).toBe(before);
        if (change.state === "live") {
          expect(change.trial).toBeDefined();
          expect(change.trial?.verdict === "pass" || change.override !== undefined).toBe(true);
          expect(change.deadlineMs).toBeDefined();
        }
        if (one.type === "breach" || one.type === "cancel") expect(finalStates.has(change.state)).toBe(true);
        expect(change.timeline.at(-1)?.state).toBe(change.state);
      }
      if (change.state === "live") expect(transition(change, { type: "deadline" }, now + 200).state).toBe("expired");
    }),
  );
});

test.each([
  ["pass", { attackPackets: 1000, attackMatched: 990, benignPackets: 100, benignMatched: 0, fidelity: 1 }],
  ["fail", { attackPackets: 1000, attackMatched: 1000, benignPackets: 100, benignMatched: 90, fidelity: 1 }],
  ["fail", { attackPackets: 1000, attackMatched: 500, benignPackets: 100, benignMatched: 0, fidelity: 1 }],
  ["inconclusive", { attackPackets: 1000, attackMatched: 1000, benignPackets: 100, benignMatched: 0, fidelity: 0.5 }],
  ["inconclusive", { attackPackets: 3, attackMatched: 3, benignPackets: 100, benignMatched: 0, fidelity: 1 }],
] as const)("verdict %s for %j", (verdict, counts) => {
  expect(judgeTrial(counts, { minAttackRatio: 0.95, maxBenignRatio: 0.01 }).verdict).toBe(verdict);
});
