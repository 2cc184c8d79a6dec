/** The observing side put together: samples and counters of both networks become observations and a profile. It changes nothing. */
import type { Datagram } from "sflow-collector";
import type { Logger } from "pino";
import { Profile } from "./analysis/profile/profile.js";
import type { ProfileDocument } from "./analysis/profile/document.js";
import type { NetworkEvent, Observation, ObservationSink } from "./base/observation.js";
import type { Controller } from "./controller.js";
import { Observatory } from "./telemetry/observatory.js";
import type { ObservedPacket } from "./telemetry/observed-packet.js";
import { SflowFeed } from "./telemetry/sflow-feed.js";
import { TcpMonitor } from "./telemetry/tcp/monitor.js";

export interface ObserverParts {
  readonly controller: Pick<Controller, "portReadings" | "discovery" | "on" | "shadow">;
  /** Capture TCP connections, so many at once; undefined: don't. */
  readonly tcpConnections: number | undefined;
  readonly log: Logger;
  /** ms since the epoch. */
  readonly nowMs: () => number;
}

export class Observer implements ObservationSink {
  readonly feed = new SflowFeed();
  readonly observatory: Observatory;
  readonly tcp: TcpMonitor | undefined;
  private readonly parts: ObserverParts;
  private readonly learned: Profile;

  constructor(parts: ObserverParts) {
    this.parts = parts;
    const { controller, log, nowMs, tcpConnections } = parts;
    this.learned = new Profile({ happened: (event) => this.happened(event) });
    this.observatory = new Observatory({ sink: this, readPorts: (side) => controller.portReadings(side), network: () => controller.discovery.current, nowMs });
    this.tcp = tcpConnections === undefined ? undefined : new TcpMonitor(tcpConnections);
    this.tcp?.on("second", (observations) => observations.forEach((observation) => this.observe(observation)));
    this.tcp?.on("failure", (device, why) => log.warn({ device, why }, "a capture ended; trying again"));
    controller.on("converged", () => this.tcp?.setDevices(controller.shadow.taps));
    controller.on("network", (network) => this.feed.update(network));
  }

  start(): void {
    this.observatory.start();
  }

  async stop(): Promise<void> {
    await this.tcp?.close();
    await this.observatory.stop();
  }

  /** The packets that a datagram tells of; they have been taken in. */
  datagram(datagram: Datagram): readonly ObservedPacket[] {
    const packets = this.feed.packets(datagram, this.parts.nowMs());
    this.observatory.packets(packets);
    for (const packet of packets) this.learned.packet(packet);
    return packets;
  }

  readonly profile = (): ProfileDocument => this.learned.document(this.parts.nowMs());

  observe(observation: Observation): void {
    this.learned.observation(observation);
  }

  happened(event: NetworkEvent): void {
    this.parts.log.info({ event }, "observed");
  }
}
