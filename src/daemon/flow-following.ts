/** Flow records put together: where their sources are. */
import type { Config } from "../config/schema.js";
import { maxReplicatedPort } from "../network/pipeline.js";
import { FlowWatch } from "../telemetry/flows/flow-watch.js";
import type { TcpMonitor } from "../telemetry/tcp/monitor.js";
import type { Controller } from "./controller.js";

export interface FlowFollowingParts {
  readonly controller: Pick<Controller, "control" | "discovery" | "explainer" | "shadow">;
  readonly config: Config["telemetry"]["flows"];
  readonly tcp: Pick<TcpMonitor, "list"> | undefined;
  /** ms since the epoch. */
  readonly nowMs: () => number;
}

/** OpenFlow's own numbers, LOCAL among them. */
/** Connections asked for each round: those heard of last. A summary of 4,096 takes some 30 ms. */
const maxConnections = 4_096;
const firstReserved = 0xff00;

/** Undefined while flows are not to be followed. */
export function followFlows({ controller, config, tcp, nowMs }: FlowFollowingParts): FlowWatch | undefined {
  if (!config.enabled) return undefined;
  const { discovery, shadow, explainer } = controller;
  return new FlowWatch({
    maxFlows: config.maxFlows,
    async bridge(name) {
      const follower = shadow.follower(name);
      const connection = discovery.connection(name);
      if (follower?.synced !== true || connection === undefined) return undefined;
      const { version } = follower;
      return { version, state: await explainer.stateOf(name, connection, { flows: [...follower.currentFlows()], groups: follower.currentGroups() }) };
    },
    flowStats: (bridge) => discovery.connection(bridge)?.flowStats(),
    control: (method, params, maxAnswer) => controller.control(method, params, maxAnswer),
    network: () => discovery.current,
    connections: tcp === undefined ? undefined : () => tcp.list({ address: "", limit: maxConnections }),
    captured: undefined,
    leavesOut: (port) => port > maxReplicatedPort && port < firstReserved,
    nowMs,
    clockMs: () => performance.now(),
  });
}
