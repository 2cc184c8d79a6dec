/** What the tests of ovsdb-client on real ovsdb-servers share: servers, a proxy, a second opinion. */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { promisify } from "node:util";
import { OvsdbClient, OvsdbError, stringifyJson, type ConnectOptions, type Replica, type Row, type RowChange } from "ovsdb-client";
import { JsonFraming } from "../../ovsdb/json-rpc/framing.js";
import { waitFor } from "../../lab/wait.js";

export const run = promisify(execFile);
const anyUuid = (table: string) => ({ type: "uuid", refTable: table, refType: "weak" });
/** A column of every kind: RFC 7047 section 3.2. */
export const schema = {
  name: "Kinds",
  version: "1.0.0",
  tables: {
    Item: {
      isRoot: true,
      indexes: [["name"]],
      columns: {
        name: { type: "string", mutable: false },
        i: { type: { key: { type: "integer", minInteger: -5 } } },
        r: { type: "real" },
        b: { type: "boolean" },
        s: { type: { key: { type: "string", maxLength: 20 } } },
        optional: { type: { key: "integer", min: 0, max: 1 } },
        choice: { type: { key: { type: "string", enum: ["set", ["x", "y"]] }, min: 0, max: 1 } },
        integers: { type: { key: "integer", min: 0, max: "unlimited" } },
        strings: { type: { key: "string", min: 0, max: 3 } },
        reals: { type: { key: "real", min: 0, max: "unlimited" } },
        others: { type: { key: anyUuid("Item"), min: 0, max: "unlimited" } },
        map: { type: { key: "string", value: "string", min: 0, max: "unlimited" } },
        numbers: { type: { key: "integer", value: "real", min: 0, max: "unlimited" } },
        links: { type: { key: "string", value: anyUuid("Item"), min: 0, max: "unlimited" } },
        single: { type: { key: "string", value: "string", min: 0, max: 1 } },
        part: { type: { key: { type: "uuid", refTable: "Part" }, min: 0, max: 1 } },
      },
    },
    Part: { columns: { label: { type: "string" } } },
  },
};

/** A private ovsdb-server in a folder of its own. */
export class Server implements AsyncDisposable {
  readonly dir = mkdtempSync(`${tmpdir()}/odb-`);
  readonly socket = `${this.dir}/db.sock`;
  /** More of ovsdb-server's arguments, from the next start on. */
  args: readonly string[] = [];
  private child: ChildProcess | undefined;

  static async start(kind: "standalone" | "clustered" = "standalone", options: { readonly schema?: object; readonly args?: (dir: string) => readonly string[] } = {}): Promise<Server> {
    const server = new Server();
    server.args = options.args?.(server.dir) ?? [];
    writeFileSync(`${server.dir}/schema`, JSON.stringify(options.schema ?? schema));
    const files = [`${server.dir}/db`, `${server.dir}/schema`];
    if (kind === "standalone") await run("ovsdb-tool", ["create", ...files]);
    else await run("ovsdb-tool", ["create-cluster", ...files, `unix:${server.dir}/raft`]);
    await server.up();
    return server;
  }
  /** A server of the cluster `first` began, or of a new one. */
  static async ofCluster(first?: Server): Promise<Server> {
    const server = new Server();
    const own = `unix:${server.dir}/raft`;
    writeFileSync(`${server.dir}/schema`, JSON.stringify(schema));
    if (first === undefined) await run("ovsdb-tool", ["create-cluster", "--election-timer=1000", `${server.dir}/db`, `${server.dir}/schema`, own]);
    else await run("ovsdb-tool", ["join-cluster", `${server.dir}/db`, "Kinds", own, `unix:${first.dir}/raft`]);
    await server.up();
    return server;
  }
  get remote(): string {
    return `unix:${this.socket}`;
  }
  async up(socket = this.socket): Promise<void> {
    const args = ["--pdeathsig", "KILL", "--", "ovsdb-server", `${this.dir}/db`, `--remote=punix:${socket}`, `--unixctl=${this.dir}/ctl`, "--no-chdir", ...this.args];
    rmSync(socket, { force: true });
    this.child = spawn("setpriv", args, { stdio: "ignore" });
    await waitFor(() => existsSync(socket), "ovsdb-server listens");
  }
  signal(signal: NodeJS.Signals): void {
    this.child?.kill(signal);
  }
  async kill(): Promise<void> {
    if (this.child === undefined || this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, "exit");
    this.child.kill("SIGKILL");
    await exited;
  }
  /** A command of ovs-appctl. */
  async ctl(...command: readonly string[]): Promise<string> {
    return (await run("ovs-appctl", ["-t", `${this.dir}/ctl`, ...command])).stdout;
  }
  /** What OVS's own tool prints for a raw transaction. */
  async transact(operations: readonly unknown[], socket = this.socket): Promise<unknown[]> {
    return JSON.parse((await run("ovsdb-client", ["transact", `unix:${socket}`, JSON.stringify(["Kinds", ...operations])])).stdout) as unknown[];
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.dir, { recursive: true });
  }
}

export interface ProxyOptions {
  /** Methods answered as a server does that does not know them. */
  readonly refuse?: readonly string[];
  /** Replies and updates come in pieces of this many bytes. */
  readonly pieceBytes?: number;
}

/** Between client and server: refuses methods, re-chunks, cuts, swallows replies. */
export class Proxy implements AsyncDisposable {
  readonly remote: string;
  accepted = 0;
  /** Bytes the server said. */
  bytesDown = 0;
  /** While true what the server says is not passed on. */
  mute = false;
  readonly requests: string[] = [];
  private readonly listener: net.Server;
  private readonly open = new Set<net.Socket>();
  private readonly down = new Set<net.Socket>();

  static async start(server: Pick<Server, "dir" | "socket">, options: ProxyOptions = {}): Promise<Proxy> {
    const path = `${server.dir}/p${Math.random().toString(36).slice(2, 8)}`;
    const proxy = new Proxy(server, path, options);
    await once(proxy.listener, "listening");
    return proxy;
  }
  private constructor(server: Pick<Server, "dir" | "socket">, path: string, { refuse = [], pieceBytes }: ProxyOptions) {
    this.remote = `unix:${path}`;
    this.listener = net.createServer((down) => {
      this.accepted++;
      const up = net.connect(server.socket);
      this.down.add(down);
      down.on("close", () => this.down.delete(down));
      const framing = new JsonFraming(1 << 28);
      for (const [socket, other] of [[down, up], [up, down]] as const) {
        this.open.add(socket);
        socket.on("error", () => other.destroy());
        socket.on("close", () => {
          this.open.delete(socket);
          other.destroy();
        });
      }
      down.on("data", (chunk: Buffer) => {
        for (const message of framing.push(chunk) as { method: string; id: unknown }[]) {
          this.requests.push(message.method);
          if (refuse.includes(message.method)) down.write(JSON.stringify({ result: null, error: "unknown method", id: message.id }));
          else up.write(stringifyJson(message));
        }
      });
      up.on("data", (chunk: Buffer) => {
        if (this.mute) return;
        this.bytesDown += chunk.length;
        for (let at = 0; at < chunk.length; at += pieceBytes ?? chunk.length) down.write(chunk.subarray(at, at + (pieceBytes ?? chunk.length)));
      });
    }).listen(path);
  }
  get connections(): number {
    return this.open.size / 2;
  }
  /** Says something to the clients that the server did not say. */
  inject(text: string): void {
    for (const socket of this.down) socket.write(Buffer.from(text, "latin1"));
  }
  cut(): void {
    for (const socket of this.open) socket.destroy();
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    const closed = once(this.listener, "close");
    this.listener.close();
    await closed;
  }
}

/** A cell of `ovsdb-client --format=json dump`, or a value of ours, in one form: sorted, a set of one bare. */
export function canonical(value: unknown): string {
  if (value === undefined) return "";
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object") return JSON.stringify(value);
  if (value instanceof Map) return [...(value as Map<unknown, unknown>)].map(([key, item]) => `${canonical(key)}=${canonical(item)}`).sort().join("|");
  if (!Array.isArray(value)) throw new Error("neither a cell nor a value");
  const [tag, body] = value as [unknown, unknown];
  if (tag === "uuid") return JSON.stringify(body);
  if (tag === "map" && Array.isArray(body)) return (body as [unknown, unknown][]).map(([key, item]) => `${canonical(key)}=${canonical(item)}`).sort().join("|");
  return (tag === "set" && Array.isArray(body) ? (body as unknown[]) : (value as unknown[])).map(canonical).sort().join("|");
}

/** Every row as OVS's own tool prints it: "Table uuid column=value …". */
export async function dump(remote: string, db: string, run_: (tool: string, args: string[]) => Promise<{ stdout: string }>): Promise<string[]> {
  const { stdout } = await run_("ovsdb-client", ["--format=json", "dump", remote, db]);
  const tables = new JsonFraming(1 << 28).push(Buffer.from(stdout)) as { caption: string; headings: string[]; data: unknown[][] }[];
  return tables.flatMap(({ caption, headings, data }) => data.map((cells) => line(caption.replace(/ table$/, ""), Object.fromEntries(headings.map((name, i) => [name, cells[i]]))))).sort();
}
export const line = (table: string, row: Readonly<Record<string, unknown>>): string =>
  `${table} ${Object.keys(row).sort().filter((name) => name !== "_version").map((name) => `${name}:${canonical(row[name])}`).join(" ")}`;
export function held(replica: Replica): string[] {
  return Object.keys(replica.request).flatMap((table) => [...replica.table(table).values()].map((row) => line(table, row))).sort();
}

/** Plays the events on maps of its own: each `old` must be what the events before it left. */
export class EventLog {
  readonly rows = new Map<string, Row>();
  readonly faults: string[] = [];
  events = 0;
  constructor(replica: Replica) {
    for (const table of Object.keys(replica.request)) for (const [uuid, row] of replica.table(table)) this.rows.set(`${table} ${uuid}`, row);
    replica.on("changes", (changes) => changes.forEach((change) => this.take(change)));
  }
  lines(): string[] {
    return [...this.rows].map(([key, row]) => line(key.split(" ")[0] ?? "", row)).sort();
  }
  private take({ table, uuid, old, new: row, columns }: RowChange): void {
    this.events++;
    const key = `${table} ${uuid}`;
    if (this.rows.get(key) !== old) this.faults.push(`${key}: old is not what was there`);
    const changed = old === undefined || row === undefined ? undefined : [...new Set([...Object.keys(old), ...Object.keys(row)])].filter((name) => canonical(old[name]) !== canonical(row[name]));
    if (changed !== undefined && changed.sort().join() !== [...columns].sort().join()) this.faults.push(`${key}: ${columns.join()} told, ${changed.join()} changed`);
    if (row === undefined) this.rows.delete(key);
    else this.rows.set(key, row);
  }
}

/** Clients of one test, closed after it. */
export class Clients {
  private readonly open: OvsdbClient[] = [];
  /** Adds a client, with a backoff short enough for a test unless told otherwise. */
  async connect(remote: string | readonly string[], options: Partial<ConnectOptions> = {}): Promise<OvsdbClient> {
    return this.add(await OvsdbClient.connect({ remote, backoff: { initialMs: 20, maxMs: 100 }, ...options }));
  }
  add(client: OvsdbClient): OvsdbClient {
    this.open.push(client);
    return client;
  }
  async close(): Promise<void> {
    await Promise.all(this.open.splice(0).map((client) => client.close()));
  }
}
export const all = { Item: "all", Part: "all" } as const;
export const kindOf = (promise: Promise<unknown>): Promise<string> => promise.then(() => "done", (error: unknown) => (error instanceof OvsdbError ? error.kind : String(error)));
