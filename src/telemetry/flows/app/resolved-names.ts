/** Names by address, as DNS answers gave them. Bounded: the one that was given longest ago is forgotten. Pure. */
import type { AppLabel } from "../record.js";
import type { HeaderEnds } from "../tuple.js";
import { readDns } from "./dns.js";

const maxNames = 4_096;
const [udp, dnsPort] = [17, 53];

export class ResolvedNames {
  private readonly names = new Map<string, string>();

  /** Payload of a packet: answers of a name server are taken in. */
  data(protocol: number, srcPort: number, payload: Uint8Array): void {
    if (protocol !== udp || srcPort !== dnsPort) return;
    const message = readDns(payload);
    if (message?.isResponse !== true || message.question === "") return;
    for (const address of message.addresses) {
      this.names.delete(address);
      this.names.set(address, message.question);
      const [oldest] = this.names.keys();
      if (this.names.size > maxNames && oldest !== undefined) this.names.delete(oldest);
    }
  }

  /** A label with the name that was asked for before, of either end; "" where none was. */
  named(label: Omit<AppLabel, "resolvedName"> | undefined, { from, to }: HeaderEnds): AppLabel | undefined {
    return label === undefined ? undefined : { ...label, resolvedName: this.names.get(to.address) ?? this.names.get(from.address) ?? "" };
  }
}
