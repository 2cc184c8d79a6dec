import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { PcapStream, SflowReceiver } from "../index.js";

const payloads = new PcapStream().push(readFileSync(`${import.meta.dirname}/../vectors/ovs-3.1-sflow.pcap`)).map((packet) => packet.bytes.subarray(42));
const nth = (i: number): Uint8Array => payloads[i] ?? new Uint8Array();

let receiver: SflowReceiver;
let sender: Socket;
beforeEach(async () => {
  receiver = await SflowReceiver.listen({ host: "127.0.0.1", port: 0 });
  sender = createSocket("udp4");
});
afterEach(async () => {
  sender.close();
  await receiver.close();
});

async function send(bytes: Uint8Array, event: "datagram" | "malformed" = "datagram"): Promise<unknown[]> {
  const received = once(receiver, event);
  sender.send(bytes, receiver.port, "127.0.0.1");
  return (await received) as unknown[];
}

test("datagrams arrive decoded and are counted", async () => {
  const [first] = await send(nth(0));
  expect(first).toMatchObject({ sequenceNumber: 1 });
  await send(nth(1));
  expect(receiver.counters).toMatchObject({ datagrams: 2, samples: 14, lost: 0, malformed: {} });
});

test("garbage is counted by its reason and the next datagram goes on", async () => {
  expect((await send(Buffer.from("not sflow at all"), "malformed"))[0]).toBe("version");
  expect((await send(nth(0).subarray(0, 100), "malformed"))[0]).toBe("truncated");
  await send(nth(0));
  expect(receiver.counters).toMatchObject({ datagrams: 1, malformed: { version: 1, truncated: 1 } });
});

test("missing datagrams are counted as lost, late ones are taken off again", async () => {
  for (const i of [0, 3]) await send(nth(i));
  expect(receiver.counters.lost).toBe(2);
  await send(nth(1));
  expect(receiver.counters.lost).toBe(1);
  await send(nth(4));
  expect(receiver.counters.lost).toBe(1);
});

test("an agent that starts again has lost nothing", async () => {
  for (const i of [10, 0, 1]) await send(nth(i));
  expect(receiver.counters.lost).toBe(0);
});

test("sequence numbers go on past 2^32", async () => {
  const wrapped = [0xffff_ffff, 0, 1].map((sequenceNumber) => {
    const bytes = Buffer.from(nth(0));
    bytes.writeUInt32BE(sequenceNumber, 16);
    return bytes;
  });
  for (const bytes of wrapped) await send(bytes);
  expect(receiver.counters.lost).toBe(0);
});

test("a failing socket is told", async () => {
  const told = once(receiver, "error");
  // A socket can't be made to fail at will: the event is what it would give.
  (receiver as unknown as { readonly socket: Socket }).socket.emit("error", new Error("gone"));
  expect(await told).toMatchObject([{ message: "gone" }]);
});

test("the account says which agent lost what, and how much of it", async () => {
  for (const i of [0, 3]) await send(nth(i));
  expect(receiver.sources.agentStates()).toMatchObject([{ agentAddress: "127.0.0.1", subAgentId: 0, datagrams: { received: 2, lost: 2 }, lossRatio: 0.5 }]);
  expect(receiver.sources.sourceStates().find(({ of }) => of === "flow")).toMatchObject({ source: "2.1000", sampling: { samplingRate: 1, changes: 0, drops: 0 } });
  expect(receiver.kernelDropped()).toBe(0);
});
