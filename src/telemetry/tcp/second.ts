/** What the last second says of a connection: the part of its summary that observations need, made for thousands of them each second. */
import type { ConnectionTable } from "./connection-table.js";
import { counter, counterNames, measure, time, word, type CounterName } from "./layout.js";
import { addressText, connectionName, handshakeOf, known, openerOf, pathMsOf, portOf, returnMsOf, windowBytesOf, type ConnectionSummary, type SideSummary } from "./summary.js";

type Counted = "segments" | "payloadBytes" | "retransmissions" | "outOfOrder" | "duplicates" | "zeroWindows" | "windowProbes" | "duplicateAcks" | "sackHoles";

/** Counters of the second; the rest as it is at its end. */
export interface SideSecond extends Pick<SideSummary, Counted | "spurious" | "address" | "port" | "mss" | "appBytes" | "inFlight" | "rttMs" | "pathMs" | "minPathMs" | "handshakeMs" | "rttSamples"> {
  /** What the other side lets this one have on its way; undefined while its scale is not known. */
  readonly peerWindow?: number | undefined;
}
export interface ConnectionSecond extends Pick<ConnectionSummary, "name" | "firstMs" | "handshake"> {
  readonly client: SideSecond;
  readonly server: SideSecond;
}

/** Counts what came since the table's last second ended. */
export function secondOf(table: ConnectionTable, slot: number): ConnectionSecond {
  const opener = openerOf(table, slot);
  const client = sideSecond(table, slot, opener);
  const server = sideSecond(table, slot, 1 - opener);
  return { name: connectionName(client, server), firstMs: table.times[slot * time.size + time.first] ?? 0, handshake: handshakeOf(table, slot), client, server };
}

/** Written out rather than made from a list of names: an object of a known shape is made many times as fast. */
function sideSecond(table: ConnectionTable, slot: number, side: number): SideSecond {
  const { words, measures, counts, countsBefore } = table;
  const from = (slot * 2 + side) * counterNames.length;
  const at = (slot * 2 + side) * word.size;
  const m = (slot * 2 + side) * measure.size;
  const since = (which: CounterName): number => ((counts[from + counter[which]] ?? 0) - (countsBefore[from + counter[which]] ?? 0)) >>> 0;
  const retransmissions = since("retransmissions");
  const pathMs = pathMsOf(table, slot, side);
  const returnMs = returnMsOf(table, slot, side);
  return {
    address: addressText(table, slot, side),
    port: portOf(table, slot, side),
    mss: (words[at + word.mss] ?? 0) || undefined,
    appBytes: measures[m + measure.appBytes] ?? 0,
    segments: since("segments"),
    payloadBytes: since("payloadBytes"),
    retransmissions,
    spurious: Math.min(retransmissions, Math.max(since("dsacks"), since("earlyAnswers"))),
    outOfOrder: since("outOfOrder"),
    duplicates: since("duplicates"),
    zeroWindows: since("zeroWindows"),
    windowProbes: since("windowProbes"),
    duplicateAcks: since("duplicateAcks"),
    sackHoles: since("sackHoles"),
    inFlight: Math.max(0, ((words[at + word.next] ?? 0) - (words[at + word.acked] ?? 0)) | 0),
    rttMs: pathMs === undefined || returnMs === undefined ? undefined : pathMs + returnMs,
    pathMs,
    minPathMs: (words[at + word.samples] ?? 0) > 0 ? measures[m + measure.ackLeast] : undefined,
    handshakeMs: known(measures[m + measure.handshakeHalf]),
    rttSamples: words[at + word.samples] ?? 0,
    peerWindow: windowBytesOf(table, slot, 1 - side),
  };
}
