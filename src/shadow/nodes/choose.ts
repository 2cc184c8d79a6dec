/** Which hosts have a real node in the shadow, and which of these are probed with each other. Pure; the same facts give the same choice. */
import { ipv4Of } from "../../network/hosts.js";
import { portKey, type Host, type PortRef } from "../../network/model.js";

/** How busy one host's traffic to another is, on live. */
export interface PairLoad {
  readonly src: string;
  readonly dst: string;
  readonly bitsPerS: number;
}

export interface ChooseInput {
  /** Hosts behind edge ports that have a place in the shadow. */
  readonly hosts: Iterable<Host>;
  readonly loads: readonly PairLoad[];
  /** Live edge ports ("bridge:ofport") that have a node now. */
  readonly kept: ReadonlySet<string>;
  /** Nodes at most, and pairs at most. */
  readonly count: number;
  readonly maxPairs: number;
}

export interface Place {
  readonly at: PortRef;
  readonly mac: string;
  readonly address: string;
}

export interface Choice {
  /** Sorted by address. */
  readonly nodes: readonly Place[];
  /** From the side that sends more, by address; the busiest first. */
  readonly pairs: readonly { readonly from: string; readonly to: string }[];
  /** How many of the pairs have traffic on live; they come first. */
  readonly busy: number;
}

/** A pair whose nodes are both there counts as so many times as busy: what is there is not replaced for a little more. */
const keptBonus = 2;

export function choose({ hosts, loads, kept, count, maxPairs }: ChooseInput): Choice {
  const places = candidates(hosts, loads);
  const weights = pairWeights(loads, places);
  const isKept = (address: string): boolean => kept.has(keyOf(places.get(address)));
  const ranked = [...weights.values()]
    .map((pair) => ({ ...pair, weight: (isKept(pair.from) && isKept(pair.to) ? keptBonus : 1) * pair.bitsPerS }))
    .sort((x, y) => y.weight - x.weight || (`${x.from} ${x.to}` < `${y.from} ${y.to}` ? -1 : 1));
  const chosen = new Set<string>();
  for (const { from, to } of ranked) {
    const fresh = [from, to].filter((address) => !chosen.has(address));
    if (chosen.size + fresh.length <= count) for (const address of fresh) chosen.add(address);
  }
  // Those that nobody talks to: what is there first.
  const others = [...places.keys()].filter((address) => !chosen.has(address)).sort((x, y) => Number(isKept(y)) - Number(isKept(x)) || byAddress(x, y));
  for (const address of others) if (chosen.size < count) chosen.add(address);
  const addresses = [...chosen].sort(byAddress);
  const busy = ranked.filter(({ from, to }) => chosen.has(from) && chosen.has(to)).map(({ from, to }) => ({ from, to }));
  const paired = new Set(busy.flatMap(({ from, to }) => [from, to]));
  // Who is in no pair is probed with the next one.
  const quiet = addresses.flatMap((from, i) => {
    const to = addresses[(i + 1) % addresses.length];
    return paired.has(from) || to === undefined || to === from || (addresses.length === 2 && i === 1) ? [] : [{ from, to }];
  });
  return { nodes: addresses.flatMap((address) => places.get(address) ?? []), pairs: [...busy, ...quiet].slice(0, maxPairs), busy: Math.min(busy.length, maxPairs) };
}

const keyOf = (place: Place | undefined): string => (place === undefined ? "" : portKey(place.at));

/** By address, one for each edge port: the busiest there, of equals the one with the lowest address. */
function candidates(hosts: Iterable<Host>, loads: readonly PairLoad[]): Map<string, Place> {
  const load = new Map<string, number>();
  for (const { src, dst, bitsPerS } of loads) for (const address of [src, dst]) load.set(address, (load.get(address) ?? 0) + bitsPerS);
  const best = new Map<string, Place>();
  for (const host of hosts) {
    const address = ipv4Of(host);
    if (address === undefined) continue;
    const place = { at: host.at, mac: host.mac, address };
    const rival = best.get(portKey(host.at));
    const difference = rival === undefined ? 1 : (load.get(address) ?? 0) - (load.get(rival.address) ?? 0);
    if (difference > 0 || (difference === 0 && rival !== undefined && byAddress(address, rival.address) < 0)) best.set(portKey(host.at), place);
  }
  return new Map([...best.values()].map((place) => [place.address, place]));
}

/** Both directions of a pair together, from the side that sends more. */
function pairWeights(loads: readonly PairLoad[], places: ReadonlyMap<string, Place>): Map<string, { readonly from: string; readonly to: string; readonly bitsPerS: number }> {
  const byWay = new Map(loads.filter(({ src, dst }) => src !== dst && places.has(src) && places.has(dst)).map((one) => [`${one.src} ${one.dst}`, one]));
  const pairs = new Map<string, { from: string; to: string; bitsPerS: number }>();
  for (const { src, dst, bitsPerS } of byWay.values()) {
    const back = byWay.get(`${dst} ${src}`)?.bitsPerS ?? 0;
    if (bitsPerS > back || (bitsPerS === back && byAddress(src, dst) < 0)) pairs.set(`${src} ${dst}`, { from: src, to: dst, bitsPerS: bitsPerS + back });
  }
  return pairs;
}

/** As numbers: 10.0.0.9 before 10.0.0.10. */
function byAddress(x: string, y: string): number {
  const value = (address: string): number => address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  return value(x) - value(y);
}
