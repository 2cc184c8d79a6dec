/**
 * What shadow nodes put into the shadow and took out of it, by the counters of the adapters' flows. It is in the counters of the shadow's
 * ports, too, and must come off where copies are counted.
 */
import type { OpenFlowConnection } from "node-openflow";
import { portKey, type PortRef } from "../../network/model.js";
import { cookie, readCookie, replicaPort } from "../../network/pipeline.js";

/** Since the daemon started. */
export interface NodeCount {
  readonly inPackets: bigint;
  readonly inBytes: bigint;
  readonly outPackets: bigint;
  readonly outBytes: bigint;
}
const none: NodeCount = { inPackets: 0n, inBytes: 0n, outPackets: 0n, outBytes: 0n };

interface Sum {
  readonly last: bigint;
  /** What flows of before counted, which are there no more. */
  readonly base: bigint;
}

const kindMask = 0xffff_ff00_0000_0000n;

export class NodeCounters {
  /** By "bridge serial packets|bytes". */
  private readonly sums = new Map<string, Sum>();
  /** Live bridges that have, or had, nodes. */
  private readonly bridges = new Map<string, Set<number>>();

  /** Nodes stand behind these ports now. What was counted of others stays: it is in the ports' counters, too. */
  note(nodes: readonly { readonly at: PortRef }[]): void {
    for (const { at } of nodes) this.bridges.set(at.bridge, (this.bridges.get(at.bridge) ?? new Set()).add(at.ofport));
  }

  has(bridge: string): boolean {
    return this.bridges.has(bridge);
  }

  /** Reads the flows of the adapter of a live bridge. By "bridge:ofport". */
  async read(bridge: string, connection: OpenFlowConnection): Promise<ReadonlyMap<string, NodeCount>> {
    const edges = this.bridges.get(bridge);
    if (edges === undefined) return new Map();
    for (const flow of await connection.flowStats({ cookie: cookie("node"), cookieMask: kindMask })) {
      const serial = Number(readCookie(flow.cookie)?.serial ?? 0n);
      if (serial === 0) continue;
      this.take(`${bridge} ${serial} packets`, flow.packetCount);
      this.take(`${bridge} ${serial} bytes`, flow.byteCount);
    }
    return new Map([...edges].map((n) => [portKey({ bridge, ofport: n }), this.of(bridge, n)]));
  }

  /** As last read. */
  of(bridge: string, edge: number): NodeCount {
    if (this.bridges.get(bridge)?.has(edge) !== true) return none;
    const sum = (serial: number, what: string): bigint => {
      const { last, base } = this.sums.get(`${bridge} ${serial} ${what}`) ?? { last: 0n, base: 0n };
      return last + base;
    };
    const out = replicaPort(edge);
    return { inPackets: sum(edge, "packets"), inBytes: sum(edge, "bytes"), outPackets: sum(out, "packets"), outBytes: sum(out, "bytes") };
  }

  /** A flow that was put anew counts from 0 again. */
  private take(key: string, count: bigint): void {
    const { last, base } = this.sums.get(key) ?? { last: 0n, base: 0n };
    this.sums.set(key, count < last ? { last: count, base: base + last } : { last: count, base });
  }
}

interface Before {
  readonly raw: bigint;
  readonly nodes: bigint;
  readonly value: bigint;
  /** What nodes had sent when the counter began: it counts none of that. */
  readonly base: bigint;
}

/** Counters of ports with the nodes' part taken off. Only differences of what they say mean anything. */
export class Corrected {
  private readonly before = new Map<string, Before>();

  /** `raw`: what the port says; `nodes`: what was counted of nodes there, which never goes back. */
  of(key: string, raw: bigint, nodes: bigint): bigint {
    const was = this.before.get(key);
    const isAnew = was !== undefined && raw < was.raw;
    const base = isAnew ? was.nodes : (was?.base ?? (nodes <= raw ? 0n : nodes));
    const own = nodes - base;
    const plain = raw > own ? raw - own : 0n;
    // The two are read one after the other: a counter that did not begin anew never goes back for that.
    const value = was !== undefined && !isAnew && plain < was.value ? was.value : plain;
    this.before.set(key, { raw, nodes, value, base });
    return value;
  }
}
