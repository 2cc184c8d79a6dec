/** Puts together what looks at routing and at edits: the interceptor with its captures and BMP station, and the record of edits. */
import type { Logger } from "pino";
import { EditSource, readOwner } from "../analysis/edits/edit-source.js";
import { EventLog } from "../analysis/event-log.js";
import { announced } from "../analysis/routing/announced.js";
import { BmpStation } from "../analysis/routing/bmp-station.js";
import { RoutingInterceptor } from "../analysis/routing/interceptor.js";
import { Listening } from "../analysis/routing/listening.js";
import type { RoutingSurface } from "../api/routing-service.js";
import type { NetworkEvent, ObservationSink } from "../base/observation.js";
import type { Config } from "../config/schema.js";
import { portKey, type Network } from "../network/model.js";
import { adapterBridge } from "../shadow/names.js";
import type { Replication } from "../shadow/replication/replication.js";
import type { Controller } from "./controller.js";

/** Routes come in bursts: those of so long are followed together … */
const routesTogetherMs = 50;
/** … and looking at a large table takes this part of the time at most. */
const routesShare = 0.1;

/** Tells sessions that select by routes what is announced, soon after it changes. */
class RouteFollowing {
  private readonly replication: Replication;
  private timer: NodeJS.Timeout | undefined;
  private notBeforeMs = 0;

  constructor(replication: Replication, interceptor: RoutingInterceptor) {
    this.replication = replication;
    replication.followRoutes((selector) => announced(interceptor.rib, selector));
  }

  heard({ kind, detail }: NetworkEvent): void {
    if (kind !== "routing" || (detail["what"] !== "route-announced" && detail["what"] !== "route-withdrawn")) return;
    if (this.timer !== undefined || !this.replication.followsRoutes) return;
    this.timer = setTimeout(() => this.follow(), Math.max(routesTogetherMs, this.notBeforeMs - performance.now()));
    this.timer.unref();
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  private follow(): void {
    this.timer = undefined;
    const startMs = performance.now();
    this.replication.routesChanged();
    const endMs = performance.now();
    this.notBeforeMs = endMs + (endMs - startMs) / routesShare;
  }
}

export class Interception implements AsyncDisposable {
  readonly events: EventLog;
  private readonly interceptor: RoutingInterceptor | undefined;
  private readonly following: RouteFollowing | undefined;
  private readonly listening: Listening | undefined;
  private readonly station: BmpStation | undefined;
  private readonly edits: EditSource | undefined;
  private readonly config: Config["analysis"];
  /** Where each hardware address is, "bridge:ofport". */
  private places = new Map<string, string>();

  /** Call before the controller starts. `also` is given every event. Rejects when the database or the BMP address can't be had. */
  static async start(config: Config, controller: Controller, log: Logger, also?: ObservationSink): Promise<Interception> {
    const { routing, edits, keptEvents } = config.analysis;
    const events = new EventLog(keptEvents, also);
    const nowMs = Date.now;
    let following: RouteFollowing | undefined;
    const sink: Pick<ObservationSink, "happened"> = {
      happened: (event) => {
        events.happened(event);
        following?.heard(event);
      },
    };
    const interceptor = routing.enabled ? new RoutingInterceptor({ sink, side: "live", maxRoutes: routing.maxRoutes }) : undefined;
    if (interceptor !== undefined) following = new RouteFollowing(controller.replication, interceptor);
    let station: BmpStation | undefined;
    if (interceptor !== undefined && routing.bmp !== undefined) {
      const colon = routing.bmp.lastIndexOf(":");
      station = await BmpStation.listen({ host: routing.bmp.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(routing.bmp.slice(colon + 1)), interceptor, nowMs });
    }
    const source = edits.enabled
      ? await EditSource.start({ remote: config.ovsdb, sink: events, nowMs, owners: edits.owners.map(readOwner), written: (after, upTo) => controller.database.written.between(after, upTo), answered: () => controller.database.answered() })
      : undefined;
    return new Interception(config.analysis, controller, log, { events, interceptor, following, station, source });
  }

  private constructor(config: Config["analysis"], controller: Controller, log: Logger, parts: { readonly events: EventLog; readonly interceptor: RoutingInterceptor | undefined; readonly following: RouteFollowing | undefined; readonly station: BmpStation | undefined; readonly source: EditSource | undefined }) {
    const { events, interceptor, following, station, source } = parts;
    this.config = config;
    this.events = events;
    this.interceptor = interceptor;
    this.following = following;
    this.station = station;
    this.edits = source;
    if (source !== undefined) {
      controller.on("following", (follower) => source.watch.follow(follower));
      controller.on("sending", (bridge, flows, groups) => source.watch.sending(bridge, flows, groups));
    }
    if (interceptor === undefined) return;
    const listening = new Listening({ interceptor, log, nowMs: Date.now, locate: (mac) => this.places.get(mac) });
    this.listening = listening;
    listening.setDevices([], config.routing.devices);
    if (config.routing.copies) controller.shadow.setMode({ tapped: true });
    controller.on("network", (network) => this.locate(network));
    // An adapter is there when the shadow has converged.
    if (config.routing.copies) controller.on("converged", () => this.listen(controller.shadow.network));
  }

  surface(): RoutingSurface {
    const { events, interceptor, listening, station } = this;
    return { events, interceptor, bmpNeighbours: () => station?.neighbours() ?? [], devices: () => listening?.state() ?? [] };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.following?.stop();
    await this.listening?.[Symbol.asyncDispose]();
    await this.station?.[Symbol.asyncDispose]();
    await this.edits?.[Symbol.asyncDispose]();
  }

  private locate(network: Network): void {
    this.places = new Map([...network.hosts.values()].map((host) => [host.mac, portKey(host.at)]));
    this.interceptor?.locate(this.places);
  }

  private listen(network: Network): void {
    this.listening?.setDevices([...network.bridges.keys()].map(adapterBridge), this.config.routing.devices);
  }
}
