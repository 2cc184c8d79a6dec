/** ovs-shadowctl shadow critical: the critical devices and links of the network, as learned; written as a file that `shadow.criticalFile` takes. */
import { writeFileSync } from "node:fs";
import { ObservationServiceClient, type GetProfileResponse } from "../api/generated/ovsshadow/v1/observation.js";
import type { GetTopologyResponse } from "../api/generated/ovsshadow/v1/shadow.js";
import { learnCritical, printCritical } from "../shadow/critical-file.js";
import { call, callService, type GlobalOptions } from "./client.js";
import { printJson, printLine, printTable } from "./print.js";

export interface CriticalOptions extends GlobalOptions {
  readonly out?: string;
}

/** "bridge:ofport" of the API. */
function portOf(text: string): { readonly bridge: string; readonly ofport: number } {
  const colon = text.lastIndexOf(":");
  return { bridge: text.slice(0, colon), ofport: Number(text.slice(colon + 1)) };
}

export async function critical(options: CriticalOptions): Promise<void> {
  const topology = await call<GetTopologyResponse>(options, (client, done) => client.getTopology({}, done));
  const { profile } = await callService<ObservationServiceClient, GetProfileResponse>(options, ObservationServiceClient, (client, done) => client.getProfile({}, done));
  const network = {
    bridges: new Map(topology.bridges.map((bridge) => [bridge.name, bridge])),
    links: topology.links.map(({ a, b, up }) => ({ a: portOf(a), b: portOf(b), up })),
    hosts: new Map(topology.hosts.map(({ mac, addresses, at }) => [mac, { mac, addresses, at: portOf(at) }])),
  };
  const parts = learnCritical(network, new Map(profile?.critical.map(({ host, dependents }) => [host, dependents]) ?? []));
  if (options.out !== undefined) writeFileSync(options.out, printCritical(parts));
  if (options.output === "json") return printJson(parts);
  printTable(["critical device", "because"], parts.devices.map(({ name, why }) => [name, why]));
  printTable(["critical link", "because"], parts.links.map(({ link, why }) => [link, why]));
  if (options.out !== undefined) printLine(`written to ${options.out}; use it as shadow.criticalFile`);
}
