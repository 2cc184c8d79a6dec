/** ovs-shadowctl status */
import type { GetStatusResponse } from "../api/generated/ovsshadow/v1/shadow.js";
import { call, type GlobalOptions } from "./client.js";
import { printJson, printLine, printTable } from "./print.js";

export async function status(options: GlobalOptions): Promise<void> {
  const now = await call<GetStatusResponse>(options, (client, done) => client.getStatus({}, done));
  if (options.output === "json") return printJson(now);
  printLine(`database ${now.database}; ${now.settled ? "network known" : "still looking"}; promotion ${now.promotion}; model ${now.model}; history ${now.history}`);
  const live = new Map(now.bridges.map((bridge) => [bridge.name, bridge]));
  printTable(
    ["live bridge", "session", "shadow", "state", "flows", "why"],
    now.shadows.map((shadow) => [shadow.live, live.get(shadow.live)?.connected === true ? "up" : `down: ${live.get(shadow.live)?.why ?? "gone"}`, shadow.shadow, shadow.state, shadow.flows, shadow.why || shadow.differences.join("; ")]),
  );
  const { convergence, sflow } = now;
  if (convergence !== undefined) printLine(`shadow ready after a change: p50 ${convergence.p50Ms.toFixed(0)} ms, p99 ${convergence.p99Ms.toFixed(0)} ms of ${convergence.count}`);
  if (sflow !== undefined) printLine(`sFlow: ${sflow.packets} packets used, ${sflow.inside} seen further inside, ${sflow.unmapped} unmapped, ${sflow.malformed} datagrams malformed, ${sflow.lost} lost`);
  for (const held of now.held) printLine(`held: ${held.element} (${held.why})`);
  for (const port of now.left) printLine(`not copied: ${port}`);
  for (const problem of now.problems) printLine(`problem: ${problem}`);
}
