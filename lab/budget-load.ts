/** Load that changes, on a patch panel whose one session copies within a budget: for what is to be known of that budget. */
import type { CopyBudget, ListSessionsResponse } from "../src/api/generated/ovsshadow/v1/replication.js";
import { shadowBridge } from "../src/shadow/names.js";
import { PatchPanel } from "./patch-panel.js";

export const budgetConfig = (packetsPerS: number): readonly string[] => [
  "sflow: { samplingRate: 1000000 }",
  "forward: { enabled: false }",
  "policy: { promotion: { automatic: false } }",
  `shadow: { budget: { enabled: false }, copyBudget: { packetsPerS: ${packetsPerS} }, sessions: [{ name: part, auto: true }] }`,
];

/** Connections that the load consists of. */
const connections = 2_000;

/** Sends `rate` packets/s for `seconds`, half of it each way, with ids from `first` on. */
export async function load(panel: PatchPanel, first: number, rate: number, seconds: number): Promise<void> {
  const count = (rate * seconds) / 2;
  await Promise.all([
    panel.send("l1-1-h", "udp", first, count, rate / 2, `flows=${connections}`),
    panel.send("l1-2-h", "udp", first + count, count, rate / 2, `flows=${connections}`, "reverse=1"),
  ]);
}

export interface Counted {
  readonly atMs: number;
  /** Packets that came in by live's edge ports, and copies that came into the shadow. */
  readonly received: number;
  readonly copied: number;
}

/** The switch's own counters, when they are up to date. */
export async function counted(panel: PatchPanel): Promise<Counted> {
  await panel.ovs.appctl("revalidator/wait");
  const [live, shadow] = await Promise.all([panel.received("l1"), panel.received(shadowBridge("l1"))]);
  const sum = (counts: ReadonlyMap<number, number>): number => [1, 2].reduce((all, port) => all + (counts.get(port) ?? 0), 0);
  return { atMs: performance.now(), received: sum(live), copied: sum(shadow) };
}
export const perS = (from: Counted, to: Counted, what: "received" | "copied"): number => ((to[what] - from[what]) * 1_000) / (to.atMs - from.atMs);

export async function budgetOf(panel: PatchPanel): Promise<CopyBudget> {
  const { copyBudget } = await panel.ctl<ListSessionsResponse>("mirror", "list");
  if (copyBudget === undefined) throw new Error("there is no budget");
  return copyBudget;
}
