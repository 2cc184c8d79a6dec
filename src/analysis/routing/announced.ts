/** The prefixes that are announced now, as sessions of replication ask for them. Pure. */
import { field } from "node-openflow";
import { maxPrefixes, type Announced, type RouteSelector } from "../../config/session-schema.js";
import type { Rib } from "./rib.js";

/** Whether a prefix lies within another; undefined stands for all. Tables are large: of IPv4 no more is done than counting. */
function containment(within: string | undefined): (prefix: string) => boolean {
  if (within === undefined) return () => true;
  const outer = read(within);
  if (outer.bits === 32) {
    const size = 2 ** (32 - outer.length);
    const block = Math.floor(Number(outer.value) / size);
    return (prefix) => {
      const slash = prefix.indexOf("/");
      return !prefix.includes(":") && Number(prefix.slice(slash + 1)) >= outer.length && Math.floor(ipv4Number(prefix, slash) / size) === block;
    };
  }
  return (prefix) => {
    if (!prefix.includes(":")) return false;
    const { value, length } = read(prefix);
    return length >= outer.length && value >> BigInt(128 - outer.length) === outer.value >> BigInt(128 - outer.length);
  };
}

/** The address in front of `end`, as a number. */
function ipv4Number(text: string, end: number): number {
  let [value, octet] = [0, 0];
  for (let i = 0; i <= end; i++) {
    const code = text.charCodeAt(i);
    if (code >= 48) octet = octet * 10 + code - 48;
    else {
      value = value * 256 + octet;
      octet = 0;
    }
  }
  return value;
}

/** A prefix as its number of bits, the address, and its length. */
function read(prefix: string): { readonly prefix: string; readonly bits: 32 | 128; readonly value: bigint; readonly length: number } {
  const [address = "", length] = prefix.split("/");
  const isSix = address.includes(":");
  return { prefix, bits: isSix ? 128 : 32, value: field(isSix ? "ipv6Dst" : "ipv4Dst", address).value, length: Number(length) };
}

/**
 * The prefixes of the routes that `selector` takes, each once however many announce it; at most `most`, those announced first. So what is
 * followed is not exchanged when more comes, and what is left out has its turn when something is withdrawn. Of prefixes that lie within each other
 * the outermost are given: they stand for all.
 */
export function announced(rib: Pick<Rib, "routes">, { from, source, within }: RouteSelector, most = maxPrefixes): Announced {
  const isWithin = containment(within);
  const sinceMs = new Map<string, number>();
  for (const route of rib.routes()) {
    if ((from !== undefined && route.from !== from) || (source !== undefined && route.source !== source) || !isWithin(route.prefix)) continue;
    const known = sinceMs.get(route.prefix);
    if (known === undefined || route.sinceMs < known) sinceMs.set(route.prefix, route.sinceMs);
  }
  const latestMs = sinceMs.size <= most ? Infinity : (Float64Array.from(sinceMs.values()).sort()[most - 1] ?? Infinity);
  const first: (readonly [prefix: string, ms: number])[] = [];
  sinceMs.forEach((ms, prefix) => void (ms <= latestMs && first.push([prefix, ms])));
  first.sort(([x, xMs], [y, yMs]) => xMs - yMs || (x < y ? -1 : 1));
  const followed = first.slice(0, most).map(([prefix]) => prefix);
  // In the order of text, so that the same prefixes are the same however they came.
  return { prefixes: outermost(followed).sort(), leftOut: sinceMs.size - followed.length };
}

/** Those that lie within no other. */
function outermost(prefixes: readonly string[]): string[] {
  const inOrder = prefixes.map(read).sort((x, y) => x.length - y.length);
  const kept = new Set<string>();
  const lengths = new Map<number, Set<number>>([[32, new Set()], [128, new Set()]]);
  const key = (bits: number, value: bigint, length: number): string => `${bits} ${length} ${value >> BigInt(bits - length)}`;
  return inOrder.flatMap(({ prefix, bits, value, length }) => {
    const known = lengths.get(bits) ?? new Set<number>();
    if ([...known].some((shorter) => shorter < length && kept.has(key(bits, value, shorter)))) return [];
    known.add(length);
    kept.add(key(bits, value, length));
    return [prefix];
  });
}
