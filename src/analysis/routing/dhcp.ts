/** DHCP for IPv4 (RFC 2131, 2132) and for IPv6 (RFC 8415): messages, leases and where they are from. */
import { hex, Reader } from "./reader.js";

const types4 = ["discover", "offer", "request", "decline", "ack", "nak", "release", "inform"] as const;

export interface Dhcp4 {
  readonly type: (typeof types4)[number] | "other";
  readonly xid: number;
  readonly clientMac: string;
  /** What the server gives; "0.0.0.0" for none. */
  readonly yourAddress: string;
  /** What the client has. */
  readonly clientAddress: string;
  readonly serverId?: string;
  readonly leaseS?: number;
  readonly hostName?: string;
  readonly requested?: string;
  readonly routers: readonly string[];
  readonly dnsServers: readonly string[];
}

const magic = 0x63825363;
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Reads the payload of a datagram between ports 67 and 68. Throws DecodeError. */
export function readDhcp4(bytes: Uint8Array): Dhcp4 {
  const from = new Reader("dhcp", bytes);
  from.skip(4);
  const xid = from.u32();
  from.skip(4);
  const clientAddress = from.ipv4();
  const yourAddress = from.ipv4();
  from.skip(8);
  const clientMac = from.mac();
  from.skip(10 + 64 + 128);
  if (from.u32() !== magic) throw from.error("value", "no options: plain BOOTP", 236);
  const found: Mutable<Dhcp4> = { type: "other", xid, clientMac, yourAddress, clientAddress, routers: [], dnsServers: [] };
  while (from.remaining > 0) {
    const code = from.u8();
    if (code === 0) continue;
    if (code === 255) break;
    const value = from.sub(from.u8());
    const addresses = (): string[] => Array.from({ length: Math.floor(value.remaining / 4) }, () => value.ipv4());
    if (code === 53) found.type = types4[value.u8() - 1] ?? "other";
    else if (code === 3) found.routers = addresses();
    else if (code === 6) found.dnsServers = addresses();
    else if (code === 12) found.hostName = value.text(value.remaining);
    else if (code === 50) found.requested = value.ipv4();
    else if (code === 51) found.leaseS = value.u32();
    else if (code === 54) found.serverId = value.ipv4();
  }
  return found;
}

const types6 = ["solicit", "advertise", "request", "confirm", "renew", "rebind", "reply", "release", "decline", "reconfigure", "information-request", "relay-forward", "relay-reply"] as const;

export interface Dhcp6 {
  readonly type: (typeof types6)[number] | "other";
  readonly transaction: number;
  /** DHCP unique identifiers in hexadecimal. */
  readonly clientId?: string;
  readonly serverId?: string;
  readonly addresses: readonly { readonly address: string; readonly preferredS: number; readonly validS: number }[];
  /** Delegated prefixes. */
  readonly prefixes: readonly { readonly prefix: string; readonly preferredS: number; readonly validS: number }[];
}

/** A relayed message within a relayed one … no further than this. */
const maxRelays = 8;
const maxOptions = 256;

/** Reads the payload of a datagram between ports 546 and 547; of a relayed message the inner one. Throws DecodeError. */
export function readDhcp6(bytes: Uint8Array): Dhcp6 {
  return message6(new Reader("dhcp6", bytes), 0);
}

function message6(from: Reader, depth: number): Dhcp6 {
  if (depth > maxRelays) throw from.error("count", `more than ${maxRelays} relays`);
  const type = types6[from.u8() - 1] ?? "other";
  if (type === "relay-forward" || type === "relay-reply") {
    from.skip(1 + 16 + 16);
    while (from.remaining > 0) {
      const code = from.u16();
      const value = from.sub(from.u16());
      if (code === 9) return message6(value, depth + 1);
    }
    throw from.error("truncated", "a relayed message without one in it");
  }
  const transaction = from.u24();
  const found: Mutable<Dhcp6> & { addresses: Dhcp6["addresses"][number][]; prefixes: Dhcp6["prefixes"][number][] } = { type, transaction, addresses: [], prefixes: [] };
  for (let count = 0; from.remaining > 0; count++) {
    if (count === maxOptions) throw from.error("count", `more than ${maxOptions} options`);
    const code = from.u16();
    const value = from.sub(from.u16());
    if (code === 1) found.clientId = hex(value.rest());
    else if (code === 2) found.serverId = hex(value.rest());
    else if (code === 3 || code === 25) {
      value.skip(12); // identity, and the times to renew and rebind
      identity(value, found);
    } else if (code === 4) {
      value.skip(4);
      identity(value, found);
    }
  }
  return found;
}

function identity(from: Reader, found: { addresses: Dhcp6["addresses"][number][]; prefixes: Dhcp6["prefixes"][number][] }): void {
  for (let count = 0; from.remaining > 0; count++) {
    if (count === maxOptions) throw from.error("count", `more than ${maxOptions} options`);
    const code = from.u16();
    const value = from.sub(from.u16());
    if (code === 5) found.addresses.push({ address: value.ipv6(), preferredS: value.u32(), validS: value.u32() });
    else if (code === 26) {
      const [preferredS, validS, bits] = [value.u32(), value.u32(), value.u8()];
      found.prefixes.push({ prefix: `${value.ipv6()}/${bits}`, preferredS, validS });
    }
  }
}
