/** The budget of copies on real switches: held while the load changes tenfold, spent where something is suspected, and no copy is lost or doubled by it. */
import { PatchPanel } from "../../lab/patch-panel.js";
import { elapse, waitFor } from "../../lab/wait.js";
import { shadowBridge } from "../../src/shadow/names.js";
import type { ListFidelityResponse, MeasuredPort } from "../../src/api/generated/ovsshadow/v1/fidelity.js";
import type { CopyBudget, ListSessionsResponse } from "../../src/api/generated/ovsshadow/v1/replication.js";

const quiet = ["sflow: { samplingRate: 1000000 }", "forward: { enabled: false }", "policy: { promotion: { automatic: false } }"];
const limit = 200;
const flows = 2_000;
const averagedMs = 10_000;

/** Copies that came into the shadow, when its counters are up to date. */
async function copied(panel: PatchPanel): Promise<{ readonly count: number; readonly atMs: number }> {
  await panel.ovs.appctl("revalidator/wait");
  const counts = await panel.received(shadowBridge("l1"));
  return { count: [1, 2].reduce((sum, port) => sum + (counts.get(port) ?? 0), 0), atMs: performance.now() };
}

async function budgetOf(panel: PatchPanel): Promise<CopyBudget> {
  const { copyBudget } = await panel.ctl<ListSessionsResponse>("mirror", "list");
  if (copyBudget === undefined) throw new Error("there is no budget");
  return copyBudget;
}

test("the budget is held within 5 % over ten seconds while the load changes tenfold, up and down, and no copy is lost or doubled", async () => {
  await using panel = await PatchPanel.start({ l1: 2 });
  panel.startDaemon([...quiet, `shadow: { budget: { enabled: false }, copyBudget: { packetsPerS: ${limit} }, sessions: [{ name: part, auto: true }] }`]);
  await panel.inStep();
  let first = 0;
  for (const rate of [400, 4_000, 400]) {
    const count = rate * 40;
    // Both directions of the same connections.
    const sending = Promise.all([panel.send("l1-1-h", "udp", first, count / 2, rate / 2, `flows=${flows}`), panel.send("l1-2-h", "udp", first + count / 2, count / 2, rate / 2, `flows=${flows}`, "reverse=1")]);
    first += count;
    let near = 0;
    let seen: CopyBudget | undefined;
    await waitFor(
      async () => {
        const now = await budgetOf(panel);
        if (now.copied === seen?.copied) return false; // not another second
        seen = now;
        near = Math.abs((now.copied ?? 0) / limit - 1) < 0.05 && (now.asked ?? 0) > 0.7 * rate && (now.asked ?? 0) < 1.3 * rate ? near + 1 : 0;
        return near >= 2;
      },
      `the budget is held at ${rate} packets/s`,
      25_000,
    ).catch((error: unknown) => {
      throw new Error(`${(error as Error).message}: ${JSON.stringify(seen)}`);
    });
    const from = await copied(panel);
    await elapse(averagedMs);
    const to = await copied(panel);
    const perS = ((to.count - from.count) * 1_000) / (to.atMs - from.atMs);
    process.stderr.write(`${rate} ${perS} ${JSON.stringify(await budgetOf(panel))}\n`);
    expect(Math.abs(perS / limit - 1)).toBeLessThan(0.05);
    await sending;
  }
  let ports: readonly MeasuredPort[] = [];
  await waitFor(async () => {
    ({ ports } = await panel.ctl<ListFidelityResponse>("fidelity"));
    return ports.length === 2 && ports.every(({ underway, copied: got }) => underway === 0 && got > 0);
  }, "all is counted and judged", 20_000);
  for (const { lost, surplus, selected, copied: got } of ports) expect([lost, surplus, got]).toEqual([0, 0, selected]);
}, 240_000);
