/**
 * A representative part of a network: which edge devices to copy when only a share of them can be. Pure.
 *
 * Devices are drawn without replacement, with equal chances or such that grow with the traffic, and so that the drawn ones lie spread over what tells
 * devices apart: role, traffic, further traits (the local pivotal method of Grafström, Lundström and Schelin, Biometrics 68, 2012). How well the part stands for the whole is told by the distribution of a figure (a device's packet
 * rate, say): the largest distance between the two distributions (Kolmogorov and Smirnov), and the part's quantiles with bootstrap
 * intervals. The part's distribution is weighted by one over the chance of having been drawn (Horvitz and Thompson), else heavy
 * devices would count too much.
 */

import { seeded } from "../base/seeded.js";
import { places, spreadOut } from "./spread.js";

export interface Device {
  /** "bridge:ofport" */
  readonly name: string;
  readonly role: string;
  /** Named, or learned, as critical: always taken. */
  readonly critical: boolean;
  /** Packets a second, or another figure that says how much there is to see. */
  readonly traffic: number;
  /** More that tells devices apart, in any units: how much the traffic varies, say. As many for each device. */
  readonly traits?: readonly number[];
}

export interface SubsetOptions {
  /** Share of the devices to take, above 0 and at most 1. Critical ones count towards it. */
  readonly share: number;
  readonly seed: number;
  /** Weight of a device without traffic against the mean one: between 0 and 1. Default 1, equal chances: the part then stands best for the whole. */
  readonly floor?: number;
}

export interface Taken {
  readonly name: string;
  /** Chance with which it was taken; 1 for critical devices. */
  readonly chance: number;
}

/** Chances that sum up to `count`, in proportion to the weights, none above 1. */
export function chances(weights: readonly number[], count: number): number[] {
  const chance = weights.map(() => 0);
  const open = new Set(weights.keys());
  let left = Math.min(count, weights.length);
  while (open.size > 0) {
    const sum = [...open].reduce((all, i) => all + (weights[i] ?? 0), 0);
    const full = [...open].filter((i) => ((weights[i] ?? 0) / sum) * left >= 1 - 1e-12);
    if (full.length === 0 || sum === 0) {
      for (const i of open) chance[i] = sum === 0 ? left / open.size : ((weights[i] ?? 0) / sum) * left;
      break;
    }
    for (const i of full) {
      chance[i] = 1;
      open.delete(i);
    }
    left -= full.length;
  }
  return chance;
}

/**
 * Draws `share` of the devices: exactly as many as asked, each with its chance, and of devices that are alike not two where one will do.
 * RangeError for a share that is none.
 */
export function drawSubset(devices: readonly Device[], options: SubsetOptions): Taken[] {
  const { share, seed, floor = 1 } = options;
  if (!(share > 0 && share <= 1)) throw new RangeError(`share: ${share} is not above 0 and at most 1`);
  const critical = devices.filter((device) => device.critical);
  const others = devices.filter((device) => !device.critical).sort((x, y) => (x.role === y.role ? x.traffic - y.traffic || (x.name < y.name ? -1 : 1) : x.role < y.role ? -1 : 1));
  const count = Math.max(0, Math.round(devices.length * share) - critical.length);
  const mean = others.reduce((sum, device) => sum + device.traffic, 0) / Math.max(1, others.length);
  const weights = others.map((device) => (mean === 0 ? 1 : floor + (1 - floor) * Math.min(4, device.traffic / mean)));
  const chance = chances(weights, count);
  const drawn = spreadOut(chance, places(others), seeded(seed));
  return [...critical.map(({ name }) => ({ name, chance: 1 })), ...others.flatMap(({ name }, i) => (drawn[i] === true ? [{ name, chance: chance[i] ?? 1 }] : []))];
}

interface Weighted {
  readonly value: number;
  readonly weight: number;
}

/** Share of the weight at or below each value, by value. */
function cumulative(values: readonly Weighted[]): (at: number) => number {
  const sorted = [...values].sort((x, y) => x.value - y.value);
  const total = sorted.reduce((sum, one) => sum + one.weight, 0);
  return (at) => sorted.reduce((sum, one) => (one.value <= at ? sum + one.weight : sum), 0) / total;
}

/** The value below which `share` of the weight lies. */
function quantile(values: readonly Weighted[], share: number): number {
  const sorted = [...values].sort((x, y) => x.value - y.value);
  const goal = sorted.reduce((sum, one) => sum + one.weight, 0) * share;
  let reached = 0;
  for (const one of sorted) {
    reached += one.weight;
    if (reached >= goal - 1e-9) return one.value;
  }
  return sorted.at(-1)?.value ?? Number.NaN;
}

export interface QuantileError {
  readonly share: number;
  readonly whole: number;
  readonly part: number;
  /** 95 % of the bootstrap's draws of the part lie between these. */
  readonly low: number;
  readonly high: number;
}

export interface Representation {
  readonly devices: number;
  readonly taken: number;
  /** Largest distance between the distributions of whole and part, 0 to 1. */
  readonly ks: number;
  readonly quantiles: readonly QuantileError[];
}

const shares = [0.25, 0.5, 0.75, 0.9];

/** How well the taken devices stand for all in `figure`. RangeError when nothing was taken. */
export function representation(devices: readonly Device[], taken: readonly Taken[], figure: (device: Device) => number, seed: number, rounds = 400): Representation {
  const chanceOf = new Map(taken.map(({ name, chance }) => [name, chance]));
  const whole = devices.map((device) => ({ value: figure(device), weight: 1 }));
  const part = devices.flatMap((device) => {
    const chance = chanceOf.get(device.name);
    return chance === undefined ? [] : [{ value: figure(device), weight: 1 / chance }];
  });
  if (part.length === 0) throw new RangeError("no device was taken");
  const [ofWhole, ofPart] = [cumulative(whole), cumulative(part)];
  const ks = Math.max(...whole.map(({ value }) => Math.abs(ofWhole(value) - ofPart(value))));
  const random = seeded(seed);
  const draws = Array.from({ length: rounds }, () => part.map(() => part[Math.floor(random() * part.length)] as Weighted));
  const quantiles = shares.map((share) => {
    const drawn = draws.map((draw) => quantile(draw, share)).sort((x, y) => x - y);
    const at = (of: number): number => drawn[Math.min(drawn.length - 1, Math.floor(drawn.length * of))] ?? Number.NaN;
    return { share, whole: quantile(whole, share), part: quantile(part, share), low: at(0.025), high: at(0.975) };
  });
  return { devices: devices.length, taken: part.length, ks, quantiles };
}
