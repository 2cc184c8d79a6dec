/** Neighbour discovery for IPv6: RFC 4861, with DNS servers (RFC 8106). */
import { prefixText } from "./bgp-attributes.js";
import { Reader } from "./reader.js";

export interface NdOptions {
  /** Link-layer address of the sender (1) or of the target (2). */
  readonly sourceMac?: string;
  readonly targetMac?: string;
  readonly prefixes: readonly { readonly prefix: string; readonly onLink: boolean; readonly autonomous: boolean; readonly validS: number; readonly preferredS: number }[];
  readonly mtu?: number;
  readonly dnsServers: readonly string[];
}

export type NdMessage = NdOptions &
  (
    | { readonly type: "router-solicitation" }
    | { readonly type: "router-advertisement"; readonly hopLimit: number; readonly managed: boolean; readonly other: boolean; readonly lifetimeS: number }
    | { readonly type: "neighbour-solicitation"; readonly target: string }
    | { readonly type: "neighbour-advertisement"; readonly target: string; readonly isRouter: boolean; readonly solicited: boolean; readonly override: boolean }
    | { readonly type: "redirect"; readonly target: string; readonly destination: string }
  );

const maxOptions = 64;

/** Reads an ICMPv6 message; undefined when it is none of neighbour discovery. Throws DecodeError. */
export function readNd(bytes: Uint8Array): NdMessage | undefined {
  const from = new Reader("nd", bytes);
  const type = from.u8();
  if (type < 133 || type > 137) return undefined;
  const code = from.u8();
  if (code !== 0) throw from.error("value", `code ${code}`, 1);
  from.skip(2);
  switch (type) {
    case 133:
      from.skip(4);
      return { type: "router-solicitation", ...readOptions(from) };
    case 134: {
      const hopLimit = from.u8();
      const flags = from.u8();
      const lifetimeS = from.u16();
      from.skip(8);
      return { type: "router-advertisement", hopLimit, managed: (flags & 0x80) !== 0, other: (flags & 0x40) !== 0, lifetimeS, ...readOptions(from) };
    }
    case 135:
      from.skip(4);
      return { type: "neighbour-solicitation", target: from.ipv6(), ...readOptions(from) };
    case 136: {
      const flags = from.u32();
      const target = from.ipv6();
      return { type: "neighbour-advertisement", target, isRouter: flags >>> 31 === 1, solicited: (flags & 0x4000_0000) !== 0, override: (flags & 0x2000_0000) !== 0, ...readOptions(from) };
    }
    default:
      from.skip(4);
      return { type: "redirect", target: from.ipv6(), destination: from.ipv6(), ...readOptions(from) };
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function readOptions(from: Reader): NdOptions {
  const prefixes: NdOptions["prefixes"][number][] = [];
  const dnsServers: string[] = [];
  const found: Mutable<NdOptions> = { prefixes, dnsServers };
  for (let count = 0; from.remaining > 0; count++) {
    if (count === maxOptions) throw from.error("count", `more than ${maxOptions} options`);
    const at = from.offset;
    const type = from.u8();
    const words = from.u8();
    if (words === 0) throw from.error("length", "an option without a length", at);
    const option = from.sub(words * 8 - 2);
    if (type === 1 && words === 1) found.sourceMac = option.mac();
    else if (type === 2 && words === 1) found.targetMac = option.mac();
    else if (type === 3) {
      const bits = option.u8();
      const flags = option.u8();
      const validS = option.u32();
      const preferredS = option.u32();
      option.skip(4);
      if (bits > 128) throw option.error("length", `prefix of ${bits} bits`, at + 2);
      prefixes.push({ prefix: prefixText(option.view8(16), bits, "ipv6"), onLink: (flags & 0x80) !== 0, autonomous: (flags & 0x40) !== 0, validS, preferredS });
    } else if (type === 5) {
      option.skip(2);
      found.mtu = option.u32();
    } else if (type === 25) {
      option.skip(6);
      while (option.remaining >= 16) dnsServers.push(option.ipv6());
    }
  }
  return found;
}
