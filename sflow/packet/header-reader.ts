/** Headers by what is in a tunnel, or by the tunnel's own ends: one choice, made once for all packets. */
import { FlowKey } from "../flow/flow-key.js";
import { decodeIp, decodePacketHeader, type PacketHeader } from "./header.js";

export type TunnelHeaders = "inner" | "outer";

const ip4 = 0x0800;
const ip6 = 0x86dd;
/** header_protocol (sFlow Version 5). */
const ethernet = 1;
const rawIpv4 = 11;
const rawIpv6 = 12;

/**
 * "outer": the outermost IP header. "inner": the innermost that was captured as far as its addresses, behind VXLAN, Geneve, GRE and IP in IP (see `FlowKey`);
 * its addresses, ports, flags and length, with the outer frame's MAC addresses and VLAN.
 */
export class HeaderReader {
  readonly headers: TunnelHeaders;
  private readonly key = new FlowKey({ headers: "inner" });

  constructor(headers: TunnelHeaders) {
    this.headers = headers;
  }

  /** A frame that may be cut anywhere; undefined when not even the Ethernet header is there. */
  frame(bytes: Uint8Array): PacketHeader | undefined {
    const outer = decodePacketHeader(bytes);
    if (outer?.src === undefined || this.headers === "outer" || !this.key.read(bytes, 0, bytes.length, ethernet)) return outer;
    return { ...outer, ...this.within(bytes) };
  }

  /** The fields of an IP packet that begins at `at`. */
  ip(bytes: Uint8Array, at: number, ethType: number): ReturnType<typeof decodeIp> {
    if (this.headers === "inner" && (ethType === ip4 || ethType === ip6) && this.key.read(bytes, at, bytes.length - at, ethType === ip4 ? rawIpv4 : rawIpv6)) return { ...decodeIp(bytes, at, ethType), ...this.within(bytes) };
    return decodeIp(bytes, at, ethType);
  }

  /** What the key was read of, when that is in a tunnel. */
  private within(bytes: Uint8Array): Partial<PacketHeader> {
    const { tunnel, version, networkOffset } = this.key;
    if (tunnel === 0) return {};
    const ethType = version === 4 ? ip4 : ip6;
    return { ethType, ...decodeIp(bytes, networkOffset, ethType) };
  }
}
