/** The collector with its thread, which is run as it was built. */
import { execFileSync } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { PcapStream, SflowCollector, SflowReceiver, type CollectorOptions } from "sflow-collector";
import { projectDir } from "../../lab/capsule.js";

const payloads = new PcapStream().push(readFileSync(`${projectDir}/sflow/vectors/ovs-3.1-sflow.pcap`)).map((packet) => Buffer.from(packet.bytes.subarray(42)));
const host = "127.0.0.1";

let sender: Socket;
beforeEach(() => (sender = createSocket("udp4")));
afterEach(() => sender.close());
const send = (bytes: Uint8Array, port: number): Promise<void> => new Promise((resolve, reject) => sender.send(bytes, port, host, (error) => (error ? reject(error) : resolve())));
const start = (options: Partial<CollectorOptions> & Pick<CollectorOptions, "onDatagram">): Promise<SflowCollector> => SflowCollector.start({ host, port: 0, ...options });
/** Lets the event loop turn until it holds: arrival by a socket can't be awaited otherwise. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setImmediate(resolve));
}

test("datagrams come out as they went in, with their sender; close gives what is left", async () => {
  const got: string[] = [];
  let senders = "";
  const collector = await start({
    onDatagram: (datagram) => {
      got.push(Buffer.from(datagram.bytes.subarray(datagram.at, datagram.at + datagram.length)).toString("hex"));
      senders = `${datagram.senderAddress()} ${datagram.senderPort}`;
    },
  });
  for (const bytes of payloads) await send(bytes, collector.port);
  await until(() => got.length === payloads.length);
  expect(got).toEqual(payloads.map((bytes) => bytes.toString("hex")));
  expect(senders).toBe(`${host} ${sender.address().port}`);
  const bytes = payloads.reduce((sum, one) => sum + one.length, 0);
  expect(await collector.close()).toEqual({ datagrams: 18, bytes, ringDropped: 0, kernelDropped: 0, forwarded: 0, forwardDropped: 0, consumed: 18, waitingBytes: 0 });
  await expect(collector.counters()).rejects.toThrow("closed");
});

/** Bytes the kernel holds for the sockets on a UDP port. */
function queued(port: number): number {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const rows = readFileSync("/proc/self/net/udp", "utf8").split("\n").filter((line) => line.includes(`:${hex} 00000000:0000`));
  return rows.reduce((sum, row) => sum + parseInt(row.trim().split(/\s+/)[4]?.split(":")[1] ?? "0", 16), 0);
}

test("a consumer that does not keep up costs counted datagrams, and only those that had no room", async () => {
  const sent = 20;
  const sendMany = `const s = require("node:dgram").createSocket("udp4"); let left = ${sent};
    const next = () => (left-- > 0 ? s.send(Buffer.alloc(60000), Number(process.argv[1]), "${host}", next) : s.close()); next();`;
  let consumed = 0;
  const collector = await start({
    ringBytes: 1 << 17,
    onDatagram: () => {
      if (++consumed > 1) return;
      // Busy until all the others have arrived: the ring has room for two of them.
      execFileSync(process.execPath, ["-e", sendMany, String(collector.port)]);
      while (queued(collector.port) > 0);
    },
  });
  await send(Buffer.from("first"), collector.port);
  await until(async () => (await collector.counters()).datagrams === sent + 1);
  const { datagrams, ringDropped, kernelDropped } = await collector.counters();
  await until(() => consumed === datagrams - ringDropped);
  expect(ringDropped).toBeGreaterThanOrEqual(sent - 3);
  expect(kernelDropped).toBe(0);
  await collector.close();
});

test("raw datagrams are sent on to other collectors", async () => {
  const others = await Promise.all([SflowReceiver.listen({ host, port: 0 }), SflowReceiver.listen({ host, port: 0 })]);
  const got = others.map((other) => once(other, "datagram"));
  const collector = await start({ onDatagram: () => undefined, forward: others.map(({ port }) => ({ host, port })) });
  await send(payloads[0] ?? Buffer.alloc(0), collector.port);
  for (const datagram of await Promise.all(got)) expect(datagram).toMatchObject([{ sequenceNumber: 1, agentAddress: host }]);
  expect(await collector.counters()).toMatchObject({ datagrams: 1, forwarded: 2, forwardDropped: 0 });
  await collector.close();
  for (const other of others) await other.close();
});

test("a callback that throws is told and costs that datagram only", async () => {
  let calls = 0;
  const collector = await start({
    onDatagram: () => {
      if (++calls === 1) throw new Error("not this one");
    },
  });
  const told = once(collector, "error");
  await send(payloads[0] ?? Buffer.alloc(0), collector.port);
  expect(await told).toMatchObject([{ message: "not this one" }]);
  await send(payloads[1] ?? Buffer.alloc(0), collector.port);
  await until(() => calls === 2);
  await collector.close();
});

test("an address in use, or none of ours, rejects with the socket's error", async () => {
  const first = await start({ onDatagram: () => undefined });
  await expect(start({ port: first.port, onDatagram: () => undefined })).rejects.toMatchObject({ code: "EADDRINUSE" });
  await expect(start({ host: "192.0.2.1", onDatagram: () => undefined })).rejects.toMatchObject({ code: "EADDRNOTAVAIL" });
  await first.close();
});
