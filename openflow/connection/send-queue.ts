/**
 * What goes out on a socket: messages of one turn of the event loop in one write, bounded by what the peer has not taken. A peer that
 * takes nothing is read no further, and one that has left too much is reported.
 */
import type { Socket } from "node:net";
import { OpenFlowError } from "../errors.js";
import { writeMessage, type Body } from "../messages/message.js";
import { Writer, type Version } from "../wire/reader.js";
import type { ConnectionCounters, SessionOptions } from "./session-types.js";

export interface SendQueueHooks {
  /** The peer does not read: the connection is to end. */
  overrun(reason: string): void;
  /** It reads again. */
  resumed(): void;
}

/** Unsent bytes at which a peer is read no further until they are gone: who does not take answers asks no more. */
const pauseBytes = 1 << 20;
/** Messages sent in one turn go out together, at the latest when there are this many bytes. */
const flushBytes = 64 << 10;
/** Unsent bytes at which writeSteadily() waits. */
const steadyBytes = 256 << 10;

export class SendQueue {
  /** Since when nothing is read from the peer, because it does not take what is sent; monotonic ms. */
  pausedSinceMs: number | undefined;
  private readonly socket: Socket;
  private readonly options: SessionOptions;
  private readonly counters: ConnectionCounters;
  private readonly hooks: SendQueueHooks;
  private readonly out = new Writer(1);
  private isFlushDue = false;
  private isHeld = false;
  /** Why nothing goes out any more. */
  private ended: string | undefined;
  /** Those who wait for the peer to take what is there. */
  private readonly waiting = new Set<(error?: OpenFlowError) => void>();

  constructor(socket: Socket, options: SessionOptions, counters: ConnectionCounters, hooks: SendQueueHooks) {
    this.socket = socket;
    this.options = options;
    this.counters = counters;
    this.hooks = hooks;
  }

  /** What is appended stays until release(): answers to one chunk go out in one write. */
  hold(): void {
    this.isHeld = true;
  }
  release(): void {
    this.isHeld = false;
    this.flush();
  }

  /** Puts a message behind those of this turn. Throws OpenFlowError "not-connected" or "overloaded", and as writeMessage(). */
  append(version: Version, xid: number, body: Body): void {
    this.mayWrite(this.out.length);
    this.out.version = version;
    const before = this.out.length;
    writeMessage(this.out, xid, body);
    this.counters.sent++;
    this.counters.sentBytes += this.out.length - before;
    if (this.out.length >= flushBytes) this.flush();
    else if (!this.isHeld && !this.isFlushDue) {
      this.isFlushDue = true;
      process.nextTick(() => this.flush());
    }
  }

  /** Writes whole messages behind what was appended. Throws as `append`. */
  write(bytes: Uint8Array, messages: number): void {
    this.flush();
    this.mayWrite(bytes.length);
    this.counters.sent += messages;
    this.counters.sentBytes += bytes.length;
    this.socket.write(bytes);
  }

  /** Writes whole messages and waits while many bytes are unsent. A peer that takes nothing for a request's time-out is reported. */
  async writeSteadily(bytes: Uint8Array, messages: number): Promise<void> {
    this.write(bytes, messages);
    if (this.socket.writableLength > Math.min(steadyBytes, this.options.maxSendQueueBytes / 2)) await this.drained();
  }

  /** Sends what is there; after that everything is refused, and whoever waits is told. */
  close(reason: string): void {
    if (this.ended !== undefined) return;
    this.flush();
    this.ended = reason;
    for (const done of [...this.waiting]) done(new OpenFlowError("not-connected", `the connection ended: ${reason}`));
  }

  private flush(): void {
    this.isFlushDue = false;
    if (this.out.length === 0) return;
    const bytes = this.out.done();
    this.out.reset();
    if (this.ended !== undefined) return;
    this.socket.write(bytes);
    if (this.pausedSinceMs === undefined && this.socket.writableLength > pauseBytes) this.pause();
  }

  private pause(): void {
    this.pausedSinceMs = performance.now();
    this.socket.pause();
    this.socket.once("drain", () => {
      this.pausedSinceMs = undefined;
      this.hooks.resumed();
      this.socket.resume();
    });
  }

  private mayWrite(length: number): void {
    if (this.ended !== undefined) throw new OpenFlowError("not-connected", "the connection is closed");
    const waiting = this.socket.writableLength + length;
    if (waiting <= this.options.maxSendQueueBytes) return;
    this.hooks.overrun(`the peer does not read: ${waiting} bytes are waiting`);
    throw new OpenFlowError("overloaded", "the peer does not read what is sent");
  }

  private drained(): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (error?: OpenFlowError): void => {
        clearTimeout(timer);
        this.socket.off("drain", onDrain);
        this.waiting.delete(done);
        if (error === undefined) resolve();
        else reject(error);
      };
      const onDrain = (): void => done();
      const timer = setTimeout(() => this.hooks.overrun(`the peer took nothing for ${this.options.requestTimeoutMs} ms`), this.options.requestTimeoutMs);
      this.socket.on("drain", onDrain);
      this.waiting.add(done);
    });
  }
}
