/** What the software switch is given, a bridge's state as plain values, and what it answers. */
import type { GroupDesc } from "node-openflow";
import type { FlowEntry, GroupEntry } from "../flow-entry.js";
import type { Words } from "./layout.js";

export interface VlanConfig {
  /** OVSDB Port.vlan_mode; a port without one is "access" where it has a tag, else "trunk". */
  readonly mode: "access" | "trunk" | "native-tagged" | "native-untagged";
  readonly tag: number;
  /** VLANs a trunk carries; empty: all. */
  readonly trunks: readonly number[];
}

export interface SwitchPort {
  readonly number: number;
  readonly name: string;
  /** Carrier and administrative state; what fast failover watches. */
  readonly up: boolean;
  /** OFPPC_NO_FWD, OFPPC_NO_FLOOD, OFPPC_NO_RECV. */
  readonly noForward?: boolean;
  readonly noFlood?: boolean;
  readonly noReceive?: boolean;
  /** Of a patch port: the port at its other end. */
  readonly peer?: { readonly bridge: string; readonly port: number };
  /** For NORMAL; without it a trunk of all VLANs. */
  readonly vlan?: VlanConfig;
}

/** A Mirror row; ports by number. Mirrors into a VLAN (RSPAN) are left undecided. */
export interface SwitchMirror {
  readonly name: string;
  readonly selectAll: boolean;
  readonly selectSource: readonly number[];
  readonly selectDestination: readonly number[];
  /** VLANs; empty: all. */
  readonly selectVlans: readonly number[];
  readonly outputPort?: number;
  readonly outputVlan?: number;
}

/** A group; `properties` where 1.5 says how a select group selects. */
export interface SwitchGroup extends GroupEntry {
  readonly properties?: NonNullable<GroupDesc["properties"]>;
}

export interface BridgeState {
  readonly name: string;
  readonly ports: readonly SwitchPort[];
  readonly flows: readonly FlowEntry[];
  readonly groups?: readonly SwitchGroup[];
  /** Learned addresses, by "VLAN/aa:bb:cc:dd:ee:ff": the port's number. */
  readonly macs?: ReadonlyMap<string, number>;
  readonly mirrors?: readonly SwitchMirror[];
  /** other_config:forward-bpdu: NORMAL forwards frames to reserved multicast addresses. */
  readonly forwardBpdu?: boolean;
}

export interface Output {
  readonly bridge: string;
  /** OpenFlow port number; port.controller for a packet-in. */
  readonly port: number;
  /** The packet as it leaves. */
  readonly packet: Words;
  /** Bytes of it that leave at most; 0 for all. */
  readonly maxLen: number;
  readonly queueId: number;
  /** 0 before the first recirculation through connection tracking. */
  readonly stage: number;
}

/** A flow that a learn action adds. */
export interface LearnedFlow {
  readonly bridge: string;
  readonly flow: FlowEntry;
}

/** One thing that happened to the packet, for people; `depth` says inside what. */
export interface Step {
  readonly depth: number;
  readonly bridge: string;
  readonly tableId: number;
  /** The flow that took the packet in this table, where the step is a table; null: none did. */
  readonly flow?: FlowEntry | null;
  readonly text: string;
}

/** Where the answer depends on what is not known here (a hash): which of `of` ways was followed. */
export interface Choice {
  readonly what: string;
  readonly taken: number;
  readonly of: number;
}

export interface SwitchAnswer {
  /** In the order they leave. Those of one flood come in the order of ports; OpenFlow names none. */
  readonly outputs: readonly Output[];
  /** Meters passed, in order: bridge and meter. */
  readonly meters: readonly { readonly bridge: string; readonly meterId: number }[];
  readonly learned: readonly LearnedFlow[];
  /** Senders that NORMAL learns: where they were seen. */
  readonly macs: readonly { readonly bridge: string; readonly key: string; readonly port: number }[];
  /** Empty unless asked for. */
  readonly steps: readonly Step[];
  readonly choices: readonly Choice[];
  /** Why the answer may not be what a switch does; empty: it is certain. A choice is a reason, too. */
  readonly undecided: readonly string[];
  /** Why the packet was dropped as a whole, as for too many resubmits. */
  readonly error: string | undefined;
  /** The packet with its registers when the first pass through the tables ended. */
  readonly final: Words;
  /** Tables looked at. */
  readonly lookups: number;
}

export interface ProcessOptions {
  /** Fill in `steps`. */
  readonly explain?: boolean;
  /** What connection tracking says of a packet given to it, and of its connection; default: new, no mark. */
  readonly track?: (packet: Words, zone: number) => { readonly state: number; readonly mark?: number; readonly label?: bigint };
  /** Bytes of the frame, for check_pkt_larger; without it that is undecided. */
  readonly frameLength?: number;
  /** Ways to take where one is to be chosen, in the order they are met; 0 beyond. */
  readonly choices?: readonly number[];
}

