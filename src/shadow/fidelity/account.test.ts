/** What counter readings say about a port's copies. */
import fc from "fast-check";
import { PortAccounts, type Asked, type CopyMode, type PortAccount } from "./account.js";

const settleMs = 2_500;
interface Step {
  readonly tMs: number;
  readonly received?: number;
  readonly copied?: number;
  readonly mode?: CopyMode;
  readonly asked?: "nothing" | { readonly selected: number; readonly notChosen?: number; readonly ageS?: number };
  readonly lagMs?: number;
}
const bigint = (value: number | undefined): bigint | undefined => (value === undefined ? undefined : BigInt(value));

const askedOf = (asked: Step["asked"], tMs: number): Asked =>
  typeof asked !== "object" ? (asked ?? "all") : { selected: BigInt(asked.selected), notChosen: BigInt(asked.notChosen ?? 0), ageS: asked.ageS ?? 100 + tMs / 1_000 };

function account(steps: readonly Step[]): PortAccount {
  const accounts = new PortAccounts(settleMs);
  for (const { tMs, received, copied, mode = "on", asked, lagMs = 50 } of steps) {
    accounts.take({ tMs, received: bigint(received), copied: bigint(copied), receiveDrops: 0n, lagMs, mode, asked: askedOf(asked, tMs) });
  }
  return accounts.account;
}
/** One reading a second. */
const seconds = (count: number, step: (second: number) => Omit<Step, "tMs">): Step[] => Array.from({ length: count }, (_, i) => ({ tMs: i * 1_000, ...step(i) }));
const sum = ({ copied, lost, off, shed, unknown, underway, surplus }: PortAccount): number => copied + lost + off + shed + unknown + underway - surplus;

test("copies that are counted later are no loss, within the lag", () => {
  expect(account(seconds(30, (i) => ({ received: i * 1_000, copied: Math.max(0, i * 1_000 - 40) })))).toMatchObject({ selected: 29_000, lost: 0, surplus: 0, ratio: 1 });
  const slow = seconds(30, (i) => ({ received: i * 1_000, copied: Math.max(0, i - 1) * 1_000, lagMs: 1_000 }));
  expect(account(slow)).toMatchObject({ selected: 29_000, copied: 28_000, underway: 1_000, lost: 0, surplus: 0, ratio: 1 });
});

test("a steady loss of 10 % is counted within seconds; a single lost packet when traffic pauses", () => {
  const { lost, ratio } = account(seconds(11, (i) => ({ received: i * 1_000, copied: i * 900 })));
  expect(lost).toBeGreaterThanOrEqual(600);
  expect(lost).toBeLessThanOrEqual(1_000);
  expect(ratio).toBeLessThan(0.95);
  expect(account(seconds(11, (i) => ({ received: Math.min(i, 5) * 1_000, copied: Math.min(i, 5) * 1_000 - (i > 3 ? 1 : 0) })))).toMatchObject({ lost: 1, underway: 0 });
});

test("an interruption is counted to its last packet, and not again by readings that are quicker or slower later", () => {
  const interrupted = (lagOf: (i: number) => number): Step[] => seconds(40, (i) => ({ received: i * 1_000, copied: i < 5 ? i * 1_000 : Math.max(5_000, (i - 5) * 1_000) - 3, lagMs: lagOf(i) }));
  for (const lagOf of [() => 50, () => 600, (i: number) => (i % 20 < 10 ? 600 : 20)]) {
    const settled = interrupted(lagOf);
    for (const end of [16, 24, 32, 40]) expect(account(settled.slice(0, end))).toMatchObject({ lost: 5_003, underway: 0 });
  }
});

test("off and shed are not loss", () => {
  for (const mode of ["off", "shed"] as const) {
    const steps: Step[] = [
      { tMs: 0, received: 0, copied: 0 },
      { tMs: 1_000, received: 100, copied: 100 },
      // switched within this second: 40 were copied before it took effect
      { tMs: 2_000, received: 200, copied: 140, mode },
      { tMs: 3_000, received: 300, copied: 140, mode },
      { tMs: 4_000, received: 400, copied: 190, mode: "on" },
      { tMs: 5_000, received: 500, copied: 290 },
      { tMs: 9_000, received: 500, copied: 290 },
    ];
    expect(account(steps)).toMatchObject({ selected: 500, copied: 290, [mode]: 210, lost: 0, surplus: 0, underway: 0, ratio: 1 });
  }
});

test("copies counted late when copying begins again are no surplus", () => {
  const steps = seconds(12, (i) => (i < 4 ? { received: i * 1_000, copied: 0, mode: "off" } : { received: i * 1_000, copied: (i - 4) * 1_000 + (i === 4 ? 490 : 530) }));
  expect(account(steps)).toMatchObject({ selected: 11_000, off: 3_470, lost: 0, surplus: 0, underway: 0 });
});

test("copies of packets from before the account was opened are no surplus; doubles later are", () => {
  const opened = (doubles: number): PortAccount => account(seconds(30, (i) => ({ received: i * 1_000, copied: i * 1_000 + (i === 0 ? 0 : 8) + (i > 20 ? doubles : 0) })));
  expect(opened(0)).toMatchObject({ selected: 29_000, copied: 29_000, lost: 0, surplus: 0, underway: 0 });
  expect(opened(5)).toMatchObject({ copied: 29_005, surplus: 5 });
});

test("a part: what nobody asked for, and what was not in the fraction, is no loss; what was selected and not copied is", () => {
  const part = (copied: number): PortAccount => account(seconds(14, (i) => ({ received: i * 100, copied: Math.min(i, 8) * copied, asked: { selected: Math.min(i, 8) * 10, notChosen: i * 30 } })));
  expect(part(10)).toMatchObject({ received: 1_300, notAsked: 830, notChosen: 390, selected: 80, copied: 80, lost: 0, surplus: 0, ratio: 1 });
  expect(part(9)).toMatchObject({ notAsked: 830, notChosen: 390, selected: 80, copied: 72, lost: 8, surplus: 0, ratio: 0.9 });
  // One of the first may be the copy of a packet from before the account was opened.
  expect(part(11)).toMatchObject({ selected: 80, copied: 87, lost: 0, surplus: 7 });
});

test("packets that the port counted at one look and the flows at the next are not chosen all the same", () => {
  const steps = [0, 1, 2, 3].map((i) => ({ received: i * 100, copied: 0, asked: { selected: 0, notChosen: Math.max(0, i * 100 - 40) } }));
  const last = { received: 300, copied: 0, asked: { selected: 0, notChosen: 300 } };
  expect(account(seconds(5, (i) => steps[i] ?? last))).toMatchObject({ received: 300, notAsked: 0, notChosen: 300, selected: 0, lost: 0 });
});

test("a port that nobody asks for: nothing is selected, nothing lost, whether copying is on, off or shed; a copy of it is surplus", () => {
  for (const mode of ["on", "off", "shed"] as const) {
    expect(account(seconds(10, (i) => ({ received: i * 1_000, copied: 0, asked: "nothing", mode })))).toMatchObject({ received: 9_000, notAsked: 9_000, selected: 0, lost: 0, off: 0, shed: 0, underway: 0, ratio: 1 });
  }
  expect(account(seconds(12, (i) => ({ received: i * 1_000, copied: Math.min(i, 5) * 3, asked: "nothing" })))).toMatchObject({ selected: 0, copied: 15, surplus: 15, lost: 0 });
});

test("sessions that come, narrow and go are neither loss nor surplus", () => {
  const asked = (i: number): Partial<Step> => (i < 5 ? { asked: "nothing" } : i < 10 ? {} : i < 15 ? { asked: { selected: (i - 10) * 100, ageS: i - 9.5 } } : { asked: "nothing" });
  const copied = (i: number): number => (i < 5 ? 0 : i < 10 ? (i - 5) * 1_000 + 600 : i < 15 ? 5_000 + (i - 10) * 100 : 5_450);
  const result = account(seconds(25, (i) => ({ received: i * 1_000, copied: copied(i), ...asked(i) })));
  expect(result).toMatchObject({ received: 24_000, copied: 5_450, selected: 5_450, lost: 0, surplus: 0, underway: 0 });
});

test("flows that select and were put back begin anew, though their count is not below the last", () => {
  const steps = seconds(12, (i) => ({ received: i * 1_000, copied: i * 100, asked: i < 2 ? { selected: i * 100, ageS: i + 1 } : { selected: i * 100 + 5, ageS: i - 1.5 } }));
  expect(account(steps)).toMatchObject({ resets: 1, lost: 0, surplus: 0, unknown: 0 });
});

test("a restarted switch shows neither loss nor gain", () => {
  const steps: Step[] = [
    { tMs: 0, received: 0, copied: 0 },
    { tMs: 1_000, received: 5_000, copied: 4_000 },
    { tMs: 2_000, received: 10, copied: 0 },
    { tMs: 3_000, received: 20, copied: 10 },
    { tMs: 5_000, received: 20, copied: 10 },
    { tMs: 9_000, received: 20, copied: 10 },
  ];
  expect(account(steps)).toMatchObject({ selected: 5_010, copied: 4_010, unknown: 1_000, resets: 1, lost: 0, surplus: 0, underway: 0 });
});

test("a bridge that is away for a while: what was not judged stays so, the next reading begins anew", () => {
  const steps: Step[] = [{ tMs: 0, received: 0, copied: 0 }, { tMs: 1_000, received: 50, copied: 40 }, { tMs: 2_000, received: 60 }, { tMs: 3_000, received: 90, copied: 80 }, { tMs: 4_000, received: 91, copied: 81 }];
  expect(account(steps)).toMatchObject({ selected: 51, copied: 41, unknown: 10, resets: 1, lost: 0 });
});

test("copies that come late after all take their loss back; more copies than packets are surplus", () => {
  const late = seconds(6, (i) => ({ received: i === 0 ? 0 : 100, copied: 0 }));
  expect(account(late)).toMatchObject({ lost: 100 });
  const then = (copied: number): Step[] => [...late, ...[6, 7, 8, 9].map((second) => ({ tMs: second * 1_000, received: 100, copied }))];
  expect(account(then(100))).toMatchObject({ lost: 0, surplus: 0, ratio: 1 });
  expect(account(then(130))).toMatchObject({ lost: 0, surplus: 30 });
});

test("every packet ends in one column, whatever the readings", () => {
  const step = fc.record({ received: fc.nat(1_000), copied: fc.nat(1_000), away: fc.boolean(), reset: fc.boolean(), mode: fc.constantFrom<CopyMode>("on", "off", "shed"), asks: fc.constantFrom("all", "part", "nothing"), gapMs: fc.nat(4_000) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (raw) => {
      let [received, copied, selected, tMs] = [0, 0, 0, 0];
      const steps = raw.map((one): Step => {
        tMs += one.gapMs;
        [received, copied, selected] = one.reset ? [0, 0, 0] : [received + one.received, copied + one.copied, selected + (one.received >> 1)];
        const asks: Partial<Step> = one.asks === "all" ? {} : { asked: one.asks === "part" ? { selected, notChosen: selected >> 1 } : "nothing" };
        return { tMs, received, mode: one.mode, ...asks, ...(one.away ? {} : { copied }) };
      });
      const result = account(steps);
      expect(result.selected).toBe(sum(result));
      expect(result.received).toBe(result.notAsked + result.notChosen + result.selected);
      expect(result.lost).toBeGreaterThanOrEqual(0);
    }),
  );
});
