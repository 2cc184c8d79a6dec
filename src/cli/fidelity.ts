/** ovs-shadowctl fidelity [--watch] */
import { FidelityServiceClient, type ListFidelityResponse } from "../api/generated/ovsshadow/v1/fidelity.js";
import { callService, connectService, type GlobalOptions } from "./client.js";
import { percent, printJson, printLine, printTable, time } from "./print.js";

export async function fidelity(options: GlobalOptions & { readonly watch?: boolean }): Promise<void> {
  if (options.watch === true) return watch(options);
  show(options, await callService<FidelityServiceClient, ListFidelityResponse>(options, FidelityServiceClient, (client, done) => client.listFidelity({}, done)));
}

async function watch(options: GlobalOptions): Promise<void> {
  const client = connectService(options, FidelityServiceClient);
  try {
    for await (const { now } of client.watchFidelity({}) as AsyncIterable<{ readonly now?: ListFidelityResponse }>) {
      if (now === undefined) continue;
      if (options.output === "json") printLine(JSON.stringify(now));
      else show(options, now);
    }
  } finally {
    client.close();
  }
}

function show(options: GlobalOptions, now: ListFidelityResponse): void {
  if (options.output === "json") return printJson(now);
  printLine(`copies are ${now.mode}${now.shedWhy === "" ? "" : `: ${now.shedWhy}`}`);
  printTable(
    ["edge port", "asked", "in", "not asked", "not chosen", "selected", "copied", "lost", "off", "shed", "surplus", "share", "looked at", "doubled", "reordered", "delay p50/p99"],
    now.ports.map(({ sample, ...port }) => [
      port.port,
      port.asked,
      port.received,
      port.notAsked,
      port.notChosen,
      port.selected,
      port.copied,
      port.lost,
      port.off,
      port.shed,
      port.surplus,
      port.copied + port.lost === 0 ? "-" : percent(port.ratio),
      sample === undefined ? "-" : `${sample.matched} of ${sample.looked}`,
      sample?.duplicated ?? "-",
      sample?.reordered ?? "-",
      sample === undefined ? "-" : `${sample.delayP50Us.toFixed(0)}/${sample.delayP99Us.toFixed(0)} µs`,
    ]),
  );
  for (const { port, alert } of now.ports) if (alert !== "") printLine(`${port}: below the target: ${alert}`);
  for (const failure of now.failures) printLine(`not measured: ${failure}`);
  if (now.conflicts.length > 0) printTable(["bridge", "conflict", "what", "times", "first", "last"], now.conflicts.map((one) => [one.bridge, one.kind, one.detail, one.count, time(one.firstMs), time(one.lastMs)]));
}
