/**
 * The fast way through datagrams: one view that is moved from flow sample to flow sample. Nothing is allocated, so nothing lives
 * longer than the datagram; what is needed is copied out by the caller.
 */
import { ipv4Text, ipv6Text } from "../address.js";
import { WireError } from "../wire.js";

const version = 5;
const flowSample = 1;
const counterSample = 2;
const expandedFlowSample = 3;
const expandedCounterSample = 4;
const sampledHeader = 1;
const extendedVniIngress = 1030;

/**
 * ```ts
 * const sample = new SampleView();
 * sample.open(bytes);
 * while (sample.next()) count(sample.samplingRate, sample.headerAt, sample.headerLength);
 * ```
 * Fields are of the sample that `next` came to, until the next call. Interfaces are as the compact form packs them: bits 30 and
 * 31 the format, below the value; an expanded value that needs more than 30 bits reads as 0, unknown.
 */
export class SampleView {
  /** The bytes given to `open`. */
  bytes: Uint8Array = new Uint8Array(0);
  /** Where the agent's address lies, and how long it is: 4, 16, or 0 when unknown. */
  agentAt = 0;
  agentLength = 0;
  subAgentId = 0;
  datagramSequenceNumber = 0;
  /** Milliseconds since the agent started. */
  uptime = 0;
  /** Samples the datagram says it has. */
  sampleCount = 0;

  sequenceNumber = 0;
  dataSourceClass = 0;
  dataSourceIndex = 0;
  samplingRate = 0;
  samplePool = 0;
  drops = 0;
  input = 0;
  output = 0;
  /** header_protocol of the sampled header (1 is Ethernet); 0 when the sample has none. */
  headerProtocol = 0;
  /** Bytes on the wire, `stripped` among them. */
  frameLength = 0;
  stripped = 0;
  /** Where in `bytes` the sampled header lies. */
  headerAt = 0;
  headerLength = 0;
  /** The virtual network whose tunnel the frame had come out of, by the sample's extended_vni_ingress record; −1 when it has none. */
  vniIngress = -1;

  /** Counter, discarded-packet and unknown samples passed over in this datagram. */
  otherSamples = 0;

  private view: DataView = new DataView(new ArrayBuffer(0));
  private at = 0;
  private end = 0;
  private left = 0;

  /**
   * Begins with a datagram of `length` bytes at `start`. Throws WireError when its head is malformed. Opening the same array
   * again and again, as a ring does, allocates nothing.
   */
  open(bytes: Uint8Array, start = 0, length = bytes.length - start): void {
    if (bytes !== this.bytes) {
      this.bytes = bytes;
      this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    const { view } = this;
    const end = start + length;
    this.left = 0;
    this.otherSamples = 0;
    this.end = end;
    if (length < 8) throw new WireError("truncated", `${length} bytes are no datagram`, 0);
    const given = view.getUint32(start);
    if (given !== version) throw new WireError("version", `version ${given}, expected ${version}`, 0);
    const type = view.getUint32(start + 4);
    if (type > 2) throw new WireError("address", `address type ${type}`, 4);
    this.agentAt = start + 8;
    this.agentLength = type === 1 ? 4 : type === 2 ? 16 : 0;
    const at = this.agentAt + this.agentLength;
    if (at + 16 > end) throw new WireError("truncated", "the datagram ends within its head", length);
    this.subAgentId = view.getUint32(at);
    this.datagramSequenceNumber = view.getUint32(at + 4);
    this.uptime = view.getUint32(at + 8);
    const count = view.getUint32(at + 12);
    if (count * 8 > end - at - 16) throw new WireError("count", `${count} samples in ${end - at - 16} bytes`, at + 12 - start);
    this.sampleCount = count;
    this.left = count;
    this.at = at + 16;
  }

  /** The agent's address as text. */
  agentAddress(): string {
    if (this.agentLength === 4) return ipv4Text(this.bytes, this.agentAt);
    return this.agentLength === 16 ? ipv6Text(this.bytes, this.agentAt) : "unknown";
  }

  /** Goes to the next flow sample; false at the end. Throws WireError where the datagram is malformed: it then has ended. */
  next(): boolean {
    const { view, end } = this;
    while (this.left > 0) {
      this.left--;
      const at = this.at;
      if (at + 8 > end) this.fail("truncated", "a sample's head is cut off", at);
      const format = view.getUint32(at);
      const length = view.getUint32(at + 4);
      if (length > end - at - 8) this.fail("truncated", `a sample of ${length} bytes, ${end - at - 8} left`, at + 4);
      this.at = Math.min(at + 8 + ((length + 3) & ~3), end);
      if (format === flowSample || format === expandedFlowSample) {
        this.readFlow(at + 8, at + 8 + length, format === expandedFlowSample);
        return true;
      }
      this.otherSamples++;
      if (format === counterSample || format === expandedCounterSample) this.checkCounters(at + 8, at + 8 + length, format === expandedCounterSample);
    }
    return false;
  }

  private readFlow(start: number, end: number, isExpanded: boolean): void {
    const { view } = this;
    const head = isExpanded ? 44 : 32;
    if (start + head > end) this.fail("truncated", "a flow sample ends within its head", start);
    this.sequenceNumber = view.getUint32(start);
    let at = start + 8;
    const source = view.getUint32(start + 4);
    if (isExpanded) {
      this.dataSourceClass = source;
      this.dataSourceIndex = view.getUint32(start + 8);
      at += 4;
    } else {
      this.dataSourceClass = source >>> 24;
      this.dataSourceIndex = source & 0xffffff;
    }
    this.samplingRate = view.getUint32(at);
    this.samplePool = view.getUint32(at + 4);
    this.drops = view.getUint32(at + 8);
    if (isExpanded) {
      this.input = packed(view.getUint32(at + 12), view.getUint32(at + 16));
      this.output = packed(view.getUint32(at + 20), view.getUint32(at + 24));
    } else {
      this.input = view.getUint32(at + 12);
      this.output = view.getUint32(at + 16);
    }
    this.headerProtocol = 0;
    this.headerLength = 0;
    this.vniIngress = -1;
    const count = view.getUint32(start + head - 4);
    if (count * 8 > end - start - head) this.fail("count", `${count} records in ${end - start - head} bytes`, start + head - 4);
    this.readRecords(start + head, end, count);
  }

  /** Looks for the sampled header and the virtual network among the records; the others are only stepped over. */
  private readRecords(start: number, end: number, count: number): void {
    const { view } = this;
    let at = start;
    for (let i = 0; i < count; i++) {
      if (at + 8 > end) this.fail("truncated", "a record's head is cut off", at);
      const length = view.getUint32(at + 4);
      const body = at + 8;
      if (length > end - body) this.fail("truncated", `a record of ${length} bytes, ${end - body} left`, at + 4);
      const format = view.getUint32(at);
      if (format === extendedVniIngress && length >= 4) this.vniIngress = view.getUint32(body);
      if (format === sampledHeader && this.headerProtocol === 0) {
        if (length < 16) this.fail("truncated", "a sampled header ends within its head", body);
        const headerLength = view.getUint32(body + 12);
        if (headerLength > length - 16) this.fail("truncated", `a sampled header of ${headerLength} bytes, ${length - 16} left`, body + 12);
        this.headerProtocol = view.getUint32(body);
        this.frameLength = view.getUint32(body + 4);
        this.stripped = view.getUint32(body + 8);
        this.headerAt = body + 16;
        this.headerLength = headerLength;
      }
      at = Math.min(body + ((length + 3) & ~3), end);
    }
  }

  /** Of counter samples only that their records lie within them: what is malformed is told here as `decodeDatagram` tells it. */
  private checkCounters(start: number, end: number, isExpanded: boolean): void {
    const { view } = this;
    const head = isExpanded ? 16 : 12;
    if (start + head > end) this.fail("truncated", "a counter sample ends within its head", start);
    const count = view.getUint32(start + head - 4);
    if (count * 8 > end - start - head) this.fail("count", `${count} records in ${end - start - head} bytes`, start + head - 4);
    let at = start + head;
    for (let i = 0; i < count; i++) {
      if (at + 8 > end) this.fail("truncated", "a record's head is cut off", at);
      const length = view.getUint32(at + 4);
      if (length > end - at - 8) this.fail("truncated", `a record of ${length} bytes, ${end - at - 8} left`, at + 4);
      at = Math.min(at + 8 + ((length + 3) & ~3), end);
    }
  }

  private fail(code: "truncated" | "count", message: string, at: number): never {
    this.left = 0;
    const start = this.agentAt - 8;
    throw new WireError(code, message, at - start);
  }
}

function packed(format: number, value: number): number {
  return (((format & 3) << 30) | (value > 0x3fffffff ? 0 : value)) >>> 0;
}
