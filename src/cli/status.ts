/** ovs-shadowctl status */
import type { GetStatusResponse, WriterStatus } from "../api/generated/ovsshadow/v1/shadow.js";
import { call, type GlobalOptions } from "./client.js";
import { printJson, printLine, printTable } from "./print.js";

const ago = (ms: number | undefined): string => (ms === undefined ? "never" : `${(ms / 1_000).toFixed(1)} s ago`);

function sent(writer: WriterStatus | undefined): string {
  if (writer === undefined) return "";
  const { flowMods, groupMods, meterMods, refused, repaired, bytes } = writer;
  return `${flowMods + groupMods + meterMods} (${bytes} B)${refused === 0 ? "" : `, ${refused} refused`}${repaired === 0 ? "" : `, ${repaired} repaired`}`;
}

export async function status(options: GlobalOptions): Promise<void> {
  const now = await call<GetStatusResponse>(options, (client, done) => client.getStatus({}, done));
  if (options.output === "json") return printJson(now);
  printLine(`database ${now.database}; ${now.settled ? "network known" : "still looking"}; promotion ${now.promotion}; model ${now.model}; history ${now.history}`);
  const live = new Map(now.bridges.map((bridge) => [bridge.name, bridge]));
  printTable(
    ["live bridge", "session", "shadow", "level", "state", "flows", "proved equal", "sent", "why"],
    now.shadows.map((shadow) => [shadow.live, live.get(shadow.live)?.connected === true ? "up" : `down: ${live.get(shadow.live)?.why ?? "gone"}`, shadow.shadow, shadow.level, shadow.state, shadow.flows, ago(shadow.staleMs), sent(shadow.shadowWriter), shadow.why || shadow.differences.join("; ")]),
  );
  const { convergence, sflow } = now;
  if (convergence !== undefined) printLine(`shadow ready after a change: p50 ${convergence.p50Ms.toFixed(0)} ms, p99 ${convergence.p99Ms.toFixed(0)} ms of ${convergence.count}`);
  if (sflow !== undefined) printLine(`sFlow: ${sflow.packets} packets used, ${sflow.inside} seen further inside, ${sflow.unmapped} unmapped, ${sflow.malformed} datagrams malformed, ${sflow.lost} lost`);
  const { flowLag, databaseWrites, store, tcp } = now;
  if (flowLag !== undefined) printLine(`a flow in the shadow after live: p50 ${flowLag.p50Ms.toFixed(0)} ms, p99 ${flowLag.p99Ms.toFixed(0)} ms, longest ${flowLag.maxMs.toFixed(0)} ms of ${flowLag.count}`);
  if (databaseWrites !== undefined) printLine(`database writes: ${databaseWrites.transactions} transactions, ${databaseWrites.rows} rows, ${databaseWrites.bytes} bytes, the longest ${databaseWrites.longestMs.toFixed(0)} ms, ${databaseWrites.refused} refused`);
  if (store !== undefined) {
    const dropped = store.dropped.map(({ reason, count }) => `${count} ${reason}`).join(", ");
    printLine(`store ${store.backend}: ${store.observed} observed, ${store.acknowledged} kept, ${store.waiting} waiting, dropped ${dropped || "none"}${store.failure === "" ? "" : `; failing: ${store.failure}`}`);
  }
  if (tcp !== undefined) printLine(`TCP: ${tcp.connections} connections of at most ${tcp.capacity}, ${tcp.frames} frames, ${tcp.kernelDropped} dropped by the kernel, ${tcp.malformed} malformed, ${tcp.evicted} connections evicted, ${tcp.captureRestarts} captures restarted`);
  for (const gap of now.gaps) printLine(`not copied for a time: ${gap.bridge}, ${gap.count} gaps made by others, ${gap.ms.toFixed(0)} ms, ${gap.packets} packets`);
  for (const held of now.held) printLine(`held: ${held.element} (${held.why})`);
  for (const port of now.left) printLine(`not copied: ${port}`);
  for (const problem of now.problems) printLine(`problem: ${problem}`);
}
