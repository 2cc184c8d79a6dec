/** Which bridge and OpenFlow port a sample is of: ifIndex, special output values and data sources put into words. Pure. */
import type { Datagram, DataSource, Interface } from "./datagram.js";

/** drop_reason (sFlow Dropped Packet Notification Structures); up to 15 the codes of ICMP's destination unreachable. */
const dropReasons: Readonly<Record<number, string>> = Object.fromEntries([
  ..."netUnreachable hostUnreachable protocolUnreachable portUnreachable fragNeeded srcRouteFailed dstNetUnknown dstHostUnknown srcHostIsolated dstNetProhibited dstHostProhibited dstNetTosUnreachable dstHostTosUnreacheable commAdminProhibited hostPrecedenceViolation precedenceCutoff"
    .split(" ")
    .map((name, i) => [i, name] as const),
  ..."unknown ttlExceeded acl noBufferSpace red trafficShaping pktTooBig srcMacIsMulticast vlanTagMismatch ingressVlanFilter ingressSpanningTreeFilter portListIsEmpty portLoopbackFilter blackholeRoute nonIp ucDipOverMcDmac dipIsLoopbackAddress sipIsMc sipIsLoopbackAddress ipHeaderCorrupted ipv4SipIsLimitedBc ipv6McDipReservedScope ipv6McDipInterfaceLocalScope unresolvedNeigh mcReversePathForwarding nonRoutablePacket decapError overlaySmacIsMc unknownL2 unknownL3 unknownL3Exception unknownBuffer unknownTunnel unknownL4 sipIsUnspecified mlagPortIsolation blackholeArpNeigh srcMacIsDmac dmacIsReserved sipIsClassE mcDmacMismatch sipIsDip dipIsLocalNetwork dipIsLinkLocal overlaySmacIsDmac egressVlanFilter ucReversePathForwarding splitHorizon"
    .split(" ")
    .map((name, i) => [256 + i, name] as const),
]);

/** The name of a drop reason, in camelCase; "reason N" for one that has none. */
export const dropReasonName = (reason: number): string => dropReasons[reason] ?? `reason ${reason}`;

/** "The packet's source or target is the device itself" (sFlow Version 5, interface). */
const internal = 0x3fffffff;

/** What an interface value means, before any port is looked up. */
export type InterfaceMeaning =
  | { readonly is: "port"; readonly ifIndex: number }
  /** The agent does not know it. Open vSwitch says so of ports without a device, as patch ports are. */
  | { readonly is: "unknown" }
  | { readonly is: "internal" }
  | { readonly is: "dropped"; readonly reason: number; readonly reasonName: string }
  /** Sent to several; `count` is undefined when the agent does not say how many. A mirrored packet is one of these, in Open vSwitch. */
  | { readonly is: "multiple"; readonly count: number | undefined }
  | { readonly is: "reserved"; readonly format: number; readonly value: number };

export function describeInterface({ format, value }: Interface): InterfaceMeaning {
  switch (format) {
    case 0:
      return value === 0 ? { is: "unknown" } : value === internal ? { is: "internal" } : { is: "port", ifIndex: value };
    case 1:
      return { is: "dropped", reason: value, reasonName: dropReasonName(value) };
    case 2:
      return { is: "multiple", count: value === 0 ? undefined : value };
    default:
      return { is: "reserved", format, value };
  }
}

/** A port of a bridge. `bridge` is what the caller's lookup gave, or the datapath id in hex where an agent's record told it. */
export interface MappedPort {
  readonly bridge: string;
  readonly ofport: number;
  readonly name?: string;
  /** Who said so: the caller's lookup, or the agent's own of_port record. */
  readonly by: "lookup" | "ofPort";
}
export type MappedInterface = Exclude<InterfaceMeaning, { is: "port" }> | ({ readonly is: "port"; readonly ifIndex: number } & MappedPort) | { readonly is: "unmapped"; readonly ifIndex: number };
export type MappedSource =
  | { readonly is: "port"; readonly port: MappedInterface }
  | { readonly is: "vlan"; readonly vid: number }
  /** Open vSwitch counts bridges from 1000 on; `datapathId` is known once a port of that sub-agent told its own. */
  | { readonly is: "entity"; readonly class: "physical" | "logical"; readonly index: number; readonly datapathId: string | undefined }
  | { readonly is: "reserved"; readonly class: number; readonly index: number };

/** Finds a port by the agent's address and its ifIndex; undefined when there is none. */
export type PortLookup = (agentAddress: string, ifIndex: number) => Pick<MappedPort, "bridge" | "ofport" | "name"> | undefined;

/** Ports learned; beyond, the one told longest ago is forgotten. */
const maxPorts = 100_000;
const datapathText = (id: bigint): string => id.toString(16).padStart(16, "0");

export class PortMap {
  /** Interfaces that no port was found for, since the start: how much traffic is not told apart. */
  readonly counters = { mapped: 0, unmapped: 0 };
  private readonly lookup: PortLookup;
  private readonly learned = new Map<string, MappedPort>();
  /** By "AGENT SUB-AGENT": the datapath of its ports, or undefined once they were of two. */
  private readonly datapaths = new Map<string, string | undefined>();

  /** `lookup` goes before what is learned: a database knows of a changed port at once, counters come every few seconds. */
  constructor(lookup: PortLookup = () => undefined) {
    this.lookup = lookup;
  }

  /** Learns from the of_port and port_name records of counter samples. */
  learn(datagram: Datagram): void {
    for (const sample of datagram.samples) {
      if (sample.kind !== "counters" || sample.dataSource.class !== 0) continue;
      const port = sample.records.find((record) => record.kind === "ofPort");
      if (port === undefined) continue;
      const name = sample.records.find((record) => record.kind === "portName")?.name;
      const bridge = datapathText(port.datapathId);
      const key = `${datagram.agentAddress} ${sample.dataSource.index}`;
      this.learned.delete(key); // to the end of the order
      this.learned.set(key, { bridge, ofport: port.portNo, ...(name === undefined ? {} : { name }), by: "ofPort" });
      const agent = `${datagram.agentAddress} ${datagram.subAgentId}`;
      this.datapaths.set(agent, this.datapaths.has(agent) && this.datapaths.get(agent) !== bridge ? undefined : bridge);
      trim(this.learned);
      trim(this.datapaths);
    }
  }

  /** Where a packet came in or went out. */
  interface(agentAddress: string, value: Interface): MappedInterface {
    const meaning = describeInterface(value);
    if (meaning.is !== "port") return meaning;
    const { ifIndex } = meaning;
    const found = this.lookup(agentAddress, ifIndex);
    const port: MappedPort | undefined = found === undefined ? this.learned.get(`${agentAddress} ${ifIndex}`) : { ...found, by: "lookup" };
    if (port === undefined) {
      this.counters.unmapped++;
      return { is: "unmapped", ifIndex };
    }
    this.counters.mapped++;
    return { is: "port", ifIndex, ...port };
  }

  /** What a data source is. */
  source({ agentAddress, subAgentId }: Pick<Datagram, "agentAddress" | "subAgentId">, source: DataSource): MappedSource {
    switch (source.class) {
      case 0:
        return { is: "port", port: this.interface(agentAddress, { format: 0, value: source.index }) };
      case 1:
        return { is: "vlan", vid: source.index };
      case 2:
      case 3:
        return { is: "entity", class: source.class === 2 ? "physical" : "logical", index: source.index, datapathId: this.datapaths.get(`${agentAddress} ${subAgentId}`) };
      default:
        return { is: "reserved", ...source };
    }
  }
}

function trim(map: Map<string, unknown>): void {
  if (map.size <= maxPorts) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}
