/**
 * What a session asks for, port by port: the matches that select packets as they come in by an edge port. Pure.
 *
 * Everything that travels the network came in by one edge port once, so sessions select there and nowhere else: a packet to a
 * host is selected where its sender is. That is what makes "exactly once" hold however many sessions ask for it.
 */
import { isKnown, match, parseMatch, TextError, type Match, type MatchField, type MatchSpec } from "node-openflow";
import type { Origin, Session } from "../../config/session-schema.js";
import type { Bridge, Network, Port } from "../../network/model.js";
import { portKey } from "../../network/model.js";

/** VLAN settings of a live port (ovs-vswitchd.conf.db, Port). */
export interface PortVlans {
  readonly tag: number | undefined;
  /** Undefined: access when there is a tag, else trunk. */
  readonly mode: string | undefined;
  readonly trunks: readonly number[];
  /** OpenFlow ports of all interfaces of the port: more than one for a bond. */
  readonly members: readonly number[];
}

/** "all": every packet of the port; else the packets that one of the matches (in_port left out) takes. */
export type Selection = "all" | readonly Match[];

export interface Selected {
  /** By live portKey. */
  readonly ports: ReadonlyMap<string, Selection>;
  /** Why origins select nothing at the moment. */
  readonly problems: readonly string[];
}

/** A session that can't be taken as it is; `path` names the part. */
export class SessionError extends RangeError {
  override readonly name = "SessionError";
  readonly path: string;
  constructor(path: string, what: string) {
    super(`${path}: ${what}`);
    this.path = path;
  }
}

/** Fields that are no part of a frame as it comes in by a port. */
const notOfTheFrame = /^(reg\d|xreg|xxreg|metadata|tunnel|tun[A-Z]|ct[A-Z]|pktMark|actsetOutput|conjId|recircId|dpHash|packetType|inPhyPort)/;

/** The match of an expression without its in_port, and the in_port. Throws SessionError. */
export function parseExpression(text: string, path: string): { readonly fields: Match; readonly inPort: number | undefined } {
  let fields: Match;
  try {
    fields = parseMatch(text);
  } catch (error) {
    if (error instanceof TextError || error instanceof RangeError) throw new SessionError(path, error.message);
    throw error;
  }
  const bad = fields.find((field) => !isKnown(field) || notOfTheFrame.test(field.name));
  if (bad !== undefined) throw new SessionError(path, `${bad.name} is no part of a frame that comes in by a port`);
  const port = fields.find((field) => isKnown(field) && field.name === "inPort");
  return { fields: fields.filter((field) => field !== port), inPort: port === undefined || !isKnown(port) ? undefined : Number(port.value) };
}

/** Checks what can be wrong with a session whatever the network is. Throws SessionError. */
export function checkSession(session: Session): void {
  session.origins.forEach((origin, i) => {
    if (origin.match === undefined) return;
    const { fields, inPort } = parseExpression(origin.match, `origins[${i}].match`);
    if (origin.vlan !== undefined && fields.some((field) => isKnown(field) && field.name.startsWith("vlan"))) throw new SessionError(`origins[${i}].match`, "says the VLAN, and the origin does, too");
    if (inPort !== undefined && origin.bridge === undefined) throw new SessionError(`origins[${i}].match`, "in_port needs the origin's bridge");
    if (inPort !== undefined && origin.port !== undefined) throw new SessionError(`origins[${i}].match`, "in_port and the origin's port exclude each other");
  });
}

/** What `session` selects in `network`. `vlans`: VLAN settings by live portKey. */
export function select(session: Session, network: Network, vlans: ReadonlyMap<string, PortVlans>): Selected {
  const ports = new Map<string, Selection>();
  const problems: string[] = [];
  const add = (bridge: Bridge, port: Port, matches: Selection): void => {
    if (matches !== "all" && matches.length === 0) return;
    const key = portKey({ bridge: bridge.name, ofport: port.ofport });
    const old = ports.get(key);
    ports.set(key, old === "all" || matches === "all" ? "all" : [...(old ?? []), ...matches]);
  };
  session.origins.forEach((origin, i) => {
    const places = placesOf(origin, network);
    const missing = routesProblem(origin);
    if (missing !== undefined) problems.push(`origins[${i}]: ${missing}`);
    if (typeof places === "string") problems.push(`origins[${i}]: ${places}`);
    else for (const { bridge, port, spec } of directed(session.direction, origin, places, network)) {
      const selection = narrowed(origin, vlans.get(portKey({ bridge: bridge.name, ofport: port.ofport })));
      add(bridge, port, product(spec, selection));
    }
  });
  return { ports, problems };
}

interface Place {
  readonly bridge: Bridge;
  readonly port: Port;
}

const edgesOf = (bridge: Bridge): Place[] => [...bridge.ports.values()].filter((port) => port.role === "edge").map((port) => ({ bridge, port }));
const allEdges = (network: Network): Place[] => [...network.bridges.values()].flatMap(edgesOf);

/** The edge ports an origin names, or why there are none. */
function placesOf(origin: Origin, network: Network): Place[] | string {
  if (origin.bridge === undefined) return allEdges(network);
  const bridge = network.bridges.get(origin.bridge);
  if (bridge === undefined) return `there is no bridge ${origin.bridge}`;
  const wanted = origin.port ?? (origin.match === undefined ? undefined : parseExpression(origin.match, "match").inPort);
  if (wanted === undefined) return edgesOf(bridge);
  const port = [...bridge.ports.values()].find((one) => (typeof wanted === "number" ? one.ofport === wanted : one.name === wanted));
  if (port === undefined) return `bridge ${bridge.name} has no port ${wanted}`;
  if (port.role !== "edge") return `port ${wanted} of ${bridge.name} is no edge port: what passes there came in by an edge port`;
  return [{ bridge, port }];
}

/** Why not all of an origin's routes are followed. */
function routesProblem({ routes, announced }: Origin): string | undefined {
  if (routes === undefined) return undefined;
  if (announced === undefined) return "routes are not listened to: needs analysis.routing.enabled";
  return announced.leftOut === 0 ? undefined : `${announced.leftOut} announced prefixes are not followed: at most ${announced.prefixes.length} are`;
}

const macForm = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;

/** Where packets of the wanted direction come in, each with what their addresses must be. */
function directed(direction: Session["direction"], origin: Origin, places: readonly Place[], network: Network): (Place & { readonly spec: Selection })[] {
  const [isFrom, isTo] = [direction !== "to", direction !== "from"];
  if (origin.host !== undefined) {
    const spec = [...(isFrom ? address(origin.host, "source") : []), ...(isTo ? address(origin.host, "destination") : [])].map((one) => match(one));
    return places.map((place) => ({ ...place, spec }));
  }
  if (origin.routes !== undefined) {
    const prefixes = origin.announced?.prefixes ?? [];
    const spec = prefixes.flatMap((prefix) => [...(isFrom ? [within(prefix, "src")] : []), ...(isTo ? [within(prefix, "dst")] : [])]);
    return places.map((place) => ({ ...place, spec }));
  }
  // A match or a VLAN says itself which way it looks; a whole network has both ways in what comes in.
  if (origin.match !== undefined || origin.bridge === undefined) return places.map((place) => ({ ...place, spec: "all" as const }));
  const from = isFrom ? places.map((place) => ({ ...place, spec: "all" as const })) : [];
  if (!isTo) return from;
  const here = new Set(places.map(({ bridge, port }) => portKey({ bridge: bridge.name, ofport: port.ofport })));
  const to = [...network.hosts.values()].filter((host) => here.has(portKey(host.at))).map((host) => match({ ethDst: host.mac }));
  return [...from, ...allEdges(network).map((place) => ({ ...place, spec: to }))];
}

/** Packets from or to a prefix. */
const within = (prefix: string, side: "src" | "dst"): Match => parseMatch(prefix.includes(":") ? `ipv6,ipv6_${side}=${prefix}` : `ip,nw_${side}=${prefix}`);

/** Matches of packets from or to an address; ARP and neighbour discovery of the address included. */
function address(host: string, side: "source" | "destination"): MatchSpec[] {
  const isSource = side === "source";
  if (macForm.test(host)) return [isSource ? { ethSrc: host } : { ethDst: host }];
  if (host.includes(":")) return isSource ? [{ ethType: 0x86dd, ipv6Src: host }] : [{ ethType: 0x86dd, ipv6Dst: host }, ndFor(135, host), ndFor(136, host)];
  return isSource
    ? [{ ethType: 0x0800, ipv4Src: host }, { ethType: 0x0806, arpSpa: host }]
    : [{ ethType: 0x0800, ipv4Dst: host }, { ethType: 0x0806, arpTpa: host }];
}
const ndFor = (icmpv6Type: number, target: string): MatchSpec => ({ ethType: 0x86dd, ipProto: 58, icmpv6Type, ipv6NdTarget: target });

/** The origin's match and VLAN on one port. */
function narrowed(origin: Origin, port: PortVlans | undefined): Selection {
  const expression: Selection = origin.match === undefined ? "all" : [parseExpression(origin.match, "match").fields];
  return origin.vlan === undefined ? expression : product(expression, vlanSelection(origin.vlan, port));
}

const present = 0x1000;

/** The frames of a VLAN as they come in by a port: tagged, or untagged where the port's settings say so. */
function vlanSelection(vlan: number, port: PortVlans | undefined): Selection {
  const tagged = match({ vlanVid: present | vlan });
  const untagged = [match({ vlanVid: 0 }), match({ vlanVid: present })]; // none, or only a priority
  const mode = port?.mode ?? (port?.tag === undefined ? "trunk" : "access");
  if (mode === "access") return port?.tag === vlan ? untagged : [];
  const isTrunked = port === undefined || port.trunks.length === 0 || port.trunks.includes(vlan);
  return [...(isTrunked ? [tagged] : []), ...(mode.startsWith("native") && port?.tag === vlan ? untagged : [])];
}

/** Both must hold. */
function product(x: Selection, y: Selection): Selection {
  if (x === "all") return y;
  if (y === "all") return x;
  return x.flatMap((one) =>
    y.flatMap((other) => {
      const joined = both(one, other);
      return joined === undefined ? [] : [joined];
    }),
  );
}

/** The fields of both; undefined when they exclude each other. Masks of one field are joined. */
function both(x: Match, y: Match): Match | undefined {
  const fields = new Map<string, MatchField>(x.map((field) => [field.name, field]));
  for (const field of y) {
    const old = fields.get(field.name);
    if (old === undefined) fields.set(field.name, field);
    else {
      const joined = joinedField(old, field);
      if (joined === undefined) return undefined;
      fields.set(field.name, joined);
    }
  }
  return [...fields.values()];
}

const ones = (1n << 128n) - 1n;
function joinedField(x: MatchField, y: MatchField): MatchField | undefined {
  if (!isKnown(x) || !isKnown(y)) return undefined;
  const [xMask, yMask] = [x.mask ?? ones, y.mask ?? ones];
  if (((x.value ^ y.value) & xMask & yMask) !== 0n) return undefined;
  if (x.mask === undefined) return x;
  if (y.mask === undefined) return y;
  return { ...x, value: (x.value & x.mask) | (y.value & y.mask), mask: x.mask | y.mask };
}
