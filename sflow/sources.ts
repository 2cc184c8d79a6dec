/** Account of every agent and data source: lost datagrams and samples, sampling rates and their changes. No clock, bounded. */
import type { Datagram, FlowSample } from "./datagram.js";
import { lossRatio, Sequence, type Arrival, type SequenceCounters } from "./sequence.js";

/** A data source's view of its sampling. */
export interface SamplingState {
  /** As the newest sample says: one packet in this many. */
  readonly samplingRate: number;
  /** How often it changed. Each sample is weighed by its own rate, so estimates stay right across a change. */
  readonly changes: number;
  /** Samples the agent itself could not take since we watch. */
  readonly drops: number;
}
export interface SourceState {
  /** "AGENT SUB-AGENT". */
  readonly agent: string;
  /** "CLASS.INDEX". */
  readonly source: string;
  readonly of: "flow" | "counters";
  readonly samples: SequenceCounters;
  readonly lossRatio: number;
  /** Of flow samples. */
  readonly sampling?: SamplingState;
}
export interface AgentState {
  readonly agentAddress: string;
  readonly subAgentId: number;
  readonly datagrams: SequenceCounters;
  readonly lossRatio: number;
}
export interface SamplingChange {
  readonly agent: string;
  readonly source: string;
  readonly from: number;
  readonly to: number;
}

interface Source {
  readonly agent: string;
  readonly source: string;
  readonly of: "flow" | "counters";
  readonly sequence: Sequence;
  samplingRate: number;
  changes: number;
  drops: number;
  lastDrops: number;
}
interface Agent {
  readonly agentAddress: string;
  readonly subAgentId: number;
  readonly sequence: Sequence;
}

export class SourceTable {
  /** Agents and data sources forgotten because a bound was reached, the oldest first. */
  forgotten = 0;
  private readonly agents = new Map<string, Agent>();
  private readonly sources = new Map<string, Source>();
  private readonly maxAgents: number;
  private readonly maxSources: number;

  constructor({ maxAgents = 10_000, maxSources = 100_000 }: { readonly maxAgents?: number; readonly maxSources?: number } = {}) {
    this.maxAgents = maxAgents;
    this.maxSources = maxSources;
  }

  /** Takes a datagram into account. `arrival` says how it stands to the ones before; a duplicate should not be counted again. */
  take(datagram: Datagram): { readonly arrival: Arrival; readonly samplingChanges: readonly SamplingChange[] } {
    const arrival = this.takeHead(datagram.agentAddress, datagram.subAgentId, datagram.sequenceNumber, datagram.uptime);
    const samplingChanges: SamplingChange[] = [];
    if (arrival.is === "duplicate") return { arrival, samplingChanges };
    const agent = `${datagram.agentAddress} ${datagram.subAgentId}`;
    for (const sample of datagram.samples) {
      if (sample.kind !== "flow" && sample.kind !== "counters") continue;
      const source = this.source(agent, `${sample.dataSource.class}.${sample.dataSource.index}`, sample.kind);
      const { is } = source.sequence.take(sample.sequenceNumber, datagram.uptime);
      if (sample.kind === "flow" && is !== "late" && is !== "duplicate") {
        const change = sampling(source, sample, is === "restart");
        if (change !== undefined) samplingChanges.push(change);
      }
    }
    return { arrival, samplingChanges };
  }

  /** The datagram's own number only, for those who don't decode samples. */
  takeHead(agentAddress: string, subAgentId: number, sequenceNumber: number, uptime: number): Arrival {
    const key = `${agentAddress} ${subAgentId}`;
    let agent = this.agents.get(key);
    if (agent === undefined) {
      this.makeRoom(this.agents, this.maxAgents);
      agent = { agentAddress, subAgentId, sequence: new Sequence() };
      this.agents.set(key, agent);
    }
    return agent.sequence.take(sequenceNumber, uptime);
  }

  agentStates(): AgentState[] {
    return [...this.agents.values()].map(({ agentAddress, subAgentId, sequence }) => ({ agentAddress, subAgentId, datagrams: counters(sequence), lossRatio: lossRatio(sequence) }));
  }

  sourceStates(): SourceState[] {
    return [...this.sources.values()].map(({ agent, source, of, sequence, samplingRate, changes, drops }) => ({
      agent,
      source,
      of,
      samples: counters(sequence),
      lossRatio: lossRatio(sequence),
      ...(of === "flow" ? { sampling: { samplingRate, changes, drops } } : {}),
    }));
  }

  private source(agent: string, name: string, of: "flow" | "counters"): Source {
    const key = `${agent} ${name} ${of}`;
    let source = this.sources.get(key);
    if (source === undefined) {
      this.makeRoom(this.sources, this.maxSources);
      source = { agent, source: name, of, sequence: new Sequence(), samplingRate: 0, changes: 0, drops: 0, lastDrops: 0 };
      this.sources.set(key, source);
    }
    return source;
  }

  private makeRoom(map: Map<string, unknown>, max: number): void {
    if (map.size < max) return;
    const [oldest] = map.keys();
    if (oldest !== undefined) map.delete(oldest);
    this.forgotten++;
  }
}

function sampling(source: Source, sample: FlowSample, hasRestarted: boolean): SamplingChange | undefined {
  const from = source.samplingRate;
  const isFirst = from === 0;
  // drops goes round at 2^32, and begins at 0 in an agent that restarts.
  if (!isFirst) source.drops += hasRestarted ? sample.drops : (sample.drops - source.lastDrops) >>> 0;
  source.lastDrops = sample.drops;
  source.samplingRate = sample.samplingRate;
  if (isFirst || from === sample.samplingRate) return undefined;
  source.changes++;
  return { agent: source.agent, source: source.source, from, to: sample.samplingRate };
}

const counters = ({ received, lost, late, duplicates, restarts }: SequenceCounters): SequenceCounters => ({ received, lost, late, duplicates, restarts });
