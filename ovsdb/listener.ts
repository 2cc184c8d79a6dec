/**
 * Servers that dial in (`ovs-vsctl set-manager ssl:HOST:PORT`), many at one address: a client for each. A server that comes
 * back continues its client, with its replicas and locks; it is known by get_server_id, which a restart of it changes.
 */
import { EventEmitter } from "node:events";
import { completeOptions, OvsdbClient, type ClientOptions } from "./client.js";
import { OvsdbError } from "./errors.js";
import { parseRemote } from "./json-rpc/remote.js";
import type { Session } from "./json-rpc/session.js";
import { Acceptor, Inbox } from "./json-rpc/source.js";

export interface ListenOptions extends ClientOptions {
  /** "punix:PATH", "ptcp:[PORT][:HOST]" or "pssl:[PORT][:HOST]". */
  readonly remote: string;
  /** Servers at the same time; more are refused. Default 1,024. */
  readonly maxServers?: number;
}

export interface ListenerEvents {
  /** A server not seen before. The client is the listener's no more: close it when it is of no use. */
  client: [client: OvsdbClient, serverId: string];
  /** A connection that was of no use. */
  refused: [reason: Error];
}

export class OvsdbListener extends EventEmitter<ListenerEvents> {
  private acceptor: Acceptor | undefined;
  private readonly inboxes = new Map<string, Inbox>();
  private readonly options: ReturnType<typeof completeOptions>;
  private readonly maxServers: number;

  private constructor(options: ListenOptions) {
    super();
    this.options = completeOptions(options);
    this.maxServers = options.maxServers ?? 1_024;
  }

  /** Resolves when it listens. Rejects with OvsdbError "transport" or "tls". */
  static async listen(options: ListenOptions): Promise<OvsdbListener> {
    const remote = parseRemote(options.remote);
    if (!remote.isPassive) throw new OvsdbError("transport", `${options.remote} is not a remote to listen at`);
    const listener = new OvsdbListener(options);
    listener.acceptor = await Acceptor.listen(remote, listener.options, (session) => void listener.accepted(session), listener.maxServers);
    return listener;
  }

  /** The port listened at, when it is TCP. */
  get port(): number | undefined {
    return this.acceptor?.port;
  }

  /** Stops listening. Clients live on until their connections end, and are then "connecting" for good: close them. */
  close(): void {
    this.acceptor?.close();
  }

  private async accepted(session: Session): Promise<void> {
    try {
      const id = String(await session.request("get_server_id", []));
      const known = this.inboxes.get(id);
      if (known !== undefined) {
        known.put(session);
        return;
      }
      if (this.inboxes.size >= this.maxServers) throw new OvsdbError("transport", `there are ${this.maxServers} servers already`);
      const inbox = new Inbox();
      inbox.onClose = () => void this.inboxes.delete(id);
      this.inboxes.set(id, inbox);
      inbox.put(session);
      this.emit("client", await OvsdbClient.over(inbox, this.options), id);
    } catch (error) {
      session.close();
      this.emit("refused", error instanceof Error ? error : new Error(String(error)));
    }
  }
}
