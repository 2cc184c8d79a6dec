/** What a packet does on a live bridge and on its shadow, side by side, from what the two switches hold at this moment. */
import { errorText } from "../base/error-text.js";
import { parsePacket, SoftwareSwitch, type BridgeState } from "../network/flow-table.js";
import type { Dial } from "../network/bridge-session.js";
import { mirrorsOf, readBridgeState, type FollowedTables, type ReadParts } from "../network/bridge-state.js";
import { readBridges, type Tables } from "../network/database-view.js";
import { explain, parting, type Explanation } from "../network/explain.js";
import type { PortConfigs } from "../network/port-config.js";
import { maxReplicatedPort } from "../network/pipeline.js";
import type { ZoneMap } from "./connection-zones.js";
import { shadowBridge } from "./names.js";

export interface BothWays {
  readonly live: Explanation;
  /** Undefined when the bridge has no shadow. */
  readonly shadow: Explanation | undefined;
  /** Where the two part; empty when nowhere. */
  readonly difference: string;
  /** Of live's steps, or the shadow's where live's have ended; -1: none. */
  readonly differingStep: number;
}

export interface ExplainerParts {
  readonly tables: Tables;
  readonly dial: (bridge: string) => Dial;
  /** Configuration bits of a bridge's ports (`portConfigs`); rejects when they can't be read. */
  readonly portConfigs: (bridge: string, signal: AbortSignal) => Promise<PortConfigs>;
  /** How the shadow's zones of connection tracking come from live's. */
  readonly zones: () => ZoneMap;
  /** A question to ovs-vswitchd's control socket. */
  readonly control: (method: string, params: readonly string[]) => Promise<string>;
}

/** Time for reading both bridges. */
const readTimeoutMs = 5_000;

export class Explainer {
  private readonly parts: ExplainerParts;

  constructor(parts: ExplainerParts) {
    this.parts = parts;
  }

  /** `packet` as ofproto/trace takes it. RangeError for a bridge or a packet there can't be; rejects when a bridge can't be read. */
  async explain(bridge: string, packet: string): Promise<BothWays> {
    const rows = readBridges(this.parts.tables);
    const row = rows.find(({ name }) => name === bridge);
    if (row === undefined) throw new RangeError(`there is no bridge ${bridge}`);
    const ports = new Map(row.ports.flatMap((one) => (one.ofport === undefined ? [] : [[one.name, one.ofport] as const])));
    const words = readPacket(packet, ports);
    const twin = row.role === undefined ? shadowBridge(bridge) : undefined;
    const [live, shadow] = await Promise.all([this.read(bridge), rows.some(({ name }) => name === twin) && twin !== undefined ? this.read(twin) : undefined]);
    const answer = (state: BridgeState) => new SoftwareSwitch([state]).process(state.name, words, { explain: true });
    const names = (state: BridgeState): Map<number, string> => new Map(state.ports.map(({ number, name }) => [number, name]));
    const onLive = answer(live);
    if (shadow === undefined) return { live: explain(onLive, names(live)), shadow: undefined, difference: "", differingStep: -1 };
    const onShadow = answer(shadow);
    // Where they part is looked for in live's zones; what is shown is what the shadow has.
    const found = parting(onLive, answer(inLiveZones(shadow, this.parts.zones())), (port) => port > maxReplicatedPort && port < 0xff00);
    return { live: explain(onLive, names(live)), shadow: explain(onShadow, names(shadow)), difference: found?.text ?? "", differingStep: found?.step ?? -1 };
  }

  /** A bridge whose flows and groups are followed already, with what else decides where a packet goes. Rejects when it can't be read. */
  async stateOf(bridge: string, connection: ReadParts["connection"], followed?: FollowedTables): Promise<BridgeState> {
    const row = readBridges(this.parts.tables).find(({ name }) => name === bridge);
    const mirrors = row === undefined ? [] : mirrorsOf(this.parts.tables, row);
    const portConfigs = await this.parts.portConfigs(bridge, AbortSignal.timeout(readTimeoutMs));
    return readBridgeState(bridge, { connection, portConfigs, row, mirrors, macTable: () => this.parts.control("fdb/show", [bridge]), ...(followed === undefined ? {} : { followed }) });
  }

  private async read(bridge: string): Promise<BridgeState> {
    const connection = await this.parts.dial(bridge)(AbortSignal.timeout(readTimeoutMs));
    try {
      return await this.stateOf(bridge, connection);
    } finally {
      await connection.close();
    }
  }
}

const inLiveZones = (state: BridgeState, { toLive }: ZoneMap): BridgeState => ({
  ...state,
  flows: state.flows.map((flow) => toLive.flow(flow)),
  ...(state.groups === undefined ? {} : { groups: state.groups.map((group) => toLive.group(group)) }),
});

function readPacket(text: string, ports: ReadonlyMap<string, number>) {
  try {
    return parsePacket(text, { ports: (name) => ports.get(name) });
  } catch (error) {
    throw new RangeError(`packet "${text}": ${errorText(error)}`, { cause: error });
  }
}
