/** `ofproto/trace` as a witness: what Open vSwitch itself says a packet does, read into outputs with the packets as they leave. */
import { etherType, at, type Words } from "../../src/network/flow-table/layout.js";
import { popMpls, popVlan, pushMpls, pushVlan } from "../../src/network/flow-table/headers.js";
import { printPacket } from "../../src/network/flow-table.js";
import { firstHiddenByMpls } from "../../src/network/flow-table/layout.js";
import { patchOf, applyPatch, slotOf, ones } from "../../src/network/flow-table/layout.js";
import { field, type FieldName } from "node-openflow";

/** One pass through the tables; those behind the first begin at a recirculation. */
export interface TraceStage {
  /** As in the datapath actions that led here; undefined for the first. */
  readonly recircId: string | undefined;
  /** The text behind "Final flow:", or "unchanged". */
  readonly final: string;
  readonly actions: string;
  /** The packet was dropped as a whole. */
  readonly isFailed: boolean;
}

/** Reads the answer of ofproto/trace. Throws when it is none. */
export function parseTrace(text: string): TraceStage[] {
  const stages: TraceStage[] = [];
  for (const [i, part] of text.split(/^={20,}$/m).filter((_, at) => at % 2 === 0).entries()) {
    const final = /^Final flow: (.*)$/m.exec(part)?.[1];
    const actions = /^Datapath actions: (.*)$/m.exec(part)?.[1];
    if (final === undefined || actions === undefined) throw new Error(`not an answer of ofproto/trace: ${part}`);
    const heading = [...text.matchAll(/^recirc\((0x[0-9a-f]+)\)/gm)][i - 1]?.[1];
    stages.push({ recircId: i === 0 ? undefined : heading, final, actions, isFailed: /^Translation failed/m.test(part) });
  }
  return stages;
}

export interface TracedOutput {
  /** The port's name, or "controller". */
  readonly port: string;
  readonly packet: string;
}

export interface Traced {
  readonly outputs: readonly TracedOutput[];
  /** Numbers of the datapath's meters. */
  readonly meters: readonly number[];
  /** Registers and metadata behind the first pass, those that are not 0, by their names in the text. */
  readonly registers: ReadonlyMap<string, string>;
  /** What of the datapath's actions is not followed here, as a hash. */
  readonly unread: readonly string[];
}

/** Items of a list at its top level. */
function split(text: string): string[] {
  const items: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i <= text.length; i++) {
    const char = text[i];
    if (char === "(" || char === "{") depth++;
    else if (char === ")" || char === "}") depth--;
    else if ((char === "," && depth === 0) || i === text.length) {
      const item = text.slice(start, i).trim();
      if (item !== "") items.push(item);
      start = i + 1;
    }
  }
  return items;
}
const call = (item: string): readonly [name: string, inside: string | undefined] => {
  const found = /^([a-z_0-9]+)\((.*)\)$/s.exec(item);
  return found === null ? [item, undefined] : [found[1] as string, found[2]];
};

/** Fields of set(…), by header. */
const names: Readonly<Record<string, Readonly<Record<string, FieldName>>>> = {
  eth: { src: "ethSrc", dst: "ethDst" },
  ipv4: { src: "ipv4Src", dst: "ipv4Dst", tos: "ipTos", ttl: "ipTtl" },
  ipv6: { src: "ipv6Src", dst: "ipv6Dst", label: "ipv6Flabel", tclass: "ipTos", hlimit: "ipTtl" },
  tcp: { src: "tcpSrc", dst: "tcpDst" },
  udp: { src: "udpSrc", dst: "udpDst" },
  sctp: { src: "sctpSrc", dst: "sctpDst" },
  arp: { sip: "arpSpa", tip: "arpTpa", op: "arpOp", sha: "arpSha", tha: "arpTha" },
  nd: { target: "ipv6NdTarget", sll: "ipv6NdSll", tll: "ipv6NdTll" },
  mpls: { label: "mplsLabel", tc: "mplsTc", ttl: "mplsTtl", bos: "mplsBos" },
  vlan: { vid: "vlanVid", pcp: "vlanPcp" },
};

class Replay {
  readonly outputs: TracedOutput[] = [];
  readonly meters: number[] = [];
  readonly unread: string[] = [];
  /** Packets that wait for their next pass; several may wait under one number. */
  readonly waiting = new Map<string, Words[]>();
  private packet: Words;
  private inner: Words | undefined;

  constructor(packet: Words) {
    this.packet = packet;
  }

  start(packet: Words): void {
    this.packet = packet;
  }

  run(text: string): void {
    for (const item of split(text)) this.one(item);
  }

  private one(item: string): void {
    const [name, inside] = call(item);
    const { packet } = this;
    if (inside === undefined) {
      if (name === "pop_vlan") popVlan(packet);
      else if (name !== "drop" && name !== "ct_clear" && name !== "ct") this.outputs.push({ port: name.replaceAll('"', ""), packet: printPacket(packet, true) });
      return;
    }
    const given = new Map(split(inside).map((one) => one.split("=") as [string, string]));
    const number = (key: string): number => Number(given.get(key) ?? 0);
    switch (name) {
      case "set":
        return this.set(inside);
      case "push_vlan":
        pushVlan(packet, given.has("tpid") ? number("tpid") : etherType.vlan);
        packet[at.vlanTci] = 0x1000 | number("vid") | (number("pcp") << 13);
        return;
      case "push_mpls": {
        const inner = pushMpls(packet, number("eth_type"));
        if (inner !== false && inner.length > 0) this.inner = inner;
        packet[at.mpls] = ((number("label") << 12) | (number("tc") << 9) | (number("bos") << 8) | number("ttl")) >>> 0;
        return;
      }
      case "pop_mpls":
        if (popMpls(packet, number("eth_type")) === "inner" && this.inner !== undefined) packet.set(this.inner, firstHiddenByMpls);
        return;
      case "clone": {
        const [own, inner] = [packet, this.inner];
        this.packet = packet.slice();
        this.run(inside);
        [this.packet, this.inner] = [own, inner];
        return;
      }
      case "userspace":
        if (inside.includes("controller(")) this.outputs.push({ port: "controller", packet: printPacket(packet, true) });
        return;
      case "meter":
        this.meters.push(Number(inside));
        return;
      case "recirc":
        this.waiting.set(inside, [...(this.waiting.get(inside) ?? []), packet.slice()]);
        return;
      case "ct":
      case "trunc":
        return;
      default:
        this.unread.push(name);
    }
  }

  private set(inside: string): void {
    const [header, fields] = call(inside);
    const known = names[header];
    if (known === undefined) {
      if (header === "skb_mark") this.packet[at.pktMark] = Number((fields ?? "0").split("/")[0]);
      return; // queues, and tunnels that lead nowhere
    }
    for (const one of split(fields ?? "")) {
      const [key = "", text = ""] = one.split(/=(.*)/s);
      const name = known[key];
      const slot = name === undefined ? undefined : slotOf(name);
      if (name === undefined || slot === undefined) continue; // what is told but not set
      const [value = "", mask] = text.split("/");
      const read = (of: string): bigint => field(name, of).value;
      applyPatch(this.packet, patchOf(slot, read(value), mask === undefined ? ones(slot.bits) : read(mask)));
    }
  }
}

const kept = /^(reg\d+|metadata|pkt_mark|tun_id)$/;

/** What the stages of a trace do to the packet that was asked about. */
export function replay(stages: readonly TraceStage[], packet: Words): Traced {
  const run = new Replay(packet.slice());
  for (const { recircId, actions, isFailed } of stages) {
    if (recircId !== undefined) {
      const from = run.waiting.get(recircId)?.shift();
      if (from === undefined) continue; // nothing leads there
      run.start(from);
    }
    if (!isFailed) run.run(actions);
  }
  // What the answer does not follow: a packet looked into anew below its label, a hash.
  if ([...run.waiting.values()].some((packets) => packets.length > 0)) run.unread.push("recirc");
  const registers = new Map<string, string>();
  const first = stages[0];
  for (const item of split(first?.final === "unchanged" ? "" : (first?.final ?? ""))) {
    const [key = "", value = ""] = item.split(/=(.*)/s);
    if (kept.test(key) && BigInt(value) !== 0n) registers.set(key, value);
  }
  return { outputs: run.outputs, meters: run.meters, registers, unread: run.unread };
}
