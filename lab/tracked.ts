/** A stateful firewall on a live bridge, connections through it, and what the connection tracker says of them. */
import type { Network } from "./fabric.js";
import { projectDir } from "./capsule.js";
import { Asked } from "./traffic.js";

const python = "/usr/bin/python3";
const tool = `${projectDir}/lab/tools/tracked.py`;
const pipes = { stdio: ["pipe", "pipe", "inherit"] as ["pipe", "pipe", "inherit"] };

export interface Echoed {
  readonly echoed: number;
  readonly failure: string | null;
}
export interface Place {
  readonly port: number;
  readonly receiveSeq: number;
  readonly sendSeq: number;
}

/**
 * Port 1 is inside and may open connections to port 2; what comes from port 2 must belong to one. Zone 0 is named by leaving it out; with
 * `isFromField` it is taken from a register, which must be as it was behind the tracking.
 */
export function firewall(zone: number, isFromField = false): readonly string[] {
  const named = isFromField ? ",zone=NXM_NX_REG7[16..31]" : zone === 0 ? "" : `,zone=${zone}`;
  const [load, kept] = isFromField ? [`load:${zone}->NXM_NX_REG7[16..31],`, `,reg7=${zone * 0x10000}`] : ["", ""];
  return [
    "table=0,priority=100,arp,in_port=1,actions=output:2",
    "table=0,priority=100,arp,in_port=2,actions=output:1",
    `table=0,priority=50,ip,actions=${load}ct(table=10${named})`,
    "table=10,priority=30,ct_state=+inv+trk,ip,actions=drop",
    `table=10,priority=20,ct_state=-new+est+trk,ip,in_port=1${kept},actions=output:2`,
    `table=10,priority=20,ct_state=-new+est+trk,ip,in_port=2${kept},actions=output:1`,
    "table=10,priority=20,ct_state=-new+rel+trk,ip,in_port=2,actions=output:1",
    `table=10,priority=10,ct_state=+new+trk,ip,in_port=1${kept},actions=ct(commit${named}),output:2`,
    "table=10,priority=5,ct_state=+new+trk,ip,in_port=2,actions=drop",
  ];
}

/** Puts flows in place of all that a bridge has. */
export async function replaceFlows(network: Network, bridge: string, flows: readonly string[]): Promise<void> {
  await network.ovs.capsule.run("ovs-ofctl", ["-O", "OpenFlow13", "--bundle", "replace-flows", bridge, "-"], { input: flows.join("\n") });
}

/** A connection that is used when asked. */
export class TrackedConnection implements AsyncDisposable {
  readonly from: string;
  readonly to: string;
  readonly serverPort: number;
  private readonly network: Network;
  private readonly client: Asked<unknown>;
  private readonly server: Asked<unknown>;

  private constructor(network: Network, from: string, to: string, serverPort: number, client: Asked<unknown>, server: Asked<unknown>) {
    [this.network, this.from, this.to, this.serverPort, this.client, this.server] = [network, from, to, serverPort, client, server];
  }

  static async open(network: Network, from: string, to: string, serverPort: number): Promise<TrackedConnection> {
    const server = await Asked.start<unknown>(network.spawn(to, python, [`${projectDir}/lab/tools/stream.py`, "serve", String(serverPort)], pipes));
    const client = await Asked.start<unknown>(network.spawn(from, python, [tool, "run", network.host(to).ip, String(serverPort)], pipes));
    return new TrackedConnection(network, from, to, serverPort, client, server);
  }

  /** Sends so many chunks and waits for the echo of each. */
  echo(count: number): Promise<Echoed> {
    return this.client.ask(`echo ${count}`) as Promise<Echoed>;
  }

  place(): Promise<Place> {
    return this.client.ask("place") as Promise<Place>;
  }

  /** A frame with the connection's addresses and its next sequence number, as from the server, or from the client. In hex. */
  async forged(kind: "rst" | "fin" | "data" | "unreachable", by: "client" | "server"): Promise<string> {
    const { port, receiveSeq, sendSeq } = await this.place();
    const [client, server] = [this.network.host(this.from), this.network.host(this.to)];
    return by === "server"
      ? craft(this.network, kind, server, client, this.serverPort, port, receiveSeq, sendSeq)
      : craft(this.network, kind, client, server, port, this.serverPort, sendSeq, receiveSeq);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.stop();
    await this.server.stop();
  }
}

export async function craft(network: Network, kind: string, from: { readonly mac: string; readonly ip: string }, to: { readonly mac: string; readonly ip: string }, sourcePort: number, port: number, seq = 0, ack = 0): Promise<string> {
  return (await network.ovs.capsule.run(python, [tool, "craft", kind, from.mac, to.mac, from.ip, to.ip, ...[sourcePort, port, seq, ack].map(String)])).stdout.trim();
}

/** Counts UDP packets to a port of a host. */
export const hearUdp = (network: Network, host: string, port: number): Promise<Asked<{ readonly heard: number }>> =>
  Asked.start<{ readonly heard: number }>(network.spawn(host, python, [tool, "hear", String(port)], pipes));

/** Lines of dpctl/dump-conntrack in a zone. */
export async function trackedIn(network: Network, zone: number): Promise<string[]> {
  const lines = (await network.ovs.appctl("dpctl/dump-conntrack")).split("\n");
  return lines.filter((line) => line.startsWith("tcp") || line.startsWith("udp") || line.startsWith("icmp")).filter((line) => (zone === 0 ? !line.includes("zone=") : new RegExp(`zone=${zone}(,|$)`).test(line)));
}
