import { connect, type Socket } from "node:net";
import { once } from "node:events";
import type { NetworkEvent } from "../../base/observation.js";
import { BmpStation } from "./bmp-station.js";
import { readBmp } from "./bmp.js";
import { RoutingInterceptor } from "./interceptor.js";
import { DecodeError } from "./reader.js";

const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ""), "hex");
const bmp = (type: number, body: Buffer): Buffer => {
  const head = hex(`03 00000000 ${type.toString(16).padStart(2, "0")}`);
  head.writeUInt32BE(6 + body.length, 1);
  return Buffer.concat([head, body]);
};
/** RFC 7854 section 4.2: 192.0.2.2, AS 65002, at 1,000,000.5 s. */
const peer = (flags = "00"): Buffer => hex(`00 ${flags} 0000000000000000 000000000000000000000000 c0000202 0000fdea 02020202 000f4240 0007a120`);
const bgp = (type: number, body: string): Buffer => {
  const bytes = hex(`${"ff".repeat(16)} 0000 ${type.toString(16).padStart(2, "0")} ${body}`);
  bytes.writeUInt16BE(bytes.length, 16);
  return bytes;
};
const open = (as: string, id: string): Buffer => bgp(1, `04 ${as} 00b4 ${id} 08 0206 4104 0000${as}`);
const messages = {
  initiation: bmp(4, hex("0002 0004 65646765 0001 0003 467272")),
  up: bmp(3, Buffer.concat([peer(), hex("000000000000000000000000c0000201 00b3 c350"), open("fde9", "01010101"), open("fdea", "02020202")])),
  route: bmp(0, Buffer.concat([peer(), bgp(2, "0000 0014 400101 00 400206 0201 0000fdea 400304 c0000202 18 c63364")])),
  withdraw: bmp(0, Buffer.concat([peer("40"), bgp(2, "0004 18 c63364 0000")])),
  stats: bmp(1, Buffer.concat([peer(), hex("00000002 0000 0004 00000007 0007 0008 0000000000000009")])),
  down: bmp(2, Buffer.concat([peer(), hex("04")])),
  termination: bmp(5, hex("0001 0002 0000")),
};

test("messages as RFC 7854 lays them out", () => {
  expect(readBmp(messages.initiation)).toEqual({ type: "initiation", info: [{ type: 2, text: "edge" }, { type: 1, text: "Frr" }] });
  expect(readBmp(messages.up)).toMatchObject({ type: "peer-up", localAddress: "192.0.2.1", localPort: 179, remotePort: 50_000, peer: { address: "192.0.2.2", as: 65_002, bgpId: "2.2.2.2", kind: "global", rib: "pre-policy-in", as4: true, atMs: 1_000_000_500 } });
  expect(readBmp(messages.stats)).toMatchObject({ type: "statistics", counters: [{ type: 0, value: 7n }, { type: 7, value: 9n }] });
  expect(readBmp(messages.withdraw)).toMatchObject({ type: "route-monitoring", peer: { rib: "post-policy-in" } });
  expect(readBmp(bmp(99, Buffer.alloc(3)))).toEqual({ type: "unknown", number: 99 });
});

async function station(): Promise<{ station: BmpStation; socket: Socket; interceptor: RoutingInterceptor; events: NetworkEvent[]; readonly settled: (messages: number) => Promise<void> }> {
  const events: NetworkEvent[] = [];
  const interceptor = new RoutingInterceptor({ sink: { happened: (event) => void events.push(event) }, side: "live" });
  const listening = await BmpStation.listen({ host: "127.0.0.1", port: 0, interceptor, nowMs: () => 5 });
  const socket = connect(listening.port, "127.0.0.1");
  await once(socket, "connect");
  const settled = async (count: number): Promise<void> => {
    while (listening.counters.messages < count) await new Promise((resolve) => setImmediate(resolve));
  };
  return { station: listening, socket, interceptor, events, settled };
}
const whats = (events: readonly NetworkEvent[]): unknown[] => events.map(({ subject, detail }) => [subject, detail["what"]]);

test("a router tells of its neighbour: up, a route in two pieces, down takes the route along", async () => {
  const { station: listening, socket, interceptor, events, settled } = await station();
  socket.write(Buffer.concat([messages.initiation, messages.up, messages.route.subarray(0, 50)]));
  await settled(2);
  expect(listening.neighbours()).toMatchObject([{ router: "edge", address: "192.0.2.2", as: 65_002, localAs: 65_001 }]);
  socket.write(Buffer.concat([messages.route.subarray(50), messages.stats]));
  await settled(4);
  expect([...interceptor.rib.routes()]).toMatchObject([{ prefix: "198.51.100.0/24", from: "192.0.2.2", to: "edge pre-policy-in", source: "bmp", nextHop: "192.0.2.2", attributes: { asPath: "65002" } }]);
  socket.write(messages.down);
  await settled(5);
  expect(whats(events)).toEqual([["192.0.2.2 edge", "neighbour-up"], ["198.51.100.0/24", "route-announced"], ["192.0.2.2 edge", "neighbour-down"], ["198.51.100.0/24", "route-withdrawn"]]);
  socket.destroy();
  await listening[Symbol.asyncDispose]();
});

test("a lost connection takes its neighbours along; bytes that are no BMP end it and are counted", async () => {
  const { station: listening, socket, interceptor, events, settled } = await station();
  const closed = once(socket, "close");
  socket.write(Buffer.concat([messages.up, messages.route]));
  await settled(2);
  socket.write(hex("48545450 2f312e31"));
  await closed;
  while (listening.neighbours().length > 0) await new Promise((resolve) => setImmediate(resolve));
  expect(listening.counters).toMatchObject({ connections: 1, broken: 1 });
  expect(interceptor.counters().malformed).toEqual({ "bmp value": 1 });
  expect(whats(events).slice(-2)).toEqual([["192.0.2.2 127.0.0.1", "neighbour-down"], ["198.51.100.0/24", "route-withdrawn"]]);
  await listening[Symbol.asyncDispose]();
});

const mutations = Number(process.env["MUTATIONS"] ?? 100_000);

test(`${mutations} changed messages: each is read, or refused with a place in it`, () => {
  const originals = Object.values(messages);
  let state = 3;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  let refused = 0;
  for (let i = 0; i < mutations; i++) {
    let bytes = Buffer.from(originals[random(originals.length)] as Buffer);
    for (let change = random(3); change >= 0; change--) bytes[5 + random(bytes.length - 5)] = random(256);
    if (random(4) === 0) bytes = bytes.subarray(0, 6 + random(bytes.length - 6));
    bytes.writeUInt32BE(random(10) === 0 ? random(100) : bytes.length, 1);
    try {
      readBmp(bytes);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      if (!(error.offset >= 0 && error.offset <= bytes.length)) throw new Error(`offset ${error.offset} in ${bytes.length} bytes`, { cause: error });
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(mutations / 20);
});
