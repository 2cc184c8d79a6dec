/** Restarts ovs-vswitchd as `ovs-ctl restart` does it, and what an operator had in the switches before and after. */
import { existsSync } from "node:fs";
import { isOurGroup, isOurs } from "../src/network/pipeline.js";
import type { Ovs } from "./ovs.js";
import { waitFor } from "./wait.js";

const save = "/usr/share/openvswitch/scripts/ovs-save";
const script = "/run/lab/restore.sh";

/**
 * Flows and groups saved by ovs-save, flow-restore-wait set, the daemon ended and started, flows and groups restored, flow-restore-wait
 * cleared. `restoring` runs in between, while the restored tables wait. Resolves with how long the restoring took, in ms.
 */
export async function restartAsOvsCtl(ovs: Ovs, restoring: () => Promise<void> = () => Promise.resolve()): Promise<number> {
  await ovs.capsule.run("sh", ["-ec", `${save} save-flows $(ovs-vsctl -- --real list-br) > ${script}`], { timeoutMs: 60_000 });
  await ovs.vsctl("--no-wait", "set", "open_vswitch", ".", "other_config:flow-restore-wait=true");
  await ovs.stopVswitchd("SIGTERM");
  const sockets = (await ovs.vsctl("--", "--real", "list-br")).split("\n").map((bridge) => `${ovs.runDir}/${bridge}.mgmt`);
  if (sockets.some(existsSync)) throw new Error("ovs-vswitchd left a management socket");
  await ovs.startVswitchd();
  // ovs-ctl starts it with --detach, which returns when the bridges are made.
  await waitFor(() => sockets.every(existsSync), "all bridges are made");
  await restoring();
  const fromMs = performance.now();
  // What fails is told and passed over, as ovs-ctl does: what is missing afterwards says so.
  await ovs.capsule.run("sh", [script], { timeoutMs: 60_000, mayFail: true });
  await ovs.vsctl("--if-exists", "--no-wait", "remove", "open_vswitch", ".", "other_config", "flow-restore-wait=true");
  return performance.now() - fromMs;
}

/** Flows and groups of these bridges that are not ours, without what counts, each with its bridge's name. */
export async function foreignTables(ovs: Ovs, bridges: readonly string[]): Promise<Set<string>> {
  const lines = async (bridge: string, ...words: string[]): Promise<string[]> => (await ovs.ofctl(...words, bridge)).split("\n").map((line) => `${bridge} ${line.trim()}`);
  const all = await Promise.all(bridges.flatMap((bridge) => [lines(bridge, "dump-flows", "--no-names", "--no-stats"), lines(bridge, "dump-groups")]));
  const isForeign = (line: string): boolean => {
    const group = /group_id=(\d+),type/.exec(line)?.[1];
    if (group !== undefined) return !isOurGroup(Number(group));
    return line.includes("actions=") && !isOurs(BigInt(/cookie=(0x[0-9a-f]+)/.exec(line)?.[1] ?? 0));
  };
  return new Set(all.flat().filter(isForeign));
}
