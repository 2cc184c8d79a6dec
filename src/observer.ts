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

export interface ObserverParts {
  readonly controller: Pick<Controller, "portReadings" | "discovery" | "on">;
  readonly log: Logger;
  /** ms since the epoch. */
  readonly nowMs: () => number;
}

export class Observer implements ObservationSink {
  readonly feed = new SflowFeed();
  readonly observatory: Observatory;
  private readonly parts: ObserverParts;
  private readonly learned: Profile;

  constructor(parts: ObserverParts) {
    this.parts = parts;
    const { controller, nowMs } = parts;
    this.learned = new Profile({ happened: (event) => this.happened(event) });
    this.observatory = new Observatory({ sink: this, readPorts: (side) => controller.portReadings(side), network: () => controller.discovery.current, nowMs });
    controller.on("network", (network) => this.feed.update(network));
  }

  start(): void {
    this.observatory.start();
  }

  stop(): Promise<void> {
    return this.observatory.stop();
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
