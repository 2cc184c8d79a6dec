/** Neighbours that speak LLDP, by where they were heard. */
import { ExpiringMap } from "./expiring.js";
import type { LldpNeighbour } from "./lldp-tlv.js";
import type { Tell } from "./routing-event.js";

export interface KnownLldpNeighbour extends LldpNeighbour {
  /** "bridge:ofport" or a device. */
  readonly at: string;
  readonly mac: string;
  readonly sinceMs: number;
  readonly lastMs: number;
}

const maxNeighbours = 8_192;

export class LldpNeighbours {
  private readonly table = new ExpiringMap<KnownLldpNeighbour>(maxNeighbours);
  private readonly tell: Tell;

  constructor(tell: Tell) {
    this.tell = tell;
  }
  get evicted(): number {
    return this.table.evicted;
  }
  neighbours(): KnownLldpNeighbour[] {
    return this.table.values();
  }

  add(lldp: LldpNeighbour, mac: string, at: string, nowMs: number): void {
    const key = `${at} ${lldp.chassisId} ${lldp.portId}`;
    const old = this.table.get(key);
    const subject = lldp.systemName ?? lldp.chassisId;
    if (lldp.ttlS === 0) {
      if (this.table.delete(key)) this.tell(nowMs, "neighbour-down", subject, { protocol: "lldp", at, portId: lldp.portId, why: "it says so" });
      return;
    }
    this.table.set(key, { ...lldp, at, mac, sinceMs: old?.sinceMs ?? nowMs, lastMs: nowMs }, nowMs + lldp.ttlS * 1e3);
    if (old === undefined) this.tell(nowMs, "neighbour-up", subject, { protocol: "lldp", at, chassisId: lldp.chassisId, portId: lldp.portId, capabilities: lldp.capabilities, managementAddresses: lldp.managementAddresses });
  }

  advance(nowMs: number): void {
    for (const { systemName, chassisId, portId, at } of this.table.expire(nowMs)) this.tell(nowMs, "neighbour-down", systemName ?? chassisId, { protocol: "lldp", at, portId, why: "time to live passed" });
  }
}
