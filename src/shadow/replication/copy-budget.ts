/**
 * Holds what is copied within a budget: it is given what the switches counted and says what share of its packets each port copies from now on.
 * Pure; it steers by counters alone.
 *
 * Ports that matter more, or have little to tell, copy a multiple of the base (`fairShares` says which); the base alone is what is steered. It is a
 * number of hash steps, so whole connections come and go, and what it brings depends on which connections hash where: the next is therefore
 * predicted by what the last one brought, and where that fails is halved between one that was too much and one that was too little, until none
 * lies between.
 */
import { fairShares } from "../../base/fair-shares.js";
import { portKey, type PortRef } from "../../network/model.js";
import { hashSteps } from "./fraction.js";
import { firstShares, maxRaised, maxRaisedHosts, stepsAt, type RaisedPort, type Shares } from "./shares.js";

/** Counters since the switches began, in the budget's unit: packets or bits. */
export interface CopyReading {
  readonly tMs: number;
  /** What sessions with `auto` are asked about, by portKey: all that they select, copied or not. */
  readonly asked: ReadonlyMap<string, number>;
  /** What came in by these ports, by portKey, and their age by the switch's clock. */
  readonly cameIn: ReadonlyMap<string, { readonly amount: number; readonly ageMs: number }>;
  /** What goes out by these ports, by portKey: what raising a port copies besides. */
  readonly delivered: ReadonlyMap<string, number>;
  /** Everything copied. */
  readonly copied: number;
  /** Of it, what the other sessions ask for. */
  readonly fixed: number;
}

/** A port of which sessions with `auto` copy. */
export interface SteeredPort extends PortRef {
  /** 1 is usual; more where something is suspected. */
  readonly weight: number;
  /** Hosts behind it. */
  readonly macs: readonly string[];
}

export interface BudgetState {
  /** In the budget's unit a second, lately. */
  readonly copiedPerS: number;
  readonly fixedPerS: number;
  readonly askedPerS: number;
}

/** A second's rate this far off is acted upon at once; above the noise of so few copies. */
const farOff = 0.15;
/** The rate over a longer span this far off, then: over three seconds twice as much, because flows are not all counted at one moment. */
const off = 0.02;
const longMs = 2_900;
const offAtMs = 5_900;
const shortMs = 500;
const keptReadings = 7;
/** A port's factor is another one when its fair share is this many doublings from the one it has. */
const otherFactor = 0.8;
const maxDoublings = 6;
/** Raised ports are chosen anew so often, or when weights change or the load does. */
const chooseEveryMs = 10_000;
const nudge = 0.05;
/** The load is taken over so long, unless the last second's is this much another. */
const loadMs = 4_500;
const anotherLoad = 0.3;
/** The part that is asked for moves so much of the way each second. */
const partStep = 0.1;
/** A load that moved by this much is another load: what was learned of shares is forgotten. */
const otherLoad = 0.1;
/** Connections come and go: what was learned of shares holds so long at first, and at last. */
const learnedForMs = 10_000;
const maxPatienceMs = 300_000;

interface Rates {
  readonly load: ReadonlyMap<string, number>;
  /** In and out. */
  readonly bothWays: ReadonlyMap<string, number>;
  readonly askedPerS: number;
  readonly copiedPerS: number;
  readonly fixedPerS: number;
}

/** A base that was too little and one that was too much, for the load and the part of the budget of a time, with how far off they were. */
interface Bracket {
  readonly sinceMs: number;
  readonly askedPerS: number;
  readonly target: number;
  low: { readonly steps: number; readonly off: number };
  high: { readonly steps: number; readonly off: number };
}

export class CopyBudget {
  shares: Shares;
  /** Undefined until two readings were taken. */
  state: BudgetState | undefined;
  /** Times that shares were changed. */
  changes = 0;
  private readonly readings: CopyReading[] = [];
  /** The last seconds', whatever the shares were. */
  private readonly lately: CopyReading[] = [];
  /** Of what comes in, what is asked for. */
  private askedPart: number | undefined;
  private bracket: Bracket | undefined;
  private patienceMs = learnedForMs;
  private chosenMs = -Infinity;
  private chosenFor = "";

  constructor(shares: Shares = firstShares) {
    this.shares = shares;
  }

  /** Counting begins anew from here: shares have just changed, or counters began anew. */
  rebase(reading: CopyReading): void {
    this.readings.splice(0, this.readings.length, reading);
    this.see(reading);
  }

  /** Takes a reading; `budget` in its unit a second. Returns true when shares are others from now on: bring them to the switches, then `rebase`. */
  take(reading: CopyReading, budget: number, ports: readonly SteeredPort[]): boolean {
    const last = this.readings.at(-1);
    if (last === undefined || reading.copied < last.copied || reading.fixed < last.fixed || reading.tMs < last.tMs || reading.tMs - last.tMs > 4 * longMs) {
      this.rebase(reading);
      return false;
    }
    if (reading.tMs - last.tMs < shortMs) return false;
    this.see(reading);
    const lately = this.loadLately();
    const [short, long] = [ratesBetween(last, reading), ratesBetween(this.readings[0] ?? last, reading)].map((rates) => atLoad(rates, lately)) as [Rates, Rates];
    const spanMs = reading.tMs - (this.readings[0]?.tMs ?? reading.tMs);
    const isLong = spanMs >= longMs;
    this.readings.push(reading);
    if (this.readings.length > keptReadings) this.readings.shift();
    this.state = { copiedPerS: short.copiedPerS, fixedPerS: short.fixedPerS, askedPerS: short.askedPerS };

    const weights = ports.map((port) => `${portKey(port)} ${port.weight}`).join();
    const isNewChoice = weights !== this.chosenFor;
    const errorOf = ({ copiedPerS }: Rates): number => (copiedPerS - budget) / budget;
    const noise = 3 / Math.sqrt(Math.max(1, (budget * (reading.tMs - last.tMs)) / 1_000));
    const isFar = Math.abs(errorOf(short)) > Math.max(farOff, Math.min(0.5, noise));
    if (!isFar && !isNewChoice && !(isLong && Math.abs(errorOf(long)) > off * Math.max(1, offAtMs / spanMs))) return false;
    const rates = isFar || !isLong ? short : long;
    return this.act(rates, budget, ports, reading.tMs, isNewChoice ? weights : undefined);
  }

  /**
   * What is asked for a second: what came in by the ports, over the last seconds or, where that is quite another load, the last one; and the part of it
   * that is asked for. Ports count at once and tell their own clock. Flows count when ovs-vswitchd comes by, which on a busy machine
   * is not known to a second; of them only the parts are used, which are true of one reading.
   */
  private loadLately(): number {
    const now = this.lately.at(-1);
    const from = this.lately[0];
    if (now === undefined || from === undefined || now === from) return 0;
    const [long, short] = [cameInPerS(from, now), cameInPerS(this.lately.findLast((one) => now.tMs - one.tMs >= shortMs) ?? from, now)];
    const came = grown(now.cameIn, from.cameIn, ({ amount }) => amount);
    const part = came > 0 ? grown(now.asked, from.asked, (asked) => asked) / came : 1;
    const old = this.askedPart;
    this.askedPart = old === undefined || Math.abs(part - old) > anotherLoad * old ? part : old + partStep * (part - old);
    return (Math.abs(short - long) > anotherLoad * long ? short : long) * this.askedPart;
  }

  private see(reading: CopyReading): void {
    const last = this.lately.at(-1);
    if (last !== undefined && reading.tMs <= last.tMs) this.lately.length = 0;
    this.lately.push(reading);
    while (this.lately.length > 2 && reading.tMs - (this.lately[0]?.tMs ?? 0) > loadMs) this.lately.shift();
  }

  private act(rates: Rates, budget: number, ports: readonly SteeredPort[], nowMs: number, weights: string | undefined): boolean {
    const before = this.shares;
    const target = Math.max(0, budget - rates.fixedPerS);
    const copied = Math.max(0, rates.copiedPerS - rates.fixedPerS);
    const predicted = predict(before, rates.load);
    // What comes of a share of the steps: a connection is copied when one of its two ports asks for it, and connections are not alike.
    const yielded = predicted > 0 && copied > 0 ? Math.min(5, Math.max(0.2, copied / predicted)) : 1;
    const isOtherLoad = this.isOtherLoad(rates.askedPerS, target, nowMs);
    let { raised } = before;
    if (weights !== undefined || isOtherLoad || nowMs - this.chosenMs >= chooseEveryMs) {
      raised = chooseRaised(rates.bothWays, ports, target / yielded, before.raised);
      this.chosenMs = nowMs;
      if (weights !== undefined) this.chosenFor = weights;
    }
    if (isOtherLoad || raised !== before.raised) this.bracket = { sinceMs: nowMs, askedPerS: rates.askedPerS, target, low: { steps: 0, off: 1 }, high: { steps: hashSteps + 1, off: Infinity } };
    const { bracket } = this;
    if (bracket !== undefined && raised === before.raised && target > 0) {
      const error = (copied - target) / target;
      if (error <= 0 && before.base > bracket.low.steps) bracket.low = { steps: before.base, off: -error };
      if (error > 0 && before.base < bracket.high.steps) bracket.high = { steps: before.base, off: error };
    }
    const base = this.nextBase(rates.load, raised, target / yielded);
    if (base === before.base && raised === before.raised) return false;
    this.shares = { base, raised };
    this.changes++;
    return true;
  }

  /**
   * Whether what was learned of shares holds no more: the load, or what the others leave, is another, or it is the same for so long that its connections are others. Where
   * whole connections do not come nearer to the budget, this is tried less and less often.
   */
  private isOtherLoad(askedPerS: number, target: number, nowMs: number): boolean {
    const { bracket } = this;
    const isOther = (now: number, before: number): boolean => Math.abs(now - before) > otherLoad * before;
    if (bracket === undefined || isOther(askedPerS, bracket.askedPerS) || isOther(target, bracket.target)) {
      this.patienceMs = learnedForMs;
      return true;
    }
    if (nowMs - bracket.sinceMs <= this.patienceMs) return false;
    this.patienceMs = Math.min(maxPatienceMs, 2 * this.patienceMs);
    return true;
  }

  /** The base that is to bring what is wanted. */
  private nextBase(load: ReadonlyMap<string, number>, raised: readonly RaisedPort[], wanted: number): number {
    const low = this.bracket?.low ?? { steps: 0, off: 1 };
    const high = this.bracket?.high ?? { steps: hashSteps + 1, off: Infinity };
    if (high.steps - low.steps <= 1) return clamp(low.steps > 0 && (low.off <= high.off || high.steps > hashSteps) ? low.steps : high.steps);
    const guess = baseFor(load, raised, wanted);
    const middle = (low.steps + high.steps) >> 1;
    // A guess that was proven wrong: a little beyond what is known.
    if (guess <= low.steps) return clamp(Math.min(middle, low.steps + Math.ceil(low.steps * nudge)));
    if (guess >= high.steps) return clamp(Math.max(middle, high.steps - Math.ceil(high.steps * nudge)));
    return clamp(guess);
  }
}

const clamp = (steps: number): number => Math.min(hashSteps, Math.max(1, steps));

/** The ports that are to copy more than the rest, the most important first; the very same value when they are those of `before`. */
function chooseRaised(load: ReadonlyMap<string, number>, ports: readonly SteeredPort[], total: number, before: readonly RaisedPort[]): readonly RaisedPort[] {
  const busy = ports.map((port) => ({ ...port, perS: load.get(portKey(port)) ?? 0 })).filter(({ perS }) => perS > 0);
  const shares = fairShares(busy.map(({ perS, weight }) => ({ most: perS, weight })), total);
  const claims = busy.map((port, at) => ({ ...port, part: (shares[at] ?? 0) / port.perS })).sort((x, y) => y.weight - x.weight || y.part - x.part);
  // The one with the least part is the base of all.
  const least = Math.min(...claims.map(({ part }) => part));
  const factors = new Map(before.map((port) => [portKey(port), Math.log2(port.factor)]));
  const raised = claims.flatMap(({ bridge, ofport, macs, part }): RaisedPort[] => {
    const wanted = Math.min(maxDoublings, Math.log2(part / least));
    const old = factors.get(portKey({ bridge, ofport })) ?? 0;
    const doublings = Math.abs(wanted - old) < otherFactor ? old : Math.round(wanted);
    return doublings >= 1 ? [{ bridge, ofport, factor: 2 ** doublings, macs: macs.slice(0, maxRaisedHosts) }] : [];
  });
  const chosen = raised.slice(0, maxRaised).sort((x, y) => (portKey(x) < portKey(y) ? -1 : 1));
  return JSON.stringify(chosen) === JSON.stringify(before) ? before : chosen;
}

/** What the shares would bring if all connections were alike and each asked for by one port. */
function predict({ base, raised }: Shares, load: ReadonlyMap<string, number>): number {
  const factors = new Map(raised.map((port) => [portKey(port), port.factor]));
  return [...load].reduce((sum, [port, perS]) => sum + (perS * stepsAt(base, factors.get(port) ?? 1)) / hashSteps, 0);
}

/** The base of which that comes nearest to `wanted`. It grows with the base. */
function baseFor(load: ReadonlyMap<string, number>, raised: readonly RaisedPort[], wanted: number): number {
  let [low, high] = [1, hashSteps];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (predict({ base: middle, raised }, load) < wanted) low = middle + 1;
    else high = middle;
  }
  const over = predict({ base: low, raised }, load) - wanted;
  return low > 1 && wanted - predict({ base: low - 1, raised }, load) < over ? low - 1 : low;
}

/** By how much the values of ports that were there before have grown together. */
function grown<T>(now: ReadonlyMap<string, T>, before: ReadonlyMap<string, T>, valueOf: (one: T) => number): number {
  return [...now].reduce((sum, [port, one]) => {
    const old = before.get(port);
    return old === undefined ? sum : sum + Math.max(0, valueOf(one) - valueOf(old));
  }, 0);
}

function cameInPerS(from: CopyReading, to: CopyReading): number {
  return [...to.cameIn].reduce((sum, [port, { amount, ageMs }]) => {
    const old = from.cameIn.get(port);
    return old === undefined || ageMs <= old.ageMs ? sum : sum + (Math.max(0, amount - old.amount) * 1_000) / (ageMs - old.ageMs);
  }, 0);
}

/** The same parts of another load. */
function atLoad({ load, bothWays, askedPerS, copiedPerS, fixedPerS }: Rates, perS: number): Rates {
  const times = askedPerS > 0 ? perS / askedPerS : 1;
  const scaled = (rates: ReadonlyMap<string, number>): Map<string, number> => new Map([...rates].map(([port, one]) => [port, one * times]));
  return { load: scaled(load), bothWays: scaled(bothWays), askedPerS: askedPerS * times, copiedPerS: copiedPerS * times, fixedPerS: fixedPerS * times };
}

function ratesBetween(from: CopyReading, to: CopyReading): Rates {
  const perS = (amount: number): number => (Math.max(0, amount) * 1_000) / Math.max(1, to.tMs - from.tMs);
  // A port whose counters began anew, or that is new, counts from the next reading on.
  const load = new Map([...to.asked].map(([port, asked]) => [port, perS(asked - (from.asked.get(port) ?? asked))]));
  const bothWays = new Map([...load].map(([port, one]) => [port, one + perS((to.delivered.get(port) ?? 0) - (from.delivered.get(port) ?? to.delivered.get(port) ?? 0))]));
  return { load, bothWays, askedPerS: [...load.values()].reduce((sum, one) => sum + one, 0), copiedPerS: perS(to.copied - from.copied), fixedPerS: perS(to.fixed - from.fixed) };
}
