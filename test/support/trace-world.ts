/** Two bridges on a private Open vSwitch, asked packet by packet: does the software switch say what `ofproto/trace` says? */
import { connect, flowMod, groupMod, meterMod, port, printFlow, type KnownField, type OpenFlowConnection } from "node-openflow";
import { Capsule } from "../../lab/capsule.js";
import { Ovs } from "../../lab/ovs.js";
import { UnixctlConnection, vswitchdSocket } from "../../src/network/unixctl.js";
import type { FlowEntry } from "../../src/network/flow-entry.js";
import { packetOf, printPacket, SoftwareSwitch, type BridgeState, type SwitchAnswer, type SwitchGroup, type SwitchMirror, type SwitchPort } from "../../src/network/flow-table.js";
import { at, getSlot, slotOf, type Words } from "../../src/network/flow-table/layout.js";
import { parseTrace, replay, type Traced } from "./trace.js";

export interface Tables {
  readonly flows: readonly FlowEntry[];
  readonly groups: readonly SwitchGroup[];
}
export interface Compared {
  /** Undefined: they agree. */
  readonly difference: string | undefined;
  readonly isDecided: boolean;
  readonly undecided: readonly string[];
}

/** Characters of a trace that are shown. */
const maxShown = 6_000;
const version = 5;
const portDown = 1;
const linkDown = 1;

/** Ports 1 to 4 and patch 10 on `br`; ports 1 to 3 and patch 10 on `br2`. */
export class TraceWorld implements AsyncDisposable {
  readonly ovs: Ovs;
  private readonly connections: ReadonlyMap<string, OpenFlowConnection>;
  private readonly control: UnixctlConnection;
  private readonly names = new Map<string, string>();
  /** What NORMAL has: VLANs of ports and mirrors, by bridge. */
  vlans: ReadonlyMap<string, SwitchPort["vlan"]> = new Map();
  mirrors: readonly SwitchMirror[] = [];
  macs: ReadonlyMap<string, number> = new Map();
  softwareSwitch = new SoftwareSwitch([]);

  private constructor(ovs: Ovs, connections: ReadonlyMap<string, OpenFlowConnection>, control: UnixctlConnection) {
    this.ovs = ovs;
    this.connections = connections;
    this.control = control;
  }

  static async start(): Promise<TraceWorld> {
    const capsule = await Capsule.start();
    const ovs = await Ovs.start(capsule);
    const ports = (bridge: string, count: number): string[] => Array.from({ length: count }, (_, i) => ["--", "add-port", bridge, `${bridge}p${i + 1}`, "--", "set", "interface", `${bridge}p${i + 1}`, "type=internal", `ofport_request=${i + 1}`]).flat();
    const bridge = (name: string): string[] => ["--", "add-br", name, "--", "set", "bridge", name, "datapath_type=netdev", "fail_mode=secure", "protocols=OpenFlow13,OpenFlow14,OpenFlow15"];
    const patch = (name: string, own: string, peer: string): string[] => ["--", "add-port", name, own, "--", "set", "interface", own, "type=patch", `options:peer=${peer}`, "ofport_request=10"];
    await ovs.vsctl(...bridge("br"), ...bridge("br2"), ...ports("br", 4), ...ports("br2", 3), ...patch("br", "patch-a", "patch-b"), ...patch("br2", "patch-b", "patch-a"));
    // Up, all but the fourth, so that fast failover has something to choose by.
    for (const name of ["brp1", "brp2", "brp3", "br2p1", "br2p2", "br2p3"]) await capsule.run("ip", ["link", "set", name, "up"]);
    const connections = new Map<string, OpenFlowConnection>();
    for (const name of ["br", "br2"]) connections.set(name, await connect({ remote: `unix:${capsule.path(`/run/openvswitch/${name}.mgmt`)}`, versions: [version] }));
    const socket = capsule.path("/run/openvswitch/" + (await vswitchdSocket(ovs.runDir)).split("/").slice(-1).join(""));
    const world = new TraceWorld(ovs, connections, await UnixctlConnection.open(socket));
    await connections.get("br")?.apply([1, 2].map((meterId) => meterMod({ meterId, flags: 1, bands: [{ bandType: 1, rate: 1_000, burstSize: 0 }] })));
    return world;
  }

  connection(bridge: string): OpenFlowConnection {
    const found = this.connections.get(bridge);
    if (found === undefined) throw new RangeError(`there is no bridge ${bridge}`);
    return found;
  }

  /** Puts flows and groups into `br` and flows into `br2`, all others out. Returns the flows that the switch refused. */
  async install(tables: Tables, second: readonly FlowEntry[]): Promise<number> {
    let refused = 0;
    for (const [name, flows] of [["br", tables.flows], ["br2", second]] as const) {
      const connection = this.connection(name);
      await connection.apply([flowMod({ command: "delete", tableId: 0xff })]);
      if (name === "br") {
        await connection.apply([groupMod({ command: "delete", groupId: 0xfffffffc, groupType: "all", buckets: [] })]);
        // A group that names another comes behind it.
        const ordered = [...tables.groups].sort((a, b) => Number(a.buckets.some(({ actions }) => actions.some(({ type }) => type === "group"))) - Number(b.buckets.some(({ actions }) => actions.some(({ type }) => type === "group"))));
        refused += (await connection.apply(ordered.map(({ groupId, groupType, buckets }) => groupMod({ command: "add", groupId, groupType, buckets })))).length;
      }
      refused += (await connection.apply(flows.map((flow) => flowMod({ command: "add", ...flow })))).length;
    }
    await this.read();
    return refused;
  }

  /** Reads what the switch has into a software switch. */
  async read(): Promise<void> {
    const states: BridgeState[] = [];
    for (const [name, connection] of this.connections) {
      const ports = await connection.portDescs();
      for (const one of ports) this.names.set(one.name, `${name}:${one.portNo}`);
      const flows = await connection.flowStats();
      const groups = await connection.groupDescs();
      states.push({
        name,
        // In a flood OpenFlow names no order, nor do we compare any.
        ports: ports.map((one): SwitchPort => {
          const vlan = this.vlans.get(one.name);
          const peer = one.name === "patch-a" ? { bridge: "br2", port: 10 } : one.name === "patch-b" ? { bridge: "br", port: 10 } : undefined;
          return { number: one.portNo, name: one.name, up: (one.config & portDown) === 0 && (one.state & linkDown) === 0, ...(peer === undefined ? {} : { peer }), ...(vlan === undefined ? {} : { vlan }) };
        }),
        flows,
        groups,
        ...(name === "br" ? { mirrors: this.mirrors, macs: this.macs } : {}),
      });
    }
    this.softwareSwitch = new SoftwareSwitch(states);
  }

  /** What ofproto/trace answers for a packet on a bridge. */
  trace(bridge: string, packet: Words): Promise<string> {
    return this.control.ask("ofproto/trace", ["--names", bridge, traceText(packet)]);
  }

  /** Asks both. The packet comes into `br`. */
  async compare(fields: readonly KnownField[]): Promise<Compared & { readonly answer: SwitchAnswer; readonly text: string }> {
    const packet = packetOf(fields);
    const answer = this.softwareSwitch.process("br", packet);
    const text = await this.trace("br", packet);
    const traced = replay(parseTrace(text), packet);
    const isDecided = answer.undecided.length === 0 && traced.unread.length === 0;
    return { difference: isDecided ? difference(answer, traced, this.names) : undefined, isDecided, undecided: [...answer.undecided, ...traced.unread.map((one) => `trace: ${one}`)], answer, text };
  }

  appctl(method: string, ...params: readonly string[]): Promise<string> {
    return this.control.ask(method, params);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.control.close();
    for (const connection of this.connections.values()) await connection.close();
    await this.ovs[Symbol.asyncDispose]();
  }
}

/** A packet in words that ofproto/trace takes: it knows ports by their protocol only. */
export function traceText(packet: Words): string {
  const text = printPacket(packet);
  const proto = /^(?:.*,)?(tcp6?|udp6?|sctp6?|icmp6)(?:,|$)/.exec(text)?.[1]?.replace(/6$/, "");
  if (proto === undefined) return text;
  return proto === "icmp" ? text.replace("icmp_type", "icmpv6_type").replace("icmp_code", "icmpv6_code") : text.replace("tp_src", `${proto}_src`).replace("tp_dst", `${proto}_dst`);
}

/** What differs between an answer and a trace, as text. Outputs of one stage are compared without their order: that of a flood is nobody's. */
export function difference(answer: SwitchAnswer, traced: Traced, names: ReadonlyMap<string, string>): string | undefined {
  const ours = answer.outputs.map((one) => `${one.port === port.controller ? "controller" : `${one.bridge}:${one.port}`} ${printPacket(one.packet, true)}`);
  const theirs = traced.outputs.map((one) => `${one.port === "controller" ? "controller" : (names.get(one.port) ?? `?${one.port}`)} ${one.packet}`);
  const meters = [answer.meters.length, traced.meters.length];
  const registers = registersOf(answer.final);
  const lines: string[] = [];
  const [a, b] = [[...ours].sort().join("\n"), [...theirs].sort().join("\n")];
  if (a !== b) lines.push(`outputs, ours:\n${ours.join("\n")}\ntrace:\n${theirs.join("\n")}`);
  if (meters[0] !== meters[1]) lines.push(`meters: ours ${meters[0]}, trace ${meters[1]}`);
  if (answer.error === undefined && traced.registers.size > 0) {
    for (const key of new Set([...registers.keys(), ...traced.registers.keys()])) if (BigInt(registers.get(key) ?? 0) !== BigInt(traced.registers.get(key) ?? 0)) lines.push(`${key}: ours ${registers.get(key)}, trace ${traced.registers.get(key)}`);
  }
  return lines.length === 0 ? undefined : lines.join("\n");
}

function registersOf(words: Words): Map<string, string> {
  const found = new Map<string, string>();
  const add = (key: string, name: string): void => {
    const slot = slotOf(name);
    const value = slot === undefined ? 0n : getSlot(words, slot);
    if (value !== 0n) found.set(key, value.toString());
  };
  for (let n = 0; n < 16; n++) add(`reg${n}`, `reg${n}`);
  add("metadata", "metadata");
  add("pkt_mark", "pktMark");
  return found;
}

/** A failing case in few lines: takes flows out while the packet still shows a difference. */
export async function minimise(world: TraceWorld, tables: Tables, second: readonly FlowEntry[], fields: readonly KnownField[]): Promise<string> {
  let kept = tables.flows;
  let other = second;
  const fails = async (flows: readonly FlowEntry[], flows2: readonly FlowEntry[]): Promise<boolean> => {
    await world.install({ ...tables, flows }, flows2);
    return (await world.compare(fields)).difference !== undefined;
  };
  if (await fails(kept, [])) other = [];
  kept = await fewest(kept, (flows) => fails(flows, other));
  other = await fewest(other, (flows) => fails(kept, flows));
  // Then actions, one at a time.
  for (let i = 0; i < kept.length; i++) {
    for (let again = true; again; ) {
      again = false;
      const flow = kept[i];
      if (flow === undefined) break;
      for (const smaller of simpler(flow)) {
        const all = [...kept.slice(0, i), smaller, ...kept.slice(i + 1)];
        if (await fails(all, other)) {
          kept = all;
          again = true;
          break;
        }
      }
    }
  }
  await world.install({ ...tables, flows: kept }, other);
  const { difference: found, text } = await world.compare(fields);
  return [...kept.map((flow) => printFlow(flowMod({ ...flow }))), ...other.map((flow) => `br2 ${printFlow(flowMod({ ...flow }))}`), printPacket(packetOf(fields)), found, text.length > maxShown ? `${text.slice(0, maxShown / 2)}\n…\n${text.slice(-maxShown / 2)}` : text].join("\n");
}

/** Takes ever smaller parts out while it still fails. */
async function fewest(flows: readonly FlowEntry[], fails: (flows: readonly FlowEntry[]) => Promise<boolean>): Promise<readonly FlowEntry[]> {
  let kept = flows;
  for (let size = Math.ceil(kept.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let i = 0; i < kept.length; ) {
      const fewer = [...kept.slice(0, i), ...kept.slice(i + size)];
      if (await fails(fewer)) kept = fewer;
      else i += size;
    }
  }
  return kept;
}

function* simpler(flow: FlowEntry): Generator<FlowEntry> {
  for (const [i, item] of flow.instructions.entries()) {
    yield { ...flow, instructions: flow.instructions.filter((_, n) => n !== i) };
    if (!("actions" in item) || item.actions.length < 2) continue;
    for (const k of item.actions.keys()) yield { ...flow, instructions: flow.instructions.map((one, n) => (n === i ? { ...item, actions: item.actions.filter((_, m) => m !== k) } : one)) };
  }
}

export const vlanOfPacket = (words: Words): number => (words[at.vlanTci] as number) & 0xfff;
