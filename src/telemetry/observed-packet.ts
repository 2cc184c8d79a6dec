/** Packets seen by sFlow, a capture or a file: where they came into the network, and, of samples, on which links. */
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

/** A sampled packet that a bridge sent into a link, as its sample says or the flow tables do. */
export interface LinkCrossing {
  readonly tMs: number;
  /** Packets this one stands for: the sampling rate. */
  readonly weight: number;
  /** Bytes on the wire. */
  readonly frameLength: number;
  /** "a:1-b:2", as links are named. */
  readonly link: string;
  /** "bridge:ofport": the end that it left by. */
  readonly from: string;
  /** The sample did not say by which port it left. */
  readonly isInferred: boolean;
  readonly header: PacketHeader;
}
