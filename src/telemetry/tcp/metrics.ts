/** What is measured of TCP each second: names, units, definitions, and the range in which a value is possible. */

export interface Metric<N extends string = string> {
  readonly name: N;
  readonly unit: string;
  readonly definition: string;
  readonly min: number;
  /** Above, the measurement is broken. */
  readonly max: number;
  /** How values of several connections become one. */
  readonly together: "sum" | "mean" | "min";
}

const count = <N extends string>(name: N, definition: string, unit = "segments"): Metric<N> => ({ name, unit, definition, min: 0, max: 2 ** 32, together: "sum" });
const duration = <N extends string>(name: N, definition: string, together: "mean" | "min" = "mean"): Metric<N> => ({ name, unit: "ms", definition, min: 0, max: 600_000, together });

/** A subject's values are of what it sends; for a connection, of what its client sends, and with "server" in front of what its server sends. */
export const tcpMetrics = [
  count("tcpConnections", "connections heard of", "connections"),
  count("tcpOpened", "connections first heard of in this second", "connections"),
  count("tcpUnanswered", "connections whose opening got no answer so far, or a refusal", "connections"),
  count("tcpSegments", "segments sent"),
  count("tcpBytes", "payload sent, that sent again included", "bytes"),
  count("tcpRetransmissions", "segments whose bytes were sent before, or that fill a hole which showed more than 3 ms ago; a SYN and a FIN count"),
  count("tcpSpurious", "retransmissions that D-SACK or the timestamps show to have been in vain; a lower bound"),
  count("tcpOutOfOrder", "segments that were overtaken before they entered the network"),
  count("tcpDuplicates", "segments seen twice with the same IPv4 identification: the network doubled them"),
  count("tcpZeroWindows", "times a side closed its window"),
  count("tcpWindowProbes", "probes of a closed window"),
  count("tcpDuplicateAcks", "acknowledgements that repeat the last one while data is on its way"),
  count("tcpSackHoles", "distinct holes told by SACK"),
  duration("tcpRttMs", "smoothed round trip (RFC 6298): data to acknowledgement, and the way back of answers that did not wait for data"),
  duration("tcpPathMs", "the half of it from where data enters the network to where its acknowledgement does"),
  duration("tcpPathLeastMs", "the least of that half since the connection began, its handshake included; of several connections the least", "min"),
  { name: "tcpWindow", unit: "bytes", definition: "what the receiver lets it have on its way, as last announced; known where the handshake was captured", min: 0, max: 2 ** 31, together: "mean" },
  { name: "tcpInFlight", unit: "bytes", definition: "sent and not yet acknowledged, at the second's end", min: 0, max: 2 ** 31, together: "sum" },
] as const satisfies readonly Metric[];

export type MetricName = (typeof tcpMetrics)[number]["name"];
