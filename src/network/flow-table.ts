/**
 * A software switch: what would this packet do? Bridges as plain values, packets as words; nothing is sent and nothing is kept, so one
 * switch answers any number of questions. It is held against Open vSwitch's `ofproto/trace` on generated packets and tables.
 *
 * Where the answer rests on what it can't know (the hash of a select group, of multipath; address translation) it says so in
 * `undecided`, follows one way, and `outcomes` follows them all.
 */
import { Classifier } from "./flow-table/classifier.js";
import type { Words } from "./flow-table/layout.js";
import type { BridgeState, ProcessOptions, SwitchAnswer } from "./flow-table/state.js";
import type { BridgeTables } from "./flow-table/walk-state.js";
import { Walk } from "./flow-table/walk.js";

export { fieldsOf, packetOf, parsePacket, printPacket, unsetPort } from "./flow-table/packet.js";
export type { Words } from "./flow-table/layout.js";
export type { BridgeState, Choice, LearnedFlow, Output, ProcessOptions, Step, SwitchAnswer, SwitchGroup, SwitchMirror, SwitchPort, VlanConfig } from "./flow-table/state.js";

/** Answers followed by `outcomes` at most. */
const maxOutcomes = 64;

export class SoftwareSwitch {
  private readonly bridges = new Map<string, BridgeTables>();
  private unmatchableFlows = 0;

  /** `bridges`: those a packet may cross; RangeError when two have one name. */
  constructor(bridges: readonly BridgeState[]) {
    this.taking(bridges, Infinity).next(); // one step, to the end
  }

  /** The same in steps of so many flows: who builds large tables can let others have their turn between two. RangeError likewise. */
  static *building(bridges: readonly BridgeState[], flowsAtOnce: number): Generator<number, SoftwareSwitch> {
    const built = new SoftwareSwitch([]);
    yield* built.taking(bridges, flowsAtOnce);
    return built;
  }

  /** Flows that no packet here can match: they name a field of tunnels' options or one that is not known. */
  get unmatchable(): number {
    return this.unmatchableFlows;
  }

  /** Gives the number of flows taken after each step but the last. */
  private *taking(bridges: readonly BridgeState[], flowsAtOnce: number): Generator<number, void> {
    let taken = 0;
    for (const state of bridges) {
      if (this.bridges.has(state.name)) throw new RangeError(`two bridges are named ${state.name}`);
      const tables: (Classifier | undefined)[] = [];
      for (const flow of state.flows) {
        const table = (tables[flow.tableId] ??= new Classifier());
        if (!table.add(flow)) this.unmatchableFlows++;
        if (++taken % flowsAtOnce === 0) yield taken;
      }
      this.bridges.set(state.name, {
        state,
        tables,
        ports: new Map(state.ports.map((one) => [one.number, one])),
        groups: new Map((state.groups ?? []).map((one) => [one.groupId, one])),
      });
    }
  }

  /** What a packet does that comes into `bridge` by the port its inPort names. RangeError for a bridge there is not. */
  process(bridge: string, packet: Words, options: ProcessOptions = {}): SwitchAnswer {
    const tables = this.bridges.get(bridge);
    if (tables === undefined) throw new RangeError(`there is no bridge ${bridge}`);
    const walk = new Walk(this.bridges, tables, packet.slice(), options);
    const { final, error } = walk.run();
    const { outputs, meters, learned, macs, steps, choices, undecided, lookups } = walk;
    return { outputs, meters, learned, macs, steps, choices, undecided, error, final, lookups };
  }

  /**
   * All that the packet may do where a choice is not decided, at most 64 answers; `isComplete` is false when there are more. An answer
   * that is undecided for another reason than a choice says so itself.
   */
  outcomes(bridge: string, packet: Words, options: Omit<ProcessOptions, "choices"> = {}): { readonly answers: readonly SwitchAnswer[]; readonly isComplete: boolean } {
    const answers: SwitchAnswer[] = [];
    let choices: number[] | undefined = [];
    while (choices !== undefined && answers.length < maxOutcomes) {
      const answer = this.process(bridge, packet, { ...options, choices });
      answers.push(answer);
      choices = nextChoices(answer);
    }
    return { answers, isComplete: choices === undefined };
  }
}

/** The choices behind those of an answer, counting up from the last; undefined behind the last. */
function nextChoices({ choices }: SwitchAnswer): number[] | undefined {
  for (let i = choices.length - 1; i >= 0; i--) {
    const one = choices[i];
    if (one !== undefined && one.taken + 1 < one.of) return [...choices.slice(0, i).map(({ taken }) => taken), one.taken + 1];
  }
  return undefined;
}
