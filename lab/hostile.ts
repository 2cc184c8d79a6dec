/**
 * Hostile frames out of the shadow: of every class of frames.py, as if they had come in by each port of the shadow bridges,
 * and, with the adapter turned against live, straight at the replica ports. They enter by packet-out, because the shadow's ports
 * are patch ports that no device leads to.
 */
import { action, connect, packetOut, port as reserved, type Action, type OpenFlowConnection } from "node-openflow";
import { adapterBridge, shadowBridge } from "../src/shadow/names.js";
import { projectDir } from "./capsule.js";
import type { Network } from "./fabric.js";
import { sniffHost, type Asked, type SniffCount } from "./traffic.js";

/** Replica ports have these numbers on live; the adapter's ports towards live have the edge ports' own. */
const firstReplica = 0x8000;

/** One frame of each kind, as bytes. */
export async function hostileFrames(network: Network): Promise<Buffer[]> {
  const macs = Object.values(network.built.hosts).map((host) => host.mac);
  const { stdout } = await network.ovs.capsule.run("/usr/bin/python3", [`${projectDir}/lab/tools/frames.py`, "list", ...macs]);
  return stdout.trim().split("\n").map((line) => Buffer.from(line, "hex"));
}

async function onBridge<T>(network: Network, bridge: string, work: (connection: OpenFlowConnection) => Promise<T>): Promise<T> {
  const connection = await connect({ remote: `unix:${network.ovs.runDir}/${bridge}.mgmt`, versions: [5] });
  try {
    return await work(connection);
  } finally {
    await connection.close();
  }
}

/** Gives each frame to each port of a bridge with each list of actions; resolves with how many went in. */
async function give(network: Network, bridge: string, frames: readonly Buffer[], ways: (ports: readonly number[]) => readonly { readonly inPort: number; readonly actions: readonly Action[] }[]): Promise<number> {
  return onBridge(network, bridge, async (connection) => {
    const ports = (await connection.portDescs()).map((desc) => desc.portNo).filter((number) => number < 0xffffff00);
    const all = ways(ports);
    for (const { inPort, actions } of all) for (const data of frames) connection.send(packetOut({ inPort, actions: [...actions], data }));
    await connection.barrier();
    return all.length * frames.length;
  });
}

/** In by every port of a live bridge's shadow: through its tables, by NORMAL, flooded, and straight out of every port. */
export function injectInShadow(network: Network, live: string, frames: readonly Buffer[]): Promise<number> {
  return give(network, shadowBridge(live), frames, (ports) =>
    [...ports, reserved.local].flatMap((inPort) => [
      { inPort, actions: [action.output(reserved.table)] },
      { inPort, actions: [action.output(reserved.normal)] },
      { inPort, actions: [action.output(reserved.flood)] },
      { inPort, actions: ports.filter((to) => to !== inPort).map((to) => action.output(to)) },
    ]),
  );
}

/** The adapter turned against live: all frames out of all its ports that lead to the replica ports, and by NORMAL. */
export function injectInAdapter(network: Network, live: string, frames: readonly Buffer[]): Promise<number> {
  return give(network, adapterBridge(live), frames, (ports) => {
    const towardsLive = ports.filter((number) => number < firstReplica);
    if (towardsLive.length === 0) return [];
    return [reserved.local, ...ports.filter((number) => number >= firstReplica)].flatMap((inPort) => [
      { inPort, actions: towardsLive.map((to) => action.output(to)) },
      { inPort, actions: [action.output(reserved.normal)] },
    ]);
  });
}

/** Watches every host for marked frames and every live bridge for learned addresses. */
export class Watch implements AsyncDisposable {
  private readonly network: Network;
  private readonly sniffers: readonly Asked<SniffCount>[];

  private constructor(network: Network, sniffers: readonly Asked<SniffCount>[]) {
    this.network = network;
    this.sniffers = sniffers;
  }

  static async start(network: Network): Promise<Watch> {
    return new Watch(network, await Promise.all(Object.keys(network.built.hosts).map((host) => sniffHost(network, host))));
  }

  /** Marked frames that hosts received since the start. */
  async frames(): Promise<number> {
    const counts = await Promise.all(this.sniffers.map((sniffer) => sniffer.ask()));
    return counts.reduce((sum, count) => sum + count.marked, 0);
  }

  /** Addresses that a live bridge learned at a replica port, or the hostile sender anywhere: lines of fdb/show. */
  async learned(bridges: readonly string[]): Promise<string[]> {
    const shown = await Promise.all(bridges.map(async (bridge) => (await this.network.ovs.appctl("fdb/show", bridge)).split("\n").slice(1).map((line) => `${bridge}: ${line.trim()}`)));
    return shown.flat().filter((line) => {
      const [, port, , mac] = line.split(/\s+/);
      return Number(port) >= firstReplica || mac === "02:66:66:66:66:66";
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.sniffers.map((sniffer) => sniffer.stop()));
  }
}
