/** ovs-shadowctl fidelity */
import type { GetStatusResponse } from "../api/generated/ovsshadow/v1/shadow.js";
import { call, type GlobalOptions } from "./client.js";
import { percent, printJson, printTable } from "./print.js";

export async function fidelity(options: GlobalOptions): Promise<void> {
  const { fidelity: ports } = await call<GetStatusResponse>(options, (client, done) => client.getStatus({}, done));
  if (options.output === "json") return printJson(ports);
  printTable(["edge port", "packets in", "copied", "share"], ports.map((port) => [port.port, port.selected, port.copied, port.selected === 0 ? "-" : percent(port.copied / port.selected)]));
}
