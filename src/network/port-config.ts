/**
 * Configuration bits of a bridge's ports (ofp_port_config), which any controller may set by port-mod: what a port takes in, sends, floods
 * and tells. They are in no database.
 *
 * NO_FLOOD, NO_STP and NO_RECV_STP are told to connections of OpenFlow 1.0 alone, and a change of them alone makes no port-status for later
 * versions: so a bridge's bits are followed by a connection of their own. A bridge that speaks no 1.0 is followed by 1.3 or 1.4, without these.
 */
import { EventEmitter } from "node:events";
import { connect, type OpenFlowConnection, type PortDesc } from "node-openflow";
import { BridgeSession, type Dial } from "./bridge-session.js";

/** ofp_port_config, with the numbers all versions have in common. */
export const portBit = { down: 1, noStp: 1 << 1, noRecv: 1 << 2, noRecvStp: 1 << 3, noFlood: 1 << 4, noFwd: 1 << 5, noPacketIn: 1 << 6 } as const;

/**
 * What a shadow's port can have: all but PORT_DOWN. A patch port can't be taken down (ovs-vswitchd takes the port-mod and leaves it up), and
 * of a device every other port's PORT_DOWN says whether it is up, not what a controller wants.
 */
export const followedBits = portBit.noStp | portBit.noRecv | portBit.noRecvStp | portBit.noFlood | portBit.noFwd | portBit.noPacketIn;

/** Ports with any of the followed bits set, by OpenFlow port number; LOCAL as in 1.1 and later. */
export type PortConfigs = ReadonlyMap<number, number>;

/** The bits of these ports that are followed. */
export function portConfigs(ports: Iterable<Pick<PortDesc, "portNo" | "config">>): Map<number, number> {
  return new Map([...ports].flatMap(({ portNo, config }) => ((config & followedBits) === 0 ? [] : [[portNo, config & followedBits] as const])));
}

export const samePortConfigs = (x: PortConfigs, y: PortConfigs): boolean => x.size === y.size && [...x].every(([port, bits]) => y.get(port) === bits);

/** Dials `RUNDIR/BRIDGE.mgmt` with the version that tells all bits; where the bridge does not speak it, with later ones. */
export function portConfigSocket(runDir: string, bridge: string): Dial {
  const remote = `unix:${runDir}/${bridge}.mgmt`;
  const common = { remote, echoIntervalMs: 20_000, requestTimeoutMs: 40_000 };
  return async (signal) => {
    try {
      return await connect({ ...common, signal, versions: [1] });
    } catch (error) {
      if (signal.aborted) throw error;
      return connect({ ...common, signal, versions: [5, 4] });
    }
  };
}

/** The bits of a bridge's ports now. Rejects when the bridge can't be reached. */
export async function readPortConfigs(dial: Dial, signal: AbortSignal): Promise<PortConfigs> {
  const connection = await dial(signal);
  try {
    return portConfigs(await connection.portDescs());
  } finally {
    await connection.close();
  }
}

/** ofp_port_reason. */
const deleted = 1;

/** The bits of one live bridge's ports, as they are; when the bridge is gone, as they were last. */
export class PortConfigFollower extends EventEmitter<{ changed: [] }> {
  private readonly session: BridgeSession;
  private bits: PortConfigs | undefined;
  /** Whether the switch tells all bits: it speaks OpenFlow 1.0. */
  tellsAll = false;

  constructor(bridge: string, dial: Dial) {
    super();
    this.session = new BridgeSession(bridge, dial, (connection) => this.follow(connection));
  }

  /** Undefined before the switch has told them for the first time. */
  get current(): PortConfigs | undefined {
    return this.bits;
  }

  close(): Promise<void> {
    return this.session.close();
  }

  private async follow(connection: OpenFlowConnection): Promise<void> {
    this.tellsAll = connection.version === 1;
    let isRead = false;
    const early: { readonly reason: number; readonly desc: PortDesc }[] = [];
    connection.on("portStatus", (status) => {
      if (isRead) this.apply(status.reason, status.desc);
      else early.push(status);
    });
    // A management connection is told nothing while its miss_send_len is 0.
    await connection.setConfig({ missSendLen: 0xffff });
    const all = portConfigs(await connection.portDescs());
    isRead = true;
    this.take(all);
    for (const { reason, desc } of early) this.apply(reason, desc);
  }

  private apply(reason: number, { portNo, config }: PortDesc): void {
    const bits = reason === deleted ? 0 : config & followedBits;
    const next = new Map(this.bits);
    if (bits === 0) next.delete(portNo);
    else next.set(portNo, bits);
    this.take(next);
  }

  private take(next: PortConfigs): void {
    if (this.bits !== undefined && samePortConfigs(this.bits, next)) return;
    this.bits = next;
    this.emit("changed");
  }
}
