/**
 * Infers the outputs that samples don't tell from the tables of the live bridges, within a share of one core. Each kind of packet is
 * followed through the tables once and then remembered, until the tables change. What can't be inferred is counted by its reason and
 * stays unknown; nothing waits and nothing is guessed.
 *
 * Open vSwitch 3.1 says "dropped" also of packets that are tracked or meet a select group: it samples before it knows where they go
 * on. On a bridge that has such actions the tables are asked about these, too.
 */
import type { Action } from "node-openflow";
import { errorText } from "../base/error-text.js";
import { SoftwareSwitch, type BridgeState } from "../network/flow-table.js";
import { inferredEgress, saidEgress, sampleKey, type Egress, type EgressQuestion, type LeavesOut } from "./egress.js";

export interface InferenceParts {
  /** A live bridge as it is now: rejects when it can't be read, undefined while its tables are not known. */
  readonly read: (bridge: string) => Promise<BridgeState | undefined>;
  /** Monotonic, in ms: what things cost is measured with it. */
  readonly clockMs: () => number;
  readonly leavesOut?: LeavesOut;
  /** Of one core, for all of it together. Default 0.05. */
  readonly cpuShare?: number;
}

/** Samples, by what became of their output. */
export interface InferenceCounters {
  /** The sample said its port. */
  sampled: number;
  /** The sample said that the packet was dropped, and the tables don't know better. */
  dropped: number;
  inferred: number;
  /** A hash, connection tracking or a cut header leaves several ways. */
  undecided: number;
  /** The sample has no header that can be followed. */
  unreadable: number;
  /** The bridge's tables are not known, or have more flows than are followed. */
  noTables: number;
  /** The tables changed and could not be looked at again in time. */
  behind: number;
  /** There was no CPU time left for it. */
  overBudget: number;
  /** Of those inferred or undecided: answered from memory. */
  remembered: number;
  /** Times a bridge's tables were taken in anew. */
  readings: number;
}

const defaultCpuShare = 0.05;
/** Unused time is saved up to this many seconds' worth. */
const savedS = 2;
/** Ports and MAC tables change without a word from the flow tables: they are looked at this often while there are questions. */
const lookEveryMs = 5_000;
const retryMs = 1_000;
/** Tables that never stop changing are looked at this often at most: ports and addresses are asked of the switch each time. */
const lookGapMs = 200;
/** Samples are up to a second old when they come, so tables a little behind serve as well. */
const maxBehindMs = 2_000;
/** Kinds of packets remembered for each bridge; beyond, the oldest is forgotten. */
const maxRemembered = 8_192;
/** Taking in this many flows takes about a second of CPU time; bridges with more are not followed. */
const maxFlows = 200_000;
/** Flows taken in before others have their turn: some milliseconds. */
const flowsAtOnce = 500;

/** What is known of one bridge. */
class Known {
  tables: SoftwareSwitch | undefined;
  readonly answers = new Map<string, Egress>();
  /** Since when the tables differ from those known; undefined: they don't. */
  changedMs: number | undefined;
  /** The same of changes that came while the tables were being read: what is read may be without them. */
  changedAgainMs: number | undefined;
  lookedMs = -Infinity;
  isReading = false;
  /** Ports, mirrors and addresses as last taken in. */
  aside = "";
  /** Whether packets may go on after they were sampled: a drop that a sample tells may be none. */
  recirculates = false;
}

export class EgressInference {
  readonly counters: InferenceCounters = { sampled: 0, dropped: 0, inferred: 0, undecided: 0, unreadable: 0, noTables: 0, behind: 0, overBudget: 0, remembered: 0, readings: 0 };
  /** Why a bridge could not be read last; undefined once it could. */
  failure: string | undefined;
  private readonly parts: InferenceParts;
  private readonly known = new Map<string, Known>();
  /** CPU time that may be used now, in ms; below 0 while too much was used at once. */
  private savedMs: number;
  private countedMs: number;

  constructor(parts: InferenceParts) {
    this.parts = parts;
    this.savedMs = this.share * savedS * 1_000;
    this.countedMs = parts.clockMs();
  }

  /** The flow tables, groups or ports of a bridge changed. */
  changed(bridge: string): void {
    const known = this.known.get(bridge);
    if (known === undefined) return;
    const nowMs = this.parts.clockMs();
    known.changedMs ??= nowMs;
    if (known.isReading) known.changedAgainMs ??= nowMs;
  }

  /** Bridges that are gone are forgotten. */
  keepOnly(bridges: { has(bridge: string): boolean }): void {
    for (const bridge of this.known.keys()) if (!bridges.has(bridge)) this.known.delete(bridge);
  }

  /** Where the sampled packet went, as the sample says or else the tables. */
  egress(question: EgressQuestion): Egress {
    const { counters } = this;
    const said = saidEgress(question.sample);
    if (said?.how === "sampled") {
      counters.sampled++;
      return said;
    }
    if (said?.how === "dropped") return this.dropped(said, question);
    const raw = question.sample.records.find((record) => record.kind === "sampledHeader");
    if (raw === undefined) return this.unknown("unreadable", "the sample has no header");
    const nowMs = this.parts.clockMs();
    const known = this.of(question.bridge);
    this.look(question.bridge, known, nowMs);
    if (known.tables === undefined) return this.unknown("noTables", "the bridge's tables are not known");
    if (this.isBehind(known, nowMs)) return this.unknown("behind", "the tables have changed since");
    const answer = this.answer(known, known.tables, question, raw.header, nowMs);
    return answer === undefined ? this.unknown("overBudget", "no CPU time was left") : this.count(answer);
  }

  /** A drop as the sample has it, unless the tables leave open what became of the packet. */
  private dropped(said: Egress, question: EgressQuestion): Egress {
    const raw = question.sample.records.find((record) => record.kind === "sampledHeader");
    const nowMs = this.parts.clockMs();
    const known = this.of(question.bridge);
    this.look(question.bridge, known, nowMs);
    const mayGoOn = known.recirculates && !this.isBehind(known, nowMs);
    const answer = raw !== undefined && known.tables !== undefined && mayGoOn ? this.answer(known, known.tables, question, raw.header, nowMs) : undefined;
    if (answer?.how === "one of") return this.count(answer);
    this.counters.dropped++;
    return said;
  }

  /** From memory, or by following the packet; undefined when there is no time for that. */
  private answer(known: Known, tables: SoftwareSwitch, question: EgressQuestion, header: Uint8Array, nowMs: number): Egress | undefined {
    const key = sampleKey(header, question.inPort);
    const remembered = known.answers.get(key);
    if (remembered !== undefined) {
      this.counters.remembered++;
      return remembered;
    }
    if (this.left(nowMs) <= 0) return undefined;
    const answer = inferredEgress(tables, question, this.parts.leavesOut);
    this.savedMs -= this.parts.clockMs() - nowMs;
    if (known.answers.size >= maxRemembered) {
      const [oldest] = known.answers.keys();
      if (oldest !== undefined) known.answers.delete(oldest);
    }
    known.answers.set(key, answer);
    return answer;
  }

  private get share(): number {
    return this.parts.cpuShare ?? defaultCpuShare;
  }

  private of(bridge: string): Known {
    let known = this.known.get(bridge);
    if (known === undefined) this.known.set(bridge, (known = new Known()));
    return known;
  }

  /** Whether the tables changed too long ago and could not be looked at again. */
  private isBehind({ changedMs }: Known, nowMs: number): boolean {
    return changedMs !== undefined && nowMs - changedMs > maxBehindMs;
  }

  private count(answer: Egress): Egress {
    this.counters[answer.how === "inferred" ? "inferred" : answer.how === "one of" ? "undecided" : "unreadable"]++;
    return answer;
  }
  private unknown(counter: "unreadable" | "noTables" | "behind" | "overBudget", why: string): Egress {
    this.counters[counter]++;
    return { how: "unknown", why };
  }

  /** CPU time that may be used now. */
  private left(nowMs: number): number {
    this.savedMs = Math.min(this.savedMs + Math.max(0, nowMs - this.countedMs) * this.share, this.share * savedS * 1_000);
    this.countedMs = Math.max(this.countedMs, nowMs);
    return this.savedMs;
  }

  /** Begins to read the bridge anew when its tables have changed or were not looked at for long, and there is time for it. */
  private look(bridge: string, known: Known, nowMs: number): void {
    if (known.isReading) return;
    const isDue = known.tables === undefined ? nowMs - known.lookedMs >= retryMs : nowMs - known.lookedMs >= (known.changedMs === undefined ? lookEveryMs : lookGapMs);
    if (!isDue || this.left(nowMs) <= 0) return;
    known.isReading = true;
    known.lookedMs = nowMs;
    known.changedAgainMs = undefined;
    void this.parts
      .read(bridge)
      .then(async (state) => {
        if (state === undefined) return;
        await this.takeIn(known, state, known.changedMs !== undefined);
        known.changedMs = known.changedAgainMs;
        this.failure = undefined;
      })
      .catch((error: unknown) => {
        this.failure = `the tables of ${bridge} can't be read for the outputs of samples: ${errorText(error)}`;
      })
      .finally(() => (known.isReading = false));
  }

  private async takeIn(known: Known, state: BridgeState, hasChanged: boolean): Promise<void> {
    let startMs = this.parts.clockMs();
    this.left(startMs);
    const aside = JSON.stringify([state.ports, state.mirrors ?? [], [...(state.macs ?? [])].sort()]);
    if (known.tables !== undefined && !hasChanged && aside === known.aside) return;
    this.counters.readings++;
    let tables: SoftwareSwitch | undefined;
    if (state.flows.length <= maxFlows) {
      const building = SoftwareSwitch.building([state], flowsAtOnce);
      for (let step = building.next(); ; step = building.next()) {
        const nowMs = this.parts.clockMs();
        this.savedMs -= nowMs - startMs;
        if (step.done === true) {
          tables = step.value;
          break;
        }
        await new Promise((resolve) => setImmediate(resolve));
        startMs = this.parts.clockMs();
      }
    }
    known.aside = aside;
    known.answers.clear();
    known.tables = tables;
    known.recirculates = recirculates(state);
  }
}

const goesOn = (one: Action): boolean => one.type === "ct" || (one.type === "clone" && one.actions.some(goesOn));

/** Whether a bridge has actions behind which a packet goes on as another: connection tracking, a select group. */
function recirculates({ flows, groups = [] }: BridgeState): boolean {
  return groups.some(({ groupType }) => groupType === "select") || flows.some(({ instructions }) => instructions.some((one) => "actions" in one && one.actions.some(goesOn)));
}
