/** Which hardware address has which IP address, by ARP and neighbour discovery; conflicts; the routers of IPv6. */
import type { Arp } from "./arp.js";
import { ExpiringMap } from "./expiring.js";
import type { NdMessage } from "./nd.js";
import type { Tell } from "./routing-event.js";

export interface Binding {
  readonly address: string;
  readonly mac: string;
  readonly vlanVid: number | undefined;
  /** Where it was heard: "bridge:ofport" or a device. */
  readonly at: string;
  /** False: `at` is the device of a capture, because the host's port was not known then. */
  readonly isLocated: boolean;
  readonly by: "arp" | "nd";
  readonly isRouter: boolean;
  readonly sinceMs: number;
  readonly lastMs: number;
}

export interface Ipv6Router {
  readonly address: string;
  readonly mac: string;
  readonly lifetimeS: number;
  readonly prefixes: readonly string[];
  readonly dnsServers: readonly string[];
  readonly managed: boolean;
  readonly lastMs: number;
}

export interface Heard {
  readonly nowMs: number;
  readonly ethSrc: string;
  readonly vlanVid: number | undefined;
  readonly at: string;
  readonly isLocated: boolean;
}

/** A binding not heard again for so long is forgotten: as long as hosts usually keep theirs, and then some. */
const lifeMs = 600_000;
/** The old owner heard within this before the new one: two hosts claim the address. Else it has moved. */
const conflictMs = 10_000;
const maxBindings = 65_536;
const maxRouters = 1_024;
const unspecified = new Set(["0.0.0.0", "::"]);

export class Bindings {
  private readonly table = new ExpiringMap<Binding>(maxBindings);
  private readonly routers = new ExpiringMap<Ipv6Router>(maxRouters);
  private readonly tell: Tell;
  /** Frames whose Ethernet sender is not the one they speak of: proxies, or pretenders. */
  mismatched = 0;
  conflicts = 0;

  constructor(tell: Tell) {
    this.tell = tell;
  }

  get evicted(): number {
    return this.table.evicted + this.routers.evicted;
  }
  bindings(): Binding[] {
    return this.table.values();
  }
  ipv6Routers(): Ipv6Router[] {
    return this.routers.values();
  }
  macOf(address: string, vlanVid: number | undefined): string | undefined {
    return this.table.get(key(address, vlanVid))?.mac;
  }

  arp(arp: Arp, heard: Heard): void {
    if (arp.operation === "other" || unspecified.has(arp.senderAddress)) return; // a probe claims nothing yet
    if (arp.senderMac !== heard.ethSrc) this.mismatched++;
    this.bind(arp.senderAddress, arp.senderMac, "arp", false, heard);
  }

  /** `src`: the IPv6 source of the message. */
  nd(message: NdMessage, src: string, heard: Heard): void {
    switch (message.type) {
      case "neighbour-advertisement":
        this.bind(message.target, message.targetMac ?? heard.ethSrc, "nd", message.isRouter, heard);
        break;
      case "neighbour-solicitation":
      case "router-solicitation":
        if (!unspecified.has(src) && message.sourceMac !== undefined) this.bind(src, message.sourceMac, "nd", false, heard);
        break;
      case "router-advertisement":
        this.bind(src, message.sourceMac ?? heard.ethSrc, "nd", true, heard);
        this.router(message, src, heard);
        break;
      case "redirect":
        this.tell(heard.nowMs, "redirect", src, { destination: message.destination, to: message.target, at: heard.at });
        break;
    }
  }

  /** Where hardware addresses are has become known: bindings that were heard before get their place ("bridge:ofport") now, without an event. */
  locate(places: ReadonlyMap<string, string>): void {
    this.table.update((binding) => {
      const at = binding.isLocated ? undefined : places.get(binding.mac);
      return at === undefined ? binding : { ...binding, at, isLocated: true };
    });
  }

  advance(nowMs: number): void {
    for (const { address, mac, at } of this.table.expire(nowMs)) this.tell(nowMs, "binding-expired", address, { mac, at });
    for (const { address } of this.routers.expire(nowMs)) this.tell(nowMs, "router-gone", address, { why: "lifetime passed" });
  }

  private bind(address: string, mac: string, by: Binding["by"], isRouter: boolean, heard: Heard): void {
    const { nowMs, vlanVid } = heard;
    const old = this.table.get(key(address, vlanVid));
    const { at, isLocated } = !heard.isLocated && old?.mac === mac ? old : heard;
    const sinceMs = old?.mac === mac ? old.sinceMs : nowMs;
    this.table.set(key(address, vlanVid), { address, mac, vlanVid, at, isLocated, by, isRouter: isRouter || (old?.mac === mac && old.isRouter), sinceMs, lastMs: nowMs }, nowMs + lifeMs);
    // A place that has become known is no move.
    if (old?.mac === mac && (old.at === at || !old.isLocated)) return;
    const detail = { mac, at, by, ...(vlanVid === undefined ? {} : { vlanVid }) };
    if (old !== undefined && old.mac !== mac && nowMs - old.lastMs < conflictMs) {
      this.conflicts++;
      this.tell(nowMs, "binding-conflict", address, { ...detail, beforeMac: old.mac, beforeAt: old.at });
    } else this.tell(nowMs, "binding", address, old === undefined ? detail : { ...detail, beforeMac: old.mac, beforeAt: old.at });
  }

  private router(message: Extract<NdMessage, { readonly type: "router-advertisement" }>, address: string, { nowMs, ethSrc, at }: Heard): void {
    const old = this.routers.get(address);
    const { lifetimeS, managed, dnsServers } = message;
    if (lifetimeS === 0 && message.prefixes.length === 0) {
      if (this.routers.delete(address)) this.tell(nowMs, "router-gone", address, { why: "it says so", at });
      return;
    }
    const prefixes = message.prefixes.map(({ prefix }) => prefix);
    const router = { address, mac: message.sourceMac ?? ethSrc, lifetimeS, prefixes, dnsServers, managed, lastMs: nowMs };
    const longestS = Math.max(lifetimeS, ...message.prefixes.map(({ validS }) => Math.min(validS, 86_400)));
    this.routers.set(address, router, nowMs + longestS * 1e3);
    const said = (one: Ipv6Router): string => JSON.stringify({ ...one, lastMs: 0 });
    if (old === undefined || said(old) !== said(router)) this.tell(nowMs, "router-advertisement", address, { mac: router.mac, lifetimeS, prefixes, dnsServers, managed, at });
  }
}

const key = (address: string, vlanVid: number | undefined): string => `${vlanVid ?? ""} ${address}`;
