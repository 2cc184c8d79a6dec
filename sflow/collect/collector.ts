/**
 * Receives sFlow in a thread of its own, so that a busy consumer costs no datagrams as long as the ring has room. What is lost is
 * counted where it is lost: by the kernel, by the ring, or on the way (by sequence number, with `SourceTable`).
 */
import { EventEmitter } from "node:events";
import { Worker } from "node:worker_threads";
import type { ForwardTarget } from "./fan-out.js";
import { DatagramRing, type RingDatagram } from "./ring.js";
import type { FromWorker, ToWorker, WorkerCounters, WorkerSetup } from "./worker.js";

export interface CollectorOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /**
   * Called for each datagram, in this thread. The object and its bytes are valid until it returns: copy what must live.
   * An exception is told as "error" and costs that datagram only.
   */
  readonly onDatagram: (datagram: RingDatagram) => void;
  /** A power of two, default 16 MiB: some 10,000 full datagrams, or 0.15 s at 80,000/s. */
  readonly ringBytes?: number;
  /** The kernel's receive buffer, default 4 MiB; the system may allow less (net.core.rmem_max), see `receiveBufferBytes`. */
  readonly receiveBufferBytes?: number;
  /** Raw datagrams are sent on to these. */
  readonly forward?: readonly ForwardTarget[];
  /**
   * nice(1) value of the receiving thread, -20 to 19: below 0 (which needs the right to) it is not kept waiting on a busy machine,
   * where the kernel's buffer lasts some 40 ms at 80,000 datagrams/s. Default: as the process. Linux only.
   */
  readonly niceness?: number;
}

export interface CollectorEvents {
  /** The socket's or the callback's. After a socket's error nothing more may come. */
  error: [Error];
}

export interface CollectorCounters extends WorkerCounters {
  /** Datagrams given to the callback. */
  readonly consumed: number;
  /** Bytes that wait in the ring. */
  readonly waitingBytes: number;
}

/** Datagrams given to the callback before other work of this thread gets its turn. */
const batch = 1_024;
/** Before looking again: more datagrams at once, for this much latency. */
const restMs = 1;
const defaultRingBytes = 16 << 20;
const defaultReceiveBufferBytes = 4 << 20;
const workerFile = new URL(import.meta.url.endsWith(".ts") ? "../dist/collect/worker.js" : "./worker.js", import.meta.url);

export class SflowCollector extends EventEmitter<CollectorEvents> {
  /** Where it listens. */
  readonly port: number;
  /** What the system gave, as it counts it (Linux: twice the payload, for its own needs). */
  readonly receiveBufferBytes: number;
  private readonly worker: Worker;
  private readonly ring: DatagramRing;
  private readonly onDatagram: (datagram: RingDatagram) => void;
  private readonly asked = new Map<number, (counters: WorkerCounters) => void>();
  private nextId = 0;
  private consumed = 0;
  private isReading = false;
  private closing: Promise<CollectorCounters> | undefined;
  private closed: ((counters: WorkerCounters) => void) | undefined;

  private constructor(worker: Worker, ring: DatagramRing, options: CollectorOptions, listening: { readonly port: number; readonly receiveBufferBytes: number }) {
    super();
    this.worker = worker;
    this.ring = ring;
    this.onDatagram = options.onDatagram;
    this.port = listening.port;
    this.receiveBufferBytes = listening.receiveBufferBytes;
    worker.on("message", (message: FromWorker) => this.heard(message));
    worker.on("error", (error) => this.emit("error", error));
    this.readOn();
  }

  /** Starts the thread; resolves when it listens, rejects with the socket's error when it can't. */
  static async start(options: CollectorOptions): Promise<SflowCollector> {
    const ring = new DatagramRing(DatagramRing.allocate(options.ringBytes ?? defaultRingBytes));
    const { host, port, receiveBufferBytes = defaultReceiveBufferBytes, forward = [], niceness } = options;
    const workerData: WorkerSetup = { host, port, receiveBufferBytes, ring: ring.memory, forward, niceness };
    const worker = new Worker(workerFile, { workerData });
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void => {
        void worker.terminate();
        reject(error);
      };
      worker.once("error", fail);
      worker.once("message", (message: FromWorker) => {
        worker.off("error", fail);
        if (message.is === "listening") resolve(new SflowCollector(worker, ring, options, message));
        else fail(faultOf(message));
      });
    });
  }

  /** As of now. Rejects when the collector is closed. */
  async counters(): Promise<CollectorCounters> {
    if (this.closing !== undefined) throw new Error("the collector is closed");
    const id = this.nextId++;
    const counters = new Promise<WorkerCounters>((resolve) => this.asked.set(id, resolve));
    this.tell({ is: "counters", id });
    return this.withOwn(await counters);
  }

  /** Stops listening, gives what is in the ring to the callback, ends the thread; the last counters. */
  close(): Promise<CollectorCounters> {
    this.closing ??= new Promise<WorkerCounters>((resolve) => {
      this.closed = resolve;
      this.tell({ is: "close" });
    }).then((counters) => {
      while (this.readBatch() > 0);
      for (const answer of this.asked.values()) answer(counters);
      this.asked.clear();
      return this.withOwn(counters);
    });
    return this.closing;
  }

  private tell(message: ToWorker): void {
    this.worker.postMessage(message);
  }

  private withOwn(counters: WorkerCounters): CollectorCounters {
    return { ...counters, consumed: this.consumed, waitingBytes: this.ring.waiting };
  }

  private heard(message: FromWorker): void {
    switch (message.is) {
      case "wake":
        this.readOn();
        return;
      case "counters":
        this.asked.get(message.id)?.(message.counters);
        this.asked.delete(message.id);
        return;
      case "closed":
        this.closed?.(message.counters);
        return;
      case "error":
        this.emit("error", faultOf(message));
        return;
      case "listening":
        return;
    }
  }

  /**
   * Reads in batches, with turns for others between them, until the ring is empty. While datagrams keep coming it looks again
   * after a moment: to be woken for each of them would cost more than to read it.
   */
  private readOn(): void {
    if (this.isReading) return;
    this.isReading = true;
    const step = (): void => {
      const count = this.readBatch();
      if (count === batch) setImmediate(step);
      else if (count > 0) setTimeout(step, restMs);
      else if (this.ring.sleep()) this.isReading = false;
      else setImmediate(step);
    };
    step();
  }

  private readBatch(): number {
    return this.ring.read(batch, (datagram) => {
      this.consumed++;
      try {
        this.onDatagram(datagram);
      } catch (error) {
        this.emit("error", error instanceof Error ? error : new Error(String(error)));
      }
    });
  }
}

function faultOf(message: FromWorker): Error {
  if (message.is !== "error") return new Error(`the collector's thread said ${message.is} out of turn`);
  return Object.assign(new Error(message.message), { code: message.code });
}
