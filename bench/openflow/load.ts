/**
 * Switches that ask: each keeps so many packet-ins outstanding, of TCP SYNs between addresses the controller knows, and ties
 * each answer (the packet-out with its frame) to its question. Works on bare bytes, so that it costs less than what it measures.
 */
import { once } from "node:events";
import net from "node:net";

const type = { hello: 0, echoRequest: 2, featuresRequest: 5, getConfigRequest: 7, packetIn: 10, packetOut: 13, flowMod: 14, multipart13: 18, stats10: 16, barrier13: 20, barrier10: 18, role13: 24 } as const;
const frameLength = 60;
const hosts = 16;

export interface LoadOptions {
  readonly port: number;
  readonly version: 1 | 4;
  readonly switches: number;
  readonly outstanding: number;
  /** Switches, from the first on, that never read after the handshake. */
  readonly stalled?: number;
}

/** A frame from host to host, with `id` as its TCP sequence number. */
function frame(into: Buffer, at: number, source: number, target: number, id: number): void {
  into.writeUIntBE(0x020000000000 + target, at, 6);
  into.writeUIntBE(0x020000000000 + source, at + 6, 6);
  into.writeUInt16BE(0x0800, at + 12);
  into.writeUInt32BE(0x45000028, at + 14);
  into.writeUInt16BE(0x4006, at + 22);
  into.writeUInt32BE(0x0a000000 + source, at + 26);
  into.writeUInt32BE(0x0a000000 + target, at + 30);
  into.writeUInt16BE(1024 + (id & 0x3fff), at + 34);
  into.writeUInt16BE(80, at + 36);
  into.writeUInt32BE(id >>> 0, at + 38);
  into.writeUInt8(0x50, at + 46);
  into.writeUInt8(0x02, at + 47);
}

/** A packet-in with an empty frame; where port, source and target go is known by the version. */
function template(version: 1 | 4): Buffer {
  const head = version === 1 ? 18 : 42;
  const message = Buffer.alloc(head + frameLength);
  message[0] = version;
  message[1] = type.packetIn;
  message.writeUInt16BE(message.length, 2);
  message.writeUInt32BE(0xffffffff, 8);
  message.writeUInt16BE(frameLength, 12);
  if (version === 4) {
    message.writeUInt16BE(1, 24);
    message.writeUInt16BE(12, 26);
    message.writeUInt32BE(0x80000004, 28);
  }
  return message;
}

class LoadSwitch {
  readonly socket: net.Socket;
  private readonly options: LoadOptions;
  private readonly dpid: number;
  private readonly template: Buffer;
  private held = Buffer.alloc(0);
  private nextId = 1;
  /** Questions by id, with the time they were put. */
  readonly waiting = new Map<number, number>();
  answers = 0;
  flowMods = 0;
  strange = 0;
  ready = false;
  readonly latenciesUs: number[] = [];
  private readonly becameReady: () => void;
  isAsking = false;

  constructor(options: LoadOptions, dpid: number, becameReady: () => void) {
    this.options = options;
    this.dpid = dpid;
    this.becameReady = becameReady;
    this.template = template(options.version);
    this.socket = net.connect(options.port, "127.0.0.1");
    this.socket.setNoDelay(true);
    this.socket.on("connect", () => this.socket.write(this.message(type.hello, 1, 0)));
    this.socket.on("data", (chunk) => this.received(chunk));
    this.socket.on("error", () => undefined);
  }

  private message(number: number, xid: number, bodyLength: number): Buffer {
    const bytes = Buffer.alloc(8 + bodyLength);
    bytes[0] = this.options.version;
    bytes[1] = number;
    bytes.writeUInt16BE(bytes.length, 2);
    bytes.writeUInt32BE(xid, 4);
    return bytes;
  }

  private received(chunk: Buffer): void {
    const bytes = this.held.length === 0 ? chunk : Buffer.concat([this.held, chunk]);
    let at = 0;
    let answered = 0;
    const replies: Buffer[] = [];
    while (bytes.length - at >= 8) {
      const length = bytes.readUInt16BE(at + 2);
      if (bytes.length - at < length) break;
      const number = bytes[at + 1] ?? 0;
      if (number === type.packetOut) answered += this.answer(bytes, at, at + length);
      else if (number === type.flowMod) this.flowMods++;
      else this.control(number, bytes.subarray(at, at + length), replies);
      at += length;
    }
    this.held = at === bytes.length ? Buffer.alloc(0) : Buffer.from(bytes.subarray(at));
    if (this.isAsking && answered > 0) replies.push(this.questions(answered));
    if (replies.length > 0) this.socket.write(replies.length === 1 ? (replies[0] as Buffer) : Buffer.concat(replies));
  }

  private answer(bytes: Buffer, start: number, end: number): number {
    const id = end - start >= frameLength ? bytes.readUInt32BE(end - frameLength + 38) : 0;
    const putAt = this.waiting.get(id);
    if (putAt === undefined) {
      this.strange++;
      return 0;
    }
    this.waiting.delete(id);
    this.answers++;
    if (this.latenciesUs.length < 200_000) this.latenciesUs.push((performance.now() - putAt) * 1000);
    return 1;
  }

  private control(number: number, message: Buffer, replies: Buffer[]): void {
    const xid = message.readUInt32BE(4);
    const { version } = this.options;
    if (number === type.featuresRequest) {
      const body = version === 1 ? 24 + 48 * hosts : 24;
      const reply = this.message(6, xid, body);
      reply.writeUInt32BE(this.dpid, 12);
      reply.writeUInt32BE(0, 16);
      reply[20] = 254;
      if (version === 1) for (let n = 0; n < hosts; n++) reply.writeUInt16BE(n + 1, 32 + 48 * n);
      replies.push(reply);
      if (!this.ready) {
        this.ready = true;
        this.becameReady();
      }
    } else if (number === type.echoRequest) replies.push(Buffer.concat([this.message(3, xid, 0).fill(message.length & 0xff, 3, 4), message.subarray(8)]));
    else if (number === type.getConfigRequest) replies.push(this.message(8, xid, 4));
    else if (number === (version === 1 ? type.barrier10 : type.barrier13)) replies.push(this.message(number + 1, xid, 0));
    else if (version === 4 && number === type.role13) replies.push(this.message(25, xid, 16));
    else if (number === (version === 1 ? type.stats10 : type.multipart13)) {
      const kind = message.readUInt16BE(8);
      const reply = this.message(number + 1, xid, (version === 1 ? 4 : 8) + (kind === 0 ? 1056 : 0));
      reply.writeUInt16BE(kind, 8);
      replies.push(reply);
    }
  }

  private one(into: Buffer, at: number, source: number, target: number): void {
    const id = this.nextId++;
    this.template.copy(into, at);
    if (this.options.version === 1) into.writeUInt16BE(source + 1, at + 14);
    else into.writeUInt32BE(source + 1, at + 32);
    frame(into, at + this.template.length - frameLength, source, target, id);
    this.waiting.set(id, performance.now());
  }

  /** So many packet-ins between known hosts. */
  questions(count: number): Buffer {
    const { length } = this.template;
    const bytes = Buffer.allocUnsafe(count * length);
    for (let i = 0; i < count; i++) {
      const source = this.nextId % hosts;
      this.one(bytes, i * length, source, (source + 1 + (this.nextId % (hosts - 1))) % hosts);
    }
    return bytes;
  }

  /** One packet-in from each host, so that the controller knows where they are. */
  introduce(): void {
    const { length } = this.template;
    const bytes = Buffer.allocUnsafe(hosts * length);
    for (let n = 0; n < hosts; n++) this.one(bytes, n * length, n, (n + 1) % hosts);
    this.socket.write(bytes);
  }
}

export interface LoadResult {
  readonly answers: number;
  readonly seconds: number;
  readonly flowMods: number;
  /** Answers that fit no question. */
  readonly strange: number;
  readonly unanswered: number;
  readonly latenciesUs: Float64Array;
  /** By switch. */
  readonly each: readonly number[];
}

export class Load implements AsyncDisposable {
  private readonly switches: readonly LoadSwitch[];
  private readonly options: LoadOptions;

  private constructor(options: LoadOptions, switches: readonly LoadSwitch[]) {
    this.options = options;
    this.switches = switches;
  }

  /** Connects all switches; resolves when the controller has asked each for its features, with how long that took in ms. */
  static async start(options: LoadOptions): Promise<{ readonly load: Load; readonly connectedMs: number }> {
    const start = performance.now();
    let ready = 0;
    const load = await new Promise<Load>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`only ${ready} of ${options.switches} switches were served within 30 s`)), 30_000);
      const switches = Array.from({ length: options.switches }, (_, i) => new LoadSwitch(options, i + 1, () => {
        if (++ready < options.switches) return;
        clearTimeout(timer);
        resolve(new Load(options, switches));
      }));
    });
    return { load, connectedMs: performance.now() - start };
  }

  /** Resolves with how many packet-ins are unanswered when none is, or after so long. */
  private async quiet(withinMs = 10_000): Promise<number> {
    const asking = this.switches.slice(this.options.stalled ?? 0);
    const left = (): number => asking.reduce((sum, one) => sum + one.waiting.size, 0);
    for (const end = performance.now() + withinMs; left() > 0 && performance.now() < end; ) await new Promise((resolve) => setTimeout(resolve, 5));
    return left();
  }

  /** Makes the hosts known. A controller that is still setting sessions up may drop what comes: then it is told again. */
  async introduce(): Promise<void> {
    for (let attempt = 0; attempt < 10; attempt++) {
      for (const one of this.switches) {
        one.waiting.clear();
        one.introduce();
      }
      if ((await this.quiet(2_000 * (attempt + 1))) > 0) continue;
      for (let i = 0; i < (this.options.stalled ?? 0); i++) this.switches[i]?.socket.pause();
      return;
    }
    throw new Error("the controller does not answer all packet-ins");
  }

  /** Asks for so long, as fast as answers come, or with `perSecond` at that rate over all switches. */
  async run(seconds: number, perSecond?: number): Promise<LoadResult> {
    const before = this.switches.map((one) => one.answers);
    const flowModsBefore = this.switches.reduce((sum, one) => sum + one.flowMods, 0);
    for (const one of this.switches) one.latenciesUs.length = 0;
    const start = performance.now();
    const stalled = this.options.stalled ?? 0;
    this.switches.slice(0, stalled).forEach((one) => this.flood(one));
    if (perSecond === undefined) {
      for (const one of this.switches.slice(stalled)) {
        one.isAsking = true;
        one.socket.write(one.questions(this.options.outstanding));
      }
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
      for (const one of this.switches) one.isAsking = false;
    } else await this.paced(seconds, perSecond);
    const elapsed = (performance.now() - start) / 1000;
    const each = this.switches.map((one, i) => one.answers - (before[i] ?? 0));
    if (stalled === 0 && (await this.quiet()) > 0) throw new Error("the controller has not answered all packet-ins");
    const latencies = Float64Array.from(this.switches.flatMap((one) => one.latenciesUs)).sort();
    return {
      answers: each.reduce((sum, n) => sum + n, 0),
      seconds: elapsed,
      flowMods: this.switches.reduce((sum, one) => sum + one.flowMods, 0) - flowModsBefore,
      strange: this.switches.reduce((sum, one) => sum + one.strange, 0),
      unanswered: this.switches.reduce((sum, one) => sum + one.waiting.size, 0),
      latenciesUs: latencies,
      each,
    };
  }

  /** A switch that reads nothing but goes on asking. */
  private flood(one: LoadSwitch): void {
    const more = (): void => {
      while (!one.socket.destroyed && one.socket.write(one.questions(256)));
      one.waiting.clear();
      if (!one.socket.destroyed) one.socket.once("drain", more);
    };
    more();
  }

  private async paced(seconds: number, perSecond: number): Promise<void> {
    const start = performance.now();
    let sent = 0;
    while (performance.now() - start < seconds * 1000) {
      const due = Math.floor(((performance.now() - start) / 1000) * perSecond);
      for (; sent < due; sent++) {
        const one = this.switches[sent % this.switches.length];
        if (one !== undefined && one.waiting.size < this.options.outstanding) one.socket.write(one.questions(1));
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.switches.map(async (one) => {
      if (one.socket.closed) return;
      one.socket.destroy();
      await once(one.socket, "close");
    }));
  }
}
