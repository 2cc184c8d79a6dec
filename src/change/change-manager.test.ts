import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import type { Verification } from "./change.js";
import { ChangeManager } from "./change-manager.js";
import { History } from "./history.js";

let dir: string;
beforeEach(() => void (dir = mkdtempSync(`${tmpdir()}/manager-`)));
afterEach(() => rmSync(dir, { recursive: true }));

test.each([
  ["policy", true, "live"],
  ["policy", false, "rolledBack"],
  ["operator", false, "live"],
] as const)("a change of the %s whose effect is seen (%s) is then %s, and live follows", async (by, ok, state) => {
  const history = History.open(dir);
  let verified: (verification: Verification) => void = () => undefined;
  const seen: string[][] = [];
  const manager: ChangeManager = new ChangeManager({
    history,
    trial: () => Promise.resolve({ startedAtMs: 0, endedAtMs: 1, verdict: "pass", attackMatchedRatio: 1, benignMatchedRatio: 0, attackPackets: 100, benignPackets: 100, fidelity: 1, reasons: [] }),
    apply: () => Promise.resolve(void seen.push(manager.inForce().map((change) => change.state))),
    verify: () => new Promise((resolve) => (verified = resolve)),
    nowMs: () => 1_000,
    maxRules: 32,
    dryRun: false,
  });
  const { id } = await manager.submit({ origin: { by, reason: "r" }, rules: [{ bridge: "l1", ipv4Dst: "10.0.0.1" }], leaseMs: 60_000 });
  const settled = new Promise<void>((resolve) => manager.on("change", (change) => (change.state === state && change.verification !== undefined ? resolve() : undefined)));
  verified({ atMs: 1, ok, droppedPackets: ok ? 5 : 0, why: "w" });
  await settled;
  await Promise.resolve();
  expect(manager.get(id)?.state).toBe(state);
  expect(manager.inForce()).toHaveLength(state === "live" ? 1 : 0);
  expect(seen).toEqual(state === "live" ? [["live"]] : [["live"], []]);
  manager.stop();
  history.close();
});
