/** Packet headers from a device, kept: what a trial looks at. */
import { decodePacketHeader, PcapStream, type PacketHeader } from "sflow-collector";
import { Tcpdump } from "./capture/tcpdump.js";

export interface CapturedHeader {
  /** Since the epoch, in ms. */
  readonly tMs: number;
  readonly header: PacketHeader;
}

const maxPackets = 1_000_000;

export class HeaderCapture {
  readonly packets: CapturedHeader[] = [];
  /** Packets beyond the bound, and those the kernel dropped; known after `stop`. */
  lost = 0;
  private readonly pcap = new PcapStream();
  private tcpdump: Tcpdump | undefined;

  /** Starts capturing what comes in on `device`; resolves when tcpdump listens. Rejects when it can't. */
  static async start(device: string): Promise<HeaderCapture> {
    const capture = new HeaderCapture();
    capture.tcpdump = await Tcpdump.start(device, { onChunk: (chunk) => capture.received(chunk) });
    return capture;
  }

  async stop(): Promise<void> {
    const { tcpdump } = this;
    if (tcpdump === undefined) return;
    this.tcpdump = undefined;
    await tcpdump.stop();
    this.lost += tcpdump.kernelDropped;
  }

  private received(chunk: Uint8Array): void {
    for (const { tMs, bytes } of this.pcap.push(chunk)) {
      const header = decodePacketHeader(bytes);
      if (header === undefined) continue;
      if (this.packets.length < maxPackets) this.packets.push({ tMs, header });
      else this.lost++;
    }
    this.pcap.check();
  }
}
