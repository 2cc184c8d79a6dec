/** 100,000 random transactions by one client while another's connection is cut 1,000 times: what it holds and was told equals ovsdb-client's dump. */
import type { Operation } from "ovsdb-client";
import { waitFor } from "../../lab/wait.js";
import { seeded } from "../../src/base/seeded.js";
import { all, Clients, dump, EventLog, held, kindOf, Proxy, run, Server } from "./ovsdb-support.js";

const clients = new Clients();
afterEach(() => clients.close());

const names = 200;
/** One or two operations on rows that may or may not be there. */
function transaction(draw: (n: number) => number): Operation[] {
  const where = [["name", "==", `n${draw(names)}`]];
  const some = (): number[] => Array.from({ length: draw(4) }, () => draw(8)).filter((n, i, list) => list.indexOf(n) === i);
  const kinds: (() => Operation)[] = [
    () => ({ op: "insert", table: "Item", row: { name: `n${draw(names)}`, i: draw(9), integers: ["set", some()], map: ["map", [["a", String(draw(3))]]] } }),
    () => ({ op: "delete", table: "Item", where }),
    () => ({ op: "update", table: "Item", where, row: { r: draw(100) / 4, b: draw(2) === 0, optional: draw(2) === 0 ? ["set", []] : draw(9), s: `ü${draw(50)}` } }),
    () => ({ op: "mutate", table: "Item", where, mutations: [["integers", "insert", ["set", some()]], ["integers", "delete", ["set", some()]]] }),
    () => ({ op: "mutate", table: "Item", where, mutations: [["map", "delete", ["set", ["a", `k${draw(4)}`]]], ["map", "insert", ["map", [[`k${draw(4)}`, String(draw(3))]]]]] }),
    () => ({ op: "update", table: "Item", where, row: { strings: ["set", ["x", "y", "z"].slice(draw(4))], single: ["map", draw(2) === 0 ? [] : [["k", String(draw(3))]]] } }),
  ];
  return Array.from({ length: 1 + draw(2) }, () => (kinds[draw(kinds.length)] as () => Operation)());
}

test("100,000 transactions, 1,000 cuts: no event lost or doubled, the contents right at each of ten looks", async () => {
  await using server = await Server.start();
  await using proxy = await Proxy.start(server);
  const writer = await clients.connect(server.remote);
  const reader = await clients.connect(proxy.remote, { backoff: { initialMs: 1, maxMs: 4 } });
  const replica = await reader.replica("Kinds", all);
  const log = new EventLog(replica);
  const numbers = seeded(20_240_601);
  const draw = (below: number): number => Math.floor(numbers() * below);
  let refused = 0;
  let cuts = 0;
  for (let look = 1; look <= 10; look++) {
    for (let cut = 0; cut < 100; cut++) {
      const kinds = await Promise.all(Array.from({ length: 100 }, () => kindOf(writer.transact("Kinds", transaction(draw)))));
      refused += kinds.filter((kind) => kind !== "done").length;
      expect(kinds.every((kind) => kind === "done" || kind === "constraint")).toBe(true); // a name that is taken
      // A connection made since the last cut, so that each cut is one.
      await waitFor(() => reader.state === "connected" && reader.counters.connects > cuts, "connected again");
      cuts = reader.counters.connects;
      proxy.cut();
    }
    await writer.transact("Kinds", [{ op: "insert", table: "Item", row: { name: `look${look}` } }]);
    await waitFor(() => replica.state === "synced" && [...replica.table("Item").values()].some((row) => row["name"] === `look${look}`), "in sync");
    const truth = await dump(server.remote, "Kinds", run);
    expect([held(replica), log.faults, log.lines()]).toEqual([truth, [], truth]);
  }
  expect(reader.counters.connects).toBeGreaterThan(1_000);
  expect(refused).toBeLessThan(90_000);
  expect(reader.counters).toMatchObject({ badUpdates: 0, protocolErrors: 0 });
  process.stdout.write(`${refused} of 100,000 refused, ${reader.counters.connects} connections, ${log.events} changes told\n`);
}, 240_000);
