/** OSPF as heard on segments: who hears whom, and the link-state database of each area. Bounded, with expiry. */
import { maxAgeS, prefixesOf2, prefixesOf3, type LsaHeader, type LsaPrefix } from "./lsa.js";
import type { Hello, Lsa, OspfPacket } from "./ospf.js";
import { DecodeError } from "./reader.js";
import type { Rib, Speaker } from "./rib.js";
import type { Tell } from "./routing-event.js";

export interface OspfNeighbour {
  readonly version: 2 | 3;
  readonly areaId: string;
  readonly routerId: string;
  readonly address: string;
  /** "init": heard; "2-way": it and another router hear each other; "exchange": it was seen to exchange its database. */
  readonly state: "init" | "2-way" | "exchange";
  /** Router ids it hears. */
  readonly hears: readonly string[];
  readonly designated: string;
  readonly deadIntervalS: number;
  readonly sinceMs: number;
  readonly lastMs: number;
}

export interface KnownLsa {
  readonly key: string;
  readonly header: LsaHeader;
  /** When it was heard. */
  readonly atMs: number;
  readonly prefixes: readonly LsaPrefix[];
}

export interface OspfCounters {
  packets: number;
  lsas: number;
  /** LSAs older than the one known. */
  stale: number;
  /** LSAs and neighbours not taken in because the tables were full. */
  overflow: number;
}

const maxNeighbours = 4_096;
const maxLsas = 50_000;

export class OspfAreas {
  readonly counters: OspfCounters = { packets: 0, lsas: 0, stale: 0, overflow: 0 };
  private readonly heard = new Map<string, OspfNeighbour>();
  private readonly database = new Map<string, KnownLsa>();
  private readonly rib: Rib;
  private readonly tell: Tell;
  private readonly failed: (error: DecodeError) => void;

  constructor(rib: Rib, tell: Tell, failed: (error: DecodeError) => void) {
    this.rib = rib;
    this.tell = tell;
    this.failed = failed;
  }

  neighbours(): OspfNeighbour[] {
    return [...this.heard.values()];
  }
  lsas(): KnownLsa[] {
    return [...this.database.values()];
  }

  /** `address`: where the packet came from. */
  add(packet: OspfPacket, address: string, nowMs: number): void {
    this.counters.packets++;
    const { body } = packet;
    if (body.type === "hello") this.hello(packet, body, address, nowMs);
    else this.exchanging(packet, address, nowMs);
    if (body.type === "update") for (const lsa of body.lsas) this.lsa(packet, lsa, nowMs);
  }

  /** Neighbours silent for their dead interval go; LSAs not refreshed in time go, with their destinations. */
  advance(nowMs: number): void {
    for (const [key, neighbour] of this.heard) {
      if (nowMs - neighbour.lastMs > neighbour.deadIntervalS * 1e3) this.down(key, neighbour, nowMs, "dead interval passed in silence");
    }
    for (const lsa of [...this.database.values()]) {
      if (lsa.header.age + (nowMs - lsa.atMs) / 1e3 > maxAgeS) this.remove(lsa, nowMs, "not refreshed");
    }
  }

  private hello(packet: OspfPacket, hello: Hello, address: string, nowMs: number): void {
    const key = neighbourKey(packet, address);
    const old = this.heard.get(key);
    if (old === undefined && this.heard.size >= maxNeighbours) {
      this.counters.overflow++;
      return;
    }
    const { routerId, areaId, version } = packet;
    const isHeard = [...this.heard.values()].some((other) => other.areaId === areaId && other.routerId !== routerId && hello.neighbours.includes(other.routerId) && other.hears.includes(routerId));
    const state = old?.state === "exchange" && hello.neighbours.length > 0 ? "exchange" : isHeard ? "2-way" : "init";
    const now: OspfNeighbour = { version, areaId, routerId, address, state, hears: hello.neighbours, designated: hello.designated, deadIntervalS: hello.deadIntervalS, sinceMs: old?.state === state ? old.sinceMs : nowMs, lastMs: nowMs };
    this.heard.set(key, now);
    this.moved(old, now, nowMs);
    if (!isHeard) return;
    // Who had to wait for this one to be heard now has its way back, too.
    for (const [otherKey, other] of this.heard) {
      if (other.state !== "init" || other.areaId !== areaId || !hello.neighbours.includes(other.routerId) || !other.hears.includes(routerId)) continue;
      const next: OspfNeighbour = { ...other, state: "2-way", sinceMs: nowMs };
      this.heard.set(otherKey, next);
      this.moved(other, next, nowMs);
    }
  }

  private exchanging(packet: OspfPacket, address: string, nowMs: number): void {
    const key = neighbourKey(packet, address);
    const old = this.heard.get(key);
    if (old === undefined || old.state === "exchange") return;
    const now: OspfNeighbour = { ...old, state: "exchange", sinceMs: nowMs, lastMs: nowMs };
    this.heard.set(key, now);
    this.moved(old, now, nowMs);
  }

  private moved(old: OspfNeighbour | undefined, now: OspfNeighbour, nowMs: number): void {
    const wasUp = old !== undefined && old.state !== "init";
    const isUp = now.state !== "init";
    if (wasUp === isUp) return;
    const detail = { protocol: now.version === 2 ? "ospf" : "ospf3", areaId: now.areaId, address: now.address, state: now.state };
    if (isUp) this.tell(nowMs, "neighbour-up", now.routerId, detail);
    else this.tell(nowMs, "neighbour-down", now.routerId, { ...detail, why: "it no longer hears its neighbours" });
  }

  private down(key: string, neighbour: OspfNeighbour, nowMs: number, why: string): void {
    this.heard.delete(key);
    const { version, areaId, address, routerId, state } = neighbour;
    if (state !== "init") this.tell(nowMs, "neighbour-down", routerId, { protocol: version === 2 ? "ospf" : "ospf3", areaId, address, why });
  }

  private lsa(packet: OspfPacket, { header, body }: Lsa, nowMs: number): void {
    this.counters.lsas++;
    // An external LSA is of the whole autonomous system, not of an area.
    const isGlobal = packet.version === 2 ? header.lsType === 5 : header.lsType === 0x4005;
    const scope = isGlobal ? "as" : packet.areaId;
    const key = `${packet.version} ${scope} ${header.lsType} ${header.linkStateId} ${header.advertisingRouter}`;
    const old = this.database.get(key);
    if (old !== undefined && (header.sequence < old.header.sequence || (header.sequence === old.header.sequence && header.age !== maxAgeS))) {
      if (header.sequence < old.header.sequence) this.counters.stale++;
      return;
    }
    if (header.age >= maxAgeS) {
      if (old !== undefined) this.remove(old, nowMs, "flushed by its router");
      return;
    }
    if (old === undefined && this.database.size >= maxLsas) {
      this.counters.overflow++;
      return;
    }
    let prefixes: readonly LsaPrefix[];
    try {
      prefixes = packet.version === 2 ? prefixesOf2(header, body) : prefixesOf3(header, body);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.failed(error);
      return;
    }
    const now: KnownLsa = { key, header, atMs: nowMs, prefixes };
    this.database.set(key, now);
    if (old === undefined || JSON.stringify(old.prefixes) !== JSON.stringify(prefixes) || old.header.checksum !== header.checksum) {
      this.tell(nowMs, "lsa-changed", key, { lsType: header.lsType, advertisingRouter: header.advertisingRouter, sequence: header.sequence >>> 0, isNew: old === undefined, prefixes: prefixes.length });
    }
    this.routes(old, now, nowMs, "no longer in the LSA");
  }

  private remove(lsa: KnownLsa, nowMs: number, why: string): void {
    this.database.delete(lsa.key);
    const { lsType, advertisingRouter } = lsa.header;
    this.tell(nowMs, "lsa-removed", lsa.key, { lsType, advertisingRouter, why });
    this.routes(lsa, undefined, nowMs, `LSA ${why}`);
  }

  /** Destinations as routes: each LSA is a speaker of its own, so that two that say the same do not mix. */
  private routes(old: KnownLsa | undefined, now: KnownLsa | undefined, nowMs: number, why: string): void {
    const lsa = now ?? old;
    if (lsa === undefined) return;
    const [version = "2", scope = ""] = lsa.key.split(" ");
    const router = lsa.header.advertisingRouter;
    const speaker: Speaker = { source: version === "3" ? "ospf3" : "ospf", from: router, to: `${scope} ${lsa.header.lsType} ${lsa.header.linkStateId}` };
    const kept = new Set(now?.prefixes.map(({ prefix }) => prefix));
    for (const { prefix } of old?.prefixes ?? []) if (!kept.has(prefix)) this.rib.withdraw(speaker, { prefix, pathId: undefined }, nowMs, why);
    for (const { prefix, family, metric, kind, forward } of now?.prefixes ?? []) {
      this.rib.announce(speaker, { prefix, family, pathId: undefined, nextHop: forward ?? router, attributes: { kind, metric } }, nowMs);
    }
  }
}

const neighbourKey = ({ version, areaId, routerId }: OspfPacket, address: string): string => `${version} ${areaId} ${routerId} ${address}`;
