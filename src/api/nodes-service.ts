/** NodesService: shadow nodes, and what probes between them say beside live. */
import type { ListNodesResponse, NodesServiceServer } from "./generated/ovsshadow/v1/nodes.js";
import { unary } from "./unary.js";

/** What the service needs of whoever keeps the nodes. */
export interface NodesSurface {
  list(light: boolean): readonly { readonly name: string; readonly port: string; readonly mac: string; readonly address: string; readonly real: boolean; readonly why: string | undefined }[];
  pairs(): readonly PairSurface[];
  readonly failure: string | undefined;
  readonly held: boolean;
  readonly made: number;
}

interface MetricSurface {
  readonly live: number;
  readonly shadow: number;
  readonly z: number;
}

interface PairSurface {
  readonly pair: string;
  readonly window: { readonly sent: number; readonly lost: number; readonly rttMs: number | undefined; readonly rttP99Ms: number | undefined } | undefined;
  readonly connected: boolean;
  readonly failure: string | undefined;
  readonly compared: { readonly path: MetricSurface | undefined; readonly wait: MetricSurface | undefined; readonly loss: MetricSurface | undefined; readonly window: MetricSurface | undefined } | undefined;
}

export function nodesHandlers(nodes: NodesSurface): NodesServiceServer {
  return {
    listNodes: unary(({ light }): ListNodesResponse => ({
      nodes: nodes.list(light).map((node) => ({ ...node, why: node.why ?? "" })),
      pairs: nodes.pairs().map(({ pair, window, connected, failure, compared }) => ({
        pair,
        sent: window?.sent ?? 0,
        lost: window?.lost ?? 0,
        rttMs: window?.rttMs,
        rttP99Ms: window?.rttP99Ms,
        connected,
        failure: failure ?? "",
        path: compared?.path,
        wait: compared?.wait,
        loss: compared?.loss,
        window: compared?.window,
      })),
      failure: nodes.failure ?? "",
      held: nodes.held,
      made: nodes.made,
    })),
  };
}
