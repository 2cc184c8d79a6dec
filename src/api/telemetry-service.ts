/** TelemetryService: TCP connections. */
import { status } from "@grpc/grpc-js";
import type { TcpMonitor } from "../telemetry/tcp/monitor.js";
import type { ConnectionSummary, SideSummary } from "../telemetry/tcp/summary.js";
import type { Connection, ConnectionSide, TelemetryServiceServer } from "./generated/ovsshadow/v1/telemetry.js";
import { unary } from "./unary.js";

export interface TelemetrySurface {
  /** Undefined while telemetry.tcp is off. */
  readonly tcp: Pick<TcpMonitor, "list" | "counters"> | undefined;
}

const defaultLimit = 100;
const maxLimit = 10_000;

const sideMessage = ({ dsacks: _dsacks, earlyAnswers: _earlyAnswers, payloadBytes: _payloadBytes, ...side }: SideSummary): ConnectionSide => side;

export const connectionMessage = ({ client, server, ...rest }: ConnectionSummary): Connection => ({ ...rest, client: sideMessage(client), server: sideMessage(server) });

export function telemetryHandlers({ tcp }: TelemetrySurface): TelemetryServiceServer {
  const list = unary(async ({ address, limit }: { address: string; limit: number }) => {
    const connections = await (tcp?.list({ address, limit: Math.min(limit || defaultLimit, maxLimit) }) ?? []);
    return { connections: connections.map(connectionMessage), counters: tcp?.counters };
  });
  return {
    listConnections: (call, reply) => {
      if (tcp === undefined) reply({ code: status.FAILED_PRECONDITION, details: "connections are not captured: set telemetry.tcp.enabled" });
      else list(call, reply);
    },
  };
}
