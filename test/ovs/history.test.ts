/** The history on a disk that is really full: a small file system of its own. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { propose, type Change } from "../../src/change/change.js";
import { ChangeManager } from "../../src/change/change-manager.js";
import { History } from "../../src/change/history.js";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(`${tmpdir()}/full-`);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", dir]);
});
afterEach(() => {
  execFileSync("umount", ["-l", dir]);
  rmdirSync(dir);
});

const change = (id: number): Change => propose({ id, origin: { by: "operator", reason: "x".repeat(2_000) }, rules: [{ bridge: "l1", ipv4Dst: "10.0.0.1" }], leaseMs: 60_000 }, 5);

function fill(): void {
  try {
    for (let i = 0; ; i++) writeFileSync(`${dir}/filler${i}`, Buffer.alloc(4_096));
  } catch {
    return; // full, as wanted
  }
}
function free(): void {
  for (let i = 0; i < 64; i++) rmSync(`${dir}/filler${i}`, { force: true });
}

test("a full disk is told, nothing of a record is left half-written, and all is written when there is room again", () => {
  const history = History.open(dir);
  expect(history.record(change(1))).toBe(true);
  fill();
  const results = [2, 3, 4, 5].map((id) => history.record(change(id)));
  expect(results).toContain(false);
  expect(history.failure).toMatch(/ENOSPC|bytes were written/);
  free();
  expect(history.retry()).toBe(true);
  expect(history.failure).toBeUndefined();
  history.close();
  const again = History.open(dir);
  expect(again.changes().map(({ id }) => id)).toEqual([1, 2, 3, 4, 5]);
  expect([again.cut, again.broken]).toEqual([0, 0]);
  again.close();
});

test("while the disk is full nothing new goes live", async () => {
  const history = History.open(dir);
  fill();
  history.record(change(90));
  history.record(change(91));
  const manager = new ChangeManager({
    history,
    trial: () => Promise.resolve({ startedAtMs: 0, endedAtMs: 1, verdict: "pass", attackMatchedRatio: 1, benignMatchedRatio: 0, attackPackets: 100, benignPackets: 100, fidelity: 1, reasons: ["r".repeat(4_000)] }),
    apply: () => Promise.resolve(),
    verify: () => Promise.resolve({ atMs: 1, ok: true, droppedPackets: 1, why: "" }),
    nowMs: () => 1_000,
    maxRules: 32,
    dryRun: false,
  });
  const submit = (): Promise<Change> => manager.submit({ origin: { by: "operator", reason: "y".repeat(4_000) }, rules: [{ bridge: "l1", ipv4Dst: "10.0.0.1" }], leaseMs: 60_000 });
  const refused = await submit();
  expect(refused.state).toBe("rejected");
  expect(refused.timeline.at(-1)?.why).toMatch(/the trial could not be stored/);
  free();
  expect((await submit()).state).toBe("live");
  manager.stop();
  history.close();
});
