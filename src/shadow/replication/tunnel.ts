/** The tunnels between live bridges and adapters on another host: one a bridge, with the edge port as its key. Pure. */
import { createHash } from "node:crypto";

export interface Tunnels {
  readonly type: "vxlan" | "geneve";
  readonly liveAddress: string;
  readonly shadowAddress: string;
  /** MTU of the network between the two. */
  readonly mtu: number;
  readonly basePort: number;
}

/** Bytes of outer headers and of the inner Ethernet header with a tag: what the underlay's MTU must exceed a live MTU by. */
export const tunnelOverhead = 58;
const ports = 4_096;

/** A UDP port for each bridge: two tunnels to one address need two. From the name; of two that meet the later in text order moves on. */
export function tunnelPorts(bridges: readonly string[], basePort: number): Map<string, number> {
  const taken = new Set<number>();
  return new Map(
    [...bridges].sort().map((bridge): [string, number] => {
      let slot = createHash("sha256").update(bridge).digest().readUInt16BE(0) % ports;
      while (taken.has(slot)) slot = (slot + 1) % ports;
      taken.add(slot);
      return [bridge, basePort + slot];
    }),
  );
}

/** Options of a tunnel interface towards `remote`. */
export function tunnelOptions(remote: string, local: string, udpPort: number): ReadonlyMap<string, string> {
  return new Map([["remote_ip", remote], ["local_ip", local], ["key", "flow"], ["dst_port", String(udpPort)]]);
}

/** Why live frames would not fit, by portKey and MTU; undefined when all fit. */
export function tooLong(liveMtus: ReadonlyMap<string, number>, mtu: number): string | undefined {
  const worst = [...liveMtus].sort(([, x], [, y]) => y - x)[0];
  if (worst === undefined || worst[1] + tunnelOverhead <= mtu) return undefined;
  return `shadow.remote.mtu is ${mtu}: frames of ${worst[0]} (MTU ${worst[1]}) need ${worst[1] + tunnelOverhead}; they would be lost without a word`;
}
