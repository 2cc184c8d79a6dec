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
  /** Ports that do not count, as those by which copies leave. */
  readonly leavesOut?: (port: number) => boolean;
}

/** The output of a sample; `tables` must have the bridge, as it was about when the sample was taken. RangeError when it has not. */
export function egressOf(tables: SoftwareSwitch, { sample, bridge, inPort, leavesOut = () => false }: EgressQuestion): Egress {
  const said = describeInterface(sample.output);
  if (said.is === "port") return { how: "sampled", ifIndex: said.ifIndex };
  if (said.is === "dropped") return { how: "dropped" };
  const raw = sample.records.find((record) => record.kind === "sampledHeader");
  if (raw === undefined) return { how: "unknown", why: "the sample has no header" };
  const read = sampledPacket(raw.header, inPort);
  if (read === undefined) return { how: "unknown", why: "the header is not Ethernet's" };
  const { answers, isComplete } = tables.outcomes(bridge, read.packet, { frameLength: raw.frameLength });
  const ways = new Map<string, readonly number[]>();
  for (const { outputs } of answers) {
    const ports = [...new Set(outputs.filter((one) => one.bridge === bridge && one.port !== reserved.controller && !leavesOut(one.port)).map((one) => one.port))].sort((a, b) => a - b);
    ways.set(ports.join(), ports);
  }
  const why = [...new Set(answers.flatMap(({ undecided, choices }) => undecided.filter((one) => !choices.some(({ what }) => what === one))))];
  if (read.isTruncated) why.push("the header was cut short");
  if (!isComplete) why.push("there are more ways than were followed");
  const [only] = ways.values();
  if (ways.size === 1 && why.length === 0 && only !== undefined) return { how: "inferred", ports: only };
  return { how: "one of", ways: [...ways.values()], why: why.length > 0 ? why : [...new Set(answers.flatMap(({ undecided }) => undecided))] };
}
