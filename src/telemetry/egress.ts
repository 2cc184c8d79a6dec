/**
 * Where a sampled packet went out, when the sample does not say: sFlow has no number for "several" and none for a port without a
 * device, and Open vSwitch says "several" of every packet that is mirrored. The flow tables know. Pure.
 */
import { port as reserved } from "node-openflow";
import { describeInterface, type FlowSample } from "sflow-collector";
import type { SoftwareSwitch } from "../network/flow-table.js";
import { sampledPacket } from "./sampled-packet.js";

export type Egress =
  /** The sample says so. */
  | { readonly how: "sampled"; readonly ifIndex: number }
  | { readonly how: "dropped" }
  /** The tables say so; `ports` are OpenFlow numbers, none when the packet is dropped. */
  | { readonly how: "inferred"; readonly ports: readonly number[] }
  /** One of several sets of ports: a hash decides, or the header was cut, or what tables can't say. */
  | { readonly how: "one of"; readonly ways: readonly (readonly number[])[]; readonly why: readonly string[] }
  | { readonly how: "unknown"; readonly why: string };

export interface EgressQuestion {
  readonly sample: Pick<FlowSample, "output" | "records">;
  /** Where it came in: the live bridge and its OpenFlow port. */
  readonly bridge: string;
  readonly inPort: number;
}

/** Ports that do not count, as those by which copies leave. */
export type LeavesOut = (port: number) => boolean;

/** CS_TRACKED and CS_NEW: what a packet is taken to be of which connection tracking is asked. */
const trackedNew = 0x21;

/** What the sample itself says of its output; undefined when it says nothing, or "several". */
export function saidEgress({ output }: Pick<FlowSample, "output">): Egress | undefined {
  const said = describeInterface(output);
  if (said.is === "port") return { how: "sampled", ifIndex: said.ifIndex };
  return said.is === "dropped" ? { how: "dropped" } : undefined;
}

/** The output of a sample that does not say; `tables` must have the bridge, as it was about when the sample was taken. RangeError when it has not. */
export function inferredEgress(tables: SoftwareSwitch, { sample, bridge, inPort }: EgressQuestion, leavesOut: LeavesOut = () => false): Egress {
  const raw = sample.records.find((record) => record.kind === "sampledHeader");
  if (raw === undefined) return { how: "unknown", why: "the sample has no header" };
  const read = sampledPacket(raw.header, inPort);
  if (read === undefined) return { how: "unknown", why: "the header is not Ethernet's" };
  let isTracked = false;
  const track = (): { readonly state: number } => {
    isTracked = true;
    return { state: trackedNew };
  };
  const { answers, isComplete } = tables.outcomes(bridge, read.packet, { frameLength: raw.frameLength - raw.stripped, track });
  const ways = new Map<string, readonly number[]>();
  for (const { outputs } of answers) {
    const ports = [...new Set(outputs.filter((one) => one.bridge === bridge && one.port !== reserved.controller && !leavesOut(one.port)).map((one) => one.port))].sort((a, b) => a - b);
    ways.set(ports.join(), ports);
  }
  const why = [...new Set(answers.flatMap(({ undecided, choices }) => undecided.filter((one) => !choices.some(({ what }) => what === one))))];
  if (isTracked) why.push("connection tracking decides");
  if (read.isTruncated) why.push("the header was cut short");
  if (!isComplete) why.push("there are more ways than were followed");
  const [only] = ways.values();
  if (ways.size === 1 && why.length === 0 && only !== undefined) return { how: "inferred", ports: only };
  return { how: "one of", ways: [...ways.values()], why: why.length > 0 ? why : [...new Set(answers.flatMap(({ undecided }) => undecided))] };
}

const [typeAt, headerAt] = [12, 14];
const [tcp, udp] = [6, 17];
const u16 = (bytes: Uint8Array, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);

/**
 * All of a header that tables can match, as text: what has the same goes the same way. Of whole TCP and UDP headers over plain IP (tags
 * before it or not) lengths, checksums, the identification and sequence numbers are left out; of everything else the whole header counts.
 */
export function sampleKey(header: Uint8Array, inPort: number): string {
  const bytes = Buffer.from(header.buffer, header.byteOffset, header.byteLength);
  const text = (from: number, to: number): string => bytes.toString("latin1", from, to);
  let at = headerAt;
  let type = u16(bytes, typeAt);
  for (; type === 0x8100 || type === 0x88a8; at += 4) type = u16(bytes, at + 2);
  const isIpv4 = type === 0x0800 && bytes[at] === 0x45 && (u16(bytes, at + 6) & 0x3fff) === 0;
  const isIpv6 = type === 0x86dd;
  const protocol = isIpv4 ? bytes[at + 9] : isIpv6 ? bytes[at + 6] : undefined;
  const ports = at + (isIpv4 ? 20 : 40);
  if ((protocol !== tcp && protocol !== udp) || bytes.length < ports + (protocol === tcp ? 20 : 8)) return `${inPort} ${text(0, bytes.length)}`;
  const flags = protocol === tcp ? u16(bytes, ports + 12) & 0x0fff : 0;
  // IPv4: class, then from the fragment bits to the protocol, then addresses; IPv6: class and label, then the next header, the hop limit, addresses.
  const ip = isIpv4 ? `${text(at, at + 2)}${text(at + 6, at + 10)}${text(at + 12, ports)}` : `${text(at, at + 4)}${text(at + 6, ports)}`;
  return `${inPort} ${flags} ${text(0, at)}${ip}${text(ports, ports + 4)}`;
}
