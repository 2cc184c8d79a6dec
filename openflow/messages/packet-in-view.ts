/**
 * A packet-in as it lies in what the socket gave: the head is read at once, match, cookie and frame when they are asked for.
 * A controller that forwards looks at little else than the port and two addresses.
 */
import { isKnown, readMatch, type Match } from "../fields/match.js";
import { Reader, WireError, type Version } from "../wire/reader.js";
import type { PacketIn } from "./packet.js";

const headerLength = 8;
const noCookie = 0xffff_ffff_ffff_ffffn;
const oxmInPort = 0x80000004;

export class PacketInView implements PacketIn {
  readonly type = "packetIn";
  readonly version: Version;
  readonly xid: number;
  readonly bufferId: number;
  readonly totalLen: number;
  readonly reason: number;
  readonly tableId: number;
  /** The port the packet came in by; 32-bit number in every version. */
  readonly inPort: number;
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly start: number;
  private readonly matchAt: number;
  private readonly dataAt: number;
  private readonly end: number;
  private readMatch: Match | undefined;
  private readData: Uint8Array | undefined;

  /** Of the message of `version` in `bytes` from `start` to `end`, which `view` covers too. Throws WireError. */
  constructor(version: Version, bytes: Uint8Array, view: DataView, start: number, end: number) {
    this.version = version;
    this.bytes = bytes;
    this.view = view;
    this.start = start;
    this.end = end;
    const body = start + headerLength;
    if (end - body < (version === 1 ? 10 : version === 3 ? 14 : 16)) throw new WireError(`a packet-in of ${end - start} bytes`, 2);
    this.xid = view.getUint32(start + 4);
    this.bufferId = view.getUint32(body);
    if (version <= 2) {
      const port = version === 1 ? view.getUint16(body + 6) : view.getUint32(body + 4);
      this.inPort = version === 1 && port >= 0xff00 ? port + 0xffff0000 : port;
      this.totalLen = view.getUint16(body + (version === 1 ? 4 : 12));
      this.reason = view.getUint8(body + (version === 1 ? 8 : 14));
      this.tableId = version === 1 ? 0 : view.getUint8(body + 15);
      this.matchAt = 0;
      this.dataAt = body + (version === 1 ? 10 : 16);
      return;
    }
    this.totalLen = view.getUint16(body + 4);
    this.reason = view.getUint8(body + 6);
    this.tableId = view.getUint8(body + 7);
    this.matchAt = body + (version === 3 ? 8 : 16);
    const length = end - this.matchAt >= 4 ? view.getUint16(this.matchAt + 2) : 0;
    this.dataAt = this.matchAt + ((length + 7) & ~7) + 2;
    if (length < 4 || this.dataAt > end || view.getUint16(this.matchAt) !== 1) throw new WireError(`match length ${length}`, this.matchAt + 2 - start);
    const isFirst = length >= 12 && view.getUint32(this.matchAt + 4) === oxmInPort;
    this.inPort = isFirst ? view.getUint32(this.matchAt + 8) : Number(this.match.filter(isKnown).find(({ name }) => name === "inPort")?.value ?? 0);
  }

  get cookie(): bigint {
    return this.version >= 4 ? this.view.getBigUint64(this.start + headerLength + 8) : noCookie;
  }
  get match(): Match {
    return (this.readMatch ??= this.matchAt === 0 ? [{ name: "inPort", value: BigInt(this.inPort) }] : readMatch(new Reader(this.bytes, this.version, this.matchAt, this.end, this.view)));
  }
  /** The frame, in the memory it came in: who keeps it keeps up to 64 KiB with it. */
  get data(): Uint8Array {
    return (this.readData ??= new Uint8Array(this.bytes.buffer, this.bytes.byteOffset + this.dataAt, this.end - this.dataAt));
  }
}
