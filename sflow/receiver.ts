/** Receives sFlow over UDP: decodes, counts what is malformed by reason, and keeps account of lost datagrams. */
import { createSocket, type Socket } from "node:dgram";
import { EventEmitter } from "node:events";
import { decodeDatagram, type Datagram } from "./datagram.js";
import { WireError } from "./wire.js";

export interface ReceiverEvents {
  datagram: [Datagram];
  malformed: [reason: string, from: string];
}

export interface ReceiverCounters {
  datagrams: number;
  samples: number;
  /** Datagrams that could not be read, by reason. */
  readonly malformed: Record<string, number>;
  /** Datagrams missing by sequence number, over all agents; one that comes late is taken off again. */
  lost: number;
}

/** Agents kept account of; beyond, the oldest is forgotten. */
const maxAgents = 10_000;
/** A jump larger than this is a restarted agent, not a loss. */
const restartJump = 1_000;
/** This far behind the newest by number and by the agent's clock (Open vSwitch moves it once a second) is late; more is a restart. */
const lateBy = 64;
const lateByMs = 1_000;
const socketBufferBytes = 4 << 20;

export class SflowReceiver extends EventEmitter<ReceiverEvents> {
  readonly counters: ReceiverCounters = { datagrams: 0, samples: 0, malformed: {}, lost: 0 };
  private readonly socket: Socket;
  private readonly newest = new Map<string, { readonly sequenceNumber: number; readonly uptime: number }>();

  private constructor(socket: Socket) {
    super();
    this.socket = socket;
  }

  /** Listens on `host`:`port`; port 0 takes a free one. Rejects when it can't. */
  static async listen(where: { readonly host: string; readonly port: number }): Promise<SflowReceiver> {
    const socket = createSocket({ type: where.host.includes(":") ? "udp6" : "udp4", recvBufferSize: socketBufferBytes });
    const receiver = new SflowReceiver(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(where.port, where.host, () => {
        socket.off("error", reject);
        resolve();
      });
    });
    socket.on("error", () => undefined);
    socket.on("message", (bytes, from) => receiver.received(bytes, from.address));
    return receiver;
  }

  get port(): number {
    return this.socket.address().port;
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.socket.close(() => resolve()));
  }

  private received(bytes: Uint8Array, from: string): void {
    let datagram: Datagram;
    try {
      datagram = decodeDatagram(bytes);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.counters.malformed[error.code] = (this.counters.malformed[error.code] ?? 0) + 1;
      this.emit("malformed", error.code, from);
      return;
    }
    this.counters.datagrams++;
    this.counters.samples += datagram.samples.length;
    this.account(datagram);
    this.emit("datagram", datagram);
  }

  private account({ agentAddress, subAgentId, sequenceNumber, uptime }: Datagram): void {
    const key = `${agentAddress} ${subAgentId}`;
    const newest = this.newest.get(key);
    if (newest !== undefined) {
      const ahead = (sequenceNumber - newest.sequenceNumber) | 0; // numbers go round at 2^32
      if (ahead > 0 && ahead < restartJump) this.counters.lost += ahead - 1;
      else if (ahead <= 0 && ahead > -lateBy && newest.uptime - uptime <= lateByMs) {
        if (ahead < 0) this.counters.lost = Math.max(0, this.counters.lost - 1);
        return;
      }
    } else if (this.newest.size >= maxAgents) {
      const [oldest] = this.newest.keys();
      if (oldest !== undefined) this.newest.delete(oldest);
    }
    this.newest.set(key, { sequenceNumber, uptime });
  }
}
