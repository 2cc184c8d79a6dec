/** The live bridges' tables, kept at base + overlays + promotion rules. Foreign flows and groups are never touched. */
import type { OpenFlowConnection } from "node-openflow";
import { flowMod, match } from "node-openflow";
import type { Logger } from "pino";
import type { FlowChange, FlowEntry, GroupChange } from "../network/flow-entry.js";
import { cookie, isOurGroup, isOurs, table } from "../network/pipeline.js";
import { Converger } from "./converger.js";
import { SwitchWriter, type SwitchState, type WriterCounters } from "./switch-writer.js";

const onlyOurs = {
  flow: (flow: { readonly cookie: bigint }): boolean => isOurs(flow.cookie),
  group: (group: { readonly groupId: number }): boolean => isOurGroup(group.groupId),
};

export interface LiveParts {
  /** What a bridge should have of ours now; undefined: leave it as it is for the moment. */
  readonly desired: (bridge: string) => SwitchState | undefined;
  readonly log: Logger;
  /** Resolves when a switch that came up may be written to (`FlowRestore`); absent: at once. */
  readonly restored?: () => Promise<void>;
  /** Told of changes just before they are sent. */
  readonly sending?: (bridge: string, flows: readonly FlowChange[], groups: readonly GroupChange[]) => void;
  /** Somebody took a flow of ours away that we want: it is put back. */
  readonly taken?: (bridge: string, flow: FlowEntry) => void;
  /** An audit found `differences` between a bridge and what we put there; they are mended. */
  readonly differed?: (bridge: string, differences: number) => void;
}

interface LiveSwitch {
  readonly connection: OpenFlowConnection;
  readonly writer: SwitchWriter;
  /** Before, nothing is written to it. */
  readonly ready: Promise<void>;
  /** What the writer was last told, so that it is not told the same again. */
  told: SwitchState | undefined;
}

export class LiveSwitches {
  private readonly parts: LiveParts;
  private readonly switches = new Map<string, LiveSwitch>();
  private readonly converger: Converger;

  constructor(parts: LiveParts) {
    this.parts = parts;
    this.converger = new Converger({
      pass: () => this.pass(),
      failed: (error) => parts.log.warn({ err: error }, "live pass failed; trying again"),
      retryMs: 50,
    });
  }

  attach(bridge: string, connection: OpenFlowConnection): void {
    const writer = new SwitchWriter(onlyOurs, { atOnce: true });
    writer.sending = (flows, groups) => this.parts.sending?.(bridge, flows, groups);
    writer.attach(connection);
    this.switches.set(bridge, { connection, writer, ready: this.parts.restored?.() ?? Promise.resolve(), told: undefined });
    this.changed();
  }

  detach(bridge: string): void {
    this.switches.get(bridge)?.writer.attach(undefined);
    this.switches.delete(bridge);
  }

  changed(): void {
    this.converger.trigger();
  }

  /** Resolves when every connected bridge is as desired. */
  settle(): Promise<void> {
    return this.converger.settle();
  }

  /** A flow of ours went away on a live bridge: by time-out, or because somebody deleted it. */
  removed(bridge: string, flow: FlowEntry): void {
    if (!isOurs(flow.cookie)) return;
    if (this.switches.get(bridge)?.writer.forget(flow) === true) this.parts.taken?.(bridge, flow);
    this.changed();
  }

  /** The audits of the bridges, each by its own name: each compares with a dump, mends, and gives the number of differences. */
  audited(): (readonly [name: string, audit: () => Promise<number>])[] {
    return [...this.switches].map(([bridge, { writer }]) => {
      const audit = async (): Promise<number> => {
        const differences = await writer.audit();
        if (differences > 0) this.parts.differed?.(bridge, differences);
        return differences;
      };
      return [`ours on ${bridge}`, audit];
    });
  }

  /** Whether a bridge is known to hold what it should of ours: only then what else is there is known to be somebody else's. */
  isSettled(bridge: string): boolean {
    return this.switches.get(bridge)?.writer.settled === true;
  }

  /** Ids of the groups that we made on a bridge. */
  groups(bridge: string): ReadonlySet<number> {
    return new Set(this.switches.get(bridge)?.writer.installed().groups.map((group) => group.groupId));
  }

  counters(): ReadonlyMap<string, WriterCounters> {
    return new Map([...this.switches].map(([name, { writer }]) => [name, writer.counters]));
  }

  /** Sends one flow-mod pair that changes nothing, so that vswitchd looks at its cached flows again. */
  async poke(): Promise<void> {
    const first = [...this.switches.values()][0];
    if (first === undefined) return;
    const flow = { tableId: table.poke, priority: 1, match: match({}), cookie: cookie("poke") };
    await first.connection.apply([flowMod({ command: "add", ...flow }), flowMod({ command: "deleteStrict", ...flow })]);
  }

  /**
   * Takes everything of ours off the live bridges, in an order that loses nothing: the entry in table 0 first, so that
   * packets take the operator's flows from then on, then the tables behind it, then the groups.
   */
  async clear(): Promise<void> {
    await this.converger.stop();
    for (const { writer } of this.switches.values()) {
      await writer.flush();
      const { flows, groups } = writer.installed();
      writer.setDesired({ flows: flows.filter((flow) => flow.tableId !== table.operator), groups });
      await writer.flush();
      writer.setDesired({ flows: [], groups: [] });
      await writer.flush();
      await writer.audit();
    }
  }

  async stop(): Promise<void> {
    await this.converger.stop();
  }

  private async pass(): Promise<void> {
    const results = await Promise.allSettled(
      [...this.switches].map(async ([bridge, one]) => {
        await one.ready;
        const state = this.parts.desired(bridge);
        if (state === undefined) return;
        if (state !== one.told) {
          one.told = state;
          one.writer.setDesired(state);
        }
        await one.writer.flush();
      }),
    );
    const failure = results.find((result) => result.status === "rejected");
    if (failure !== undefined) throw failure.reason;
  }
}
