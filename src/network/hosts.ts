/** The table of hosts: learned from the first packets of unknown senders, bounded, pure. */
import { isKnown, type Match } from "node-openflow";
import { portKey, type Host, type PortRef } from "./model.js";

export interface HostTable {
  /** By MAC address. */
  readonly hosts: ReadonlyMap<string, Host>;
  /** Senders not taken in because a bound was reached. */
  readonly refused: number;
}
export const emptyHostTable: HostTable = { hosts: new Map(), refused: 0 };

export interface HostBounds {
  readonly perPort: number;
  readonly inAll: number;
}
const defaults: HostBounds = { perPort: 64, inAll: 100_000 };

const arp = 0x0806;
const ipv4 = 0x0800;
const ipv6 = 0x86dd;
const vlanTags = new Set([0x8100, 0x88a8]);

export function macText(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

interface Sender {
  readonly mac: string;
  readonly address: string | undefined;
}

/** Sender of a frame: its MAC and, from ARP, its IPv4 address. IP headers are not believed: a sender can write anything. */
function readSender(frame: Uint8Array): Sender | undefined {
  if (frame.length < 14 || ((frame[6] ?? 0) & 1) === 1) return undefined; // a group address sends nothing
  const mac = macText(frame.subarray(6, 12));
  if (mac === "00:00:00:00:00:00") return undefined;
  let at = 12;
  let type = ((frame[at] ?? 0) << 8) | (frame[at + 1] ?? 0);
  while (vlanTags.has(type)) {
    at += 4;
    type = ((frame[at] ?? 0) << 8) | (frame[at + 1] ?? 0);
  }
  if (type !== arp || frame.length < at + 2 + 28) return type === arp || type === ipv4 || type === ipv6 ? { mac, address: undefined } : undefined;
  const body = frame.subarray(at + 2);
  const address = [...body.subarray(14, 18)].join(".");
  return { mac, address: address === "0.0.0.0" || macText(body.subarray(8, 14)) !== mac ? undefined : address };
}

/** Takes in the sender of a frame seen at an edge port. The same table comes back when nothing is new. */
export function learnHost(table: HostTable, seen: PortRef & { readonly data: Uint8Array }, _nowMs: number, bounds: HostBounds = defaults): HostTable {
  const sender = readSender(seen.data);
  if (sender === undefined) return table;
  const at = { bridge: seen.bridge, ofport: seen.ofport };
  const old = table.hosts.get(sender.mac);
  const isNewAddress = sender.address !== undefined && !(old?.addresses.includes(sender.address) ?? false);
  if (old !== undefined && portKey(old.at) === portKey(at) && !isNewAddress) return table;
  if (old === undefined) {
    const here = [...table.hosts.values()].filter((host) => portKey(host.at) === portKey(at)).length;
    if (table.hosts.size >= bounds.inAll || here >= bounds.perPort) return { ...table, refused: table.refused + 1 };
  }
  const addresses = [...(old?.addresses ?? []), ...(isNewAddress && sender.address !== undefined ? [sender.address] : [])].slice(-16);
  return { ...table, hosts: new Map(table.hosts).set(sender.mac, { mac: sender.mac, addresses, at }) };
}

/** Hosts that the learning flows on a bridge tell of: how a restarted controller knows who is where. */
export function hostsFromFlows(bridge: string, flows: readonly { readonly match: Match }[]): Host[] {
  return flows.flatMap(({ match }) => {
    const known = match.filter(isKnown);
    const inPort = known.find((field) => field.name === "inPort");
    const ethSrc = known.find((field) => field.name === "ethSrc");
    if (inPort === undefined || ethSrc === undefined) return [];
    const mac = ethSrc.value.toString(16).padStart(12, "0").replace(/..(?=.)/g, "$&:");
    return [{ mac, addresses: [], at: { bridge, ofport: Number(inPort.value) } }];
  });
}
