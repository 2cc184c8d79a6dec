/** What the thread that counts captured copies by flow tells, and is told. */
import type { PacketHeader } from "sflow-collector";
import type { AppLabel, CapturedPart } from "./record.js";

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
