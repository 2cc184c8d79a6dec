/** What discovery is given, what it tells, and what it keeps of each live bridge. */
import type { OpenFlowConnection } from "node-openflow";
import type { Logger } from "pino";
import type { BridgeIndex } from "./bridge-index.js";
import type { BridgeSession, Dial } from "./bridge-session.js";
import type { BridgeRow } from "./database-view.js";
import type { LldpKey } from "./lldp.js";
import type { Network, PortRef } from "./model.js";

export interface DiscoveryParts {
  readonly index: BridgeIndex;
  readonly dial: (bridge: string) => Dial;
  /** Which live bridges to take: "all", or names. */
  readonly bridges: "all" | readonly string[];
  readonly lldpKey: LldpKey;
  readonly log: Logger;
  readonly nowMs: () => number;
}

export interface DiscoveryEvents {
  network: [network: Network];
  /** A live bridge's OpenFlow session came up, or went away. */
  up: [bridge: string, connection: OpenFlowConnection];
  down: [bridge: string, reason: string];
}

export interface DiscoveryCounters {
  packetIns: number;
  /** Packet-ins beyond the rate we look at, dropped unread. */
  packetInsShed: number;
  lldpForged: number;
  lldpSeen: number;
}

export interface PortState {
  readonly ref: PortRef;
  /** The same as text. */
  readonly key: string;
  bornMs: number;
  up: boolean;
}

export interface LiveBridge {
  readonly session: BridgeSession;
  readonly datapathId: bigint;
  ports: Map<number, PortState>;
  packetInBudget: number;
  recovered: boolean;
  /** The row its ports were last taken from. */
  row: BridgeRow | undefined;
  /** Something about its ports changed since the model was last made, or will with time. */
  dirty: boolean;
  /** Our LLDP frames, by the port they leave. */
  readonly frames: Map<number, Uint8Array>;
  /** The last frame of ours that came in by a port, and who sent it: the next one is the same, and need not be proved again. */
  readonly came: Map<number, { readonly frame: Uint8Array; readonly from: PortRef }>;
  /** It had flows of ours when we came: a controller before us left them, and they work. */
  inherited: boolean;
  /** Our LLDP flow is on it: what it hears comes to us and is not flooded on by the operator's flows. */
  listens: boolean;
  /** Whether it has answered the last round of LLDP. */
  round: "none" | "open" | "answered";
}
