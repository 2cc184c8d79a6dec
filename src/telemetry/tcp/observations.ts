/** The second of every connection as observations: the busiest connections by themselves, all of them by host and by pair of hosts. */
import type { Observation, SubjectKind } from "../../base/observation.js";
import { tcpMetrics, type TcpValues } from "./metrics.js";
import type { ConnectionSummary, SideSummary } from "./summary.js";

/** Connections told by themselves; the others only as part of their hosts. */
export const maxConnectionsTold = 200;
/** Hosts and pairs of one second; beyond, they are counted. */
const maxSubjects = 20_000;

const together = new Map<string, string>(tcpMetrics.map((metric) => [metric.name, metric.together]));

function sideValues(side: SideSummary): TcpValues {
  return {
    tcpSegments: side.segments,
    tcpBytes: side.payloadBytes,
    tcpRetransmissions: side.retransmissions,
    tcpSpurious: side.spurious,
    tcpOutOfOrder: side.outOfOrder,
    tcpDuplicates: side.duplicates,
    tcpZeroWindows: side.zeroWindows,
    tcpWindowProbes: side.windowProbes,
    tcpDuplicateAcks: side.duplicateAcks,
    tcpSackHoles: side.sackHoles,
    tcpInFlight: side.inFlight,
    ...(side.rttMs === undefined || side.rttSamples === 0 ? {} : { tcpRttMs: side.rttMs }),
    ...(side.pathMs === undefined || side.rttSamples === 0 ? {} : { tcpPathMs: side.pathMs }),
  };
}

/** Values of several connections: sums, and means over those that have the value. */
class Together {
  private readonly sums = new Map<string, { sum: number; of: number }>();

  add(values: TcpValues): void {
    for (const [name, value] of Object.entries(values)) {
      const entry = this.sums.get(name);
      if (entry === undefined) this.sums.set(name, { sum: value, of: 1 });
      else {
        entry.sum += value;
        entry.of++;
      }
    }
  }

  values(): Record<string, number> {
    return Object.fromEntries([...this.sums].map(([name, { sum, of }]) => [name, together.get(name) === "mean" ? sum / of : sum]));
  }
}

export interface TcpSecond {
  readonly observations: Observation[];
  /** Hosts and pairs left out, and connections not told by themselves. */
  readonly leftOut: number;
}

/** `connections`: summaries of the second, see `summarize`; `tMs`: its start. */
export function tcpSecond(connections: readonly ConnectionSummary[], tMs: number): TcpSecond {
  const subjects = new Map<string, { kind: SubjectKind; name: string; values: Together }>();
  let leftOut = 0;
  const add = (kind: SubjectKind, name: string, values: TcpValues): void => {
    const key = `${kind} ${name}`;
    let subject = subjects.get(key);
    if (subject === undefined) {
      if (subjects.size >= maxSubjects) return void leftOut++;
      subject = { kind, name, values: new Together() };
      subjects.set(key, subject);
    }
    subject.values.add(values);
  };
  for (const { client, server, firstMs, handshake } of connections) {
    const whole: TcpValues = { tcpConnections: 1, tcpOpened: firstMs >= tMs ? 1 : 0, tcpUnanswered: handshake === "unanswered" || handshake === "refused" ? 1 : 0 };
    const [ofClient, ofServer] = [sideValues(client), sideValues(server)];
    add("host", client.address, { ...whole, ...ofClient });
    add("host", server.address, ofServer);
    add("pair", `${client.address}>${server.address}`, { ...whole, ...ofClient });
    add("pair", `${server.address}>${client.address}`, ofServer);
  }
  const common = { tMs, windowMs: 1_000, side: "live" as const };
  const observations: Observation[] = [...subjects.values()].map(({ kind, name, values }) => ({ ...common, subject: { kind, name }, values: values.values() }));
  const busiest = [...connections].sort((x, y) => bytesOf(y) - bytesOf(x));
  for (const connection of busiest.slice(0, maxConnectionsTold)) {
    const server = Object.entries(sideValues(connection.server)).map(([name, value]) => [`server${name.slice(0, 1).toUpperCase()}${name.slice(1)}`, value] as const);
    observations.push({ ...common, subject: { kind: "connection", name: connection.name }, values: { ...sideValues(connection.client), ...Object.fromEntries(server) } });
  }
  return { observations, leftOut: leftOut + Math.max(0, connections.length - maxConnectionsTold) };
}

const bytesOf = ({ client, server }: ConnectionSummary): number => client.payloadBytes + server.payloadBytes;
