/**
 * The OVSDB client: initial contents, changes, transactions. Peers: python3-openvswitch's IDL and ovsdb-client, on the same
 * ovsdb-server in the same run. CPU and memory are those of each reader's own process, as /proc tells.
 */
import { execFile, spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { promisify } from "node:util";
import { OvsdbClient, type Operation } from "ovsdb-client";
import { waitFor } from "../lab/wait.js";
import { atLeast, atMost, type Bench, type Figure } from "./bench.js";

const run = promisify(execFile);
const schemaFile = "/usr/share/openvswitch/vswitch.ovsschema";
const bridges = 1_000;
const portsPerBridge = 50;
const changes = 1_000;
/** Not counted: the first ones meet code that is not compiled yet. */
const warmUp = 400;
const changesPerS = 200;
const benchSchema = {
  name: "Bench",
  version: "1.0.0",
  tables: {
    Clock: { isRoot: true, columns: { sent: { type: "string" } } },
    Event: { isRoot: true, columns: { n: { type: "integer" } } },
    Item: { isRoot: true, columns: { name: { type: "string" }, tag: { type: "integer" }, external_ids: { type: { key: "string", value: "string", min: 0, max: "unlimited" } } } },
  },
};

/** The same with Open vSwitch's own library. Modes as of ovsdb-child.ts. */
const python = `
import sys, time, json
import ovs.db.idl, ovs.poller
verb, remote, schema, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
helper = ovs.db.idl.SchemaHelper(location=schema)
for table in {"sync": ["Open_vSwitch", "Bridge", "Port", "Interface"], "latency": ["Clock"], "commit": ["Item"]}[verb]:
    helper.register_table(table)
delays = []
class Idl(ovs.db.idl.Idl):
    def notify(self, event, row, updates=None):
        if verb == "latency" and event == ovs.db.idl.ROW_UPDATE:
            delays.append(time.monotonic_ns() / 1e6 - float(row.sent))
idl = Idl(remote, helper)
def block():
    poller = ovs.poller.Poller()
    idl.wait(poller)
    poller.block()
seqno = idl.change_seqno
while idl.change_seqno == seqno:
    idl.run()
    if idl.change_seqno == seqno: block()
if verb == "sync":
    assert len(idl.tables["Port"].rows) == count
print("ready", flush=True)
if verb == "sync":
    sys.stdin.read()
elif verb == "latency":
    while len(delays) < count:
        idl.run()
        if len(delays) < count: block()
    print(json.dumps(delays), flush=True)
else:
    started = time.monotonic()
    for n in range(count):
        txn = ovs.db.idl.Transaction(idl)
        txn.insert(idl.tables["Item"]).name = "x"
        txn.commit_block()
    print(json.dumps(time.monotonic() - started), flush=True)
`;

/** A private ovsdb-server with the two databases. */
class Server implements AsyncDisposable {
  readonly dir = mkdtempSync(`${tmpdir()}/odb-`);
  readonly remote = `unix:${this.dir}/sock`;
  private child: ChildProcessByStdio<null, null, null> | undefined;

  static async start(): Promise<Server> {
    const server = new Server();
    const { dir } = server;
    writeFileSync(`${dir}/schema`, JSON.stringify(benchSchema));
    await run("ovsdb-tool", ["create", `${dir}/conf.db`, schemaFile]);
    await run("ovsdb-tool", ["create", `${dir}/bench.db`, `${dir}/schema`]);
    const args = ["--pdeathsig", "KILL", "--", "ovsdb-server", `${dir}/conf.db`, `${dir}/bench.db`, `--remote=punix:${dir}/sock`, `--unixctl=${dir}/ctl`, "--no-chdir"];
    server.child = spawn("setpriv", args, { stdio: "ignore" }) as ChildProcessByStdio<null, null, null>;
    await waitFor(() => existsSync(`${dir}/sock`), "ovsdb-server listens");
    return server;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child !== undefined && this.child.exitCode === null) {
      const exited = once(this.child, "exit");
      this.child.kill("SIGKILL");
      await exited;
    }
    rmSync(this.dir, { recursive: true });
  }
}

/** A reader in a process of its own, and the lines it says. */
class Reader implements AsyncDisposable {
  readonly child: ChildProcessByStdio<Writable, Readable, null>;
  private readonly lines: AsyncIterator<string>;
  constructor(command: string, args: readonly string[]) {
    this.child = spawn(command, args, { stdio: ["pipe", "pipe", "ignore"] });
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }
  async line(): Promise<string> {
    const next = await this.lines.next();
    if (next.done === true) throw new Error("the reader ended early");
    return next.value;
  }
  /** CPU seconds so far and the peak of its memory in MB: proc(5). */
  used(): { readonly cpuS: number; readonly peakMb: number } {
    const fields = readFileSync(`/proc/${this.child.pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    const ticks = Number(fields[11]) + Number(fields[12]); // utime and stime, 100 a second
    const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${this.child.pid}/status`, "utf8"))?.[1];
    return { cpuS: ticks / 100, peakMb: Number(peak) / 1024 };
  }
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, "exit");
    this.child.stdin.end();
    this.child.kill("SIGTERM");
    await exited;
  }
}
const ours = (...args: readonly (string | number)[]): Reader => new Reader(process.execPath, [new URL("./ovsdb-child.js", import.meta.url).pathname, ...args.map(String)]);
const idl = (...args: readonly (string | number)[]): Reader => new Reader("/usr/bin/python3", ["-c", python, ...args.map(String)]);

async function fill(client: OvsdbClient): Promise<void> {
  await client.transact("Open_vSwitch", [{ op: "insert", table: "Open_vSwitch", row: {} }]);
  for (let b = 0; b < bridges; b++) {
    const operations: Operation[] = [];
    const ports: unknown[] = [];
    for (let p = 0; p < portsPerBridge; p++) {
      const name = `p${b}-${p}`;
      const device = { name, type: "internal", ofport: p + 1, mac_in_use: "02:00:00:00:00:01", external_ids: ["map", [["attached-mac", "02:00:00:00:00:01"], ["iface-id", name]]] };
      operations.push({ op: "insert", table: "Interface", "uuid-name": `i${p}`, row: device });
      operations.push({ op: "insert", table: "Port", "uuid-name": `p${p}`, row: { name, interfaces: ["named-uuid", `i${p}`], external_ids: ["map", [["owner", "bench"]]] } });
      ports.push(["named-uuid", `p${p}`]);
    }
    operations.push({ op: "insert", table: "Bridge", "uuid-name": "b", row: { name: `br${b}`, datapath_type: "netdev", ports: ["set", ports], external_ids: ["map", [["tenant", `t${b}`]]] } });
    operations.push({ op: "mutate", table: "Open_vSwitch", where: [], mutations: [["bridges", "insert", ["named-uuid", "b"]]] });
    await client.transact("Open_vSwitch", operations);
  }
}

type Report = (figure: Figure) => void;

async function initial(server: Server, report: Report): Promise<void> {
  const what = `initial contents, ${bridges.toLocaleString("en")} bridges and ${(bridges * portsPerBridge).toLocaleString("en")} ports`;
  const tell = (who: string, { cpuS, peakMb }: ReturnType<Reader["used"]>, isOurs = false): void => {
    report({ what: `${what}: CPU`, who, value: cpuS, unit: "s", ...(isOurs ? { bar: atMost(cpuS, 1.2, "s") } : {}) });
    report({ what: `${what}: peak memory`, who, value: peakMb, unit: "MB", ...(isOurs ? { bar: atMost(peakMb, 400, "MB") } : {}) });
  };
  const ports = bridges * portsPerBridge;
  // The best of three each: other work on the machine only adds.
  const best = async (start: () => Promise<ReturnType<Reader["used"]>>): Promise<ReturnType<Reader["used"]>> => {
    const runs = [await start(), await start(), await start()];
    return { cpuS: Math.min(...runs.map(({ cpuS }) => cpuS)), peakMb: Math.max(...runs.map(({ peakMb }) => peakMb)) };
  };
  const untilReady = async (reader: Reader): Promise<ReturnType<Reader["used"]>> => {
    await using disposed = reader;
    await disposed.line();
    return disposed.used();
  };
  tell("ours", await best(() => untilReady(ours("sync", server.remote, ports))), true);
  tell("python3-openvswitch IDL 3.1", await best(() => untilReady(idl("sync", server.remote, schemaFile, ports))));
  tell("ovsdb-client monitor 3.1", await best(async () => {
    await using reader = new Reader("ovsdb-client", ["--format=json", "monitor", server.remote, "Open_vSwitch", "ALL"]);
    const { child } = reader;
    let rows = 0;
    child.stdout.on("data", (chunk: Buffer) => {
      for (let at = chunk.indexOf('"initial"'); at >= 0; at = chunk.indexOf('"initial"', at + 1)) rows++;
    });
    await waitFor(() => rows > 2 * ports * 0.99, "the monitor has printed nearly everything", 120_000); // a mark may be cut in two
    return reader.used();
  }));
}

const quantile = (sorted: readonly number[], q: number): number => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? NaN;

/** Sends changes that carry the time they were sent at; returns how long each took to be seen, sorted. */
async function delays(client: OvsdbClient, reader: Reader): Promise<number[]> {
  await using disposed = reader;
  await disposed.line();
  const started = performance.now();
  for (let n = 0; n < warmUp + changes; n++) {
    const due = started + (n * 1e3) / changesPerS;
    while (performance.now() < due) await new Promise((resolve) => setTimeout(resolve, Math.max(1, due - performance.now())));
    void client.transact("Bench", [{ op: "update", table: "Clock", where: [], row: { sent: String(Number(process.hrtime.bigint()) / 1e6) } }]);
  }
  return (JSON.parse(await disposed.line()) as number[]).slice(warmUp).sort((x, y) => x - y);
}

async function latency(server: Server, client: OvsdbClient, report: Report): Promise<void> {
  await client.transact("Bench", [{ op: "insert", table: "Clock", row: { sent: "0" } }]);
  const count = warmUp + changes;
  const readers = [["ours", () => ours("latency", server.remote, count)], ["python3-openvswitch IDL 3.1", () => idl("latency", server.remote, `${server.dir}/schema`, count)]] as const;
  for (const [who, start] of readers) {
    const rounds = [await delays(client, start()), await delays(client, start()), await delays(client, start())];
    const what = `a change of another client seen, ${changesPerS} changes/s`;
    for (const [name, q, bound] of [["p50", 0.5, 0.6], ["p99", 0.99, 3]] as const) {
      const value = Math.min(...rounds.map((round) => quantile(round, q)));
      report({ what: `${what}: ${name}`, who, value, unit: "ms", ...(who === "ours" ? { bar: atMost(value, bound, "ms") } : {}) });
    }
  }
}

async function follow(server: Server, report: Report): Promise<void> {
  const [count, rate] = [40_000, 8_500];
  await using reader = ours("follow", server.remote, count);
  await reader.line();
  await using writer = ours("write", server.remote, count, rate);
  const { seconds } = JSON.parse(await writer.line()) as { seconds: number };
  const { seen, cpuMs } = JSON.parse(await reader.line()) as { seen: number; cpuMs: number };
  report({ what: "transactions of another client, followed", who: "ours", value: count / seconds, unit: "/s", bar: atLeast(count / seconds, 8_000, "/s") });
  report({ what: `of ${count.toLocaleString("en")} of them missed`, who: "ours", value: count - seen, unit: "", bar: atMost(count - seen, 0) });
  report({ what: "CPU to follow one", who: "ours", value: (cpuMs * 1e3) / count, unit: "µs" });
}

const itemOf = (n: number): Record<string, unknown> => ({ name: `item${n}`, tag: n, external_ids: new Map([["k", `v${n}`]]) });

async function transactions(server: Server, client: OvsdbClient, report: Report): Promise<void> {
  const single = 20_000;
  let started = performance.now();
  let sent = 0;
  // 256 under way at any time.
  const worker = async (): Promise<void> => {
    while (sent < single) {
      const txn = await client.transaction("Bench");
      txn.insert("Item", itemOf(sent++) as never);
      await txn.commit();
    }
  };
  await Promise.all(Array.from({ length: 256 }, worker));
  const singleRate = single / ((performance.now() - started) / 1e3);
  report({ what: "transactions of one row, pipelined", who: "ours", value: singleRate, unit: "/s", bar: atLeast(singleRate, 8_000, "/s") });
  const commits = 1_000;
  await using reader = idl("commit", server.remote, `${server.dir}/schema`, commits);
  await reader.line();
  report({ what: "transactions of one row, one after the other", who: "python3-openvswitch IDL 3.1", value: commits / (JSON.parse(await reader.line()) as number), unit: "/s" });

  const [batches, rows] = [50, 1_000];
  const seconds: number[] = [];
  for (let attempt = 0; attempt < 3; attempt++) {
    started = performance.now();
    const pending: Promise<unknown>[] = [];
    for (let b = 0; b < batches; b++) {
      const txn = await client.transaction("Bench");
      for (let n = 0; n < rows; n++) txn.insert("Item", itemOf(n) as never);
      pending.push(txn.commit());
    }
    await Promise.all(pending);
    seconds.push((performance.now() - started) / 1e3);
  }
  const rowRate = (batches * rows) / Math.min(...seconds);
  report({ what: `rows inserted, ${rows.toLocaleString("en")} a transaction`, who: "ours", value: rowRate, unit: "/s", bar: atLeast(rowRate, 50_000, "/s") });
}

/** The longest time the event loop was kept while 10,000 rows were built, sent, answered and replicated, the best of five. */
async function blocking(client: OvsdbClient, report: Report): Promise<void> {
  const replica = await client.replica("Bench", { Item: "all" });
  const longest: number[] = [];
  for (let attempt = 0; attempt < 5; attempt++) {
    let [last, gap, isOver] = [performance.now(), 0, false];
    const look = (): void => {
      gap = Math.max(gap, performance.now() - last);
      last = performance.now();
      if (!isOver) setImmediate(look);
    };
    setImmediate(look);
    const before = replica.table("Item").size;
    const txn = await client.transaction("Bench");
    for (let n = 0; n < 10_000; n++) txn.insert("Item", itemOf(n) as never);
    await txn.commit();
    await waitFor(() => replica.table("Item").size === before + 10_000, "the replica holds them");
    isOver = true;
    longest.push(gap);
  }
  replica.close();
  const best = Math.min(...longest);
  report({ what: "a transaction of 10,000 rows keeps the event loop", who: "ours", value: best, unit: "ms", bar: atMost(best, 50, "ms") });
}

export const ovsdb: Bench = {
  name: "ovsdb",
  about: "initial contents, changes and transactions on one ovsdb-server 3.1; readers in processes of their own; the best of three rounds where other work on the machine only adds",
  async run(report) {
    await using server = await Server.start();
    const client = await OvsdbClient.connect({ remote: server.remote });
    try {
      await latency(server, client, report);
      await follow(server, report);
      await blocking(client, report);
      await transactions(server, client, report);
      await fill(client);
      await initial(server, report);
    } finally {
      await client.close();
    }
  },
};
