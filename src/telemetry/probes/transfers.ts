/**
 * TCP between nodes: one connection a pair, by which so many bytes a second go, so that the shadow has round trips, windows and
 * retransmissions of its own. The sockets are made in the nodes' network namespaces and held here: no process stays there.
 */
import { spawn } from "node:child_process";
import { Server, Socket } from "node:net";
import { errorText } from "../../base/error-text.js";

export interface Endpoint {
  readonly name: string;
  readonly address: string;
  /** What runs a command there: a program and its arguments. */
  readonly enter: readonly [string, ...string[]];
}

export interface ProbePair {
  readonly from: Endpoint;
  readonly to: Endpoint;
}

/** "from>to", as pairs are named elsewhere. */
export const pairName = ({ from, to }: ProbePair): string => `${from.address}>${to.address}`;

export interface TransfersOptions {
  readonly port: number;
  readonly bytesPerS: number;
  readonly failed: (pair: string, why: string) => void;
}

const program = new URL(import.meta.url.endsWith(".ts") ? "../../../dist/src/telemetry/probes/socket-in-node.js" : "./socket-in-node.js", import.meta.url).pathname;
/**
 * All of a second at once: after the pause TCP begins with ten segments, and sends the others when acknowledgements come. What they take on
 * their way back shows in nothing else.
 */
const turnMs = 1_000;
const againMs = 2_000;

/** Makes a socket there. Rejects with what was wrong. */
function socketAt({ enter: [command, ...before] }: Endpoint, args: readonly string[]): Promise<Server | Socket> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, [...before, process.execPath, program, ...args], { stdio: ["ignore", "ignore", "pipe", "ipc"] });
    let errors = "";
    child.stderr?.on("data", (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-1_000)));
    child.once("error", reject);
    child.once("message", (message: { readonly why?: string }, handle) => {
      if (handle instanceof Server || handle instanceof Socket) resolve(handle);
      else reject(new Error(message.why ?? "it gave no socket"));
    });
    child.once("close", () => reject(new Error(errors.trim().split("\n").at(-1) ?? "it ended")));
  });
}

/** One socket that is wanted: made, and made again when it is gone. */
class Kept<T extends Server | Socket> {
  socket: T | undefined;
  /** Resolves when it was made for the first time, or will never be. */
  readonly made: Promise<void>;
  private tellMade: () => void = () => undefined;
  private isWanted = true;
  private again: NodeJS.Timeout | undefined;
  private readonly make: () => Promise<T>;
  private readonly failed: (why: string) => void;

  constructor(make: () => Promise<T>, failed: (why: string) => void) {
    this.make = make;
    this.failed = failed;
    this.made = new Promise((resolve) => (this.tellMade = resolve));
    this.start();
  }

  stop(): void {
    this.isWanted = false;
    clearTimeout(this.again);
    this.tellMade();
    if (this.socket !== undefined) end(this.socket);
  }

  private start(): void {
    this.make().then(
      (socket) => {
        if (!this.isWanted) return end(socket);
        this.socket = socket;
        this.tellMade();
        socket.on("error", (error) => this.failed(error.message));
        socket.once("close", () => this.lost());
      },
      (error: unknown) => {
        if (!this.isWanted) return;
        this.failed(errorText(error));
        this.lost();
      },
    );
  }

  private lost(): void {
    this.socket = undefined;
    if (this.isWanted) this.again = setTimeout(() => this.start(), againMs);
  }
}

const end = (socket: Server | Socket): void => void (socket instanceof Server ? socket.close() : socket.destroy());

export class Transfers {
  private readonly options: TransfersOptions;
  private readonly servers = new Map<string, Kept<Server>>();
  private readonly accepted = new Set<Socket>();
  private readonly clients = new Map<string, Kept<Socket>>();
  private readonly timer: NodeJS.Timeout;
  private readonly block: Buffer;
  private isHeld = false;
  /** Turns that were left out because the turn before was still on its way. */
  skipped = 0;

  constructor(options: TransfersOptions) {
    this.options = options;
    this.block = Buffer.alloc(Math.max(1, Math.round((options.bytesPerS * turnMs) / 1_000)));
    this.timer = setInterval(() => this.turn(), turnMs);
  }

  /** Between these pairs from now on, and no others. */
  setPairs(pairs: readonly ProbePair[]): void {
    const { port, failed } = this.options;
    const wanted = new Map(pairs.map((pair) => [pairName(pair), pair]));
    const receivers = new Map(pairs.map(({ to }) => [to.name, to]));
    for (const [name, kept] of this.clients) if (!wanted.has(name)) this.drop(this.clients, name, kept);
    for (const [name, kept] of this.servers) if (!receivers.has(name)) this.drop(this.servers, name, kept);
    for (const [name, to] of receivers) {
      if (this.servers.has(name)) continue;
      const make = async (): Promise<Server> => this.taking((await socketAt(to, ["listen", to.address, String(port)])) as Server);
      this.servers.set(name, new Kept(make, (why) => failed(to.address, why)));
    }
    for (const [name, { from, to }] of wanted) {
      if (this.clients.has(name)) continue;
      const server = this.servers.get(to.name);
      const make = async (): Promise<Socket> => {
        await server?.made;
        return (await socketAt(from, ["connect", to.address, String(port), from.address])) as Socket;
      };
      this.clients.set(name, new Kept(make, (why) => failed(name, why)));
    }
  }

  /** Nothing is written while held; what is on its way is left to TCP. */
  hold(held: boolean): void {
    this.isHeld = held;
  }

  /** Whether the connection of a pair is up. */
  isUp(pair: string): boolean {
    return this.clients.get(pair)?.socket !== undefined;
  }

  stop(): void {
    clearInterval(this.timer);
    this.setPairs([]);
    for (const socket of this.accepted) socket.destroy();
  }

  private drop<T extends Server | Socket>(from: Map<string, Kept<T>>, name: string, kept: Kept<T>): void {
    kept.stop();
    from.delete(name);
  }

  /** Reads what comes, and forgets it. */
  private taking(server: Server): Server {
    server.on("connection", (socket: Socket) => {
      this.accepted.add(socket);
      socket.on("error", () => undefined); // the sender's side tells
      socket.once("close", () => this.accepted.delete(socket));
      socket.resume();
    });
    return server;
  }

  private turn(): void {
    if (this.isHeld) return;
    for (const { socket } of this.clients.values()) {
      if (socket === undefined) continue;
      if (socket.writableLength > 0) this.skipped++;
      else socket.write(this.block);
    }
  }
}
