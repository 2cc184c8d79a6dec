/** LLDP of any system: IEEE 802.1AB. Our own frames, which carry a proof, are read in src/network/lldp.ts. */
import { hex, Reader } from "./reader.js";

export interface LldpNeighbour {
  readonly chassisId: string;
  readonly portId: string;
  /** Seconds; 0 says that the sender is leaving. */
  readonly ttlS: number;
  readonly portDescription?: string;
  readonly systemName?: string;
  readonly systemDescription?: string;
  /** Enabled ones: "bridge", "router" … */
  readonly capabilities: readonly string[];
  readonly managementAddresses: readonly string[];
  /** "oui/subtype" of organisationally specific TLVs. */
  readonly organisation: readonly string[];
}

const capabilityNames = ["other", "repeater", "bridge", "wlan-ap", "router", "telephone", "docsis", "station", "c-vlan", "s-vlan", "two-port-mac-relay"] as const;
const maxTlvs = 128;
/** Texts longer than this are cut. */
const maxText = 255;

type Mutable = { -readonly [K in keyof LldpNeighbour]: LldpNeighbour[K] };

/** Reads the payload of a frame of type 0x88cc. Throws DecodeError; chassis, port and time to live must come first (clause 8.2). */
export function readLldp(bytes: Uint8Array): LldpNeighbour {
  const from = new Reader("lldp", bytes);
  const next = (): { type: number; value: Reader } => {
    const head = from.u16();
    return { type: head >> 9, value: from.sub(head & 0x1ff) };
  };
  const expect = (wanted: number, name: string): Reader => {
    const at = from.offset;
    const { type, value } = next();
    if (type !== wanted) throw from.error("value", `TLV ${type} where ${name} must be`, at);
    return value;
  };
  const chassisId = identifier(expect(1, "the chassis id"), 4, 5);
  const portId = identifier(expect(2, "the port id"), 3, 4);
  const ttlS = expect(3, "the time to live").u16();
  const managementAddresses: string[] = [];
  const organisation: string[] = [];
  const found: Mutable = { chassisId, portId, ttlS, capabilities: [], managementAddresses, organisation };
  for (let count = 0; from.remaining > 0; count++) {
    if (count === maxTlvs) throw from.error("count", `more than ${maxTlvs} TLVs`);
    const { type, value } = next();
    if (type === 0) break;
    const text = (): string => value.text(Math.min(value.remaining, maxText));
    if (type === 4) found.portDescription = text();
    else if (type === 5) found.systemName = text();
    else if (type === 6) found.systemDescription = text();
    else if (type === 7) {
      value.skip(2);
      const enabled = value.u16();
      found.capabilities = capabilityNames.filter((_, bit) => (enabled & (1 << bit)) !== 0);
    } else if (type === 8) {
      const address = value.sub(value.u8());
      managementAddresses.push(networkAddress(address));
    } else if (type === 127) organisation.push(`${hex(value.view8(3))}/${value.u8()}`);
  }
  return found;
}

/** An id with a subtype: MAC and network addresses in their own form, everything else as text. */
function identifier(value: Reader, mac: number, network: number): string {
  const subtype = value.u8();
  if (value.remaining === 0) throw value.error("length", "an empty id");
  if (subtype === mac && value.remaining === 6) return value.mac();
  if (subtype === network) return networkAddress(value);
  return value.text(Math.min(value.remaining, maxText));
}

/** IANA address family 1 and 2; others in hexadecimal. */
function networkAddress(value: Reader): string {
  const family = value.u8();
  if (family === 1 && value.remaining === 4) return value.ipv4();
  if (family === 2 && value.remaining === 16) return value.ipv6();
  return hex(value.rest());
}
