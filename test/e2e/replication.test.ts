/** What is copied, how much, and that it is copied once: the daemon on real bridges, frames with a payload id. */
import { PatchPanel } from "../../lab/patch-panel.js";
import { shadowBridge } from "../../src/shadow/names.js";
import { waitFor } from "../../lab/wait.js";

const quiet = ["sflow: { samplingRate: 1000000 }", "forward: { enabled: false }", "policy: { promotion: { automatic: false } }"];

/** Copies that entered the shadow of `bridge` by each edge port since `before`. */
async function entered(panel: PatchPanel, bridge: string, before?: ReadonlyMap<number, number>): Promise<Map<number, number>> {
  const now = await panel.received(shadowBridge(bridge));
  return new Map([...now].map(([port, count]) => [port, count - (before?.get(port) ?? 0)]));
}

test("every class of frame arrives as it was, once, whether by a Mirror row or by flows", async () => {
  await using panel = await PatchPanel.start({ l1: 4 });
  // Port 3 is an access port, port 4 a trunk with a native VLAN: those are copied by flows, ports 1 and 2 by Mirror rows.
  await panel.ovs.vsctl("set", "port", "l1-3", "tag=30", "--", "set", "port", "l1-4", "vlan_mode=native-untagged", "tag=40", "trunks=40,41");
  panel.startDaemon(quiet);
  await panel.inStep();
  const sniffers: string[] = [];
  for (const n of [1, 3, 4]) {
    await panel.tap("l1", shadowBridge("l1"), n, `cap${n}`);
    sniffers.push(`cap${n}`);
  }
  const wire = await panel.sniff(...sniffers, "l1-1", "l1-3", "l1-4");
  try {
    for (const n of [1, 3, 4]) {
      await panel.send(`l1-${n}-h`, "every", n * 10_000, 330, 1_000);
      await panel.send(`l1-${n}-h`, "every", n * 10_000 + 1_000, 110, 1_000, "vlan=41", "pcp=5");
      await panel.send(`l1-${n}-h`, "every", n * 10_000 + 2_000, 110, 1_000, "vlan=0", "pcp=3");
    }
    for (const n of [1, 3, 4]) {
      await waitFor(async () => Object.keys((await wire.ask())[`cap${n}`] ?? {}).length >= 550, `all copies of port ${n}`).catch(() => undefined);
    }
    const seen = await wire.ask();
    for (const n of [1, 3, 4]) {
      const [original, copy] = [seen[`l1-${n}`] ?? {}, seen[`cap${n}`] ?? {}];
      const differing = [...new Set([...Object.keys(original), ...Object.keys(copy)])].filter((id) => String(original[id]) !== String(copy[id]));
      expect({ n, differing: differing.slice(0, 20).map((id) => `${id}: ${String(original[id])} / ${String(copy[id])}`) }).toEqual({ n, differing: [] });
    }
    for (const n of [1, 3, 4]) expect(Object.keys(seen[`l1-${n}`] ?? {})).toHaveLength(550);
  } finally {
    await wire.stop();
  }
}, 120_000);

test("more than 32 edge ports: one replica port for all, each copy at its own port of the shadow", async () => {
  await using panel = await PatchPanel.start({ l1: 40 });
  panel.startDaemon(quiet);
  await panel.inStep(60_000);
  const before = await entered(panel, "l1");
  const sent = new Map(Array.from({ length: 40 }, (_, i) => [i + 1, 20 + i] as const));
  for (const [n, count] of sent) await panel.send(`l1-${n}-h`, "udp", n * 1_000, count, 5_000, `src=02:00:00:00:01:${n.toString(16).padStart(2, "0")}`);
  await waitFor(async () => (await entered(panel, "l1", before)).get(40) === sent.get(40), "the last copies arrived");
  const arrived = await entered(panel, "l1", before);
  expect(new Map([...sent.keys()].map((n) => [n, arrived.get(n)]))).toEqual(sent);
  expect((await panel.ovs.vsctl("--bare", "--columns=name", "find", "mirror")).split("\n").filter(Boolean)).toHaveLength(1);
}, 180_000);
