/** A controller for tests of switches: listens on a port of its own and keeps all that comes. */
import { OpenFlowServer } from "../connection/endpoint.js";
import type { OpenFlowConnection } from "../connection/connection.js";
import type { PacketInView } from "../messages/packet-in-view.js";
import type { Version } from "../wire/reader.js";

export class MockController implements AsyncDisposable {
  readonly connections: OpenFlowConnection[] = [];
  readonly packetIns: PacketInView[] = [];
  private readonly server: OpenFlowServer;
  private readonly waiting: (() => void)[] = [];

  private constructor(server: OpenFlowServer) {
    this.server = server;
    server.on("connection", (connection) => {
      this.connections.push(connection);
      connection.on("packetIn", (packet) => {
        this.packetIns.push(packet);
        this.wake();
      });
      this.wake();
    });
  }

  /** Listens on a free port of the loopback. */
  static async listen(versions?: readonly Version[]): Promise<MockController> {
    return new MockController(await OpenFlowServer.listen({ remote: "ptcp:0:127.0.0.1", ...(versions === undefined ? {} : { versions }) }));
  }

  get port(): number {
    return this.server.port ?? 0;
  }

  /** The n-th switch that came, counted from 0. */
  async connection(n = 0): Promise<OpenFlowConnection> {
    return this.of(() => this.connections[n]);
  }
  /** The n-th packet-in of all switches, counted from 0. */
  async packetIn(n = 0): Promise<PacketInView> {
    return this.of(() => this.packetIns[n]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.server.close();
  }

  private wake(): void {
    for (const wake of this.waiting.splice(0)) wake();
  }
  private async of<T>(look: () => T | undefined): Promise<T> {
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }
}
