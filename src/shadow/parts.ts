/** What the shadow is made of and what it tells. */
import type { Logger } from "pino";
import type { Session } from "../config/session-schema.js";
import type { BridgeIndex } from "../network/bridge-index.js";
import type { Dial } from "../network/bridge-session.js";
import type { Tables } from "../network/database-view.js";
import type { FlowEntry } from "../network/flow-entry.js";
import type { Network } from "../network/model.js";
import type { DesiredSflow } from "../reconcile/database-state.js";
import type { DatabaseWriter } from "../reconcile/database-writer.js";
import type { SwitchState } from "../reconcile/switch-writer.js";
import type { CopyBy } from "./replication/copy-by.js";
import type { Demand } from "./replication/plan.js";
import type { Tunnels } from "./replication/tunnel.js";
import type { PlacedSink } from "./sinks/sink-plan.js";
import type { TableFollower } from "./table-follower.js";

/** Our own flows and groups for each bridge of a network: forwarding, and the changes in force. */
export type Compose = (network: Network) => ReadonlyMap<string, SwitchState>;

export interface ShadowParts {
  readonly database: DatabaseWriter;
  readonly tables: Tables;
  readonly index: BridgeIndex;
  readonly dial: (bridge: string) => Dial;
  /** Dials a live bridge for the configuration bits of its ports. */
  readonly dialPorts: (bridge: string) => Dial;
  readonly compose: Compose;
  /** Which live bridges come first when much is to be brought in step. */
  readonly isCritical?: (bridge: string) => boolean;
  /** Resolves when a switch that came up may be written to (`FlowRestore`). */
  readonly restored: () => Promise<void>;
  /** The other host, where the shadow's and the adapters' bridges are; undefined: beside live. */
  readonly remote: { readonly database: DatabaseWriter; readonly dial: (bridge: string) => Dial; readonly dialPorts: (bridge: string) => Dial; readonly tunnels: Tunnels } | undefined;
  /** Makes vswitchd revalidate its cached flows; called after a Mirror row changed. */
  readonly poke: () => Promise<void>;
  /** Resolves when ovs-vswitchd has looked at all cached flows once more. Absent: the shadow is not in live's ovs-vswitchd. */
  readonly revalidated?: (() => Promise<void>) | undefined;
  readonly log: Logger;
  readonly nowMs: () => number;
  readonly holdMs: number;
  readonly replicate: boolean;
  /** What is to be copied, now. */
  readonly sessions: () => readonly Session[];
  /** What the shadow of a live bridge is to have, now. */
  readonly demand: (bridge: string) => Demand;
  /** Collectors that get the copies, too. */
  readonly sinks: readonly PlacedSink[];
  readonly showSink: boolean;
  /** Copies are always shown on the adapters' LOCAL devices, not only during a trial. */
  readonly tap: boolean;
  /** What the shadow would deliver is always shown on a device of each adapter. */
  readonly deliveries?: boolean;
  readonly sflow: DesiredSflow | undefined;
  /** A flow went away on a live bridge, by time-out or by anyone's hand. */
  readonly liveFlowRemoved: (bridge: string, flow: FlowEntry) => void;
  /** A live bridge is being followed: who wants to know of its edits listens to the follower. */
  readonly following?: (follower: TableFollower) => void;
  /** What copies ports of which everything is asked for (`copyByOf`); default: Mirror rows. */
  readonly copyBy?: CopyBy;
  /** Flows of a live bridge began, or ceased, to send to replica ports as to every other. */
  readonly sendsToEvery?: (bridge: string, does: boolean) => void;
  /** Guards that somebody deleted have been put back, by the names of their ports. */
  readonly guardsRestored?: (ports: readonly string[]) => void;
}

export interface ShadowEvents {
  /** For the first time it is known which edge ports have a replica. */
  planned: [];
  /** A pass ended with everything in place; `lagMs` since the oldest change it took in. */
  converged: [lagMs: number];
  /** A pass ended and not all is in place; `copyFlows` may give other flows all the same. */
  plan: [];
}
