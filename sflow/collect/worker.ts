/** The collector's thread: takes datagrams off the socket as fast as it can and puts them into the ring. Nothing is decoded here. */
import { createSocket } from "node:dgram";
import { setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { FanOut, type ForwardTarget } from "./fan-out.js";
import { kernelDrops } from "./kernel-drops.js";
import { DatagramRing } from "./ring.js";

/** What the thread is started with. */
export interface WorkerSetup {
  readonly host: string;
  readonly port: number;
  readonly receiveBufferBytes: number;
  readonly ring: SharedArrayBuffer;
  readonly forward: readonly ForwardTarget[];
  readonly niceness: number | undefined;
}
export interface WorkerCounters {
  readonly datagrams: number;
  readonly bytes: number;
  /** The ring was full. */
  readonly ringDropped: number;
  /** The kernel's receive buffer was full; undefined where the system does not tell. */
  readonly kernelDropped: number | undefined;
  readonly forwarded: number;
  readonly forwardDropped: number;
}
export type FromWorker =
  | { readonly is: "listening"; readonly port: number; readonly receiveBufferBytes: number }
  | { readonly is: "wake" }
  | { readonly is: "counters"; readonly id: number; readonly counters: WorkerCounters }
  | { readonly is: "error"; readonly message: string; readonly code: string | undefined }
  | { readonly is: "closed"; readonly counters: WorkerCounters };
export type ToWorker = { readonly is: "counters"; readonly id: number } | { readonly is: "close" };

function run(setup: WorkerSetup, tell: (message: FromWorker) => void, onMessage: (handle: (message: ToWorker) => void) => void, done: () => void): void {
  const ring = new DatagramRing(setup.ring);
  const fanOut = new FanOut(setup.forward);
  const socket = createSocket({ type: setup.host.includes(":") ? "udp6" : "udp4", recvBufferSize: setup.receiveBufferBytes });
  // On Linux this is the thread's own, not the process's.
  if (setup.niceness !== undefined) setPriority(setup.niceness);
  let datagrams = 0;
  let bytes = 0;
  let ringDropped = 0;
  let nowMs = 0;
  let isWakeDue = false;
  const isForwarding = setup.forward.length > 0;
  const counters = (): WorkerCounters => ({
    datagrams,
    bytes,
    ringDropped,
    kernelDropped: kernelDrops(socket.address().port),
    forwarded: fanOut.sent,
    forwardDropped: fanOut.dropped + fanOut.failed,
  });
  // The socket gives what has come in bunches; the reader is woken, and the clock looked at, once for each.
  const endOfBunch = (): void => {
    isWakeDue = false;
    if (ring.mustWake()) tell({ is: "wake" });
  };
  socket.on("message", (payload, from) => {
    if (!isWakeDue) {
      isWakeDue = true;
      nowMs = Date.now();
      setImmediate(endOfBunch);
    }
    datagrams++;
    bytes += payload.length;
    if (!ring.write(payload, nowMs, from.address, from.port)) ringDropped++;
    if (isForwarding) fanOut.send(payload);
  });
  socket.on("error", (error: NodeJS.ErrnoException) => tell({ is: "error", message: error.message, code: error.code }));
  socket.bind(setup.port, setup.host, () => tell({ is: "listening", port: socket.address().port, receiveBufferBytes: socket.getRecvBufferSize() }));
  onMessage((message) => {
    if (message.is === "counters") tell({ is: "counters", id: message.id, counters: counters() });
    else {
      const last = counters();
      socket.close(() => {
        fanOut.close();
        tell({ is: "closed", counters: last });
        done();
      });
    }
  });
}

const port = parentPort;
if (port !== null) {
  run(
    workerData as WorkerSetup,
    (message) => port.postMessage(message),
    (handle) => port.on("message", handle),
    () => port.close(),
  );
}
