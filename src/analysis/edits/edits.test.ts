import { match } from "node-openflow";
import type { RowChange } from "ovsdb-client";
import type { FlowEntry } from "../../network/flow-entry.js";
import { cookie, groupBase } from "../../network/pipeline.js";
import type { FlowEdit } from "../../shadow/table-follower.js";
import type { WrittenRows } from "../../reconcile/written-rows.js";
import { flowAuthor, idAuthor, writers, type ControllerRow, type Owner } from "./author.js";
import { Bursts, defaultLimits, type Burst, type Edit } from "./bursts.js";
import { Echo } from "./echo.js";
import { rowEdits } from "./row-edits.js";

const flow = (of: bigint): FlowEntry => ({ tableId: 0, priority: 1, match: match({}), cookie: of, instructions: [], idleTimeout: 0, hardTimeout: 0, flags: 0 });
const edit = (op: FlowEdit["op"], of: bigint, reason?: number): FlowEdit => ({ op, old: op === "added" ? undefined : flow(of), now: op === "removed" ? undefined : flow(of), reason, isFound: false });
const owners: readonly Owner[] = [{ name: "onos", cookie: { value: 0x1000n, mask: 0xff00n }, ids: [10, 19] }];
const controllers: readonly ControllerRow[] = [
  { target: "tcp:192.0.2.1:6653", isConnected: true, role: "master" },
  { target: "tcp:192.0.2.2:6653", isConnected: true, role: "slave" },
  { target: "tcp:192.0.2.3:6653", isConnected: false, role: undefined },
  { target: "ptcp:6654", isConnected: false, role: undefined },
];

test("who can write: no slave, nobody who is away; a listener may have callers", () => {
  expect(writers(controllers)).toEqual(["tcp:192.0.2.1:6653 (master)", "ptcp:6654", "management socket"]);
});

test.each([
  ["an echo of ours", edit("added", cookie("forward")), true, { by: "ovs-shadow", certainty: "certain" }],
  ["a time-out", edit("removed", 5n, 0), false, { by: "switch", why: "idle time-out" }],
  ["a deleted group's flow", edit("removed", 5n, 3), false, { by: "switch", why: "its group was deleted" }],
  ["an owner's cookie", edit("added", 0x1042n), false, { by: "onos", certainty: "likely" }],
  ["another cookie", edit("added", 0x2042n), false, { by: "unknown", certainty: "open" }],
  ["our flow deleted by others", edit("removed", cookie("entry"), 2), false, { by: "unknown", touchesOurs: true, why: "a flow of ours that we did not touch" }],
  ["our cookie used by others", edit("added", cookie("entry")), false, { by: "unknown", touchesOurs: true, why: "a flow with our cookie that we did not send" }],
  ["our flow timed out", edit("removed", cookie("change"), 1), false, { by: "switch", why: "hard time-out" }],
] as const)("%s", (_name, one, isEcho, expected) => {
  const author = flowAuthor(one, isEcho, owners, controllers);
  expect(author).toMatchObject(expected);
  expect(author.touchesOurs ?? false).toBe("touchesOurs" in expected);
});

test("with nobody connected only the management socket is left", () => {
  expect(flowAuthor(edit("added", 1n), false, [], [])).toMatchObject({ by: "management socket", certainty: "certain" });
});

test("groups and meters by their ids", () => {
  expect(idAuthor("group", 12, false, owners, controllers)).toMatchObject({ by: "onos" });
  expect(idAuthor("meter", 20, false, owners, controllers)).toMatchObject({ by: "unknown", candidates: writers(controllers) });
  expect(idAuthor("group", groupBase + 1, false, owners, controllers)).toMatchObject({ touchesOurs: true });
  expect(idAuthor("group", groupBase + 1, true, owners, controllers)).toMatchObject({ by: "ovs-shadow" });
});

test("an echo counts once, in its time; a later state takes those before it along", () => {
  const echo = new Echo();
  echo.expect("k", "a", 0);
  echo.expect("k", "b", 1);
  echo.expect("k", "removed", 2);
  expect(echo.take("k", "x", 3)).toBe(false);
  expect(echo.take("k", "b", 3)).toBe(true);
  expect(echo.take("k", "a", 3)).toBe(false); // the switch never showed it
  expect(echo.take("k", "removed", 3)).toBe(true);
  expect(echo.take("k", "removed", 3)).toBe(false);
  echo.expect("k", "late", 10);
  expect(echo.take("k", "late", 60_000)).toBe(false);
});

test("a burst: some one by one, the rest as one with first and last; then singles again", () => {
  const singles: Edit[] = [];
  const bursts: Burst[] = [];
  const collector = new Bursts(defaultLimits, (one) => singles.push(one), (many) => bursts.push(many));
  const add = (n: number, tMs: number, key = "flow br0 added"): void => collector.add({ tMs, key, subject: "br0", detail: () => ({ n }) });
  for (let n = 0; n < 10_000; n++) add(n, n / 10);
  add(1, 500, "other");
  expect(singles).toHaveLength(11);
  collector.advance(1_200);
  expect(bursts).toHaveLength(0);
  collector.advance(1_600);
  expect(bursts).toMatchObject([{ count: 9_990, fromMs: 1, toMs: 999.9 }]);
  expect([bursts[0]?.first.detail(), bursts[0]?.last.detail()]).toEqual([{ n: 10 }, { n: 9_999 }]);
  add(1, 2_000);
  expect(singles).toHaveLength(12);
  // One that does not end is cut at its longest.
  for (let tMs = 3_000; tMs < 14_000; tMs += 100) add(1, tMs);
  collector.flush();
  expect(bursts.slice(1).map(({ fromMs, toMs }) => toMs - fromMs).every((ms) => ms <= defaultLimits.longestMs)).toBe(true);
  expect(singles.length + bursts.reduce((sum, { count }) => sum + count, 0)).toBe(10_000 + 1 + 1 + 110);
});

test("rows: ours by what we wrote, others', and what ovs-vswitchd writes", () => {
  const tables = { table: (name: string) => new Map(name === "Manager" ? [["m", { _uuid: "m", target: "tcp:192.0.2.9:6640", is_connected: true }]] : []) };
  const marked = new Map([["ovs-shadow:role", "replica"]]);
  const change = (table: string, old: Record<string, unknown> | undefined, now: Record<string, unknown> | undefined, columns: string[], uuid = "u"): RowChange => ({ table, uuid, old: old as RowChange["old"], new: now as RowChange["new"], columns });
  const target = change("Open_vSwitch", { next_cfg: 4 }, { next_cfg: 6 }, ["next_cfg"], "root");
  const port = change("Port", undefined, { name: "shm1", external_ids: marked, tag: undefined }, ["name", "external_ids", "tag"]);
  const written = (rows: WrittenRows) => (after: number, upTo: number) => (after < 5 && upTo >= 5 ? rows : new Map());
  const none = written(new Map());
  expect(rowEdits([target, port], tables, written(new Map([["u", "whole"]])))).toMatchObject([{ table: "Port", name: "shm1", op: "inserted", columns: { name: { new: "shm1" }, external_ids: { new: { "ovs-shadow:role": "replica" } } }, author: { by: "ovs-shadow" } }]);
  // What we did not write is somebody else's who writes our mark.
  expect(rowEdits([target, port], tables, none)).toMatchObject([{ author: { by: "unknown", touchesOurs: true, candidates: ["manager tcp:192.0.2.9:6640", "database socket"] } }]);
  expect(rowEdits([port], tables, written(new Map([["u", "whole"]])))).toMatchObject([{ author: { by: "unknown" } }]);
  // Two transactions in one update, ours and another's; and both of them changed one row.
  const theirs = change("Port", { name: "p", tag: 1 }, { name: "p", tag: 2 }, ["tag"], "v");
  const bridge = change("Bridge", { name: "b", mirrors: [], external_ids: new Map() }, { name: "b", mirrors: ["m1"], external_ids: new Map([["owner", "x"]]) }, ["mirrors", "external_ids"], "w");
  const both = rowEdits([target, port, theirs, bridge], tables, written(new Map<string, ReadonlySet<string> | "whole">([["u", "whole"], ["w", new Set(["mirrors"])]])));
  expect(both.map(({ name, columns, author }) => [name, Object.keys(columns), author.by, author.touchesOurs ?? false])).toEqual([
    ["shm1", ["name", "external_ids"], "ovs-shadow", false],
    ["p", ["tag"], "unknown", false],
    ["b", ["mirrors"], "ovs-shadow", false],
    ["b", ["external_ids"], "unknown", false],
  ]);
  expect(rowEdits([change("Interface", { name: "p", link_state: "up" }, { name: "p", link_state: "down" }, ["link_state"])], tables, none)).toMatchObject([{ op: "changed", columns: { link_state: { old: "up", new: "down" } }, author: { by: "ovs-vswitchd" } }]);
  expect(rowEdits([target], tables, none)).toEqual([]);
  const many = change("Bridge", { name: "b", ports: [] }, { name: "b", ports: Array.from({ length: 100 }, (_, i) => `p${i}`) }, ["ports"]);
  expect((rowEdits([many], tables, none)[0]?.columns["ports"]?.new as string[]).at(-1)).toBe("and 36 more");
});
