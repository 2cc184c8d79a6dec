/** Of one flow: what application it is, by the first packets with payload. Pure. */
import type { AppLabel } from "../record.js";
import { usualUse } from "./ports.js";
import { readSignature, type Seen } from "./signatures.js";

/** Packets with payload that are looked at: a server that greets, and a client that is slow to ask, are among them. */
const maxLooks = 8;

/**
 * How sure a label by such evidence is. Of messages read as such not one of 6,774 was wrong by another dissector (docs/flows.md); a port is a guess, whose share is by
 * judgement: who could say otherwise goes by ports himself.
 */
const confidences: Readonly<Record<string, number>> = { port: 0.6 };
const confidenceOfSeen = 0.99;

/** A label without what name servers say. */
export type ReadLabel = Omit<AppLabel, "resolvedName">;

export const labelOf = ({ label, evidence, detail }: Seen): ReadLabel => ({ label, evidence, detail, confidence: confidences[evidence] ?? confidenceOfSeen });

export class AppReader {
  private seen: Seen | undefined;
  private looks = 0;
  private port = "";

  /** Nothing more is to be learned. */
  get isDone(): boolean {
    return this.looks >= maxLooks || (this.seen !== undefined && this.seen.detail !== "");
  }

  /** Payload of a packet, as far as it was captured. */
  data(protocol: number, srcPort: number, dstPort: number, payload: Uint8Array): void {
    this.looks++;
    this.port = usualUse(protocol, srcPort, dstPort);
    const found = readSignature(protocol, srcPort, dstPort, payload);
    // The first that says anything; a later one that also says a name is better.
    if (found !== undefined && (this.seen === undefined || (found.label === this.seen.label && found.detail !== ""))) this.seen = found;
  }

  /** Undefined while no payload was seen. */
  get label(): ReadLabel | undefined {
    if (this.seen !== undefined) return labelOf(this.seen);
    if (this.looks === 0) return undefined;
    return this.port === "" ? { label: "unknown", evidence: "none", detail: "", confidence: 0 } : labelOf({ label: this.port, evidence: "port", detail: "" });
  }
}
