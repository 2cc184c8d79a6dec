/** The in-memory server of ovsdb-client/testing beside a real ovsdb-server: the same requests, the same answers. */
import { OvsdbClient, OvsdbError, stringifyJson, type Operation } from "ovsdb-client";
import { waitFor } from "../../lab/wait.js";
import { MemoryServer } from "../../ovsdb/testing/index.js";
import { all, Clients, EventLog, held, kindOf, Proxy, schema, Server } from "./ovsdb-support.js";

const clients = new Clients();
let real: Server;
let memory: MemoryServer;
beforeEach(async () => {
  real = await Server.start();
  memory = await MemoryServer.start({ schemas: [schema] });
});
afterEach(async () => {
  await clients.close();
  await real[Symbol.asyncDispose]();
  await memory[Symbol.asyncDispose]();
});

/** The results, or the kind, the words and the place of an error. */
async function answer(client: OvsdbClient, operations: readonly Operation[]): Promise<unknown> {
  return client.transact("Kinds", operations).catch((error: unknown) => {
    if (!(error instanceof OvsdbError)) throw error;
    return [error.kind, error.error, error.opIndex];
  });
}
/** Uuids by the order they are met in: two servers never choose the same. Sets in one order. */
function anonymous(): (value: unknown) => unknown {
  const known = new Map<string, string>();
  const walk = (value: unknown): unknown => {
    if (typeof value === "string" && /^[0-9a-f]{8}-/.test(value) && !value.startsWith("0000")) {
      if (!known.has(value)) known.set(value, `uuid${known.size}`);
      return known.get(value);
    }
    if (Array.isArray(value)) {
      const items = value.map(walk);
      return items[0] === "set" || items[0] === "map" ? [items[0], (items[1] as unknown[]).map(stringifyJson).sort()] : items;
    }
    return typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value).sort(([x], [y]) => (x < y ? -1 : 1)).map(([key, item]) => [key, walk(item)])) : value;
  };
  return walk;
}

const uuid = (n: number): string => `0000000${n}-0000-4000-8000-000000000000`;
const ref = (n: number): unknown => ["uuid", uuid(n)];
const insert = (n: number, row: object = {}): Operation => ({ op: "insert", table: "Item", uuid: uuid(n), row: { name: `n${n}`, ...row } });
const item = (op: string, rest: object): Operation => ({ op, table: "Item", where: [], ...rest });
const is = (n: number): unknown[] => [["_uuid", "==", ref(n)]];
const mutate = (n: number, ...mutations: unknown[]): Operation => item("mutate", { where: is(n), mutations });

/** Each is a transaction; they build on each other. */
const script: readonly (readonly Operation[])[] = [
  [insert(1, { i: 4, integers: ["set", [1, 2]], map: ["map", [["a", "1"]]], optional: 7 }), insert(2, { others: ref(1), r: 0.5, s: "ü" }), insert(3, { links: ["map", [["x", ref(1)], ["y", ref(2)]]] })],
  [item("select", { columns: ["name", "i", "integers", "map", "optional", "others", "links", "choice", "part", "strings", "_uuid"] })],
  [item("select", { where: [["i", ">", 3]], columns: ["name"] }), item("select", { where: [["integers", "includes", 2]], columns: ["name"] }), item("select", { where: [["integers", "excludes", ["set", [2, 9]]]], columns: ["name"] }), item("select", { where: [["map", "includes", ["map", [["a", "1"]]]]], columns: ["name"] }), item("select", { where: [["map", "==", ["map", []]], ["name", "!=", "n2"]], columns: ["name"] })],
  [mutate(1, ["integers", "insert", ["set", [2, 3]]], ["integers", "delete", 1], ["map", "insert", ["map", [["a", "2"], ["b", "3"]]]], ["i", "+=", 2], ["i", "*=", 3], ["i", "%=", 5]), mutate(2, ["r", "/=", 2])],
  [mutate(1, ["map", "delete", ["set", ["a"]]], ["map", "delete", ["map", [["b", "not this"]]]])],
  [item("select", { where: is(1), columns: ["i", "map", "integers"] })],
  [mutate(1, ["i", "/=", 0])], [mutate(1, ["i", "+=", "x"])], [mutate(1, ["s", "+=", 1])], [mutate(1, ["name", "insert", "x"])], [mutate(1, ["i", "-=", 100])],
  [item("update", { where: is(1), row: { i: -6 } })], [item("update", { where: is(1), row: { choice: "z" } })], [item("update", { where: is(1), row: { s: "x".repeat(21) } })],
  [item("update", { where: is(1), row: { name: "other" } })], [item("update", { where: is(1), row: { strings: ["set", ["a", "b", "c", "d"]] } })], [item("update", { where: is(1), row: { nothing: 1 } })],
  [insert(4), insert(4)], [insert(5, { name: "n1" })], [insert(6, { part: ref(9) })], [insert(6, { others: ref(9) })], [item("select", { where: is(6), columns: ["others"] })],
  [{ op: "insert", table: "Part", "uuid-name": "p", row: { label: "l" } }, { op: "select", table: "Part", where: [], columns: ["label"] }], [{ op: "select", table: "Part", where: [], columns: ["label"] }],
  [item("update", { where: is(1), row: { part: ["named-uuid", "q"] } }), { op: "insert", table: "Part", "uuid-name": "q", row: { label: "q" } }],
  [{ op: "select", table: "Part", where: [], columns: ["label", "_uuid"] }],
  [item("delete", { where: is(1) })], [{ op: "select", table: "Part", where: [], columns: ["label"] }, item("select", { columns: ["name", "others", "links"] })],
  [item("wait", { timeout: 0, columns: ["name"], until: "==", rows: [] })], [item("wait", { timeout: 0, where: is(2), columns: ["name"], until: "==", rows: [{ name: "n2" }] }), item("wait", { timeout: 0, where: is(2), columns: ["r"], until: "!=", rows: [{ r: 1 }] }), { op: "comment", comment: "x" }, { op: "commit", durable: false }],
  [{ op: "abort" }], [{ op: "assert", lock: "l" }], [insert(7), { op: "abort" }, insert(8)], [{ op: "nothing" }], [{ op: "select", table: "Nowhere", where: [] }], [insert(8), { op: "insert", table: "Item", "uuid-name": "a", row: { name: "a" } }, { op: "insert", table: "Item", "uuid-name": "a", row: { name: "b" } }],
  [insert(8, { integers: ["set", [1, 1]] })], [insert(8, { others: ["named-uuid", "nobody"] })], [item("update", { where: [["i", "<", 100]], row: { single: ["map", [["k", "1"]]] } })], [item("update", { where: [], row: { single: ["map", [["j", "1"]]], optional: ["set", []], integers: 5 } })],
  [item("update", { where: is(2), row: { i: 9223372036854775807n } }), item("select", { where: is(2), columns: ["i"] })], [mutate(2, ["i", "+=", 1])],
];

test("every kind of operation and constraint: the same results and the same errors; replicas over update, update2 and update3 hold the same", async () => {
  const [one, two] = [await clients.connect(real.remote), await clients.connect(memory.remote)];
  const behind = { dir: real.dir, socket: memory.remote.replace("unix:", "") };
  await using cond = await Proxy.start(behind, { refuse: ["monitor_cond_since"] });
  await using plain = await Proxy.start(behind, { refuse: ["monitor_cond_since", "monitor_cond"] });
  const views = [await (await clients.connect(cond.remote)).replica("Kinds", all), await (await clients.connect(plain.remote)).replica("Kinds", all)];
  const truth = await one.replica("Kinds", all);
  const view = await two.replica("Kinds", all);
  const log = new EventLog(view);
  const [first, second] = [anonymous(), anonymous()];
  for (const [n, operations] of script.entries()) {
    const [a, b] = [await answer(one, operations), await answer(two, operations)];
    expect([n, second(b)]).toEqual([n, first(a)]);
    const names = anonymous();
    const others = anonymous();
    const part = (lines: string[], walk: (value: unknown) => unknown): unknown => lines.map((each) => each.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, (id) => String(walk(id))));
    expect(part(held(view), others)).toEqual(part(held(truth), names));
  }
  expect([log.faults, log.lines()]).toEqual([[], held(view)]);
  for (const other of views) {
    await other.where("Item", undefined).catch(() => undefined); // a round trip: what was told before has come
    expect(held(other)).toEqual(held(view));
  }
});

test("waits, locks, conditions and errors of requests: as the real one", async () => {
  for (const remote of [real.remote, memory.remote]) {
    const client = await clients.connect(remote, { requestTimeoutMs: 2_000 });
    const other = await clients.connect(remote);
    const wait = (timeout?: number): Operation => item("wait", { ...(timeout === undefined ? {} : { timeout }), where: [["name", "==", "x"]], columns: ["name"], until: "==", rows: [{ name: "x" }] });
    expect(await answer(client, [wait(20)])).toEqual(["timed-out", "timed out", 0]);
    const abort = new AbortController();
    const never = kindOf(client.transact("Kinds", [wait()], { signal: abort.signal }));
    abort.abort();
    expect(await never).toBe("cancelled");
    const waited = answer(client, [wait(), { op: "comment", comment: "" }]);
    await other.transact("Kinds", [{ op: "insert", table: "Item", row: { name: "x", i: 1 } }]);
    expect(await waited).toEqual([{}, {}]);

    const [mine, theirs] = [await client.lock("l"), await other.lock("l")];
    expect([mine.held, theirs.held, await answer(other, [{ op: "assert", lock: "l" }])]).toEqual([true, false, ["not-owner", "not owner", 0]]);
    await mine.unlock();
    await theirs.whenHeld();
    expect(await answer(other, [{ op: "assert", lock: "l" }])).toEqual([{}]);
    await client.lock("l", { steal: true });
    await waitFor(() => !theirs.held, "the victim is told");

    const replica = await client.replica("Kinds", { Item: { columns: ["name", "i"], anyOf: [["i", ">", 1]] } });
    expect(replica.table("Item").size).toBe(0);
    await replica.where("Item", [["i", "<=", 1]]);
    expect([...replica.table("Item").values()]).toEqual([expect.objectContaining({ name: "x", i: 1 })]);
    await client.transact("Kinds", [item("update", { row: { i: 5 } })]);
    expect(replica.table("Item").size).toBe(0);
    await expect(client.getSchema("Nowhere")).rejects.toMatchObject({ kind: "server", error: "unknown database" });
    expect((await client.getSchema("Kinds")).version).toBe("1.0.0");
  }
});
