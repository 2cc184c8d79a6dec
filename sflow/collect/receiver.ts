/** Receives sFlow over UDP in this thread, decoded; for small uses. `SflowCollector` is for much. */
import { createSocket, type Socket } from "node:dgram";
import { EventEmitter } from "node:events";
import { decodeDatagram, type Datagram } from "../datagram.js";
import { SourceTable } from "../sources.js";
import { WireError, type WireErrorCode } from "../wire.js";
import { kernelDrops } from "./kernel-drops.js";

export interface ReceiverEvents {
  datagram: [Datagram];
  malformed: [code: WireErrorCode, from: string];
  /** The socket's. As with every "error", without a listener the process ends. */
  error: [Error];
}

export interface ReceiverCounters {
  datagrams: number;
  samples: number;
  /** Datagrams that could not be read, by code. */
  readonly malformed: Partial<Record<WireErrorCode, number>>;
  /** Datagrams missing by sequence number, over all agents; one that comes late is taken off again. */
  lost: number;
  /** Datagrams that came twice by sequence number. They are given on all the same: two agents may share an address and number. */
  duplicates: number;
}

const socketBufferBytes = 4 << 20;

export class SflowReceiver extends EventEmitter<ReceiverEvents> {
  readonly counters: ReceiverCounters = { datagrams: 0, samples: 0, malformed: {}, lost: 0, duplicates: 0 };
  /** Account of each agent and data source. */
  readonly sources = new SourceTable();
  private readonly socket: Socket;

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
    socket.on("error", (error) => receiver.emit("error", error));
    socket.on("message", (bytes, from) => receiver.received(bytes, from.address));
    return receiver;
  }

  get port(): number {
    return this.socket.address().port;
  }

  /** Datagrams the kernel dropped as its buffer was full; undefined where the system does not tell. */
  kernelDropped(): number | undefined {
    return kernelDrops(this.port);
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
    const { arrival } = this.sources.take(datagram);
    if (arrival.is === "gap") this.counters.lost += arrival.missing;
    else if (arrival.is === "late") this.counters.lost = Math.max(0, this.counters.lost - 1);
    else if (arrival.is === "duplicate") this.counters.duplicates++;
    this.emit("datagram", datagram);
  }
}
