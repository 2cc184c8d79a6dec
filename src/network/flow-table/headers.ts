/** Changes of headers: tags, labels, times to live. Words in place. What is done follows Open vSwitch where the specification leaves a choice. */
import { at, etherType, firstHiddenByMpls, endHiddenByMpls, isMpls, type Words } from "./layout.js";

const get = (words: Words, word: number): number => words[word] as number;

/** A new outer tag of VLAN 0; of three the innermost is lost from sight. */
export function pushVlan(words: Words, ethType: number): void {
  words[at.vlanTci1] = get(words, at.vlanTci);
  words[at.vlanTci] = 0x1000;
  words[at.vlanTpids] = ((ethType << 16) | (get(words, at.vlanTpids) >>> 16)) >>> 0;
}

export function popVlan(words: Words): void {
  words[at.vlanTci] = get(words, at.vlanTci1);
  words[at.vlanTci1] = 0;
  words[at.vlanTpids] = (get(words, at.vlanTpids) << 16) >>> 0;
}

const bottomOfStack = 0x100;
const maxLabels = 3;
const labels = [at.mpls, at.mpls1, at.mpls2] as const;

/** How many label stack entries a packet has, up to three. */
export function labelCount(words: Words): number {
  if (!isMpls(get(words, at.ethType))) return 0;
  const bottom = labels.findIndex((word) => (get(words, word) & bottomOfStack) !== 0);
  return bottom < 0 ? maxLabels : bottom + 1;
}

/**
 * Pushes a label: a copy of the outer one, or explicit null with the packet's TTL. What lies below is returned and cleared, because
 * it cannot be matched any more. False: there is no room.
 */
export function pushMpls(words: Words, ethType: number): Words | false {
  const count = labelCount(words);
  if (count >= maxLabels) return false;
  if (count > 0) {
    words[at.mpls2] = get(words, at.mpls1);
    words[at.mpls1] = get(words, at.mpls);
    words[at.mpls] = (get(words, at.mpls) & ~bottomOfStack) >>> 0;
    words[at.ethType] = ethType;
    return new Uint32Array(0);
  }
  const inner = words.slice(firstHiddenByMpls, endHiddenByMpls);
  const isV6 = get(words, at.ethType) === etherType.ipv6;
  const ttl = get(words, at.ttl) === 0 ? 64 : get(words, at.ttl);
  const trafficClass = (get(words, at.tos) >>> 2) & 7;
  words[at.mpls] = (((isV6 ? 2 : 0) << 12) | (trafficClass << 9) | bottomOfStack | ttl) >>> 0;
  words[at.ethType] = ethType;
  words.fill(0, firstHiddenByMpls, endHiddenByMpls);
  return inner;
}

/** Takes the outer label off. "inner": it was the last. */
export function popMpls(words: Words, ethType: number): "inner" | "done" | "nothing" {
  const count = labelCount(words);
  if (count === 0) return "nothing";
  words[at.mpls] = get(words, at.mpls1);
  words[at.mpls1] = get(words, at.mpls2);
  words[at.mpls2] = 0;
  words[at.ethType] = ethType;
  return count === 1 ? "inner" : "done";
}
