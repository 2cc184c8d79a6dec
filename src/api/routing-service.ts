/** RoutingService: routes, neighbours, and the events of routing and of edits. */
import { Metadata, status, type ServerWritableStream } from "@grpc/grpc-js";
import type { EventLog, LoggedEvent } from "../analysis/event-log.js";
import type { BmpNeighbour } from "../analysis/routing/bmp-station.js";
import type { InterceptorCounters, Snapshot } from "../analysis/routing/interceptor.js";
import type { Route } from "../analysis/routing/rib.js";
import { InvalidArgument } from "./convert.js";
import type * as proto from "./generated/ovsshadow/v1/routing.js";
import type { RoutingServiceServer } from "./generated/ovsshadow/v1/routing.js";
import { unary } from "./unary.js";

/** What the service shows; `interceptor` is undefined where routing is not listened to. */
export interface RoutingSurface {
  readonly events: Pick<EventLog, "latest" | "watch">;
  readonly interceptor: { snapshot(): Snapshot; counters(): InterceptorCounters } | undefined;
  bmpNeighbours(): readonly BmpNeighbour[];
  devices(): readonly { readonly device: string; readonly failure: string | undefined }[];
}

const defaultRoutes = 10_000;
const defaultEvents = 100;
const maxEvents = 100_000;
/** Events that may wait for a slow consumer. */
const maxQueue = 1_024;

export function routingHandlers(surface: RoutingSurface): RoutingServiceServer {
  return {
    listRoutes: unary((request) => listRoutes(surface, request)),
    listNeighbours: unary(() => listNeighbours(surface)),
    listEvents: unary(({ kind, limit, othersOnly }: proto.ListEventsRequest) => ({ events: surface.events.latest(Math.min(limit || defaultEvents, maxEvents), wanted(kind, othersOnly)).map(eventMessage) })),
    watchEvents: (call) => watchEvents(surface, call),
  };
}

function wanted(kind: string, othersOnly: boolean): (event: LoggedEvent) => boolean {
  if (kind !== "" && kind !== "routing" && kind !== "edit") throw new InvalidArgument("kind", `expected "routing" or "edit", got ${JSON.stringify(kind)}`);
  return (event) => (kind === "" || event.kind === kind) && !(othersOnly && event.kind === "edit" && event.detail["by"] === "ovs-shadow");
}

function listRoutes({ interceptor }: RoutingSurface, { prefix, from, limit }: proto.ListRoutesRequest): proto.ListRoutesResponse {
  if (interceptor === undefined) return { routes: [], total: 0, evicted: 0 };
  const routes: proto.Route[] = [];
  for (const route of interceptor.snapshot().routes) {
    if (routes.length >= (limit || defaultRoutes)) break;
    if ((prefix === "" || route.prefix === prefix) && (from === "" || route.from === from)) routes.push(routeMessage(route));
  }
  const { size, evicted } = interceptor.counters().rib;
  return { routes, total: size, evicted };
}

function routeMessage({ attributes, ...route }: Route): proto.Route {
  return { ...route, attributes: JSON.stringify(attributes) };
}

function listNeighbours(surface: RoutingSurface): proto.ListNeighboursResponse {
  const devices = surface.devices().map(({ device, failure }) => ({ device, failure: failure ?? "" }));
  const bmp = surface.bmpNeighbours().map(({ router, address, sinceMs, ...rest }) => neighbour("bmp", address, router, "established", sinceMs, rest));
  if (surface.interceptor === undefined) return { neighbours: bmp, bindings: [], leases: [], names: [], devices, malformed: {}, frames: 0 };
  const { bgp, ospf, lldp, ipv6Routers, bindings, leases, names } = surface.interceptor.snapshot();
  const { malformed, frames } = surface.interceptor.counters();
  return {
    neighbours: [
      ...bgp.map(({ from, to, state, sinceMs, ...rest }) => neighbour("bgp", from, to, state, sinceMs, rest)),
      ...bmp,
      ...ospf.map(({ version, routerId, address, state, sinceMs, ...rest }) => neighbour(version === 2 ? "ospf" : "ospf3", routerId, address, state, sinceMs, rest)),
      ...lldp.map(({ systemName, chassisId, at, sinceMs, ...rest }) => neighbour("lldp", systemName ?? chassisId, at, "heard", sinceMs, { chassisId, ...rest })),
      ...ipv6Routers.map(({ address, mac, lastMs, ...rest }) => neighbour("ra", address, mac, "heard", lastMs, rest)),
    ],
    bindings: bindings.map(({ address, mac, at, by, isRouter, lastMs }) => ({ address, mac, at, by, isRouter, lastMs })),
    leases: leases.map(({ address, client, server, hostName, expiresMs }) => ({ address, client, server, hostName: hostName ?? "", expiresMs })),
    names: names.map(({ address, name, asked }) => ({ address, name, asked })),
    devices,
    malformed: { ...malformed },
    frames,
  };
}

function neighbour(protocol: string, name: string, at: string, state: string, sinceMs: number, detail: object): proto.Neighbour {
  return { protocol, name, at, state, sinceMs, detail: JSON.stringify(detail) };
}

function eventMessage({ id, tMs, kind, side, subject, detail }: LoggedEvent): proto.RoutingEvent {
  const { what } = detail;
  return { id, tMs, kind, side, subject, what: typeof what === "string" ? what : "", detail: JSON.stringify(detail) };
}

function watchEvents(surface: RoutingSurface, call: ServerWritableStream<proto.WatchEventsRequest, proto.WatchEventsResponse>): void {
  let isWanted: (event: LoggedEvent) => boolean;
  try {
    isWanted = wanted(call.request.kind, call.request.othersOnly);
  } catch (error) {
    call.destroy(Object.assign(error as Error, { code: status.INVALID_ARGUMENT, details: (error as Error).message }));
    return;
  }
  call.sendMetadata(new Metadata()); // the caller is to know that from now on nothing escapes it
  const queue: LoggedEvent[] = [];
  let missed = 0;
  let isBlocked = false;
  const flush = (): void => {
    while (!isBlocked) {
      const event = queue.shift();
      if (event === undefined) return;
      isBlocked = !call.write({ event: eventMessage(event), missed });
      missed = 0;
    }
  };
  const stop = surface.events.watch((event) => {
    if (!isWanted(event)) return;
    if (queue.length >= maxQueue) missed++;
    else queue.push(event);
    flush();
  });
  call.on("drain", () => {
    isBlocked = false;
    flush();
  });
  for (const end of ["cancelled", "error", "close"] as const) call.on(end, stop);
}
