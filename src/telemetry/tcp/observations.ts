/** The second of every connection as observations: the busiest connections by themselves, all of them by host and by pair of hosts. */
import type { Observation, Side, SubjectKind } from "../../base/observation.js";
import { tcpMetrics, type MetricName } from "./metrics.js";
import type { ConnectionSecond, SideSecond } from "./second.js";

/** Connections told by themselves; the others only as part of their hosts. */
export const maxConnectionsTold = 200;
/** Hosts and pairs of one second; beyond, they are counted. */
const maxSubjects = 20_000;

type Read<Of> = (of: Of) => number | undefined;
const sideReads: readonly (readonly [MetricName, Read<SideSecond>])[] = [
  ["tcpSegments", (side) => side.segments],
  ["tcpBytes", (side) => side.payloadBytes],
  ["tcpRetransmissions", (side) => side.retransmissions],
  ["tcpSpurious", (side) => side.spurious],
  ["tcpOutOfOrder", (side) => side.outOfOrder],
  ["tcpDuplicates", (side) => side.duplicates],
  ["tcpZeroWindows", (side) => side.zeroWindows],
  ["tcpWindowProbes", (side) => side.windowProbes],
  ["tcpDuplicateAcks", (side) => side.duplicateAcks],
  ["tcpSackHoles", (side) => side.sackHoles],
  ["tcpInFlight", (side) => side.inFlight],
  ["tcpWindow", (side) => side.peerWindow],
  ["tcpRttMs", (side) => (side.rttSamples === 0 ? undefined : side.rttMs)],
  ["tcpPathLeastMs", (side) => (side.rttSamples === 0 ? undefined : Math.min(side.minPathMs ?? Infinity, side.handshakeMs ?? Infinity))],
  ["tcpPathMs", (side) => (side.rttSamples === 0 ? undefined : side.pathMs)],
];
const places = new Map<MetricName, number>(tcpMetrics.map(({ name }, i) => [name, i]));
const place = (name: MetricName): number => places.get(name) ?? 0;
const sidePlaces = Int32Array.from(sideReads, ([name]) => place(name));
const [connectionsPlace, openedPlace, unansweredPlace, leastPlace] = [place("tcpConnections"), place("tcpOpened"), place("tcpUnanswered"), place("tcpPathLeastMs")];

/** Values of several connections: sums, and means over those that have the value. In arrays, because a second has thousands of connections. */
class Together {
  private readonly sums = new Float64Array(tcpMetrics.length);
  private readonly of = new Uint32Array(tcpMetrics.length);

  addSide(side: SideSecond): void {
    for (let i = 0; i < sideReads.length; i++) {
      const value = sideReads[i]?.[1](side);
      if (value !== undefined) this.add(sidePlaces[i] ?? 0, value);
    }
  }

  /** What a connection is, told with its client's side. */
  addConnection({ firstMs, handshake, client }: ConnectionSecond, startMs: number): void {
    this.add(connectionsPlace, 1);
    this.add(openedPlace, firstMs >= startMs ? 1 : 0);
    this.add(unansweredPlace, handshake === "unanswered" || handshake === "refused" ? 1 : 0);
    this.addSide(client);
  }

  values(): Record<string, number> {
    const values: Record<string, number> = {};
    for (const [i, { name, together }] of tcpMetrics.entries()) {
      const of = this.of[i] ?? 0;
      if (of > 0) values[name] = (this.sums[i] ?? 0) / (together === "mean" ? of : 1);
    }
    return values;
  }

  private add(at: number, value: number): void {
    const sum = this.sums[at] ?? 0;
    this.sums[at] = at !== leastPlace ? sum + value : this.of[at] === 0 ? value : Math.min(sum, value);
    this.of[at] = (this.of[at] ?? 0) + 1;
  }
}

/** A side by itself; `as` makes the names. */
function sideValues(side: SideSecond, into: Record<string, number>, as: (name: MetricName) => string): void {
  for (const [name, read] of sideReads) {
    const value = read(side);
    if (value !== undefined) into[as(name)] = value;
  }
}

export interface TcpSecond {
  readonly observations: Observation[];
  /** Hosts and pairs left out, and connections not told by themselves. */
  readonly leftOut: number;
}

/** `connections`: of the second, see `secondOf`; `tMs`: its start. */
export function tcpSecond(connections: readonly ConnectionSecond[], tMs: number, side: Side = "live"): TcpSecond {
  const hosts = new Map<string, Together>();
  const pairs = new Map<string, Map<string, Together>>();
  let subjects = 0;
  let leftOut = 0;
  const within = (of: Map<string, Together>, name: string): Together | undefined => {
    const found = of.get(name);
    if (found !== undefined) return found;
    if (subjects >= maxSubjects) return void leftOut++;
    subjects++;
    const fresh = new Together();
    of.set(name, fresh);
    return fresh;
  };
  const from = (address: string): Map<string, Together> => {
    let of = pairs.get(address);
    if (of === undefined) pairs.set(address, (of = new Map<string, Together>()));
    return of;
  };
  for (const connection of connections) {
    const { client, server } = connection;
    within(hosts, client.address)?.addConnection(connection, tMs);
    within(hosts, server.address)?.addSide(server);
    within(from(client.address), server.address)?.addConnection(connection, tMs);
    within(from(server.address), client.address)?.addSide(server);
  }
  const observations: Observation[] = [];
  const tell = (kind: SubjectKind, name: string, values: Record<string, number>): void => void observations.push({ tMs, windowMs: 1_000, side, subject: { kind, name }, values });
  for (const [name, together] of hosts) tell("host", name, together.values());
  for (const [source, targets] of pairs) for (const [target, together] of targets) tell("pair", `${source}>${target}`, together.values());
  const busiest = [...connections].sort((x, y) => bytesOf(y) - bytesOf(x));
  for (const { name, client, server } of busiest.slice(0, maxConnectionsTold)) {
    const values: Record<string, number> = {};
    sideValues(client, values, (metric) => metric);
    sideValues(server, values, (metric) => `server${metric.slice(0, 1).toUpperCase()}${metric.slice(1)}`);
    tell("connection", name, values);
  }
  return { observations, leftOut: leftOut + Math.max(0, connections.length - maxConnectionsTold) };
}

const bytesOf = ({ client, server }: ConnectionSecond): number => client.payloadBytes + server.payloadBytes;
