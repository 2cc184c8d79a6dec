/**
 * One bridge's OpenFlow session, kept up: dials, sets it up, and dials again with backoff when it ends.
 *
 * The door is the bridge's management socket by default, because attaching through it deletes no flows, while a first row
 * in the bridge's `controller` column does (ovs-vswitchd empties the tables then).
 */
import { EventEmitter } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { connect, type OpenFlowConnection } from "node-openflow";
import { errorText } from "../base/error-text.js";

export type Dial = (signal: AbortSignal) => Promise<OpenFlowConnection>;

/**
 * A socket of this host says by itself when ovs-vswitchd is gone. One that runs its configuration, which takes seconds on a switch of
 * thousands of ports, answers nobody, and is not dead.
 */
const echoIntervalMs = 20_000;
const requestTimeoutMs = 40_000;

/** Dials the management socket `RUNDIR/BRIDGE.mgmt` of a bridge on this host. */
export function managementSocket(runDir: string, bridge: string): Dial {
  // 1.5 says some things in another way (meters as actions, masks in set-field) and brings nothing we use.
  return (signal) => connect({ remote: `unix:${runDir}/${bridge}.mgmt`, versions: [5, 4], signal, echoIntervalMs, requestTimeoutMs });
}

export interface SessionEvents {
  up: [connection: OpenFlowConnection];
  down: [reason: string];
}

const firstBackoffMs = 20;
const longestBackoffMs = 2_000;

export class BridgeSession extends EventEmitter<SessionEvents> {
  readonly bridge: string;
  private readonly dial: Dial;
  private readonly setUp: (connection: OpenFlowConnection) => Promise<void>;
  private readonly abort = new AbortController();
  private readonly finished: Promise<void>;
  private current: OpenFlowConnection | undefined;
  /** Why there is no connection; undefined while there is one. */
  lastFailure: string | undefined = "not connected yet";
  connects = 0;

  /** `setUp` runs on each new connection before "up" is emitted; when it rejects the connection is dropped and dialled again. */
  constructor(bridge: string, dial: Dial, setUp: (connection: OpenFlowConnection) => Promise<void>) {
    super();
    this.bridge = bridge;
    this.dial = dial;
    this.setUp = setUp;
    this.finished = this.run();
  }

  get connection(): OpenFlowConnection | undefined {
    return this.current;
  }

  /** Ends the session; resolves when its connection is closed. */
  async close(): Promise<void> {
    this.abort.abort();
    await this.current?.close();
    await this.finished;
  }

  private async run(): Promise<void> {
    const { signal } = this.abort;
    let backoffMs = firstBackoffMs;
    while (!signal.aborted) {
      let connection: OpenFlowConnection | undefined;
      try {
        connection = await this.dial(signal);
        const closed = new Promise<string>((resolve) => connection?.once("closed", (reason) => resolve(String(reason))));
        this.current = connection;
        await this.setUp(connection);
        this.connects++;
        this.lastFailure = undefined;
        backoffMs = firstBackoffMs;
        this.emit("up", connection);
        this.lastFailure = await closed;
      } catch (error) {
        this.lastFailure = errorText(error);
      }
      this.current = undefined;
      if (connection !== undefined) {
        await connection.close();
        this.emit("down", this.lastFailure);
      }
      // An abort ends the pause early; the loop's condition sees it.
      await pause(backoffMs, undefined, { signal }).catch(() => undefined);
      backoffMs = Math.min(backoffMs * 2, longestBackoffMs);
    }
  }
}
