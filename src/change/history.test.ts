import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { propose, transition, type Change } from "./change.js";
import { History } from "./history.js";

let dir: string;
beforeEach(() => (dir = mkdtempSync(`${tmpdir()}/history-`)));
afterEach(() => rmSync(dir, { recursive: true }));

const change = (id: number): Change => propose({ id, origin: { by: "operator", reason: "test" }, rules: [{ bridge: "l1", ipv4Dst: "10.0.0.1" }], leaseMs: 1_000 }, 5);

test("what was recorded is there after a restart, the latest state of each", () => {
  const history = History.open(dir);
  history.record(change(1));
  history.record(change(2));
  const cancelled = transition(change(1), { type: "cancel", why: "no" }, 9);
  history.record(cancelled);
  history.close();
  const again = History.open(dir);
  expect(again.changes()).toEqual([cancelled, change(2)]);
  expect([again.cut, again.broken, again.nextId]).toEqual([0, 0, 3]);
  again.close();
});

test("killed in mid-write at any byte: whole records stay, a torn one is cut off, and writing goes on", () => {
  const history = History.open(dir);
  history.record(change(1));
  history.record(change(2));
  history.close();
  const file = `${dir}/changes.jsonl`;
  const bytes = readFileSync(file);
  const first = bytes.indexOf(0x0a) + 1;
  for (let length = 0; length <= bytes.length; length++) {
    writeFileSync(file, bytes.subarray(0, length));
    const torn = History.open(dir);
    const whole = length === bytes.length ? 2 : length >= first ? 1 : 0;
    expect(torn.changes().map(({ id }) => id)).toEqual([1, 2].slice(0, whole));
    expect(torn.cut).toBe(length === 0 || length === first || length === bytes.length ? 0 : 1);
    torn.record(change(7));
    torn.close();
    const after = History.open(dir);
    expect(after.changes().at(-1)?.id).toBe(7);
    expect([after.cut, after.broken]).toEqual([0, 0]);
    after.close();
  }
});

test("an edited record is noticed and kept", () => {
  const history = History.open(dir);
  history.record(change(1));
  history.record(change(2));
  history.close();
  const file = `${dir}/changes.jsonl`;
  writeFileSync(file, readFileSync(file, "utf8").replace("10.0.0.1", "10.0.0.9"));
  const again = History.open(dir);
  expect([again.broken, again.changes().length]).toEqual([1, 2]);
  again.close();
});
