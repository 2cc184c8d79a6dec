/** Flow records and the comparison of flows put together: where their sources are. */
import type { Logger } from "pino";
import type { NetworkEvent } from "../base/observation.js";
import type { Config } from "../config/schema.js";
import { maxReplicatedPort } from "../network/pipeline.js";
import { FlowCapture } from "../telemetry/flows/flow-capture.js";
import { FlowComparison } from "../telemetry/flows/comparison.js";
import { FlowWatch } from "../telemetry/flows/flow-watch.js";
import type { ObservedPacket } from "../telemetry/observed-packet.js";
import type { Delivery } from "../telemetry/sflow-feed.js";
import type { TcpMonitor } from "../telemetry/tcp/monitor.js";
import type { Controller } from "./controller.js";
import { capturesFlows, comparesFlows } from "./flow-options.js";

export interface FlowFollowingParts {
  readonly controller: Pick<Controller, "askLong" | "copying" | "discovery" | "explainer" | "on" | "promotion" | "shadow">;
  readonly config: Config;
  readonly tcp: Pick<TcpMonitor, "list"> | undefined;
  /** Datagrams of samples that were lost, since the start. */
  readonly lostDatagrams: () => number;
  readonly happened: (event: NetworkEvent) => void;
  readonly log: Logger;
  /** ms since the epoch. */
  readonly nowMs: () => number;
}

/** Connections asked for each round: those heard of last. A summary of 4,096 takes some 30 ms. */
const maxConnections = 4_096;
/** OpenFlow's own numbers, LOCAL among them. */
const firstReserved = 0xff00;
/** Packets of each kind remembered for comparing: three seconds and a half at 75,000/s. About 20 MB each. */
const maxRecent = 262_144;

/** What is known of single flows. */
export class FlowFollowing {
  readonly watch: FlowWatch;
  readonly comparison: FlowComparison | undefined;
  private readonly capture: FlowCapture | undefined;

  /** Undefined while flows are not to be followed. */
  static of(parts: FlowFollowingParts): FlowFollowing | undefined {
    return parts.config.telemetry.flows.enabled ? new FlowFollowing(parts) : undefined;
  }

  private constructor({ controller, config, tcp, lostDatagrams, happened, log, nowMs }: FlowFollowingParts) {
    const { discovery, shadow, explainer } = controller;
    const { maxFlows, snapLength } = config.telemetry.flows;
    const compares = comparesFlows(config);
    const capture = capturesFlows(config) ? new FlowCapture({ maxFlows, snapLength, maxRecent: compares ? maxRecent : 0 }) : undefined;
    this.capture = capture;
    capture?.on("failure", (device, why) => log.warn({ device, why }, "a capture of flows ended; trying again"));
    controller.on("converged", () => capture?.setDevices({ copies: shadow.taps, deliveries: [...shadow.deliveries].map(([bridge, device]) => ({ bridge, device })) }));
    this.watch = new FlowWatch({
      maxFlows,
      async bridge(name) {
        const follower = shadow.follower(name);
        const connection = discovery.connection(name);
        if (follower?.synced !== true || connection === undefined) return undefined;
        const { version } = follower;
        return { version, state: await explainer.stateOf(name, connection, { flows: [...follower.currentFlows()], groups: follower.currentGroups() }) };
      },
      flowStats: (bridge) => discovery.connection(bridge)?.flowStats(),
      control: (method, params, maxAnswer) => controller.askLong(method, params, maxAnswer),
      network: () => discovery.current,
      connections: tcp === undefined ? undefined : () => tcp.list({ address: "", limit: maxConnections }),
      captured: capture === undefined ? undefined : () => capture.changed(),
      leavesOut: (port) => port > maxReplicatedPort && port < firstReserved,
      nowMs,
      clockMs: () => performance.now(),
    });
    if (capture === undefined || !compares) return;
    this.comparison = new FlowComparison({
      capture,
      isReplicated: (bridge, ofport) => shadow.edges(bridge).includes(ofport) && discovery.current.bridges.get(bridge)?.ports.get(ofport)?.role === "edge",
      isComparable: () => controller.copying.mode === "on" && controller.promotion.state === "off" && !shadow.isTrying,
      lostDatagrams,
      happened,
      nowMs,
    });
  }

  start(): void {
    this.watch.start();
    this.comparison?.start();
  }

  async stop(): Promise<void> {
    await this.comparison?.stop();
    await this.watch.stop();
    await this.capture?.close();
  }

  packets(packets: readonly ObservedPacket[]): void {
    this.watch.packets(packets);
  }

  delivered(deliveries: readonly Delivery[]): void {
    this.comparison?.delivered(deliveries);
  }
}
