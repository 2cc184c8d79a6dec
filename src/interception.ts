/** Puts together what looks at routing and at edits: the interceptor with its captures and BMP station, and the record of edits. */
import type { Logger } from "pino";
import { EditSource, readOwner } from "./analysis/edits/edit-source.js";
import { EventLog } from "./analysis/event-log.js";
import { BmpStation } from "./analysis/routing/bmp-station.js";
import { RoutingInterceptor } from "./analysis/routing/interceptor.js";
import { Listening } from "./analysis/routing/listening.js";
import type { RoutingSurface } from "./api/routing-service.js";
import type { ObservationSink } from "./base/observation.js";
import type { Config } from "./config/schema.js";
import type { Controller } from "./controller.js";
import { portKey, type Network } from "./network/model.js";
import { adapterBridge } from "./shadow/names.js";

export class Interception implements AsyncDisposable {
  readonly events: EventLog;
  private readonly interceptor: RoutingInterceptor | undefined;
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
    const interceptor = routing.enabled ? new RoutingInterceptor({ sink: events, side: "live", maxRoutes: routing.maxRoutes }) : undefined;
    let station: BmpStation | undefined;
    if (interceptor !== undefined && routing.bmp !== undefined) {
      const colon = routing.bmp.lastIndexOf(":");
      station = await BmpStation.listen({ host: routing.bmp.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(routing.bmp.slice(colon + 1)), interceptor, nowMs });
    }
    const source = edits.enabled
      ? await EditSource.start({ remote: config.ovsdb, sink: events, nowMs, owners: edits.owners.map(readOwner), wroteTarget: (nextCfg) => controller.database.wrote(nextCfg), answered: () => controller.database.answered() })
      : undefined;
    return new Interception(config.analysis, controller, log, { events, interceptor, station, source });
  }

  private constructor(config: Config["analysis"], controller: Controller, log: Logger, parts: { readonly events: EventLog; readonly interceptor: RoutingInterceptor | undefined; readonly station: BmpStation | undefined; readonly source: EditSource | undefined }) {
    const { events, interceptor, station, source } = parts;
    this.config = config;
    this.events = events;
    this.interceptor = interceptor;
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
