/** Draws of which those that are near each other exclude each other: the local pivotal method (Grafström, Lundström, Schelin, 2012). Pure. */

/** What tells a device apart, to be made places of. */
export interface Placed {
  readonly role: string;
  readonly traffic: number;
  readonly traits?: readonly number[];
}

/** Farther than any two devices of one role. */
const otherRole = 10;
/** The traffic counts this much more than each trait. */
const trafficScale = 1.5;
/** Nearest ones are looked for among so many: n devices take n times as many steps at most. */
const block = 1_000;
const decided = 1e-9;

/** Each device's place: its role, and the ranks of its figures among all, 0 to 1. Ranks, because loads differ by powers of ten. */
export function places(devices: readonly Placed[]): Float64Array[] {
  const roles = [...new Set(devices.map(({ role }) => role))];
  const traits = Math.min(...devices.map((device) => device.traits?.length ?? 0));
  const columns = [devices.map(({ traffic }) => traffic), ...Array.from({ length: Number.isFinite(traits) ? traits : 0 }, (_, k) => devices.map((device) => device.traits?.[k] ?? 0))].map(ranks);
  return devices.map(({ role }, i) => Float64Array.from([otherRole * roles.indexOf(role), ...columns.map((column, k) => (column[i] ?? 0) * (k === 0 ? trafficScale : 1))]));
}

/** Ranks from 0 to 1; equal values have one rank, the middle of theirs. */
function ranks(values: readonly number[]): number[] {
  const order = [...values.keys()].sort((x, y) => (values[x] ?? 0) - (values[y] ?? 0));
  const ranked = values.map(() => 0);
  for (let from = 0; from < order.length; ) {
    let to = from;
    while (to + 1 < order.length && values[order[to + 1] ?? 0] === values[order[from] ?? 0]) to++;
    for (let i = from; i <= to; i++) ranked[order[i] ?? 0] = (from + to) / 2 / Math.max(1, order.length - 1);
    from = to + 1;
  }
  return ranked;
}

/**
 * Draws each with its chance, as many as the chances sum up to. Again and again one that is undecided takes from, or gives to, the nearest
 * other its chance, until one of the two is decided. Devices in an order in which neighbours are alike: far apart ones are not compared.
 */
export function spreadOut(chances: readonly number[], at: readonly Float64Array[], random: () => number): boolean[] {
  const chance = Float64Array.from(chances);
  const isOpen = (i: number): boolean => (chance[i] ?? 0) > decided && (chance[i] ?? 0) < 1 - decided;
  let carried: number[] = [];
  for (let from = 0; from < chance.length; from += block) {
    const size = Math.min(block, chance.length - from);
    const open = [...carried, ...Array.from({ length: size }, (_, i) => from + i)].filter(isOpen);
    while (open.length > 1) {
      const i = Math.floor(random() * open.length);
      const j = nearest(open, i, at);
      const [one, other] = [open[i] ?? 0, open[j] ?? 0];
      [chance[one], chance[other]] = fight(chance[one] ?? 0, chance[other] ?? 0, random());
      for (const k of [i, j].sort((x, y) => y - x)) {
        if (isOpen(open[k] ?? 0)) continue;
        open[k] = open[open.length - 1] ?? 0;
        open.pop();
      }
    }
    carried = open;
  }
  // Chances that do not sum up to a whole number leave one.
  for (const i of carried) chance[i] = random() < (chance[i] ?? 0) ? 1 : 0;
  return [...chance].map((one) => one > 0.5);
}

/** The two chances after one has taken from the other; what is expected of each stays. */
function fight(one: number, other: number, luck: number): [number, number] {
  const sum = one + other;
  if (sum < 1) return luck < other / sum ? [0, sum] : [sum, 0];
  return luck < (1 - other) / (2 - sum) ? [1, sum - 1] : [sum - 1, 1];
}

function nearest(open: readonly number[], i: number, at: readonly Float64Array[]): number {
  const mine = at[open[i] ?? 0] ?? new Float64Array();
  let [best, least] = [i === 0 ? 1 : 0, Infinity];
  for (let j = 0; j < open.length; j++) {
    if (j === i) continue;
    const other = at[open[j] ?? 0] ?? mine;
    let distance = 0;
    for (let k = 0; k < mine.length && distance < least; k++) distance += ((mine[k] ?? 0) - (other[k] ?? 0)) ** 2;
    if (distance < least) [best, least] = [j, distance];
  }
  return best;
}
