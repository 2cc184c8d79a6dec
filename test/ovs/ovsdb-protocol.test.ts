/** What ovsdb-server does beyond reading and writing: locks, conditional monitoring, conversion of the schema, guards. */
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { deleteOwned, OvsdbClient, OvsdbError, retry, takeEpoch, upsertOwned, type Row } from "ovsdb-client";
import { projectDir } from "../../lab/capsule.js";
import { waitFor } from "../../lab/wait.js";
import { all, Clients, dump, EventLog, held, kindOf, Proxy, run, schema, Server } from "./ovsdb-support.js";

const clients = new Clients();
const connect: Clients["connect"] = (...args) => clients.connect(...args);
let server: Server;
const ids = { type: { key: "string", value: "string", min: 0, max: "unlimited" } };
const withIds = { ...schema, tables: { ...schema.tables, Item: { ...schema.tables.Item, columns: { ...schema.tables.Item.columns, external_ids: ids } } } };
beforeEach(async () => {
  server = await Server.start("standalone", { schema: withIds });
});
afterEach(async () => {
  await clients.close();
  await server[Symbol.asyncDispose]();
});
const names = (rows: ReadonlyMap<string, Row>): unknown[] => [...rows.values()].map((row) => row["name"]).sort();

test("locks: one holder, the next in line is told, stealing tells the victim, assert keeps out who holds nothing", async () => {
  await using proxy = await Proxy.start(server);
  const [one, two] = [await connect(proxy.remote), await connect(server.remote)];
  const [first, second] = [await one.lock("door"), await two.lock("door")];
  expect([first.held, second.held]).toEqual([true, false]);
  expect(await one.lock("door")).toBe(first);
  const write = async (client: OvsdbClient, lock: typeof first): Promise<string> => {
    const txn = await client.transaction("Kinds");
    lock.guard(txn);
    txn.insert("Part", { label: "x" });
    return kindOf(txn.commit());
  };
  expect([await write(one, first), await write(two, second)]).toEqual(["done", "not-owner"]);

  const lost = once(first, "lost");
  await two.lock("door", { steal: true });
  expect([await lost, first.held, second.held]).toEqual([["stolen"], false, true]);
  expect([await write(one, first), await write(two, second)]).toEqual(["not-owner", "done"]);
  const back = first.whenHeld();
  await second.unlock();
  await back; // who was robbed is next in line
  expect([first.held, await write(one, first)]).toEqual([true, "done"]);

  // Lost with the connection, taken by who waits, asked for again when the connection is back.
  const waiting = await two.lock("door");
  const gone = once(first, "lost");
  proxy.cut();
  expect(await gone).toEqual(["disconnected"]);
  await waiting.whenHeld();
  await waitFor(() => one.state === "connected", "the connection is back");
  expect(first.held).toBe(false);
  await waiting.unlock();
  await first.whenHeld();
  await expect(waiting.whenHeld(AbortSignal.abort())).rejects.toMatchObject({ kind: "cancelled" });
});

test("a condition keeps other rows out; changing it tells what comes and goes; it outlives the connection", async () => {
  await using proxy = await Proxy.start(server);
  const client = await connect(proxy.remote);
  const writer = await connect(server.remote);
  await server.transact([0, 1, 2, 3, 4].map((i) => ({ op: "insert", table: "Item", row: { name: `n${i}`, i } })));
  const replica = await client.replica("Kinds", { Item: { columns: ["name", "i"], anyOf: [["i", "<", 1], ["name", "==", "n3"]] } });
  const log = new EventLog(replica);
  expect(names(replica.table("Item"))).toEqual(["n0", "n3"]);
  await replica.where("Item", [["i", ">=", 3]]);
  expect(names(replica.table("Item"))).toEqual(["n3", "n4"]);

  // A row that changes comes in, or falls out.
  await server.transact([{ op: "update", table: "Item", where: [["name", "==", "n1"]], row: { i: 10 } }, { op: "update", table: "Item", where: [["name", "==", "n4"]], row: { i: 0 } }]);
  await waitFor(() => names(replica.table("Item")).join() === "n1,n3", "one in, one out");

  // Changed while away: the next connection asks for what is wanted then.
  const away = once(client, "disconnected");
  proxy.cut();
  await away;
  await replica.where("Item", [["name", "==", "n2"]]);
  expect([replica.state, names(replica.table("Item"))]).toEqual(["synced", ["n2"]]);
  // Changed many times at once, and cut meanwhile.
  const many = Promise.all([[["i", "==", 0]], false, [["i", "==", 10]], undefined, [["name", "!=", "n2"]]].map((anyOf) => replica.where("Item", anyOf as never)));
  proxy.cut();
  await many;
  expect(names(replica.table("Item"))).toEqual(["n0", "n1", "n3", "n4"]);
  await replica.where("Item", false);
  expect(replica.table("Item").size).toBe(0);
  await replica.where("Item", undefined);
  expect(replica.table("Item").size).toBe(5);
  expect(log.faults).toEqual([]);
  await expect(replica.where("Item", [["colour", "==", "red"]])).rejects.toMatchObject({ kind: "schema" });
  await expect(replica.where("Part", false)).rejects.toMatchObject({ kind: "schema" });
  expect(names(replica.table("Item"))).toHaveLength(5);
  expect(await writer.listDbs()).toContain("Kinds");

  await using old = await Proxy.start(server, { refuse: ["monitor_cond_since", "monitor_cond"] });
  await expect((await connect(old.remote)).replica("Kinds", { Item: { columns: "all", anyOf: false } })).rejects.toMatchObject({ kind: "protocol" });
});

test("the schema changes under a live replica: it goes on without losing the connection, and so do transactions", async () => {
  const client = await connect(server.remote);
  const writer = await connect(server.remote); // no replica: the server cuts it off, and it comes back
  await (await writer.transaction("Kinds")).commit();
  await server.transact([{ op: "insert", table: "Item", row: { name: "a", s: "stays" } }]);
  const replica = await client.replica("Kinds", { Item: "all", Colour: "all" });
  const log = new EventLog(replica);
  expect(replica.absent).toEqual(["table Colour"]);
  const { r: _dropped, ...columns } = withIds.tables.Item.columns;
  const next = { ...withIds, version: "2.0.0", tables: { ...withIds.tables, Item: { ...withIds.tables.Item, columns: { ...columns, fresh: { type: "string" } } }, Colour: { isRoot: true, columns: { name: { type: "string" } } } } };
  writeFileSync(`${server.dir}/next`, JSON.stringify(next));
  await run("ovsdb-client", ["convert", server.remote, `${server.dir}/next`]);
  await waitFor(() => replica.absent.length === 0 && replica.state === "synced", "the replica has the new schema");
  expect([...replica.table("Item").values()]).toEqual([expect.objectContaining({ name: "a", s: "stays", fresh: "" })]);
  expect([...replica.table("Item").values()][0]).not.toHaveProperty("r");
  expect([client.counters.connects, client.counters.conversions, (await client.getSchema("Kinds")).version]).toEqual([1, 1, "2.0.0"]);
  for (const each of [client, writer]) {
    await waitFor(() => each.state === "connected", "connected");
    const txn = await each.transaction("Kinds");
    txn.insert("Colour", { name: "red" });
    await txn.commit();
  }
  await waitFor(() => replica.table("Colour").size === 2, "rows of the new table");
  expect(log.faults).toEqual([]);

  // By the client itself, back to the first.
  await writer.convert("Kinds", withIds);
  await waitFor(() => replica.absent.length > 0 && replica.state === "synced", "the first schema again");
  expect(held(await client.replica("Kinds", all))).toEqual(await dump(server.remote, "Kinds", run));
  await expect(writer.convert("Kinds", { name: "Kinds" })).rejects.toBeInstanceOf(OvsdbError);
});

test("two clients add 300 times each to one number, with guards: none is lost", async () => {
  await server.transact([{ op: "insert", table: "Item", row: { name: "counter", i: 0 } }]);
  let conflicts = 0;
  const add = async (client: OvsdbClient): Promise<void> => {
    const replica = await client.replica("Kinds", { Item: ["name", "i"] });
    const index = replica.index("Item", ["name"]);
    for (let n = 0; n < 300; n++) {
      const { attempts } = await retry(client, replica, (txn) => {
        const row = index.one("counter") as Row;
        txn.guard("Item", row, ["i"]);
        txn.update("Item", row._uuid, { i: Number(row["i"]) + 1 });
      }, { attempts: 1000 });
      conflicts += attempts - 1;
    }
  };
  const [one, two] = [await connect(server.remote), await connect(server.remote)];
  await Promise.all([add(one), add(two)]);
  expect(await server.transact([{ op: "select", table: "Item", where: [], columns: ["i"] }])).toEqual([{ rows: [{ i: 600 }] }]);
  expect(conflicts).toBeGreaterThan(0);
  const replica = await one.replica("Kinds", { Item: ["name", "i"] });
  const never = retry(one, replica, (txn) => (txn.guardAbsent("Item", [["name", "==", "counter"]]), txn.delete("Item", [])), { attempts: 1 });
  await expect(never).rejects.toMatchObject({ kind: "conflict" });
  expect((await retry(one, replica, () => "nothing to do")).committed).toBeUndefined();
});

test("a row with an owner's mark is made once, by however many, and through lost answers; foreign rows and keys stay", async () => {
  await using proxy = await Proxy.start(server);
  await server.transact([{ op: "insert", table: "Item", row: { name: "foreign", external_ids: ["map", [["owner", "other"]]] } }]);
  const mark = { key: "owner", value: "us/1" };
  const upsert = async (client: OvsdbClient, name: string, i: number): Promise<void> => {
    const replica = await client.replica("Kinds", { Item: ["name", "i", "external_ids", "optional"] });
    try {
      await retry(client, replica, (txn) => upsertOwned(txn, replica, "Item", mark, { name, i, optional: [], external_ids: new Map([["k", String(i)]]) }));
    } finally {
      replica.close();
    }
  };
  const [one, two, third] = [await connect(server.remote), await connect(server.remote), await connect(proxy.remote)];
  await Promise.all([upsert(one, "a", 1), upsert(two, "b", 1)]);
  proxy.mute = true; // done at the server, the answer never comes
  const lost = await third.transact("Kinds", [{ op: "comment", comment: "x" }], { signal: AbortSignal.timeout(50) }).then(() => "done", () => "lost");
  proxy.mute = false;
  proxy.cut();
  await waitFor(() => third.state === "connected", "back");
  expect(lost).toBe("lost");
  await upsert(third, "c", 2);
  await server.transact([{ op: "mutate", table: "Item", where: [["i", "==", 2]], mutations: [["external_ids", "insert", ["map", [["theirs", "1"]]]]] }]);
  await upsert(third, "c", 3);
  const replica = await one.replica("Kinds", { Item: "all" });
  const ours = [...replica.table("Item").values()].filter((row) => row["name"] !== "foreign");
  expect(ours).toEqual([expect.objectContaining({ i: 3, external_ids: new Map([["owner", "us/1"], ["k", "3"], ["theirs", "1"]]) })]);
  const { committed } = await retry(one, replica, (txn) => upsertOwned(txn, replica, "Item", mark, { i: 3, s: "" }));
  expect(committed).toBeUndefined();
  await retry(one, replica, (txn) => deleteOwned(txn, replica, "Item", mark));
  await waitFor(() => names(replica.table("Item")).join() === "foreign", "ours is gone");
});

test("a commit on the same connection is in the replica when it resolves; durable, own uuids, indexes and references", async () => {
  const client = await connect(server.remote);
  const replica = await client.replica("Kinds", all);
  const uuid = "11111111-2222-4333-8444-555555555555";
  const index = replica.index("Item", ["i", "strings"]);
  const txn = await client.transaction("Kinds");
  const part = txn.insert("Part", { label: "p" });
  txn.insert("Item", { name: "a", i: 7, strings: ["x", "y"], part: [part] }, { uuid });
  const second = txn.insert("Item", { name: "b", i: 8, strings: ["y"], others: [txn.insert("Item", { name: "c" }, "c")] });
  txn.mutate("Item", second, [["links", "insert", new Map()]]);
  const { results } = await txn.commit({ durable: true });
  expect(results).toHaveLength(5);
  const row = replica.table("Item").get(uuid) as Row;
  expect(row["name"]).toBe("a");
  expect([names(index.get(7, "x")), names(index.get(7, "y")), names(index.get(8, "x"))]).toEqual([["a"], ["a"], []]);
  expect(replica.index("Item", ["i"]).range(7, 8).map((each) => each["name"])).toEqual(["a", "b"]);
  const [target] = replica.references("Item", row, "part");
  expect(target?.["label"]).toBe("p");
  expect(replica.referrers("Part", target?._uuid ?? "")).toEqual([{ table: "Item", column: "part", row }]);
  const change = await client.transaction("Kinds");
  change.update("Item", uuid, { i: 9, part: [] });
  await change.commit();
  expect([names(index.get(7, "x")), names(index.get(9, "x")), replica.referrers("Part", target?._uuid ?? "")]).toEqual([[], ["a"], []]);
});

test("an epoch fences off a writer that was deposed", async () => {
  await server.transact([{ op: "insert", table: "Item", row: { name: "root" } }]);
  const [one, two] = [await connect(server.remote), await connect(server.remote)];
  const place = { table: "Item", key: "epoch" };
  const request = { Item: { columns: ["external_ids"], anyOf: [["name", "==", "root"]] } } as const;
  const [first, second] = [await one.replica("Kinds", request), await two.replica("Kinds", request)];
  const lock = await one.lock("writer");
  const [old, next] = [await takeEpoch(one, first, place, lock), await takeEpoch(two, second, place)];
  expect([old.value, next.value]).toEqual([1, 2]);
  for (const [client, epoch, expected] of [[one, old, "timed-out"], [two, next, "done"]] as const) {
    const txn = await client.transaction("Kinds");
    epoch.guard(txn);
    txn.insert("Part", { label: "x" });
    expect(await kindOf(txn.commit())).toBe(expected);
  }
  await lock.unlock();
  await expect(takeEpoch(one, first, place, lock)).rejects.toMatchObject({ kind: "not-owner" });
  await expect(takeEpoch(one, await one.replica("Kinds", { Item: { columns: "all", anyOf: false } }), place)).rejects.toMatchObject({ kind: "schema" });
});

test("ovsdb-codegen makes types from a server's schema, and says what is wrong", async () => {
  await run("npx", ["tsc", "-b", "ovsdb"], { cwd: projectDir });
  const codegen = (...args: string[]) => run("node", [`${projectDir}/ovsdb/dist/bin/ovsdb-codegen.js`, ...args]).catch((error: unknown) => error as { stdout: string; code: number });
  const { stdout } = await codegen(server.remote, "Kinds");
  expect(stdout).toContain('  readonly choice: "x" | "y" | undefined;');
  expect(stdout).toContain('export const kinds: Database<KindsTables> = { name: "Kinds", version: "1.0.0" };');
  expect(await codegen(server.remote, "Nowhere")).toMatchObject({ code: 1 });
  expect(await codegen(`${server.dir}/nowhere`)).toMatchObject({ code: 1 });
  expect(await codegen()).toMatchObject({ code: 2 });
});
