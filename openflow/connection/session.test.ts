import net from "node:net";
import { once } from "node:events";
import { afterEach, describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { OpenFlowError } from "../errors.js";
import { flowMod } from "../messages/flow.js";
import { decodeMessage, encodeMessage, type Body, type Message } from "../messages/message.js";
import { WireError } from "../wire/reader.js";
import { OpenFlowServer, type ListenOptions } from "./endpoint.js";
import type { FlowUpdate } from "../messages/flow-monitor.js";
import { MessageFraming } from "./framing.js";
import { tick } from "./liveness.js";
import type { OpenFlowConnection } from "./connection.js";

const features: Body = { type: "featuresReply", datapathId: 0xabcn, nBuffers: 0, nTables: 254, auxiliaryId: 0, capabilities: 0, reserved: 0 };

/** The switch's end of a TCP connection, driven by hand. */
class Peer {
  readonly socket: net.Socket;
  readonly messages: Message[] = [];
  private readonly framing = new MessageFraming();
  private arrived: (() => void) | undefined;

  constructor(port: number) {
    this.socket = net.connect(port, "127.0.0.1");
    this.socket.on("error", () => undefined);
    this.socket.on("data", (chunk) => {
      this.messages.push(...this.framing.push(chunk).map(decodeMessage));
      this.arrived?.();
    });
  }
  send(xid: number, body: Body, version: 4 | 5 = 5): void {
    this.socket.write(encodeMessage(version, xid, body));
  }
  async next<T extends Message["type"]>(type: T): Promise<Extract<Message, { type: T }>> {
    for (;;) {
      const at = this.messages.findIndex((message) => message.type === type);
      if (at >= 0) return this.messages.splice(at, 1)[0] as Extract<Message, { type: T }>;
      await new Promise<void>((resolve) => (this.arrived = resolve));
    }
  }
  async handshake(): Promise<void> {
    this.send(1, { type: "hello", versions: [4, 5] });
    this.send((await this.next("featuresRequest")).xid, features);
  }
}

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});
async function listen(options: Partial<ListenOptions> = {}): Promise<OpenFlowServer> {
  const server = await OpenFlowServer.listen({ remote: "ptcp:0:127.0.0.1", ...options });
  open.push(server);
  return server;
}
function dial(server: OpenFlowServer): Peer {
  const peer = new Peer(server.port ?? 0);
  open.push({ close: () => peer.socket.destroy() });
  return peer;
}
async function session(options: Partial<ListenOptions> = {}): Promise<{ server: OpenFlowServer; peer: Peer; connection: OpenFlowConnection }> {
  const server = await listen(options);
  const peer = dial(server);
  const came = once(server, "connection") as Promise<[OpenFlowConnection]>;
  await peer.handshake();
  return { server, peer, connection: (await came)[0] };
}

describe("framing", () => {
  it("cuts the same messages whatever the chunks", () => {
    const message = fc.tuple(fc.nat(0xffff), fc.uint8Array({ maxLength: 60 })).map(([xid, data]) => encodeMessage(5, xid, { type: "echoRequest", data }));
    fc.assert(
      fc.property(fc.array(message, { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (messages, sizes) => {
        const stream = Buffer.concat(messages);
        const framing = new MessageFraming();
        const cut: Uint8Array[] = [];
        for (let at = 0, i = 0; at < stream.length; i++) {
          const size = sizes[i % sizes.length] ?? 1;
          cut.push(...framing.push(stream.subarray(at, at + size)));
          at += size;
        }
        expect(cut.map((bytes) => Buffer.from(bytes).toString("hex"))).toEqual(messages.map((bytes) => Buffer.from(bytes).toString("hex")));
      }),
    );
  });
  it("is lost at a length below the header's", () => expect(() => new MessageFraming().push(Uint8Array.of(5, 0, 0, 7, 0, 0, 0, 0))).toThrow(WireError));
});

describe("keep-alive", () => {
  it("probes after silence, gives up after as much again, and stays dead", () => {
    const alive = { state: "alive", sinceMs: 0 } as const;
    expect(tick(alive, 4_999, 5_000)).toEqual([alive, undefined]);
    const [probing, effect] = tick(alive, 5_000, 5_000);
    expect([probing, effect]).toEqual([{ state: "probing", sinceMs: 5_000 }, "send-echo-request"]);
    expect(tick(probing, 9_999, 5_000)[1]).toBeUndefined();
    const [dead, close] = tick(probing, 10_000, 5_000);
    expect(close).toBe("close");
    expect(tick(dead, 1e9, 5_000)).toEqual([dead, undefined]);
  });
});

describe("a session", () => {
  it("takes the highest version both have, and the lower one of a peer without a bitmap", async () => {
    expect((await session()).connection).toMatchObject({ version: 5, datapathId: 0xabcn });
    const server = await listen();
    const peer = dial(server);
    const came = once(server, "connection") as Promise<[OpenFlowConnection]>;
    peer.send(1, { type: "hello", versions: [] }, 4);
    peer.send((await peer.next("featuresRequest")).xid, features, 4);
    expect((await came)[0].version).toBe(4);
  });

  it("tells a peer without a common version, and counts it", async () => {
    const server = await listen({ versions: [5, 4] });
    const peer = dial(server);
    const rejected = once(server, "rejected");
    peer.send(1, { type: "hello", versions: [1, 6] });
    expect(await peer.next("error")).toMatchObject({ errorType: 0, code: 0 });
    expect(await rejected).toEqual([expect.stringContaining("no common version: the peer offers 1, 6")]);
    expect(server.counters).toMatchObject({ accepted: 0, rejected: 1 });
  });

  it("answers echo requests with their data", async () => {
    const { peer } = await session();
    peer.send(77, { type: "echoRequest", data: Uint8Array.of(1, 2, 3) });
    expect(await peer.next("echoReply")).toMatchObject({ xid: 77, data: Uint8Array.of(1, 2, 3) });
  });

  it("answers what it cannot read with BAD_LEN, what it does not know with BAD_TYPE, and goes on", async () => {
    const { peer, connection } = await session();
    const bad = encodeMessage(5, 9, flowMod({}));
    bad[51] = 3; // length of the match
    peer.socket.write(bad);
    expect(await peer.next("error")).toMatchObject({ xid: 9, errorType: 1, code: 6 });
    peer.send(10, { type: "unknown", typeNumber: 99, bytes: new Uint8Array(4) });
    expect(await peer.next("error")).toMatchObject({ xid: 10, errorType: 1, code: 1 });
    const barrier = connection.barrier();
    peer.send((await peer.next("barrierRequest")).xid, { type: "barrierReply" });
    await barrier;
    expect(connection.counters).toMatchObject({ malformed: 1, unknown: 1 });
  });

  it.each([
    ["a length below the header's", Uint8Array.of(5, 0, 0, 7, 0, 0, 0, 0), /framing lost/],
    ["another version", encodeMessage(4, 1, { type: "echoRequest", data: new Uint8Array(0) }), /version 4 in a session of version 5/],
  ])("ends at %s", async (_, bytes, reason) => {
    const { peer, connection } = await session();
    const closed = once(connection, "closed");
    peer.socket.write(bytes);
    expect(await closed).toEqual([expect.stringMatching(reason)]);
    await expect(connection.barrier()).rejects.toMatchObject({ code: "not-connected" });
  });

  it("ties errors to the modifications they belong to", async () => {
    const { peer, connection } = await session();
    const applied = connection.apply([flowMod({ priority: 1 }), flowMod({ priority: 2 }), flowMod({ priority: 3 })]);
    await peer.next("flowMod");
    const second = await peer.next("flowMod");
    peer.send(second.xid, { type: "error", errorType: 5, code: 1, data: new Uint8Array(0) });
    peer.send((await peer.next("barrierRequest")).xid, { type: "barrierReply" });
    const errors = await applied;
    expect(errors).toHaveLength(1);
    expect(errors[0]).toBeInstanceOf(OpenFlowError);
    expect(errors[0]).toMatchObject({ code: "switch-rejected", message: expect.stringContaining("OFPFMFC_TABLE_FULL"), facts: { index: 1, errorType: 5, errorCode: 1 } });
  });

  it("rejects a request that is not answered in time, and one whose connection ends", async () => {
    const { peer, connection } = await session({ requestTimeoutMs: 100 });
    await expect(connection.barrier()).rejects.toMatchObject({ code: "timeout" });
    const waiting = connection.portDescs();
    peer.socket.destroy();
    await expect(waiting).rejects.toMatchObject({ code: "not-connected" });
  });

  it("notices a peer that is there but silent", async () => {
    const { connection } = await session({ echoIntervalMs: 50 });
    expect(await once(connection, "closed")).toEqual(["nothing received for 100 ms"]);
  });

  it("gives up on a peer that does not read, and does not hold more than its bound", async () => {
    const { peer, connection } = await session({ maxSendQueueBytes: 1 << 20, requestTimeoutMs: 300 });
    peer.socket.pause();
    const big = flowMod({ instructions: [{ type: "unknown", bytes: new Uint8Array(60_000) }] });
    await expect(connection.apply(Array.from({ length: 500 }, () => big))).rejects.toMatchObject({ code: "not-connected" });
    const another = await session({ maxSendQueueBytes: 1 << 20 });
    another.peer.socket.pause();
    expect(Array.from({ length: 500 }, () => another.connection.send(big))).toContain(false);
  });

  it("reads no further from a peer that does not take its answers, and ends when that lasts", async () => {
    const { peer, connection } = await session({ echoIntervalMs: 100 });
    const big = flowMod({ instructions: [{ type: "unknown", bytes: new Uint8Array(60_000) }] });
    peer.socket.pause();
    for (let i = 0; i < 200; i++) connection.send(big);
    const before = connection.counters.received;
    for (let i = 0; i < 10; i++) peer.send(i, { type: "echoReply", data: new Uint8Array(0) });
    expect(await once(connection, "closed")).toEqual([expect.stringMatching(/^the peer does not read: \d+ bytes are waiting$/)]);
    expect(connection.counters.received).toBe(before);
  });

  it("hands updates behind the snapshot over after it", async () => {
    const { peer, connection } = await session();
    const seen: string[] = [];
    connection.on("flowUpdates", (updates) => seen.push(...updates.map((update) => update.event)));
    const followed = connection.monitorFlows().then((initial) => seen.push(`snapshot of ${initial.length}`));
    const request = await peer.next("multipartRequest");
    const reply = (xid: number, body: readonly FlowUpdate[]): Uint8Array => encodeMessage(5, xid, { type: "multipartReply", multipartType: "flowMonitor", flags: 0, body });
    peer.socket.write(Buffer.concat([reply(request.xid, []), reply(0, [{ event: "paused" }])])); // one segment
    await followed;
    await once(connection, "flowUpdates");
    expect(seen).toEqual(["snapshot of 0", "paused"]);
  });
});

describe("a listening side", () => {
  it("keeps garbage of one peer away from another", async () => {
    const { server, peer, connection } = await session({ requestTimeoutMs: 300 });
    const shapes = [Buffer.from("GET / HTTP/1.1\r\n\r\n"), Buffer.alloc(5000), Buffer.alloc(5000, 0xff), encodeMessage(5, 1, flowMod({})), Uint8Array.of(5)];
    for (const garbage of shapes) {
      const rejected = once(server, "rejected");
      dial(server).socket.write(garbage);
      await rejected;
    }
    expect(server.counters).toMatchObject({ accepted: 1, rejected: shapes.length });
    const barrier = connection.barrier();
    peer.send((await peer.next("barrierRequest")).xid, { type: "barrierReply" });
    await barrier;
  });

  it("takes many peers at once, each byte on its own", async () => {
    const server = await listen();
    let count = 0;
    const all = new Promise<void>((resolve) => server.on("connection", () => ++count === 20 && resolve()));
    for (let i = 0; i < 20; i++) {
      const peer = dial(server);
      const hello = encodeMessage(5, 1, { type: "hello", versions: [5] });
      peer.socket.setNoDelay(true);
      for (const byte of hello) peer.socket.write(Uint8Array.of(byte));
      void peer.next("featuresRequest").then(({ xid }) => peer.send(xid, features));
    }
    await all;
    expect(server.counters).toMatchObject({ accepted: 20, rejected: 0 });
  });
});
