/**
 * A BMP station (RFC 7854): routers connect and tell what they hear from their BGP neighbours. One connection holds one message
 * at most unread; a message that can't be one ends its connection, because there is no way to find the next.
 */
import { createServer, type Server, type Socket } from "node:net";
import { once } from "node:events";
import { applyUpdate } from "./bgp-routes.js";
import { readBgp, updateContext, type Open } from "./bgp.js";
import { bmpLength, readBmp, type BmpMessage, type BmpPeer } from "./bmp.js";
import { DecodeError } from "./reader.js";
import type { RoutingInterceptor } from "./interceptor.js";
import type { Speaker } from "./rib.js";
import type { UpdateContext } from "./bgp-attributes.js";

export interface BmpNeighbour {
  /** The router that tells, by address or the name it gave. */
  readonly router: string;
  readonly address: string;
  readonly as: number;
  readonly localAs: number | undefined;
  readonly rib: BmpPeer["rib"];
  readonly sinceMs: number;
}

export interface BmpCounters {
  connections: number;
  messages: number;
  /** Connections ended because of what came. */
  broken: number;
  /** Connections and neighbours turned away: too many. */
  refused: number;
  /** Messages of a kind, or of a neighbour, that is not known. */
  unknown: number;
}

export interface StationOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly interceptor: Pick<RoutingInterceptor, "rib" | "tell" | "failed">;
  readonly nowMs: () => number;
}

const maxConnections = 64;
const maxPeers = 1_024;

interface Peer {
  readonly peer: BmpPeer;
  readonly localAs: number | undefined;
  readonly sinceMs: number;
  readonly context: UpdateContext;
  readonly speakers: Map<string, Speaker>;
}

export class BmpStation implements AsyncDisposable {
  readonly counters: BmpCounters = { connections: 0, messages: 0, broken: 0, refused: 0, unknown: 0 };
  private readonly server: Server;
  private readonly routers = new Set<Router>();

  private constructor(server: Server, options: StationOptions) {
    this.server = server;
    server.on("connection", (socket) => {
      if (this.routers.size >= maxConnections) {
        this.counters.refused++;
        socket.destroy();
        return;
      }
      this.counters.connections++;
      const router = new Router(socket, options, this.counters);
      this.routers.add(router);
      socket.once("close", () => this.routers.delete(router));
    });
  }

  /** Rejects with the socket's error when it can't listen. */
  static async listen(options: StationOptions): Promise<BmpStation> {
    const server = createServer();
    const station = new BmpStation(server, options);
    server.listen(options.port, options.host);
    await once(server, "listening");
    return station;
  }

  get port(): number {
    const address = this.server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  neighbours(): BmpNeighbour[] {
    return [...this.routers].flatMap((router) => router.neighbours());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.server, "close");
    this.server.close();
    for (const router of this.routers) router.end();
    await closed;
  }
}

/** One connection of a router. */
class Router {
  private readonly socket: Socket;
  private readonly options: StationOptions;
  private readonly counters: BmpCounters;
  private readonly peers = new Map<string, Peer>();
  private name: string;
  private held: Buffer = Buffer.alloc(0);

  constructor(socket: Socket, options: StationOptions, counters: BmpCounters) {
    this.socket = socket;
    this.options = options;
    this.counters = counters;
    this.name = socket.remoteAddress ?? "unknown";
    socket.on("data", (chunk) => this.received(chunk));
    socket.on("error", () => undefined); // "close" follows
    socket.once("close", () => {
      for (const [key, peer] of this.peers) this.down(key, peer, "the router's connection ended");
    });
  }

  neighbours(): BmpNeighbour[] {
    return [...this.peers.values()].map(({ peer, localAs, sinceMs }) => ({ router: this.name, address: peer.address, as: peer.as, localAs, rib: peer.rib, sinceMs }));
  }

  end(): void {
    this.socket.destroy();
  }

  private received(chunk: Buffer): void {
    const bytes = this.held.length === 0 ? chunk : Buffer.concat([this.held, chunk]);
    let at = 0;
    try {
      for (let length = bmpLength(bytes, at); length !== undefined && bytes.length - at >= length; length = bmpLength(bytes, at)) {
        const message = bytes.subarray(at, at + length);
        at += length;
        this.counters.messages++;
        this.take(message);
      }
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.options.interceptor.failed(error);
      this.counters.broken++;
      this.socket.destroy();
      return;
    }
    this.held = Buffer.from(bytes.subarray(at));
  }

  /** A message whose length holds and whose inside does not is counted, and the next is read. */
  private take(bytes: Uint8Array): void {
    try {
      this.message(readBmp(bytes));
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.options.interceptor.failed(error);
    }
  }

  private message(message: BmpMessage): void {
    switch (message.type) {
      case "initiation":
        this.name = message.info.find(({ type }) => type === 2)?.text ?? this.name; // sysName
        break;
      case "termination":
        this.socket.end();
        break;
      case "peer-up":
        this.up(message);
        break;
      case "peer-down": {
        const key = peerKey(message.peer);
        const peer = this.peers.get(key);
        if (peer !== undefined) this.down(key, peer, downReasons[message.reason] ?? `reason ${message.reason}`);
        break;
      }
      case "route-monitoring":
        this.route(message.peer, message.update);
        break;
      case "statistics":
      case "route-mirroring":
        break;
      case "unknown":
        this.counters.unknown++;
        break;
    }
  }

  private up({ peer, sentOpen, receivedOpen }: Extract<BmpMessage, { readonly type: "peer-up" }>): void {
    if (this.peers.size >= maxPeers) {
      this.counters.refused++;
      return;
    }
    const open = (bytes: Uint8Array): Open | undefined => {
      const read = readBgp(bytes, updateContext(undefined, undefined));
      return read.type === "open" ? read : undefined;
    };
    const [sent, received] = [open(sentOpen), open(receivedOpen)];
    const nowMs = this.options.nowMs();
    // What comes in is read as the neighbour sends it, what goes out as the router itself does.
    const [own, other] = peer.rib.endsWith("out") ? [sent, received] : [received, sent];
    this.peers.set(peerKey(peer), { peer, localAs: sent?.as, sinceMs: nowMs, context: updateContext(own, other), speakers: new Map() });
    this.options.interceptor.tell(nowMs, "neighbour-up", `${peer.address} ${this.name}`, { protocol: "bmp", as: peer.as, ...(sent === undefined ? {} : { peerAs: sent.as }) });
  }

  private down(key: string, { peer, speakers }: Peer, why: string): void {
    this.peers.delete(key);
    const { rib, tell } = this.options.interceptor;
    const nowMs = this.options.nowMs();
    const routes = [...speakers.values()].reduce((sum, speaker) => sum + rib.sizeOf(speaker), 0);
    tell(nowMs, "neighbour-down", `${peer.address} ${this.name}`, { protocol: "bmp", as: peer.as, why, routes });
    for (const speaker of speakers.values()) rib.clear(speaker, nowMs, `neighbour down: ${why}`);
  }

  private route(peer: BmpPeer, update: Uint8Array): void {
    const known = this.peers.get(peerKey(peer));
    if (known === undefined) {
      this.counters.unknown++; // of a neighbour that was never said to be up, or of one too many
      return;
    }
    const message = readBgp(update, { as4: peer.as4, addPath: known.context.addPath });
    if (message.type !== "update") return;
    const vrf = peer.distinguisher === "0" ? "" : ` ${peer.distinguisher}`;
    const speaker: Speaker = { source: "bmp", from: peer.address, to: `${this.name} ${peer.rib}${vrf}` };
    known.speakers.set(peer.rib, speaker);
    applyUpdate(this.options.interceptor.rib, speaker, message, this.options.nowMs());
  }
}

const peerKey = ({ distinguisher, address, kind }: BmpPeer): string => `${kind} ${distinguisher} ${address}`;
/** RFC 7854 section 4.9. */
const downReasons: Readonly<Record<number, string>> = { 1: "closed by the router, with a notification", 2: "closed by the router", 3: "closed by the neighbour, with a notification", 4: "closed by the neighbour", 5: "no longer monitored", 6: "the table's router is down" };
