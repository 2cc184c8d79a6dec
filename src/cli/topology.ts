/** ovs-shadowctl topology */
import type { GetTopologyResponse } from "../api/generated/ovsshadow/v1/shadow.js";
import { call, type GlobalOptions } from "./client.js";
import { printJson, printTable } from "./print.js";

export async function topology(options: GlobalOptions): Promise<void> {
  const network = await call<GetTopologyResponse>(options, (client, done) => client.getTopology({}, done));
  if (options.output === "json") return printJson(network);
  printTable(["bridge", "datapath", "shadow", "ports"], network.bridges.map((bridge) => [bridge.name, bridge.datapathId, bridge.shadow, bridge.ports.filter((port) => port.role !== "ours").map((port) => `${port.role === "local" ? "LOCAL" : `${port.ofport} ${port.role}`}${port.up ? "" : " down"}`).join(", ")]));
  printTable(["link", "", "state"], network.links.map((link) => [link.a, link.b, link.up ? "up" : "down"]));
  printTable(["host", "addresses", "at"], network.hosts.map((host) => [host.mac, host.addresses.join(", "), host.at]));
}
