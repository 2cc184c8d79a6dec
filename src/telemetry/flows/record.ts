/** A flow's record: what each source says of it, and why one says nothing. */
import type { ConnectionSummary } from "../tcp/summary.js";
import type { TrackedConnection } from "./conntrack.js";
import type { FlowEnd } from "./tuple.js";

/** Estimated from sFlow samples taken where the packets came into the network. */
export interface SampledPart {
  readonly samples: number;
  readonly packets: number;
  readonly bytes: number;
  /** Half the 95 % interval over the packets; 0 at a rate of 1. */
  readonly errorRatio: number;
}

/** Counted from captured copies. */
export interface CapturedPart {
  readonly packets: number;
  /** On the wire, without the frame check sequence. */
  readonly bytes: number;
  /** Behind the TCP or UDP header; of other protocols behind IP's. */
  readonly payloadBytes: number;
}

/** The most specific flow entry that this direction's packets meet on the bridge where they come in, and its counters. */
export interface EntryPart {
  readonly bridge: string;
  readonly tableId: number;
  readonly priority: number;
  readonly match: string;
  readonly cookie: bigint;
  /** "operator", or "ours: …". */
  readonly owner: string;
  /** Since the entry was put in, of all that it carries. */
  readonly packets: bigint;
  readonly bytes: bigint;
  readonly durationS: number;
  /** How many known directions of flows have this as their most specific entry: 1 means that the counters are this flow's alone, as far as is known. */
  readonly carries: number;
  /** When the counters were read, ms since the epoch. */
  readonly readMs: number;
  /** Why its packets may meet another entry; empty: they meet this one. */
  readonly undecided: readonly string[];
}

export interface DirectionRecord {
  readonly from: FlowEnd;
  readonly to: FlowEnd;
  readonly sampled: SampledPart | undefined;
  readonly captured: CapturedPart | undefined;
  readonly entry: EntryPart | undefined;
}

export type FlowSource = "sflow" | "openflow" | "conntrack" | "tcp" | "capture";

/** A source that says nothing of the flow. */
export interface Missing {
  readonly source: FlowSource;
  readonly why: string;
  /** It can't say anything: nothing of its kind happens to this flow. A record is complete without it. */
  readonly notApplicable: boolean;
}

export interface AppLabel {
  /** As "https", "dns", "ssh"; "unknown" where nothing says. */
  readonly label: string;
  /** What says so: a name of what was seen, or "port". */
  readonly evidence: string;
  /** The name that was seen there (a TLS server name, an HTTP host, a DNS question), else "". */
  readonly detail: string;
  /** 0 to 1: measured shares of right labels by evidence (docs/flows.md). */
  readonly confidence: number;
  /** The name for which a name server had given one of the flow's addresses; else "". It says where to, and not what. */
  readonly resolvedName: string;
}

export interface FlowRecord {
  /** "client:port>server:port/protocol" */
  readonly name: string;
  readonly protocol: number;
  readonly client: FlowEnd;
  readonly server: FlowEnd;
  readonly firstMs: number;
  readonly lastMs: number;
  /** From the client, and back. */
  readonly out: DirectionRecord;
  readonly back: DirectionRecord;
  /** One for each zone. */
  readonly tracked: readonly TrackedConnection[];
  readonly tcp: ConnectionSummary | undefined;
  readonly app: AppLabel | undefined;
  readonly missing: readonly Missing[];
  /** sFlow, OpenFlow statistics and connection tracking are joined, as far as they apply and have anything: a sampler may choose none of a few packets. */
  readonly isComplete: boolean;
}

export interface FlowCounters {
  /** Flows known now, and how many there is room for. */
  readonly flows: number;
  readonly capacity: number;
  /** Forgotten for want of room: those heard of longest ago first. */
  readonly evicted: number;
  /** Forgotten after silence. */
  readonly expired: number;
  /** Of those known: joined of all three sources that apply. */
  readonly complete: number;
  /** Packets of flows that were not taken, by what they lacked: no IP header. */
  readonly notIp: number;
  /** Tracked connections at the last look, lines of it that could not be read, and why there was no look. */
  readonly trackedConnections: number;
  readonly malformedTracked: number;
  readonly conntrackFailure: string | undefined;
  /** Why flow statistics of a bridge could not be read last; undefined while they can. */
  readonly openflowFailure: string | undefined;
  /** Ways that were not followed for want of time in a round; they are in the next. */
  readonly waysLeft: number;
}
