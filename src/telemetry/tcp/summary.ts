/** A connection as people and programs read it: made from the table's arrays when somebody asks. */
import { ipv4Text, ipv6Text } from "sflow-collector";
import type { ConnectionTable } from "./connection-table.js";
import { bit, counterNames, handshakes, measure, small, states, time, word, type CounterName, type Handshake, type State } from "./layout.js";

/** What one side sends, and how that fares. Times in ms, sizes in bytes; what was not measured is undefined. */
export interface SideSummary extends Readonly<Record<CounterName, number>> {
  readonly address: string;
  readonly port: number;
  /** Outer and inner VLAN id as they entered; 0: none. */
  readonly vlan: number;
  readonly innerVlan: number;
  /** Bytes of the stream, each counted once. */
  readonly appBytes: number;
  /** Segments lost in the network: sent again, less those sent again in vain. */
  readonly lost: number;
  /** Sent again in vain, as D-SACK or the timestamps show. A lower bound. */
  readonly spurious: number;
  readonly inFlight: number;
  readonly maxInFlight: number;
  /** What this side lets the other send; undefined while its scale is not known. */
  readonly windowBytes: number | undefined;
  /** Smoothed round trip of what this side sends, as its own kernel would have it. */
  readonly rttMs: number | undefined;
  /** Its half from this side's edge to the answer at the other's edge, and the least of it. */
  readonly pathMs: number | undefined;
  readonly minPathMs: number | undefined;
  readonly pathDeviationMs: number | undefined;
  /** Its other half: from the answer at the other's edge to what that makes this side send. */
  readonly returnMs: number | undefined;
  /** The path's half by timestamps alone. */
  readonly stampMs: number | undefined;
  readonly handshakeMs: number | undefined;
  readonly rttSamples: number;
  readonly mss: number | undefined;
  readonly hasSack: boolean;
  readonly hasTimestamps: boolean;
  readonly finished: boolean;
}

export interface ConnectionSummary {
  /** "opener:port>other:port" */
  readonly name: string;
  readonly state: State;
  readonly handshake: Handshake;
  /** Captured from its first SYN on. */
  readonly whole: boolean;
  readonly firstMs: number;
  readonly lastMs: number;
  /** Which side sent a RST. */
  readonly resetBy: "client" | "server" | undefined;
  /** Who opened it, as far as that is known. */
  readonly client: SideSummary;
  readonly server: SideSummary;
}

const bytes = new Uint8Array(16);

export function addressText(table: ConnectionTable, slot: number, side: number): string {
  const at = slot * 10 + side * 4;
  for (let i = 0; i < 16; i++) bytes[i] = ((table.keys[at + (i >> 2)] ?? 0) >>> (24 - (i & 3) * 8)) & 0xff;
  return table.keys[at] === 0 && table.keys[at + 1] === 0 && table.keys[at + 2] === 0xffff ? ipv4Text(bytes, 12) : ipv6Text(bytes, 0);
}

/** Who opened the connection, as far as that is known. */
export const openerOf = (table: ConnectionTable, slot: number): 0 | 1 => (table.smalls[slot * small.size + small.opener] === 1 ? 1 : 0);
export const handshakeOf = (table: ConnectionTable, slot: number): Handshake => handshakes[table.smalls[slot * small.size + small.handshake] ?? 0] ?? "unseen";
export const portOf = (table: ConnectionTable, slot: number, side: number): number => {
  const ports = table.keys[slot * 10 + 8] ?? 0;
  return side === 0 ? ports >>> 16 : ports & 0xffff;
};
const endpoint = ({ address, port }: { readonly address: string; readonly port: number }): string => (address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`);
export const connectionName = (client: Parameters<typeof endpoint>[0], server: Parameters<typeof endpoint>[0]): string => `${endpoint(client)}>${endpoint(server)}`;

/** The half of the round trip of what `side` sends that lies on its way to the other side. In ms; undefined: not measured. */
export function pathMsOf({ words, measures }: ConnectionTable, slot: number, side: number): number | undefined {
  const at = (slot * 2 + side) * word.size;
  const m = (slot * 2 + side) * measure.size;
  if ((words[at + word.samples] ?? 0) > 0) return measures[m + measure.ackHalf];
  return (words[at + word.stampSamples] ?? 0) > 0 ? measures[m + measure.stampHalf] : known(measures[m + measure.handshakeHalf]);
}

/** The other half. Only what was prompt counts: what an answer makes a side send may also have waited for data. */
export function returnMsOf({ words, measures }: ConnectionTable, slot: number, side: number): number | undefined {
  const m = (slot * 2 + 1 - side) * measure.size;
  if ((words[(slot * 2 + 1 - side) * word.size + word.stampSamples] ?? 0) === 0) return known(measures[m + measure.handshakeHalf]);
  return Math.max(measures[m + measure.stampPrompt] ?? 0, Math.min(measures[m + measure.stampLeast] ?? 0, measures[m + measure.stampLeastBefore] ?? 0));
}

/**
 * What a side lets the other send, in bytes; undefined while its scale is not known. The window of a SYN is never scaled, and scaling takes both
 * (RFC 7323, 2.2); without the SYNs the scale is not known.
 */
export function windowBytesOf({ words }: ConnectionTable, slot: number, side: number): number | undefined {
  const at = (slot * 2 + side) * word.size;
  const peer = (slot * 2 + 1 - side) * word.size;
  const bits = words[at + word.bits] ?? 0;
  if ((bits & (words[peer + word.bits] ?? 0) & bit.syn) === 0 || (bits & bit.ackSent) === 0) return undefined;
  const scale = words[at + word.scale] ?? 0;
  return (words[at + word.window] ?? 0) * (scale > 0 && (words[peer + word.scale] ?? 0) > 0 ? 2 ** (scale - 1) : 1);
}

export const known = (value: number | undefined): number | undefined => (value === undefined || Number.isNaN(value) ? undefined : value);

/** All of a connection since its start. */
export function summarize(table: ConnectionTable, slot: number): ConnectionSummary {
  const smalls = slot * small.size;
  const opener = openerOf(table, slot);
  const client = sideSummary(table, slot, opener);
  const server = sideSummary(table, slot, 1 - opener);
  const reset = table.smalls[smalls + small.reset] ?? 0;
  return {
    name: connectionName(client, server),
    state: states[table.smalls[smalls + small.state] ?? 0] ?? "opening",
    handshake: handshakeOf(table, slot),
    whole: table.smalls[smalls + small.whole] === 1,
    firstMs: table.times[slot * time.size + time.first] ?? 0,
    lastMs: table.times[slot * time.size + time.last] ?? 0,
    resetBy: reset === 0 ? undefined : reset - 1 === opener ? "client" : "server",
    client,
    server,
  };
}

function sideSummary(table: ConnectionTable, slot: number, side: number): SideSummary {
  const { words, measures } = table;
  const w = (name: Exclude<keyof typeof word, "size">): number => words[(slot * 2 + side) * word.size + word[name]] ?? 0;
  const peer = (name: Exclude<keyof typeof word, "size">): number => words[(slot * 2 + 1 - side) * word.size + word[name]] ?? 0;
  const m = (name: Exclude<keyof typeof measure, "size">): number => measures[(slot * 2 + side) * measure.size + measure[name]] ?? 0;
  const from = (slot * 2 + side) * counterNames.length;
  const counts = Object.fromEntries(counterNames.map((name, i) => [name, table.counts[from + i] ?? 0])) as Record<CounterName, number>;
  const bits = w("bits");
  const ifAny = (samples: number, value: number): number | undefined => (samples > 0 ? value : undefined);
  const pathMs = pathMsOf(table, slot, side);
  const returnMs = returnMsOf(table, slot, side);
  const spurious = Math.min(counts.retransmissions, Math.max(counts.dsacks, counts.earlyAnswers));
  return {
    ...counts,
    address: addressText(table, slot, side),
    port: portOf(table, slot, side),
    vlan: w("vlans") >>> 16,
    innerVlan: w("vlans") & 0xffff,
    appBytes: m("appBytes"),
    spurious,
    lost: counts.retransmissions - spurious,
    inFlight: Math.max(0, (w("next") - w("acked")) | 0),
    maxInFlight: w("maxFlight"),
    windowBytes: windowBytesOf(table, slot, side),
    rttMs: pathMs === undefined || returnMs === undefined ? undefined : pathMs + returnMs,
    pathMs,
    minPathMs: ifAny(w("samples"), m("ackLeast")),
    pathDeviationMs: ifAny(w("samples"), m("ackDeviation")),
    returnMs,
    stampMs: ifAny(w("stampSamples"), m("stampHalf")),
    handshakeMs: known(m("handshakeHalf")),
    rttSamples: w("samples"),
    mss: w("mss") || undefined,
    hasSack: (bits & peer("bits") & bit.sack) !== 0,
    hasTimestamps: (bits & peer("bits") & bit.stamps) !== 0,
    finished: (bits & bit.finAcked) !== 0,
  };
}
