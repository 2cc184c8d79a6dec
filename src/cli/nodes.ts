/** ovs-shadowctl nodes [--all] */
import { NodesServiceClient, type ComparedMetric, type ListNodesResponse } from "../api/generated/ovsshadow/v1/nodes.js";
import { callService, type GlobalOptions } from "./client.js";
import { percent, printJson, printLine, printTable } from "./print.js";

export async function nodes(options: GlobalOptions & { readonly all?: boolean }): Promise<void> {
  const now = await callService<NodesServiceClient, ListNodesResponse>(options, NodesServiceClient, (client, done) => client.listNodes({ light: options.all === true }, done));
  if (options.output === "json") return printJson(now);
  if (now.failure !== "") printLine(now.failure);
  if (now.held) printLine("the probes rest: the shadow carries the traffic, or a trial is made");
  printTable(["node", "port", "host", "address", "kind", "trouble"], now.nodes.map(({ name, port, mac, address, real, why }) => [name, port, mac || "-", address || "-", real ? "real" : "light", why || "-"]));
  if (now.pairs.length === 0) return;
  const ms = (value: number | undefined): string => (value === undefined ? "-" : `${value.toFixed(2)} ms`);
  const both = (metric: ComparedMetric | undefined, shown: (value: number) => string): string => (metric === undefined ? "-" : `${shown(metric.live)} / ${shown(metric.shadow)}, z ${metric.z.toFixed(1)}`);
  printTable(
    ["pair", "probes", "lost", "rtt", "p99", "TCP latency, live / shadow", "of that waiting", "loss", "window", "trouble"],
    now.pairs.map(({ pair, sent, lost, rttMs, rttP99Ms, loss, window, path, wait, failure }) => [pair, String(sent), String(lost), ms(rttMs), ms(rttP99Ms), both(path, ms), both(wait, ms), both(loss, percent), both(window, (value) => `${Math.round(value / 1_024)} KiB`), failure || "-"]),
  );
}
