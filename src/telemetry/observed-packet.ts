/** A packet seen at the edge of the network, by sFlow, a capture or a file. */
import type { PacketHeader } from "sflow-collector";

export interface ObservedPacket {
  readonly tMs: number;
  /** Packets this one stands for: the sampling rate. */
  readonly weight: number;
  /** Bytes on the wire. */
  readonly frameLength: number;
  /** The edge port it came in by, where known. */
  readonly ingress: { readonly bridge: string; readonly ofport: number } | undefined;
  readonly header: PacketHeader;
  /** For training: whether it belongs to an attack. */
  readonly isAttack?: boolean;
}
