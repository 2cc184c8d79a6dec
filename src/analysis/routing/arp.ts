/** ARP for IPv4 over Ethernet: RFC 826, announcements and probes as RFC 5227 tells them apart. */
import { Reader } from "./reader.js";

export interface Arp {
  readonly operation: "request" | "reply" | "other";
  readonly senderMac: string;
  readonly senderAddress: string;
  readonly targetMac: string;
  readonly targetAddress: string;
}

/** Throws DecodeError, also for hardware and protocols other than Ethernet and IPv4. */
export function readArp(bytes: Uint8Array): Arp {
  const from = new Reader("arp", bytes);
  const hardware = from.u16();
  const protocol = from.u16();
  const lengths = from.u16();
  if (hardware !== 1 || protocol !== 0x0800 || lengths !== 0x0604) throw from.error("value", `hardware ${hardware}, protocol ${protocol.toString(16)}, lengths ${lengths.toString(16)}`, 0);
  const operation = (["request", "reply"] as const)[from.u16() - 1] ?? "other";
  return { operation, senderMac: from.mac(), senderAddress: from.ipv4(), targetMac: from.mac(), targetAddress: from.ipv4() };
}
