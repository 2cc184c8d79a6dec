/**
 * Keeps OpenFlow's FLOOD out of the replica ports of live bridges, by NO_FLOOD. A guard keeps NORMAL out of them and not the action FLOOD,
 * which sends to every port without that bit: what an operator's flow or a controller's packet-out floods would enter the shadow once for
 * each replica port. The bit is lost when ovs-vswitchd restarts, and is set again as soon as the switch tells so.
 *
 * The action ALL asks for no bit. Nothing of live's own ports is touched.
 */
import type { Dial } from "../network/bridge-session.js";
import { portBit, type PortConfigFollower } from "../network/port-config.js";
import type { DesiredPort } from "../reconcile/database-state.js";
import { PortConfigWriter, type PortConfigCounters } from "../reconcile/port-config-writer.js";

export class FloodFence {
  private readonly dial: (bridge: string) => Dial;
  private readonly nowMs: () => number;
  private readonly writers = new Map<string, PortConfigWriter>();

  /** `dial`: a live bridge, with the version of OpenFlow that has the bit. */
  constructor(dial: (bridge: string) => Dial, nowMs: () => number) {
    this.dial = dial;
    this.nowMs = nowMs;
  }

  /** Sets the bit where it is not set. `followed`: the bits of live's ports as they are. Rejects when a bridge can't be reached. */
  async close(replicas: ReadonlyMap<string, readonly DesiredPort[]>, followed: ReadonlyMap<string, PortConfigFollower>): Promise<void> {
    for (const bridge of this.writers.keys()) if (!replicas.has(bridge)) this.forget(bridge);
    await Promise.all([...replicas].map(([bridge, ports]) => this.closeBridge(bridge, ports, followed.get(bridge))));
  }

  /** Ports of live that FLOOD still reaches, because the bridge does not speak the version that has the bit. */
  open(replicas: ReadonlyMap<string, readonly DesiredPort[]>, followed: ReadonlyMap<string, PortConfigFollower>): string[] {
    return [...replicas].flatMap(([bridge, ports]) => {
      const follower = followed.get(bridge);
      return follower?.current !== undefined && !follower.tellsAll ? ports.map(({ live }) => live) : [];
    });
  }

  counters(): ReadonlyMap<string, PortConfigCounters> {
    return new Map([...this.writers].map(([bridge, { counters }]) => [bridge, counters]));
  }

  stop(): void {
    for (const bridge of this.writers.keys()) this.forget(bridge);
  }

  private forget(bridge: string): void {
    this.writers.get(bridge)?.close();
    this.writers.delete(bridge);
  }

  private async closeBridge(bridge: string, ports: readonly DesiredPort[], follower: PortConfigFollower | undefined): Promise<void> {
    const { current } = follower ?? {};
    // A bridge that is not heard yet says so when it is.
    if (current === undefined || follower?.tellsAll !== true) return;
    if (ports.every(({ ofport }) => ((current.get(ofport) ?? 0) & portBit.noFlood) !== 0)) return;
    let writer = this.writers.get(bridge);
    if (writer === undefined) this.writers.set(bridge, (writer = new PortConfigWriter(this.dial(bridge), this.nowMs, { bits: portBit.noFlood, ports: "desired" })));
    writer.setDesired(new Map(ports.map(({ ofport }) => [ofport, portBit.noFlood])));
    writer.doubt();
    await writer.flush();
  }
}
