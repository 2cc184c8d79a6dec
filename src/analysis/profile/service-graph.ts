/** Who uses what: the graph of clients and services as it was learned, and what is new in it. Pure; bounded. */
import { serviceName, type Conversation, type Service } from "./conversations.js";

export interface ServiceEdge {
  readonly client: string;
  readonly service: Service;
  readonly firstMs: number;
  lastMs: number;
  conversations: number;
  /** Estimated, of conversations that have ended. */
  bytes: number;
  /** The latest starts, ms, in order; for dependencies. */
  readonly starts: number[];
}

export interface GraphOptions {
  /** Edges of this first time are what is usual; a later one is new. */
  readonly learningMs: number;
  /** An edge unused for this long is forgotten. */
  readonly forgetMs: number;
}
export const defaultGraphOptions: GraphOptions = { learningMs: 600_000, forgetMs: 7 * 86_400_000 };

const maxEdges = 16_384;
const maxStarts = 512;
const forgetEveryMs = 60_000;

export const edgeName = (edge: Pick<ServiceEdge, "client" | "service">): string => `${edge.client} > ${serviceName(edge.service)}`;

export class ServiceGraph {
  /** Conversations of edges beyond the bound. */
  overflow = 0;
  private readonly options: GraphOptions;
  private readonly edges = new Map<string, ServiceEdge>();
  private beganMs: number | undefined;
  private forgotMs = -Infinity;

  constructor(options: GraphOptions = defaultGraphOptions) {
    this.options = options;
  }

  /** A conversation began. Returns its edge when that is new and the time of learning is over. */
  started({ client, service, firstMs, hasStart }: Conversation): ServiceEdge | undefined {
    this.beganMs ??= firstMs;
    const name = edgeName({ client, service });
    const known = this.edges.get(name);
    if (known !== undefined) {
      known.conversations++;
      known.lastMs = Math.max(known.lastMs, firstMs);
      if (hasStart) {
        known.starts.push(firstMs);
        if (known.starts.length > maxStarts) known.starts.shift();
      }
      return undefined;
    }
    if (this.edges.size >= maxEdges && !this.forget(firstMs)) {
      this.overflow++;
      return undefined;
    }
    const edge: ServiceEdge = { client, service, firstMs, lastMs: firstMs, conversations: 1, bytes: 0, starts: hasStart ? [firstMs] : [] };
    this.edges.set(name, edge);
    return firstMs - this.beganMs > this.options.learningMs ? edge : undefined;
  }

  ended({ client, service, bytes, lastMs }: Conversation): void {
    const edge = this.edges.get(edgeName({ client, service }));
    if (edge === undefined) return;
    edge.bytes += bytes;
    edge.lastMs = Math.max(edge.lastMs, lastMs);
  }

  /** Goes on from kept edges: the time of learning counts from the first of them. */
  restore(edges: readonly ServiceEdge[]): void {
    for (const edge of edges.slice(0, maxEdges)) {
      this.edges.set(edgeName(edge), { ...edge, starts: [...edge.starts] });
      this.beganMs = Math.min(this.beganMs ?? Infinity, edge.firstMs);
    }
  }

  all(): readonly ServiceEdge[] {
    return [...this.edges.values()];
  }

  /** Room is looked for once a minute at most: a scan fills the graph much faster than it forgets. */
  private forget(nowMs: number): boolean {
    if (nowMs - this.forgotMs < forgetEveryMs) return false;
    this.forgotMs = nowMs;
    for (const [name, edge] of this.edges) if (nowMs - edge.lastMs > this.options.forgetMs) this.edges.delete(name);
    return this.edges.size < maxEdges;
  }
}
