/** Flows with known counts between hosts of the lab, and what the daemon says of them. */
import type { Flow, ListFlowsResponse } from "../src/api/generated/ovsshadow/v1/flow.js";
import { projectDir } from "./capsule.js";
import type { Network } from "./fabric.js";
import { Asked } from "./traffic.js";

const python = "/usr/bin/python3";
const tool = `${projectDir}/lab/tools/flows.py`;

/** A flow as who made it counted it: messages, of which UDP has one a packet. */
export interface MadeFlow {
  /** As the daemon names it. */
  readonly name: string;
  readonly protocol: "tcp" | "udp";
  readonly sent: number;
  readonly answered: number;
}

export interface FlowLoad {
  readonly tcpFlows: number;
  readonly udpFlows: number;
  readonly messages: number;
  readonly gapMs: number;
}

const tcpPort = 7300;
const udpPort = 7301;

export const startFlowServer = (network: Network, host: string): Promise<Asked<Record<string, number>>> =>
  Asked.start<Record<string, number>>(network.spawn(host, python, [tool, "serve", String(tcpPort), String(udpPort)], { stdio: ["pipe", "pipe", "inherit"] }));

/** Makes flows from a host to one where the server runs; resolves when all are over. */
export async function makeFlows(network: Network, from: string, to: string, { tcpFlows, udpFlows, messages, gapMs }: FlowLoad): Promise<MadeFlow[]> {
  const [client, server] = [network.host(from).ip, network.host(to).ip];
  const { stdout } = await network.exec(from, python, [tool, "run", server, ...[tcpPort, udpPort, tcpFlows, udpFlows, messages, gapMs].map(String)], { timeoutMs: 120_000 });
  const made = JSON.parse(stdout) as { protocol: "tcp" | "udp"; port: number; sent: number; answered: number }[];
  return made.map(({ protocol, port, sent, answered }) => ({ name: `${client}:${port}>${server}:${protocol === "tcp" ? tcpPort : udpPort}/${protocol}`, protocol, sent, answered }));
}

/** UDP flows that go on for so long, from ports that follow one another; resolves with their names when they begin. They are answered. */
export async function startStreams(network: Network, from: string, to: string, firstPort: number, flows: number, rate: number, seconds: number): Promise<string[]> {
  const [client, server] = [network.host(from).ip, network.host(to).ip];
  await Asked.start(network.spawn(from, python, [tool, "stream", server, ...[udpPort, firstPort, flows, rate, seconds].map(String)], { stdio: ["pipe", "pipe", "inherit"] }));
  return Array.from({ length: flows }, (_, i) => `${client}:${firstPort + i}>${server}:${udpPort}/udp`);
}

/** The records of flows that were made; undefined for those the daemon has none of. */
export function recordsOf(made: readonly MadeFlow[], { flows }: Pick<ListFlowsResponse, "flows">): readonly (Flow | undefined)[] {
  const byName = new Map(flows.map((flow) => [flow.name, flow]));
  return made.map(({ name }) => byName.get(name));
}
