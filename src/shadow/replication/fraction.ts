/**
 * Fractions by whole connections: a hash of addresses and ports that is the same in both directions, taken modulo 1,000, so that
 * fractions go in steps of 0.1 % and a smaller one is part of every larger one. Pure.
 *
 * What is not IP hashes to 0 and so belongs to every fraction: a shadow without ARP would resolve nothing.
 */
import type { Action } from "node-openflow";
import { replicationBits } from "../../network/pipeline.js";

export const hashSteps = 1_000;

/** enum nx_hash_fields (Open vSwitch, nicira-ext.h). */
const hashFields = { symmetricL3L4Udp: 3, symmetricL3: 6 } as const;
const moduloN = 0;

/** The multipath action that writes the hash into the register. */
export function hashesTo(fields: keyof typeof hashFields): Action {
  const { field, hash } = replicationBits;
  return { type: "multipath", fields: hashFields[fields], basis: 0, algorithm: moduloN, maxLink: hashSteps - 1, arg: 0, range: { offset: hash.offset, bits: hash.bits }, target: field };
}

/** Of 1,000 hash steps, those of a share in percent; at least one. */
export const stepsOf = (percent: number): number => Math.max(1, Math.round((percent * hashSteps) / 100));

/** Value and mask of the blocks that together hold the hashes 0 to n - 1. */
export function prefixesBelow(n: number): (readonly [value: number, mask: number])[] {
  const { bits } = replicationBits.hash;
  const all = 2 ** bits - 1;
  const blocks: (readonly [number, number])[] = [];
  let from = 0;
  for (let bit = bits; bit >= 0; bit--) {
    const size = 2 ** bit;
    if ((n & size) === 0) continue;
    blocks.push([from, all & ~(size - 1)]);
    from += size;
  }
  return blocks;
}
