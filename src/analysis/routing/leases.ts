/** DHCP leases as their servers give them, and the names that DNS answers give to addresses. */
import type { Dhcp4, Dhcp6 } from "./dhcp.js";
import type { DnsMessage } from "./dns.js";
import { ExpiringMap } from "./expiring.js";
import type { Tell } from "./routing-event.js";

export interface Lease {
  readonly address: string;
  /** Hardware address (4) or DHCP unique identifier (6). */
  readonly client: string;
  readonly server: string;
  readonly hostName: string | undefined;
  readonly expiresMs: number;
  readonly sinceMs: number;
}

export interface NameBinding {
  readonly address: string;
  readonly name: string;
  /** The name that was asked for, where an alias led to it. */
  readonly asked: string;
  readonly expiresMs: number;
}

const maxLeases = 65_536;
const maxNames = 65_536;
/** An "infinite" lease is heard of again within this; names are remembered for this at least, because people keep on using them. */
const longestMs = 86_400_000;
const shortestNameMs = 60_000;
/** Aliases followed from the name that was asked for. */
const maxAliases = 16;

export class Leases {
  private readonly table = new ExpiringMap<Lease>(maxLeases);
  /** Host names that clients gave with their last request, by hardware address. */
  private readonly hostNames = new ExpiringMap<string>(maxLeases);
  private readonly tell: Tell;

  constructor(tell: Tell) {
    this.tell = tell;
  }
  get evicted(): number {
    return this.table.evicted;
  }
  leases(): Lease[] {
    return this.table.values();
  }

  dhcp4(message: Dhcp4, nowMs: number): void {
    const { clientMac, hostName } = message;
    if (hostName !== undefined && message.type !== "ack" && message.type !== "offer") this.hostNames.set(clientMac, hostName, nowMs + longestMs);
    if (message.type === "ack" && message.yourAddress !== "0.0.0.0") this.give(message.yourAddress, clientMac, message.serverId ?? "", hostName ?? this.hostNames.get(clientMac), (message.leaseS ?? 0) * 1e3, nowMs);
    else if (message.type === "release") this.end(message.clientAddress, clientMac, nowMs, "released");
    else if (message.type === "decline" && message.requested !== undefined) this.end(message.requested, clientMac, nowMs, "declined: the address is in use");
  }

  dhcp6(message: Dhcp6, nowMs: number): void {
    const { clientId = "", serverId = "" } = message;
    const all = [...message.addresses.map((one) => ({ ...one, what: one.address })), ...message.prefixes.map((one) => ({ ...one, what: one.prefix }))];
    if (message.type === "reply") for (const { what, validS } of all) this.give(what, clientId, serverId, undefined, validS * 1e3, nowMs);
    else if (message.type === "release" || message.type === "decline") for (const { what } of all) this.end(what, clientId, nowMs, `${message.type}d`);
  }

  advance(nowMs: number): void {
    this.hostNames.expire(nowMs);
    for (const { address, client } of this.table.expire(nowMs)) this.tell(nowMs, "lease-ended", address, { client, why: "ran out" });
  }

  private give(address: string, client: string, server: string, hostName: string | undefined, leaseMs: number, nowMs: number): void {
    if (leaseMs === 0) {
      this.end(address, client, nowMs, "the server took it back");
      return;
    }
    const old = this.table.get(address);
    const expiresMs = nowMs + Math.min(leaseMs, longestMs);
    const isSame = old?.client === client;
    this.table.set(address, { address, client, server, hostName, expiresMs, sinceMs: isSame ? old.sinceMs : nowMs }, expiresMs);
    if (isSame && old.server === server && old.hostName === hostName) return; // a renewal
    this.tell(nowMs, "lease", address, { client, server, leaseS: leaseMs / 1e3, ...(hostName === undefined ? {} : { hostName }), ...(old === undefined || isSame ? {} : { before: old.client }) });
  }

  private end(address: string, client: string, nowMs: number, why: string): void {
    if (this.table.get(address)?.client === client && this.table.delete(address)) this.tell(nowMs, "lease-ended", address, { client, why });
  }
}

export class Names {
  private readonly table = new ExpiringMap<NameBinding>(maxNames);
  private readonly tell: Tell;

  constructor(tell: Tell) {
    this.tell = tell;
  }
  get evicted(): number {
    return this.table.evicted;
  }
  names(): NameBinding[] {
    return this.table.values();
  }
  nameOf(address: string): string | undefined {
    return this.table.get(address)?.name;
  }

  dns(message: DnsMessage, nowMs: number): void {
    if (!message.isResponse || message.rcode !== 0) return;
    const aliases = new Map(message.answers.flatMap((record) => (record.type === "CNAME" ? [[record.value, record.name] as const] : [])));
    for (const { type, name, value, ttlS } of message.answers) {
      if (type === "PTR") {
        const address = reverseName(name);
        if (address !== undefined) this.learn(address, value, value, ttlS, nowMs);
      } else if (type !== "CNAME") {
        let asked = name;
        for (let i = 0; i < maxAliases; i++) asked = aliases.get(asked) ?? asked;
        this.learn(value, name, asked, ttlS, nowMs);
      }
    }
  }

  advance(nowMs: number): void {
    this.table.expire(nowMs);
  }

  private learn(address: string, name: string, asked: string, ttlS: number, nowMs: number): void {
    const old = this.table.get(address);
    const expiresMs = nowMs + Math.min(Math.max(ttlS * 1e3, shortestNameMs), longestMs);
    this.table.set(address, { address, name, asked, expiresMs }, expiresMs);
    if (old?.name !== name) this.tell(nowMs, "name", address, { name, asked, ttlS });
  }
}

/** "4.3.2.1.in-addr.arpa" → "1.2.3.4"; other names give undefined. */
function reverseName(name: string): string | undefined {
  const found = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/i.exec(name);
  return found === null ? undefined : found.slice(1).reverse().join(".");
}
