/**
 * ovsdb-client on real ovsdb-servers: what the replica holds is compared with what `ovsdb-client dump` prints, through
 * proxies that cut, re-chunk and refuse; and on a real ovs-vswitchd for next_cfg.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import fc from "fast-check";
import { applyAndWait, OvsdbClient, OvsdbError, waitForConfig, type Replica, type RowChange, type Transaction } from "ovsdb-client";
import { Capsule, projectDir } from "../../lab/capsule.js";
import { Ovs } from "../../lab/ovs.js";
import { waitFor } from "../../lab/wait.js";
import { all, canonical, Clients, dump, EventLog, held, kindOf, Proxy, run, Server } from "./ovsdb-support.js";

const clients = new Clients();
const connect: Clients["connect"] = (...args) => clients.connect(...args);

let server: Server;
beforeEach(async () => {
  server = await Server.start();
});
afterEach(async () => {
  await clients.close();
  await server[Symbol.asyncDispose]();
});

// Random contents, from a seed: the order of the draws is all that matters.
const text = fc.oneof(fc.constantFrom("", "a", "b", "ü€😀", 'quo"te\\', "1234567890123456789"), fc.string({ unit: "grapheme", maxLength: 5 }).filter((s) => !s.includes("\0")));
const wide = fc.oneof(fc.integer({ min: -5, max: 9 }), fc.constantFrom(2n ** 63n - 1n, 2n ** 53n + 1n, 2 ** 53 - 1));
const real = fc.constantFrom(0, 0.5, -1e17, 3, 123456.789, 1e-9);
const setOf = <T>(of: fc.Arbitrary<T>, maxLength = 5): fc.Arbitrary<T[]> => fc.uniqueArray(of, { maxLength });
const columnsOf = (uuids: readonly string[]) => {
  const uuid = uuids.length === 0 ? fc.constant([]) : fc.subarray([...uuids], { maxLength: Math.min(4, uuids.length) });
  return {
    i: wide, r: real, b: fc.boolean(), s: text, optional: fc.oneof(wide, fc.constant([])), choice: fc.constantFrom("x", "y", []),
    integers: setOf(wide), strings: setOf(text, 3), reals: setOf(real), others: uuid,
    map: setOf(text).chain((keys) => fc.array(text, { minLength: keys.length, maxLength: keys.length }).map((items) => new Map(keys.map((key, n) => [key, items[n] ?? ""])))),
    numbers: setOf(wide).map((keys) => new Map(keys.map((key, n) => [key, n / 4]))),
    links: uuid.map((list) => new Map(list.map((item, n) => [`l${n}`, item]))),
    single: fc.constantFrom(new Map(), new Map([["k", "1"]]), new Map([["k", "2"]]), new Map([["j", "1"]])),
  };
};

/** Adds 1 to 4 random operations; names are never used twice. */
function edit(txn: Transaction, seed: number, uuids: readonly string[]): void {
  const columns = columnsOf(uuids);
  const [what = []] = fc.sample(fc.array(fc.record({ op: fc.nat(9), row: fc.record(columns, { requiredKeys: [] }), full: fc.record(columns), pick: fc.nat() }), { minLength: 1, maxLength: 4 }), { seed, numRuns: 1 });
  what.forEach(({ op, row, full, pick }, n) => {
    const uuid = uuids[pick % uuids.length];
    if (uuid === undefined || op < 2) {
      const part = pick % 2 === 0 ? [txn.insert("Part", { label: full.s })] : [];
      txn.insert("Item", { name: `n${seed}-${n}`, ...row, part });
    } else if (op === 2) txn.delete("Item", uuid);
    else if (op < 6) txn.update("Item", uuid, row);
    else {
      txn.mutate("Item", uuid, [["integers", "insert", full.integers], ["integers", "delete", [1, 2]], ["map", "insert", full.map], ["map", "delete", ["a", "b"]], ["others", "delete", full.others]]);
      txn.mutate("Item", uuid, [["reals", "*=", 2], ["r", "+=", 0.25], ["part", "delete", []]]);
    }
  });
}

/** Runs a random transaction; what the server refuses (an overflow, a weak reference too many) is part of the game. */
async function step(client: OvsdbClient, seed: number, uuids: readonly string[]): Promise<void> {
  const txn = await client.transaction("Kinds");
  edit(txn, seed, uuids);
  await txn.commit().catch((error: unknown) => {
    if (!(error instanceof OvsdbError) || !["constraint", "server", "referential", "outcome-unknown"].includes(error.kind)) throw error;
    if (error.kind === "server" && error.error !== "range error") throw error;
  });
}

/** Resolves when the replicas hold a row that is committed now: all that was before is then in them too. */
async function settle(writer: OvsdbClient, name: string, ...replicas: Replica[]): Promise<void> {
  const txn = await writer.transaction("Kinds");
  txn.insert("Item", { name });
  await txn.commit();
  for (const replica of replicas) await waitFor(() => [...replica.table("Item").values()].some((row) => row["name"] === name), `the replica holds ${name}`);
}

test("400 random transactions: replicas over update, update2 and update3, in pieces, equal ovsdb-client's dump", async () => {
  await using since = await Proxy.start(server, { pieceBytes: 7 });
  await using cond = await Proxy.start(server, { refuse: ["monitor_cond_since"] });
  await using plain = await Proxy.start(server, { refuse: ["monitor_cond_since", "monitor_cond"], pieceBytes: 100 });
  const writer = await connect(server.remote);
  const replicas = await Promise.all([since, cond, plain].map(async (proxy) => (await connect(proxy.remote)).replica("Kinds", all)));
  const logs = replicas.map((replica) => new EventLog(replica));
  const [first] = replicas;
  if (first === undefined) throw new Error("no replica");
  for (let seed = 1; seed <= 400; seed++) {
    await step(writer, seed, [...first.table("Item").keys()]);
    if (seed % 100 !== 0) continue;
    await settle(writer, `settle-${seed}`, ...replicas);
    const truth = await dump(server.remote, "Kinds", run);
    expect(truth.length).toBeGreaterThan(10);
    for (const replica of replicas) expect(held(replica)).toEqual(truth);
    for (const log of logs) expect([log.faults, log.lines()]).toEqual([[], truth]);
  }
  expect(plain.requests).toEqual(expect.arrayContaining(["monitor_cond_since", "monitor_cond", "monitor"]));
});

test("cut 60 times at random during 600 transactions: no event lost or doubled, and the contents are right", async () => {
  await using proxy = await Proxy.start(server);
  const writer = await connect(server.remote);
  const reader = await connect(proxy.remote, { backoff: { initialMs: 1, maxMs: 4 } });
  const replica = await reader.replica("Kinds", all);
  const log = new EventLog(replica);
  for (let seed = 1000; seed < 1600; seed++) {
    await step(writer, seed, [...replica.table("Item").keys()]);
    if (seed % 10 === 0) proxy.cut();
  }
  await settle(writer, "settled", replica);
  const truth = await dump(server.remote, "Kinds", run);
  expect(held(replica)).toEqual(truth);
  expect([log.faults, log.lines()]).toEqual([[], truth]);
  // How often it comes back between two cuts is the machine's affair; that it came back several times is what counts.
  expect(reader.counters.connects).toBeGreaterThan(3);
  expect(reader.counters.badUpdates).toBe(0);
  await waitFor(() => proxy.connections === 1, "one connection is left");
  await reader.close();
  await waitFor(() => proxy.connections === 0, "none is left");
});

test("kill -9, changes by others, restart: the replica is stale, then tells the differences and nothing else", async () => {
  await server.transact([{ op: "insert", table: "Item", row: { name: "stays", i: 1 } }, { op: "insert", table: "Item", row: { name: "goes" } }, { op: "insert", table: "Item", row: { name: "changes", map: ["map", [["a", "1"]]] } }]);
  const client = await connect(server.remote);
  const replica = await client.replica("Kinds", { Item: ["name", "i", "map"] });
  const seen: string[] = [];
  replica.on("stale", () => seen.push("stale")).on("synced", () => seen.push("synced"));
  replica.on("changes", (changes) => seen.push(changes.map(({ old, new: row, columns }) => `${old ? (row ? "modify" : "delete") : "insert"} ${canonical((row ?? old)?.["name"])} ${columns.join("+")}`).sort().join(", ")));
  await server.kill();
  await waitFor(() => client.state === "connecting", "the client sees the server die");
  expect(replica.table("Item").size).toBe(3);
  const elsewhere = `${server.dir}/other.sock`;
  await server.up(elsewhere);
  await server.transact(
    [
      { op: "delete", table: "Item", where: [["name", "==", "goes"]] },
      { op: "mutate", table: "Item", where: [["name", "==", "changes"]], mutations: [["map", "insert", ["map", [["b", "2"]]]]] },
      { op: "insert", table: "Item", row: { name: "comes" } },
    ],
    elsewhere,
  );
  await server.kill();
  await server.up();
  await waitFor(() => replica.state === "synced", "the replica is in sync again");
  expect(seen).toEqual(["stale", 'delete "goes" name+i+map, insert "comes" name+i+map, modify "changes" map', "synced"]);
  expect([...replica.table("Item").values()].find((row) => row["name"] === "changes")?.["map"]).toEqual(new Map([["a", "1"], ["b", "2"]]));
});

test("a transaction is refused as a whole, with the server's words and the operation's index", async () => {
  const client = await connect(server.remote);
  const insert = (name: string, row: object = {}) => ({ op: "insert", table: "Item", row: { name, ...row } });
  const fails = (...operations: { op: string }[]) => client.transact("Kinds", operations).then(() => undefined, (error: unknown) => error);
  expect(await fails(insert("a"), insert("b", { i: -6 }))).toMatchObject({ kind: "constraint", error: "constraint violation", opIndex: 1, details: expect.stringContaining("-6") as string });
  expect(await fails(insert("c"), insert("c"))).toMatchObject({ kind: "constraint", opIndex: 2 }); // an index: found at commit
  expect(await fails(insert("d", { part: ["uuid", "00000000-0000-4000-8000-000000000001"] }))).toMatchObject({ kind: "referential", opIndex: 1 });
  expect(await fails(insert("e", { nothing: 1 }))).toMatchObject({ kind: "server", error: "unknown column", opIndex: 0 });
  expect(await fails({ op: "abort" })).toMatchObject({ kind: "aborted" });
  expect(await client.transact("Kinds", [{ op: "select", table: "Item", where: [], columns: ["name"] }])).toEqual([{ rows: [] }]);
  await expect(client.replica("Nowhere", {})).rejects.toMatchObject({ kind: "server", error: "unknown database" });
});

test("a guard keeps two writers apart; rows inserted together refer to each other", async () => {
  const client = await connect(server.remote);
  const replica = await client.replica("Kinds", all);
  const txn = await client.transaction("Kinds");
  const item = txn.insert("Item", { name: "a", optional: 1, part: txn.insert("Part", { label: "p" }) }, "it");
  txn.update("Item", item, { others: [item] });
  const uuid = (await txn.commit()).uuids.get("it") ?? "";
  await waitFor(() => replica.table("Item").has(uuid), "the row comes");
  expect(replica.table("Item").get(uuid)).toMatchObject({ others: [uuid], part: [...replica.table("Part").keys()][0] });
  const guarded = async (expected: number | undefined) => {
    const next = await client.transaction("Kinds");
    next.wait("Item", uuid, ["optional"], { optional: expected }, "==", 0);
    next.update("Item", uuid, { optional: expected === undefined ? 1 : [] });
    return next.commit();
  };
  await guarded(1);
  await expect(guarded(1)).rejects.toMatchObject({ kind: "timed-out", opIndex: 0 });
  await guarded(undefined);
});

test("a transaction that waits for ever: cancelled and timed out at the server, so the outcome is known", async () => {
  const client = await connect(server.remote, { requestTimeoutMs: 300 });
  const wait = [
    { op: "wait", table: "Item", where: [["name", "==", "never"]], columns: ["name"], until: "==", rows: [{ name: "never" }] },
    { op: "insert", table: "Item", row: { name: "after" } },
  ];
  const abort = new AbortController();
  const cancelled = kindOf(client.transact("Kinds", wait, { signal: abort.signal }));
  abort.abort();
  expect(await cancelled).toBe("cancelled");
  expect(await kindOf(client.transact("Kinds", wait))).toBe("timed-out");
  await server.transact([{ op: "insert", table: "Item", row: { name: "never" } }]);
  expect(await client.transact("Kinds", [{ op: "select", table: "Item", where: [["name", "==", "after"]], columns: ["name"] }])).toEqual([{ rows: [] }]);
});

test("a transaction in flight when the connection ends has an unknown outcome, and reading tells", async () => {
  await using proxy = await Proxy.start(server);
  const client = await connect(proxy.remote);
  const replica = await client.replica("Kinds", all);
  proxy.mute = true;
  const outcome = kindOf(client.transact("Kinds", [{ op: "insert", table: "Item", row: { name: "done all the same" } }]));
  const witness = await (await connect(server.remote)).replica("Kinds", all);
  await waitFor(() => witness.table("Item").size === 1, "the server has done it");
  proxy.mute = false;
  proxy.cut();
  expect(await outcome).toBe("outcome-unknown");
  await waitFor(() => replica.state === "synced" && replica.table("Item").size === 1, "the replica shows it");
});

test("a server that hangs is noticed by the probe; a reply that drips in is not taken for death", async () => {
  const client = await connect(server.remote, { probeIntervalMs: 100 });
  const replica = await client.replica("Kinds", all);
  const gone = once(client, "disconnected");
  server.signal("SIGSTOP");
  const outcome = kindOf(client.transact("Kinds", [{ op: "comment", comment: "x" }]));
  const [reason] = (await gone) as [Error];
  expect(reason.message).toMatch(/nothing received for 200 ms/);
  expect([await outcome, replica.state]).toEqual(["outcome-unknown", "stale"]);
  server.signal("SIGCONT");
  await waitFor(() => replica.state === "synced" && client.state === "connected", "back in sync");

  // 1 byte every 20 ms: 50 bytes take ten probe intervals.
  const dripping = net.createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => {
      const bytes = Buffer.from(JSON.stringify({ id: 0, result: ["Kinds", "x".repeat(20)], error: null }));
      let at = 0;
      const timer = setInterval(() => (at < bytes.length ? socket.write(bytes.subarray(at, ++at)) : clearInterval(timer)), 20);
      socket.on("close", () => clearInterval(timer));
    });
  });
  dripping.listen(`${server.dir}/drip`);
  await once(dripping, "listening");
  const patient = await connect(`unix:${server.dir}/drip`, { probeIntervalMs: 100 });
  expect(await patient.listDbs()).toHaveLength(2);
  expect(patient.counters.connects).toBe(1);
  await patient.close();
  dripping.close();
});

test("a server that takes connections and drops them is dialled with backoff, and replicas asked for meanwhile come", async () => {
  let accepted = 0;
  let dropping = true;
  const moody = net.createServer((down) => {
    accepted++;
    down.on("error", () => undefined);
    if (dropping) down.destroy();
    else {
      const up = net.connect(server.socket);
      up.on("error", () => down.destroy());
      down.on("close", () => up.destroy());
      down.pipe(up).pipe(down);
    }
  });
  moody.listen(`${server.dir}/moody`);
  await once(moody, "listening");
  const startedMs = performance.now();
  const client = await connect(`unix:${server.dir}/moody`, { backoff: { initialMs: 40, maxMs: 160 }, random: () => 0.5 });
  const replicas = Promise.all([client.replica("Kinds", all), client.replica("Kinds", { Part: ["label"] })]);
  await waitFor(() => accepted >= 6, "six attempts");
  expect(performance.now() - startedMs).toBeGreaterThan(40 + 80 + 160 + 160); // fewer waits than attempts
  dropping = false;
  expect((await replicas).map((replica) => replica.state)).toEqual(["synced", "synced"]);
  await client.close();
  moody.close();
});

test("a remote that is none is refused at once; connecting in vain ends by signal; the next remote is tried", async () => {
  await expect(OvsdbClient.connect({ remote: "udp:1.2.3.4:5" })).rejects.toThrow(/expected unix:PATH or tcp:HOST:PORT/);
  const abort = new AbortController();
  const vain = OvsdbClient.connect({ remote: `unix:${server.dir}/nobody`, backoff: { initialMs: 1, maxMs: 2 }, signal: abort.signal });
  abort.abort();
  await expect(vain).rejects.toMatchObject({ kind: "transport" });
  const client = await OvsdbClient.connect({ remote: [`unix:${server.dir}/nobody`, server.remote], backoff: { initialMs: 1, maxMs: 2 } });
  clients.add(client);
  expect(client.counters.failures).toBe(1);
  expect(await client.listDbs()).toContain("Kinds");
});

test("a cluster continues a replica from its last transaction; a transaction cancelled there has an unknown outcome", async () => {
  await using cluster = await Server.start("clustered");
  const writer = await connect(cluster.remote);
  // The history of a cluster is no longer than its contents: ovsdb-server(7), monitor_cond_since.
  const fill = await writer.transaction("Kinds");
  for (let n = 0; n < 200; n++) fill.insert("Item", { name: `row${n}`, integers: [1, 2, 3] });
  await fill.commit();
  const last = await writer.transaction("Kinds");
  last.insert("Item", { name: "last" });
  await last.commit();
  await using proxy = await Proxy.start(cluster);
  const reader = await connect(proxy.remote);
  const replica = await reader.replica("Kinds", all);
  const log = new EventLog(replica);
  const away = once(reader, "disconnected");
  proxy.cut();
  await away;
  const [uuid = ""] = replica.table("Item").keys();
  const change = await writer.transaction("Kinds");
  change.mutate("Item", uuid, [["integers", "insert", [4]], ["integers", "delete", [1]]]);
  await change.commit();
  await settle(writer, "settled", replica);
  expect([reader.counters.fullSyncs, reader.counters.fastSyncs]).toEqual([1, 1]);
  const truth = await dump(cluster.remote, "Kinds", run);
  expect([held(replica), log.faults, log.events]).toEqual([truth, [], 2]);

  const abort = new AbortController();
  const wait = { op: "wait", table: "Item", where: [["name", "==", "never"]], columns: ["name"], until: "==", rows: [{ name: "never" }] };
  const outcome = kindOf(writer.transact("Kinds", [wait], { signal: abort.signal }));
  abort.abort();
  expect(await outcome).toBe("outcome-unknown");
  expect(await kindOf(writer.transact("Kinds", [wait], { signal: abort.signal }))).toBe("cancelled"); // never sent
});

describe("with ovs-vswitchd", () => {
  let ovs: Ovs;
  beforeAll(async () => {
    ovs = await Ovs.start(await Capsule.start());
  });
  afterAll(() => ovs[Symbol.asyncDispose]());

  test("what ovs-vsctl changes is seen with old and new; missing columns are reported and the rest works", async () => {
    const client = await connect(ovs.remote);
    const warnings: string[] = [];
    client.on("warning", (message) => warnings.push(message));
    const replica = await client.replica("Open_vSwitch", { Bridge: ["name", "external_ids", "colour"], Cassette: "all" });
    expect(replica.absent).toEqual(["column Bridge.colour", "table Cassette"]);
    expect(warnings).toHaveLength(2);
    const seen: RowChange[][] = [];
    replica.on("changes", (changes) => seen.push([...changes]));
    await ovs.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev");
    await ovs.vsctl("set", "bridge", "br0", "external_ids:a=1", "external_ids:b=2");
    await ovs.vsctl("remove", "bridge", "br0", "external_ids", "a");
    await ovs.vsctl("del-br", "br0");
    await waitFor(() => seen.length === 4, "four transactions");
    const told = seen.map(([change]) => [change?.old?.["external_ids"], change?.new?.["external_ids"], change?.columns]);
    const [both, one] = [new Map([["a", "1"], ["b", "2"]]), new Map([["b", "2"]])];
    expect(told).toEqual([[undefined, new Map(), ["name", "external_ids"]], [new Map(), both, ["external_ids"]], [both, one, ["external_ids"]], [one, undefined, ["name", "external_ids"]]]);
  });

  test("applyAndWait resolves when the port has its number; without ovs-vswitchd it says what is committed", async () => {
    const client = await connect(ovs.remote);
    const replica = await client.replica("Open_vSwitch", { Interface: ["name", "ofport"], Open_vSwitch: ["cur_cfg"] });
    const txn = await client.transaction("Open_vSwitch");
    const device = txn.insert("Interface", { name: "br1", type: "internal" });
    const port = txn.insert("Port", { name: "br1", interfaces: [device] });
    const patch = txn.insert("Port", { name: "p1", interfaces: [txn.insert("Interface", { name: "p1", type: "patch", options: new Map([["peer", "none"]]), ofport_request: 77 }, "patch")] });
    const bridge = txn.insert("Bridge", { name: "br1", datapath_type: "netdev", ports: [port, patch] });
    txn.mutate("Open_vSwitch", [], [["bridges", "insert", [bridge]]]);
    const { uuids, nextCfg } = await applyAndWait(client, txn, { replica });
    expect(replica.table("Interface").get(uuids.get("patch") ?? "")?.["ofport"]).toBe(77);
    expect(await ovs.vsctl("get", "Open_vSwitch", ".", "cur_cfg")).toBe(String(nextCfg));
    expect(await waitForConfig(client)).toBe(nextCfg + 1);
    await ovs.stopVswitchd();
    await expect(waitForConfig(client, { timeoutMs: 100 })).rejects.toMatchObject({ kind: "timed-out", message: expect.stringContaining(`committed, but not applied within 100 ms: ovs-vswitchd is at ${nextCfg + 1} of ${nextCfg + 2}`) as string });
    await ovs.startVswitchd();
    expect(await waitForConfig(client)).toBe(nextCfg + 3);
  });

  test("the whole Open_vSwitch database, every table and column, equals ovsdb-client's dump", async () => {
    await ovs.stopVswitchd(); // it writes statistics all the time
    const client = await connect(ovs.remote);
    const tables = Object.fromEntries([...(await client.getSchema("Open_vSwitch")).tables.keys()].map((table) => [table, "all" as const]));
    const truth = await dump("unix:/run/openvswitch/db.sock", "Open_vSwitch", (tool, args) => ovs.capsule.run(tool, args));
    expect(truth.length).toBe(6); // br1 and p1: root, bridge, two ports, two interfaces
    expect(held(await client.replica("Open_vSwitch", tables))).toEqual(truth);
    await ovs.startVswitchd();
  });

  test("ovsdb-json prints rows and changes as lines, runs transactions, and says what is wrong", async () => {
    await run("npx", ["tsc", "-b", "ovsdb"], { cwd: projectDir });
    const tool = `${projectDir}/ovsdb/dist/bin/ovsdb-json.js`;
    const json = (...args: string[]) => run("node", [tool, ...args]).catch((error: unknown) => error as { stdout: string; code: number });
    const child = spawn("node", [tool, "monitor", ovs.remote, "Bridge:name,external_ids"], { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    await waitFor(() => output.includes('"op":"initial"'), "the first row");
    const done = await json("transact", ovs.remote, '[{"op":"update","table":"Bridge","where":[],"row":{"external_ids":["map",[["k","v"]]]}}]');
    expect(JSON.parse(done.stdout)).toEqual([{ count: 1 }]);
    await waitFor(() => output.includes('"op":"modify"'), "the change");
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    expect(await exited).toEqual([0, null]);
    expect(output.trim().split("\n").map((each) => JSON.parse(each) as object)).toEqual([
      expect.objectContaining({ table: "Bridge", op: "initial", old: null, new: expect.objectContaining({ name: "br1", external_ids: {} }) as object }),
      expect.objectContaining({ op: "modify", columns: ["external_ids"], new: expect.objectContaining({ external_ids: { k: "v" } }) as object }),
    ]);
    expect(await json("transact", ovs.remote, '[{"op":"insert","table":"Brigde","row":{}}]')).toMatchObject({ code: 1, stdout: expect.stringContaining('"opIndex":0') as string });
    expect(await json("transact", ovs.remote, "[")).toMatchObject({ code: 2 });
  });
});
