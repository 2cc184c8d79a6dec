/** ovsdb-client with much to take in, and over a server that only passes on: contents of 50 MB, a relay, an authority that is not known yet. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import type { RowChange } from "ovsdb-client";
import { waitFor } from "../../lab/wait.js";
import { all, Clients, dump, held, Proxy, run, Server } from "./ovsdb-support.js";

const clients = new Clients();
afterEach(() => clients.close());

/** Keeps the event loop. */
function block(ms: number): void {
  const untilMs = performance.now() + ms;
  while (performance.now() < untilMs);
}

/** 5,000 items of 10,000 characters. */
async function fill(server: Server): Promise<void> {
  const writer = await clients.connect(server.remote, { requestTimeoutMs: 120_000 });
  const text = "x".repeat(10_000);
  for (let batch = 0; batch < 20; batch++) {
    const rows = Array.from({ length: 250 }, (_, i) => ({ op: "insert" as const, table: "Item", row: { name: `item ${batch * 250 + i}`, map: ["map", [["text", text]]] } }));
    await writer.transact("Kinds", rows);
  }
  await writer.close();
}

test("50 MB of contents: a reader that is kept busy for 4 s in the midst of it keeps its connection, and timers run while it is read", async () => {
  await using server = await Server.start();
  await fill(server);
  await using proxy = await Proxy.start(server);
  const client = await clients.connect(proxy.remote, { requestTimeoutMs: 120_000 });
  let lost = 0;
  client.on("disconnected", () => lost++);
  const loading = client.replica("Kinds", { Item: ["name", "map"] });
  let ticks = 0;
  const ticker = setInterval(() => ticks++, 1);
  await waitFor(() => proxy.bytesDown > 1_000_000, "the contents are on their way");
  expect(proxy.bytesDown).toBeLessThan(45_000_000);
  block(4_000);
  ticks = 0;
  const replica = await loading;
  clearInterval(ticker);
  // Read as one it would be a handful.
  expect(ticks).toBeGreaterThan(20);
  expect(replica.table("Item").size).toBe(5_000);
  expect([...replica.table("Item").values()].every((row) => (row["map"] as ReadonlyMap<string, string>).get("text")?.length === 10_000)).toBe(true);
  await server.transact([{ op: "insert", table: "Item", row: { name: "after" } }]);
  await waitFor(() => replica.table("Item").size === 5_001, "what comes later");
  expect([lost, client.counters.connects, client.counters.fullSyncs]).toEqual([0, 1, 1]);
}, 240_000);

test("the server goes away while contents are taken in: the replica keeps what it held, and the next connection has them all", async () => {
  await using server = await Server.start();
  await fill(server);
  await using proxy = await Proxy.start(server);
  const client = await clients.connect(proxy.remote, { requestTimeoutMs: 120_000, backoff: { initialMs: 20, maxMs: 100 } });
  const loading = client.replica("Kinds", { Item: ["name", "map"] });
  await waitFor(() => proxy.bytesDown > 10_000_000, "the contents are on their way");
  await server.kill();
  await server.up();
  const replica = await loading;
  expect([replica.state, replica.table("Item").size]).toEqual(["synced", 5_000]);
  expect(client.counters.connects).toBeGreaterThanOrEqual(1);
}, 240_000);

test("a consumer that takes 50 ms for each of 400 updates misses none and keeps its connection", async () => {
  await using server = await Server.start();
  const [reader, writer] = [await clients.connect(server.remote, { probeIntervalMs: 1_000 }), await clients.connect(server.remote)];
  const replica = await reader.replica("Kinds", { Item: ["name"] });
  let lost = 0;
  reader.on("disconnected", () => lost++);
  const seen = new Set<string>();
  let events = 0;
  replica.on("changes", (changes: readonly RowChange[]) => {
    if (events++ < 60) block(50);
    for (const { old, new: row } of changes) if (old === undefined && row !== undefined) seen.add(row["name"] as string);
  });
  for (let i = 0; i < 400; i++) await writer.transact("Kinds", Array.from({ length: 50 }, (_, j) => ({ op: "insert" as const, table: "Item", row: { name: `${i}/${j}` } })));
  await waitFor(() => seen.size === 20_000, "all rows are seen");
  expect([lost, replica.table("Item").size, events]).toEqual([0, 20_000, 400]);
}, 120_000);

test("over a relay: contents and changes come, writes are passed on, and it goes on when the relay's server was away", async () => {
  await using server = await Server.start();
  const socket = `${server.dir}/relay.sock`;
  const relay = spawn("setpriv", ["--pdeathsig", "KILL", "--", "ovsdb-server", `relay:Kinds:${server.remote}`, `--remote=punix:${socket}`, `--unixctl=${server.dir}/relay.ctl`, "--no-chdir"], { stdio: "ignore" });
  try {
    await waitFor(() => existsSync(socket), "the relay listens");
    // A relay cuts off those who came before it had its schema.
    await run("ovsdb-client", ["--timeout=30", "wait", `unix:${socket}`, "Kinds", "connected"]);
    const client = await clients.connect(`unix:${socket}`, { backoff: { initialMs: 20, maxMs: 200 } });
    await waitFor(async () => (await client.databases()).some(({ name, model, connected }) => name === "Kinds" && model === "relay" && connected), "the relay has its database");
    const replica = await client.replica("Kinds", all);
    const txn = await client.transaction("Kinds");
    txn.insert("Item", { name: "through the relay", integers: [1, 2] });
    await txn.commit();
    expect(JSON.stringify(await server.transact([{ op: "select", table: "Item", where: [], columns: ["name"] }]))).toContain("through the relay");
    await server.transact([{ op: "insert", table: "Item", row: { name: "at the server" } }]);
    await waitFor(() => replica.table("Item").size === 2, "both rows over the relay");
    await expect(client.transact("Kinds", [{ op: "insert", table: "Item", row: { name: "at the server" } }])).rejects.toMatchObject({ kind: "constraint" });

    await server.kill();
    await server.up();
    await server.transact([{ op: "insert", table: "Item", row: { name: "later" } }]);
    await waitFor(() => replica.table("Item").size === 3 && replica.state === "synced", "the relay has caught up");
    expect(held(replica)).toEqual(await dump(server.remote, "Kinds", run));
  } finally {
    const exited = once(relay, "exit");
    relay.kill("SIGKILL");
    await exited;
  }
}, 120_000);
