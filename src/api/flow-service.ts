/** FlowService: what all sources say of single flows. */
import { status } from "@grpc/grpc-js";
import type { ConnectionSummary } from "../telemetry/tcp/summary.js";
import type { TrackedConnection } from "../telemetry/flows/conntrack.js";
import type { FlowCapture } from "../telemetry/flows/flow-capture.js";
import type { FlowComparison } from "../telemetry/flows/comparison.js";
import type { FlowWatch } from "../telemetry/flows/flow-watch.js";
import type { DirectionRecord, FlowRecord } from "../telemetry/flows/record.js";
import type { Flow, FlowDirection, FlowServiceServer, FlowTcp, TrackedConnection as TrackedMessage } from "./generated/ovsshadow/v1/flow.js";
import { unary } from "./unary.js";

export interface FlowSurface {
  /** Undefined while telemetry.flows is off. */
  readonly flows: Pick<FlowWatch, "list"> | undefined;
  /** Undefined while flows are not compared. */
  readonly comparison: (Pick<FlowComparison, "differing" | "counters" | "paused"> & { readonly capture: Pick<FlowCapture, "counters"> }) | undefined;
}

const defaultLimit = 1_000;
const maxLimit = 20_000;

const directionMessage = ({ sampled, captured, entry }: DirectionRecord): FlowDirection => ({
  sampled,
  captured,
  entry: entry === undefined ? undefined : { ...entry, cookie: `0x${entry.cookie.toString(16)}`, packets: Number(entry.packets), bytes: Number(entry.bytes), undecided: [...entry.undecided] },
});

const trackedMessage = ({ original, reply, zone, mark, labels, state, isTranslated }: TrackedConnection): TrackedMessage => ({
  zone, mark, labels, state, isTranslated, originalFrom: original.from, originalTo: original.to, replyFrom: reply.from, replyTo: reply.to,
  originalPackets: original.packets, originalBytes: original.bytes, replyPackets: reply.packets, replyBytes: reply.bytes,
});

const tcpMessage = ({ state, handshake, client, server }: ConnectionSummary): FlowTcp => ({
  state, handshake, clientRttMs: client.rttMs, serverRttMs: server.rttMs, clientRetransmissions: client.retransmissions, serverRetransmissions: server.retransmissions,
  clientAppBytes: client.appBytes, serverAppBytes: server.appBytes,
});

export const flowMessage = ({ out, back, tracked, tcp, app, missing, ...rest }: FlowRecord): Flow => ({
  ...rest, out: directionMessage(out), back: directionMessage(back), tracked: tracked.map(trackedMessage), tcp: tcp === undefined ? undefined : tcpMessage(tcp), app, missing: [...missing],
});

export function flowHandlers({ flows, comparison }: FlowSurface): FlowServiceServer {
  const list = unary(async ({ address, limit, incomplete }: { address: string; limit: number; incomplete: boolean }) => {
    const found = await flows?.list({ address, limit: Math.min(limit || defaultLimit, maxLimit), incomplete });
    return { flows: (found?.records ?? []).map(flowMessage), counters: found?.counters };
  });
  const differences = unary(() => {
    const { judged = 0, uncaptured = 0, unjudged = 0, kernelDropped = 0 } = comparison?.capture.counters ?? {};
    const { tested = 0, samples = 0, leftOut = 0 } = comparison?.counters ?? {};
    return { differences: (comparison?.differing ?? []).map(({ flow: _flow, ...rest }) => rest), compared: tested, samples, leftOut, paused: comparison?.paused, judged, uncaptured, unjudged, kernelDropped };
  });
  return {
    listFlowDifferences: (call, reply) => {
      if (comparison === undefined) reply({ code: status.FAILED_PRECONDITION, details: "flows are not compared: set telemetry.flows.compare" });
      else differences(call, reply);
    },
    listFlows: (call, reply) => {
      if (flows === undefined) reply({ code: status.FAILED_PRECONDITION, details: "flows are not followed: set telemetry.flows.enabled" });
      else list(call, reply);
    },
  };
}
