import { batches, BatchSize } from "./database-batches.js";
import type { DatabaseChange, DesiredBridge } from "./database-state.js";

const own = (live: string, role: DesiredBridge["role"], ports: number): DatabaseChange => ({
  op: "add-bridge",
  root: "root",
  bridge: { name: `${role}-${live}`, live, role, datapathType: "netdev", ports: Array.from({ length: ports }, (_, n) => ({ name: `${live}-${n}`, type: "patch", options: new Map(), ofport: n + 1, role: "edge", live: `${live}:${n + 1}` })) },
});
const onLive = (live: string): DatabaseChange => ({ op: "add-port", bridge: live, bridgeUuid: `uuid-${live}`, port: { name: `m-${live}`, type: "patch", options: new Map(), ofport: 0x8001, role: "replica", live: `${live}:1` } });
const guard = (live: string): DatabaseChange => ({ op: "add-guard", bridgeUuid: `uuid-${live}`, name: `g-${live}`, port: `m-${live}`, source: undefined });
const sflow = (live: string): DatabaseChange => ({ op: "add-sflow", bridge: live, bridgeUuid: `uuid-${live}`, sflow: { target: "x", sampling: 1, pollingS: 1, agent: "lo" } });
const all = (...names: string[]): DatabaseChange[] => names.flatMap((live) => [own(live, "shadow", 2), own(live, "adapter", 2), onLive(live), guard(live), sflow(live)]);
const liveOf = (change: DatabaseChange): string => ("bridge" in change ? (typeof change.bridge === "string" ? change.bridge : change.bridge.live) : "bridgeUuid" in change ? change.bridgeUuid.slice(5) : "");
const shown = (found: DatabaseChange[][]): string[] => found.map((batch) => [...new Set(batch.map(liveOf))].join(" "));

test("what is done for one live bridge and to it stays together; those of a rank below 1 share no batch with others", () => {
  const rank = (live: string): number => ({ c: 0, d: 0.5, b: 1.2 })[live] ?? 1.8;
  expect(shown(batches(all("a", "b", "c", "d", "e"), 1_000, rank))).toEqual(["c d", "b a e"]);
  expect(shown(batches(all("a", "b", "c"), 1, rank))).toEqual(["c", "b", "a"]);
  // sFlow alone, with nothing else to do on that bridge.
  expect(shown(batches([sflow("a"), ...all("c")], 1_000, rank))).toEqual(["c", "a"]);
  expect(shown(batches(all("a", "b"), 1_000))).toEqual(["a b"]);
});

test("what only deletes comes last", () => {
  const gone: DatabaseChange = { op: "delete-bridge", name: "old", uuid: "u", root: "root" };
  expect(batches([gone, ...all("a")], 1_000).flat().at(-1)).toBe(gone);
});

/** Transactions of the size asked for, on a switch where each takes `bareMs` and `rowMs` for each row, `times` as long at random moments. */
function run(size: BatchSize, count: number, bareMs: number, rowMs: number, times: (n: number) => number = () => 1): number {
  for (let n = 0; n < count; n++) {
    const rows = size.current;
    size.measured(rows, (bareMs + rowMs * rows) * times(n));
  }
  return size.current;
}

test("the size follows what a transaction takes without rows and for each row", () => {
  // On a small switch 150 ms in any case.
  const small = run(new BatchSize(), 30, 10, 0.6);
  expect(small).toBeGreaterThan(200);
  expect(small).toBeLessThan(280);
  // On a large one as many as take as long again, with the limits.
  const large = run(new BatchSize(), 30, 400, 0.6);
  expect(large).toBeGreaterThan(550);
  expect(large).toBeLessThan(750);
  expect(run(new BatchSize(), 40, 6_000, 0.1)).toBe(2_000);
  expect(run(new BatchSize(), 40, 50, 5)).toBeLessThan(500);
  // Rows that cost twice as much as is usual make it smaller, those that cost half make it larger.
  expect(run(new BatchSize(), 40, 400, 1.2)).toBeLessThan(large);
  expect(run(new BatchSize(), 40, 400, 0.3)).toBeGreaterThan(large);
});

test("a machine that is busy with something else does not make the transactions small", () => {
  const quiet = run(new BatchSize(), 40, 350, 0.6);
  // Three times as slow throughout, and now and then held up for long.
  const busy = run(new BatchSize(), 40, 350, 0.6, (n) => (n % 7 === 3 ? 12 : 3));
  expect(busy).toBeGreaterThan(quiet / 2);
  expect(busy).toBeLessThan(quiet * 3);
});

test("a transaction much smaller than allowed does not make the next ones larger", () => {
  const size = new BatchSize({ first: 400 });
  for (let n = 0; n < 6; n++) size.measured(2, 2_000);
  expect(size.current).toBe(400);
});
