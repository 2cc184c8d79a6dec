/** Links of a network whose bridges take turns with LLDP (`src/network/lldp-turns.ts`): one that falls silent while its ports stay up is found to be gone, and no other is. */
import { Attached } from "../../lab/attached.js";
import { waitFor } from "../../lab/wait.js";
import type { Network } from "../../src/network/model.js";

/** In a ring: 80 ends, twice as many as send each second. */
const bridges = 40;

const names = ({ links }: Network): string[] => links.filter(({ up }) => up).map(({ a, b }) => `${a.bridge}:${a.ofport}-${b.bridge}:${b.ofport}`);

test("a link that falls silent goes, and comes back; all others stay", async () => {
  await using lab = await Attached.start({ bridges, edges: 1 }, { sflow: { pollingS: 60 }, forward: { enabled: false } });
  const { discovery } = lab.controller;
  await waitFor(() => discovery.settled && names(discovery.current).length === bridges, "all links are known", 60_000);
  const all = names(discovery.current);
  const cut = all.filter((name) => name.includes("br0:1001"));
  expect(cut).toHaveLength(1);
  const missing = new Set<string>();
  discovery.on("network", (network) => {
    const now = new Set(names(network));
    for (const name of all) if (!now.has(name)) missing.add(name);
  });
  const heardBefore = discovery.counters.lldpSeen;
  // The other end is named, and is not there: nothing comes through, and both ports are said to be up.
  await lab.ovs.capsule.run("ovs-vsctl", ["set", "interface", "f0r", "options:peer=nowhere"]);
  await waitFor(() => names(discovery.current).length < bridges, "the silent link is gone", 60_000);
  await lab.ovs.capsule.run("ovs-vsctl", ["set", "interface", "f0r", "options:peer=f1l"]);
  await waitFor(() => names(discovery.current).length === bridges, "the link is back", 60_000);
  // Every link has had several turns since.
  await waitFor(() => discovery.counters.lldpSeen - heardBefore > 4 * 2 * bridges, "LLDP went on", 60_000);
  expect([...missing]).toEqual(cut);
}, 240_000);
