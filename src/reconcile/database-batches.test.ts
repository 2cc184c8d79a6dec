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

test("the size follows what transactions take", () => {
  const size = new BatchSize({ targetMs: 100, first: 100, least: 10, most: 400 });
  size.measured(100, 50);
  expect(size.current).toBe(150);
  for (let n = 0; n < 10; n++) size.measured(size.current, 50);
  expect(size.current).toBe(400);
  size.measured(400, 10_000);
  expect(size.current).toBe(200);
  // Half the rows take as long: it is not the rows, and fewer of them would only make more transactions.
  size.measured(200, 9_800);
  expect(size.current).toBe(200);
  size.measured(200, 7_000);
  expect(size.current).toBe(100);
});
