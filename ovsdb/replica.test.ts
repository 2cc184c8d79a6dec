import { Replica, type MonitorMethod, type RowChange } from "./replica.js";
import { parseSchema } from "./schema/schema.js";

const schemaOf = (columns: Record<string, unknown>) => parseSchema({ name: "D", version: "1", tables: { T: { columns } } });
const columns = { name: { type: "string" }, n: { type: "integer" }, ids: { type: { key: "string", value: "string", min: 0, max: "unlimited" } } };
const protocolError = expect.objectContaining({ kind: "protocol" }) as Error;
const hooks = { close: () => {}, conditionsChanged: () => {} };
const u1 = "00000000-0000-0000-0000-000000000001";
const u2 = "00000000-0000-0000-0000-000000000002";

function start(wanted: readonly string[] | "all" = "all"): { replica: Replica; seen: string[]; changes: RowChange[][] } {
  const replica = new Replica("D", { T: wanted }, "r", hooks);
  const seen: string[] = [];
  const changes: RowChange[][] = [];
  replica.on("changes", (list) => {
    seen.push(list.map(({ uuid, old, new: row, columns: changed }) => `${old ? (row ? "modify" : "delete") : "insert"} ${uuid.slice(-1)} ${changed.join("+")}`).join(", "));
    changes.push([...list]);
  });
  replica.on("synced", () => seen.push("synced")).on("stale", () => seen.push("stale")).on("absent", (what) => seen.push(`absent ${what}`));
  replica.monitorRequests(schemaOf(columns));
  return { replica, seen, changes };
}

test.each<[MonitorMethod, unknown]>([
  ["monitor", { T: { [u1]: { new: { name: "a", n: 1, ids: ["map", []] } } } }],
  ["monitor_cond", { T: { [u1]: { initial: { name: "a", n: 1 } } } }],
  ["monitor_cond_since", [false, u2, { T: { [u1]: { initial: { name: "a", n: 1 } } } }]],
])("%s: what the server leaves out is the default", (method, reply) => {
  const { replica, seen } = start();
  replica.load(method, reply);
  expect(replica.table("T").get(u1)).toEqual({ _uuid: u1, name: "a", n: 1, ids: new Map() });
  expect(seen).toEqual(["insert 1 name+n+ids", "synced"]);
  expect(replica.lastTransactionId).toBe(method === "monitor_cond_since" ? u2 : "00000000-0000-0000-0000-000000000000");
});

test("after a reconnect whole contents tell real differences only; a continued reply is applied as differences", () => {
  const { replica, seen } = start();
  replica.load("monitor_cond", { T: { [u1]: { initial: { name: "a" } }, [u2]: { initial: { name: "b" } } } });
  seen.length = 0;
  replica.disconnected();
  expect(replica.state).toBe("stale");
  replica.load("monitor_cond", { T: { [u1]: { initial: { name: "a" } }, [u2]: { initial: { name: "b", n: 4 } } } });
  expect(seen.splice(0)).toEqual(["stale", "modify 2 n", "synced"]);
  replica.disconnected();
  replica.load("monitor_cond_since", [true, u1, { T: { [u1]: { modify: { ids: ["map", [["k", "v"]]] } } } }]);
  expect(seen.splice(0)).toEqual(["stale", "modify 1 ids", "synced"]);
  replica.disconnected();
  replica.load("monitor_cond_since", [false, u2, { T: { [u1]: { initial: { name: "a", ids: ["map", [["k", "v"]]] } } } }]);
  expect(seen).toEqual(["stale", "delete 2 name+n+ids", "synced"]);
});

test("an update is one event, with rows as they were and as they are", () => {
  const { replica, changes } = start();
  replica.load("monitor_cond", { T: { [u1]: { initial: { name: "a" } } } });
  const before = replica.table("T").get(u1);
  replica.update("monitor_cond", [{ T: { [u1]: { modify: { n: 5 } }, [u2]: { insert: { name: "b" } } } }]);
  expect(changes[1]).toHaveLength(2);
  expect(changes[1]?.[0]).toEqual({ table: "T", uuid: u1, old: before, new: { ...before, n: 5 }, columns: ["n"] });
  expect(changes[1]?.[0]?.old).toBe(before);
});

test("an update of a row that is not there is a protocol error, and the next monitor starts over", () => {
  const { replica } = start();
  replica.load("monitor_cond_since", [false, u1, {}]);
  expect(() => replica.update("monitor_cond_since", [u2, { T: { [u1]: { modify: { n: 5 } } } }])).toThrow(protocolError);
  expect(replica.lastTransactionId).toBe("00000000-0000-0000-0000-000000000000");
});

test.each([null, [1], { T: 5 }, { T: { [u1]: null } }, { X: { [u1]: { insert: {} } } }])("%j is no update: a protocol error", (updates) => {
  const { replica } = start();
  replica.load("monitor_cond", {});
  expect(() => replica.update("monitor_cond", [updates])).toThrow(protocolError);
});

test("tables and columns the server lacks are told and left out; a changed schema is read from whole contents", () => {
  const replica = new Replica("D", { T: ["name", "n", "later"], U: "all" }, "r", hooks);
  const told: string[] = [];
  replica.on("absent", (what) => told.push(what));
  expect(replica.monitorRequests(schemaOf(columns))).toEqual({ T: [{ columns: ["name", "n"] }] });
  expect(replica.absent).toEqual(["column T.later", "table U"]);
  expect(replica.table("U").size).toBe(0);
  replica.load("monitor_cond_since", [false, u1, { T: { [u2]: { initial: { name: "a" } } } }]);
  replica.monitorRequests(schemaOf(columns));
  expect(replica.lastTransactionId).toBe(u1);
  replica.monitorRequests(schemaOf({ name: { type: "string" }, later: { type: "boolean" } }));
  expect(replica.lastTransactionId).toBe("00000000-0000-0000-0000-000000000000");
  const changed: (readonly string[])[] = [];
  replica.on("changes", (list) => list.forEach((change) => changed.push(change.columns)));
  replica.load("monitor_cond_since", [false, u1, { T: { [u2]: { initial: { name: "a" } } } }]);
  expect(changed).toEqual([["n", "later"]]);
  expect(replica.table("T").get(u2)).toEqual({ _uuid: u2, name: "a", later: false });
  expect(told).toEqual(["column T.later", "table U", "column T.n"]);
});

test("a listener that throws leaves the replica as it should be; its error is an uncaught exception", () => {
  const { replica, seen } = start();
  replica.prependListener("changes", () => {
    throw new Error("a bug of the listener");
  });
  const later: (() => void)[] = [];
  const nextTick = jest.spyOn(process, "nextTick").mockImplementation((callback) => void later.push(callback as () => void));
  try {
    replica.load("monitor_cond", { T: { [u1]: { initial: { name: "a" } } } });
  } finally {
    nextTick.mockRestore();
  }
  expect([replica.state, replica.table("T").size, seen]).toEqual(["synced", 1, ["synced"]]);
  expect(later).toHaveLength(1);
  expect(later[0]).toThrow("a bug of the listener");
});
