/** One question to ovs-vswitchd's control socket, as ovs-appctl(8) asks it: JSON-RPC, one line of text as the answer. */
import net from "node:net";
import { readFile } from "node:fs/promises";
import { errorText } from "../base/error-text.js";
import { inTime } from "../base/in-time.js";

/** ovs-vswitchd's control socket in a run directory, by its pid file. Rejects when there is none. */
export async function vswitchdSocket(runDir: string): Promise<string> {
  const pid = (await readFile(`${runDir}/ovs-vswitchd.pid`, "utf8")).trim();
  return `${runDir}/ovs-vswitchd.${pid}.ctl`;
}

const maxAnswer = 1 << 20;

/** Runs `method`; rejects with the daemon's words, when it does not answer in time, or with more than `maxBytes`. */
export function unixctl(socket: string, method: string, params: readonly string[], timeoutMs = 2_000, maxBytes = maxAnswer): Promise<string> {
  return new Promise((resolve, reject) => {
    const connection = net.connect({ path: socket });
    const scanner = new ObjectScanner(maxBytes);
    const fail = (error: Error): void => {
      connection.destroy();
      reject(error);
    };
    connection.setTimeout(timeoutMs, () => fail(new Error(`${method}: no answer within ${timeoutMs} ms`)));
    connection.on("error", fail);
    connection.on("close", () => fail(new Error(`${method}: the connection was closed`)));
    connection.on("connect", () => connection.write(JSON.stringify({ method, params, id: 0 })));
    connection.on("data", (chunk: Buffer) => {
      let reply: { readonly result?: unknown; readonly error?: unknown };
      try {
        const [text] = scanner.push(chunk);
        if (text === undefined) return; // more is coming
        reply = JSON.parse(text) as typeof reply;
      } catch (error) {
        return fail(new Error(`${method}: ${errorText(error)}`));
      }
      if (typeof reply.result !== "string") return fail(new Error(`${method}: ${String(reply.error)}`));
      resolve(reply.result);
      connection.destroy();
    });
  });
}

/** Questions that may wait for their answers on one connection; beyond, `ask` rejects. */
const maxWaiting = 1_024;

interface Waiting {
  readonly method: string;
  readonly resolve: (text: string) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A connection for many questions: they may be asked without waiting, and are answered in order. It ends with the first fault; what
 * waits is then rejected, and so is what is asked later.
 */
export class UnixctlConnection {
  private readonly socket: net.Socket;
  private readonly waiting: Waiting[] = [];
  private readonly scanner = new ObjectScanner(maxAnswer);
  private ended: Error | undefined;

  private constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => this.received(chunk));
    socket.on("error", (error) => this.end(error));
    socket.on("close", () => this.end(new Error("the control connection was closed")));
  }

  static async open(path: string): Promise<UnixctlConnection> {
    const socket = net.connect({ path });
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return new UnixctlConnection(socket);
  }

  /** Resolves with the answer; rejects with the daemon's words. */
  ask(method: string, params: readonly string[]): Promise<string> {
    if (this.ended !== undefined) return Promise.reject(this.ended);
    if (this.waiting.length >= maxWaiting) return Promise.reject(new Error(`${method}: ${maxWaiting} questions wait already`));
    return new Promise((resolve, reject) => {
      this.waiting.push({ method, resolve, reject });
      this.socket.write(JSON.stringify({ method, params, id: 0 }));
    });
  }

  close(): void {
    this.end(new Error("the control connection was closed here"));
  }

  private received(chunk: Buffer): void {
    try {
      for (const text of this.scanner.push(chunk)) {
        const { result, error } = JSON.parse(text) as { readonly result?: unknown; readonly error?: unknown };
        const asked = this.waiting.shift();
        if (typeof result === "string") asked?.resolve(result);
        else asked?.reject(new Error(`${asked.method}: ${String(error).trim()}`));
      }
    } catch (error) {
      this.end(error instanceof Error ? error : new Error(String(error)));
    }
  }

  private end(error: Error): void {
    if (this.ended !== undefined) return;
    this.ended = error;
    this.socket.destroy();
    for (const { reject } of this.waiting.splice(0)) reject(error);
  }
}

/** Questions to ovs-vswitchd one after another over one connection, which is opened anew when it broke or when the daemon is another. */
export class VswitchdControl {
  private readonly runDir: string;
  private connection: Promise<UnixctlConnection> | undefined;

  constructor(runDir: string) {
    this.runDir = runDir;
  }

  /** Resolves with the answer; rejects with the daemon's words, or when it does not answer in time. */
  async ask(method: string, params: readonly string[] = [], timeoutMs = 2_000): Promise<string> {
    const connection = (this.connection ??= vswitchdSocket(this.runDir).then((path) => UnixctlConnection.open(path)));
    try {
      return await inTime((async () => (await connection).ask(method, params))(), timeoutMs);
    } catch (error) {
      // A question that is still waiting would hold up the next one.
      if (this.connection === connection) this.close();
      throw error;
    }
  }

  close(): void {
    void this.connection?.then((connection) => connection.close(), () => undefined);
    this.connection = undefined;
  }
}

const [openBrace, closeBrace, quote, backslash] = [0x7b, 0x7d, 0x22, 0x5c];

/** Cuts a stream of JSON objects that follow one another without anything between. */
class ObjectScanner {
  private kept: Buffer[] = [];
  private keptLength = 0;
  private depth = 0;
  private inString = false;
  private escaped = false;
  private readonly maxBytes: number;

  /** An object, and what of one has come, may have so many bytes. */
  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  push(chunk: Buffer): string[] {
    const found: string[] = [];
    let start = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i];
      if (this.inString) {
        if (this.escaped) this.escaped = false;
        else if (byte === backslash) this.escaped = true;
        else if (byte === quote) this.inString = false;
      } else if (byte === quote) this.inString = true;
      else if (byte === openBrace) this.depth++;
      else if (byte === closeBrace && --this.depth === 0) {
        found.push(Buffer.concat([...this.kept, chunk.subarray(start, i + 1)]).toString("utf8"));
        this.kept = [];
        this.keptLength = 0;
        start = i + 1;
      }
    }
    this.keptLength += chunk.length - start;
    if (this.keptLength > this.maxBytes) throw new Error("the answer is too long");
    if (start < chunk.length) this.kept.push(chunk.subarray(start));
    return found;
  }
}
