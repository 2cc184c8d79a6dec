/** Where the sessions of a client come from: it dials servers, or servers dial in. */
import { once } from "node:events";
import type net from "node:net";
import { OvsdbError } from "../errors.js";
import { dialSocket, listenAt, type Remote, type TlsOptions } from "./remote.js";
import { Session, type SessionOptions } from "./session.js";

export interface SessionSource {
  /** How many attempts may follow each other without a wait: one for each remote. */
  readonly freeTries: number;
  /** The next session. Rejects with OvsdbError "transport" or "tls"; when `signal` aborts too. */
  next(signal: AbortSignal): Promise<Session>;
  /** Ends listening; resolves when no socket is left of it. */
  close(): Promise<void>;
}

export interface SourceOptions extends SessionOptions {
  readonly tls?: TlsOptions | undefined;
}

/** Dials remotes in turn. */
export class Dialler implements SessionSource {
  private readonly remotes: readonly Remote[];
  private readonly options: SourceOptions;
  private at = 0;

  constructor(remotes: readonly Remote[], options: SourceOptions) {
    this.remotes = remotes;
    this.options = options;
  }
  get freeTries(): number {
    return this.remotes.length;
  }
  async next(signal: AbortSignal): Promise<Session> {
    const remote = this.remotes[this.at++ % this.remotes.length] as Remote;
    const timeoutMs = Math.max(1_000, 2 * this.options.probeIntervalMs);
    const session = new Session(await dialSocket(remote, { tls: this.options.tls, timeoutMs }, signal), this.options, remote.text);
    if (remote.isTls) await accepted(session);
    return session;
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** In TLS 1.3 our side of the handshake is over before the server has looked at our certificate: an answer tells that it likes it. */
async function accepted(session: Session): Promise<void> {
  try {
    await session.request("echo", []);
  } catch (error) {
    session.close();
    throw error instanceof OvsdbError && error.cause instanceof OvsdbError ? error.cause : error;
  }
}

/** Hands over sockets that come from outside, one at a time; while one is in use the latest other one waits, older ones are closed. */
export class Inbox implements SessionSource {
  readonly freeTries = 1;
  /** Sockets closed because a later one came before they were used. */
  replaced = 0;
  /** Called when the source is closed. */
  onClose: () => void = () => {};
  private waiting: Session | undefined;
  private wake: (() => void) | undefined;

  put(session: Session): void {
    if (this.waiting !== undefined && !this.waiting.closed) {
      this.replaced++;
      this.waiting.close(new OvsdbError("transport", "a later connection took its place"));
    }
    this.waiting = session;
    this.wake?.();
  }
  async next(signal: AbortSignal): Promise<Session> {
    for (;;) {
      const session = this.waiting;
      this.waiting = undefined;
      if (session !== undefined && !session.closed) return session;
      await new Promise<void>((resolve) => {
        this.wake = (): void => {
          signal.removeEventListener("abort", this.wake as () => void);
          resolve();
        };
        signal.addEventListener("abort", this.wake, { once: true });
        if (signal.aborted) this.wake();
      });
      if (signal.aborted) throw new OvsdbError("transport", "aborted");
    }
  }
  async close(): Promise<void> {
    this.onClose();
    const { waiting } = this;
    this.waiting = undefined;
    waiting?.close();
    await waiting?.ended;
  }
}

/** Listens at a passive remote; servers dial in (ovs-vsctl set-manager). */
export class Acceptor {
  private readonly server: net.Server;
  /** Connections that failed before they were any use. */
  refused = 0;

  private constructor(server: net.Server) {
    this.server = server;
  }
  /** Rejects with OvsdbError when it cannot listen there. */
  static async listen(remote: Remote, options: SourceOptions, accepted: (session: Session) => void, limit = 1_024): Promise<Acceptor> {
    const open = new Set<Session>();
    const server = listenAt(
      remote,
      options.tls,
      (socket) => {
        if (open.size >= limit) {
          acceptor.refused++;
          socket.destroy();
          return;
        }
        const session = new Session(socket, options, remote.text);
        open.add(session);
        session.once("closed", () => open.delete(session));
        accepted(session);
      },
      () => acceptor.refused++,
    );
    const acceptor = new Acceptor(server);
    try {
      await once(server, "listening");
    } catch (error) {
      throw new OvsdbError("transport", `cannot listen at ${remote.text}: ${(error as Error).message}`, {}, error);
    }
    server.on("error", () => acceptor.refused++);
    return acceptor;
  }
  /** The port listened at, when it is TCP: 0 asks for any. */
  get port(): number | undefined {
    const address = this.server.address();
    return typeof address === "object" && address !== null ? address.port : undefined;
  }
  /** Stops listening; sessions it handed over live on. */
  close(): void {
    this.server.close();
  }
}
