/** Sends our LLDP: out of new ports at once, out of links as often as `lldp-turns.ts` says, and out of the other ports in turn. */
import { action, packetOut, port as reserved, type OpenFlowConnection } from "node-openflow";
import { encodeLldp, type LldpKey } from "./lldp.js";
import type { PortRef } from "./model.js";

export interface LldpSenderParts {
  readonly key: LldpKey;
  /** The bridge of a port; undefined while nothing may be sent there: its port is gone, or somebody does not listen yet. */
  readonly at: (port: PortRef) => { readonly connection: OpenFlowConnection; readonly datapathId: bigint; readonly frames: Map<number, Uint8Array> } | undefined;
}

/** Ports without a link that get LLDP in one second; more take turns. A cable plugged in is probed at once: this is for one re-plugged unseen behind a device. */
const edgeProbesPerSecond = 32;

export class LldpSender {
  private readonly parts: LldpSenderParts;
  private nextEdge = 0;

  constructor(parts: LldpSenderParts) {
    this.parts = parts;
  }

  /** Three times within 35 ms, before new ports count as edges. Resolves when the last one is on its way. */
  async probe(ports: readonly PortRef[]): Promise<void> {
    for (const delayMs of [0, 15, 20]) {
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      for (const port of ports) this.send(port);
    }
  }

  /** A second has passed. Ports where nobody was heard take turns: a new cable shows by its carrier or its row, and is probed at once. */
  everySecond(links: readonly PortRef[], others: readonly PortRef[]): void {
    for (const port of links) this.send(port);
    const turns = Math.min(others.length, edgeProbesPerSecond);
    for (let i = 0; i < turns; i++) {
      const port = others[(this.nextEdge + i) % others.length];
      if (port !== undefined) this.send(port);
    }
    this.nextEdge = others.length === 0 ? 0 : (this.nextEdge + turns) % others.length;
  }

  private send(port: PortRef): void {
    const at = this.parts.at(port);
    if (at === undefined) return;
    // A port's frame is the same every time: it is made once.
    let data = at.frames.get(port.ofport);
    if (data === undefined) at.frames.set(port.ofport, (data = encodeLldp({ datapathId: at.datapathId, bridge: port.bridge, ofport: port.ofport }, this.parts.key)));
    at.connection.send(packetOut({ inPort: reserved.controller, actions: [action.output(port.ofport)], data }));
  }
}
