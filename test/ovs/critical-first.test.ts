/** Critical bridges are wholly in step before anything is made for the others; one that can't be does not stop them. */
import { Attached, liveBridge } from "../../lab/attached.js";
import { waitFor } from "../../lab/wait.js";

const bridges = 20;
const edges = 5;
const critical = [liveBridge(bridges - 1), liveBridge(bridges - 2)];
const quiet = { sflow: { pollingS: 60 }, forward: { enabled: false } };

/** Bridges in step, at the first turn of the event loop at which `isMoment` holds of them. */
async function inStepWhen(lab: Attached, isMoment: (inStep: ReadonlySet<string>) => boolean, timeoutMs = 60_000): Promise<ReadonlySet<string>> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const { shadow } = lab.controller;
    const inStep = new Set(shadow.status().filter(({ state }) => state === "in step").map(({ live }) => live));
    if (isMoment(inStep)) return inStep;
    if (performance.now() > end) throw new Error(`in step after ${timeoutMs} ms: ${[...inStep].join(", ")}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test("named bridges are in step, with rows, sessions and tables, before the first row of another is there", async () => {
  await using lab = await Attached.start({ bridges, edges }, { ...quiet, shadow: { critical } });
  const first = await inStepWhen(lab, (inStep) => critical.every((name) => inStep.has(name)));
  expect([...first].sort()).toEqual([...critical].sort());
  expect(critical.map((name) => lab.controller.shadow.edges(name).length)).toEqual([edges, edges]);
  await lab.inStep(bridges);
  expect(lab.controller.shadow.late).toEqual([]);
  expect(lab.controller.database.counters.transactions).toBeGreaterThan(2);
}, 120_000);

test("a critical bridge that can't be reached is waited for, said to be late, and left behind", async () => {
  const dead = liveBridge(bridges - 1);
  await using lab = await Attached.start({ bridges, edges }, { ...quiet, shadow: { critical } }, { beforeAttach: (ovs) => ovs.capsule.run("rm", [`/run/openvswitch/${dead}.mgmt`]) });
  const others = await inStepWhen(lab, (inStep) => inStep.size === bridges - 1);
  expect(others.has(dead)).toBe(false);
  expect(lab.controller.shadow.late).toEqual([dead]);
  await waitFor(() => lab.controller.shadow.status().find(({ live }) => live === dead)?.state === "converging", "the dead one is not in step");
}, 120_000);
