/** Sends raw datagrams on to other collectors. Bounded: a datagram that would have to wait behind too many is dropped and counted. */
import { createSocket, type Socket } from "node:dgram";

export interface ForwardTarget {
  /** An address, not a name. */
  readonly host: string;
  readonly port: number;
}

/** Sends under way, over all targets. */
const maxPending = 1_024;

export class FanOut {
  sent = 0;
  dropped = 0;
  /** Sends the system refused, as when there is no route. */
  failed = 0;
  private pending = 0;
  private readonly sockets: readonly { readonly target: ForwardTarget; readonly socket: Socket }[];

  constructor(targets: readonly ForwardTarget[]) {
    this.sockets = targets.map((target) => {
      const socket = createSocket({ type: target.host.includes(":") ? "udp6" : "udp4", lookup: (name, _options, done) => done(null, name, target.host.includes(":") ? 6 : 4) });
      socket.on("error", () => this.failed++);
      return { target, socket };
    });
  }

  /** Receivers see this host as the sender; who the agent is stands in the datagram. The bytes must stay as they are until sent. */
  send(bytes: Uint8Array): void {
    for (const { target, socket } of this.sockets) {
      if (this.pending >= maxPending) {
        this.dropped++;
        continue;
      }
      this.pending++;
      socket.send(bytes, target.port, target.host, (error) => {
        this.pending--;
        if (error === null) this.sent++;
        else this.failed++;
      });
    }
  }

  close(): void {
    for (const { socket } of this.sockets) socket.close();
  }
}
