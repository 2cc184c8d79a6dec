/** What the thread that counts captured copies by flow tells, and is told. */
import type { PacketHeader } from "sflow-collector";
import type { PairedCounts } from "./paired.js";
import type { AppLabel, CapturedPart } from "./record.js";
import type { TallyCounters, TallyOptions } from "./tally-options.js";
import type { HeaderEnds } from "./tuple.js";

export interface CapturedDirection {
  /** A packet of it: one that opens nothing where there is one. */
  readonly header: PacketHeader;
  /** Since the flow is known to the capture. */
  readonly part: CapturedPart;
}

export interface CapturedFlow {
  readonly key: string;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly directions: readonly CapturedDirection[];
  readonly app: AppLabel | undefined;
}

/** A packet that live delivered by an edge port, or may have, as a sample told. */
export interface DeliveredSample {
  /** `FrameView`'s. */
  readonly key: string;
  readonly direction: 0 | 1;
  readonly fingerprint: number;
  /** The sampling rate. */
  readonly weight: number;
  readonly bridge: string;
  /** Undefined: where it left is not known. */
  readonly port: number | undefined;
}

export interface PairedFlow extends HeaderEnds {
  readonly counts: PairedCounts;
}

/** Where to capture: `copies` show copies as they enter the shadow; `deliveries` what the shadow would deliver, with the live bridge. */
export interface CaptureDevices {
  readonly copies: readonly string[];
  readonly deliveries: readonly { readonly device: string; readonly bridge: string }[];
}

export type ToFlowWorker =
  | { readonly is: "devices"; readonly devices: CaptureDevices }
  | { readonly is: "samples"; readonly samples: readonly DeliveredSample[] }
  | { readonly is: "reset" }
  | { readonly is: "changed"; readonly id: number }
  | { readonly is: "paired"; readonly id: number; readonly lostSamples: number }
  | { readonly is: "close" };

export interface FlowCaptureCounters extends TallyCounters {
  /** Packets the kernel had no room for. */
  readonly kernelDropped: number;
  readonly captureRestarts: number;
  readonly flows: number;
}

export type FromFlowWorker =
  | { readonly is: "changed"; readonly id: number; readonly flows: readonly CapturedFlow[]; readonly counters: FlowCaptureCounters }
  | { readonly is: "paired"; readonly id: number; readonly flows: readonly PairedFlow[]; readonly counters: FlowCaptureCounters }
  | { readonly is: "failure"; readonly device: string; readonly why: string };

export interface FlowWorkerSetup extends TallyOptions {
  /** Bytes captured of a frame. */
  readonly snapLength: number;
}
