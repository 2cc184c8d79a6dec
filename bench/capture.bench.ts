/** Capture: a stream of TCP headers from tcpdump through the pipe into connection state, from a file and live, beside a bare count of the same stream. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Capsule, projectDir } from "../lab/capsule.js";
import { frame } from "../lab/simulated-tcp.js";
import { atLeast, atMost, type Bench, type Figure } from "./bench.js";

const packets = 2_000_000;
const connections = 10_000;
const asked = 200_000;
const liveSeconds = 10;
/** Those of the live stream; a multiple of what its sender hands over at once. */
const liveConnections = 10_240;
const program = fileURLToPath(new URL("./capture-run.js", import.meta.url));

interface Ran {
  readonly frames: number;
  readonly accounted: number;
  readonly connections: number;
  readonly bytesPerConnection: number;
  readonly cpuS: number;
  readonly rssMb: number;
}

/** Data and acknowledgements of many connections in turn, as pcap. */
function write(file: string): void {
  const fd = openSync(file, "w");
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4); // version 2.4
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(128, 16);
  header.writeUInt32LE(1, 20);
  writeSync(fd, header);
  const batch: Buffer[] = [];
  for (let i = 0; i < packets; i++) {
    const round = Math.floor(i / 2 / connections);
    const ports = [1_024 + ((i >> 1) % connections), 80] as const;
    const isData = (i & 1) === 0;
    const bytes = frame(isData ? { from: 0, seq: 1_000 * round, ack: 1, flags: 0x10, payload: 1_000, ports } : { from: 1, seq: 1, ack: 1_000 * (round + 1), flags: 0x10, ports });
    const record = Buffer.alloc(16);
    record.writeUInt32LE(1_700_000_000 + Math.floor(i / 200_000), 0);
    record.writeUInt32LE((i % 200_000) * 5, 4);
    record.writeUInt32LE(bytes.length, 8);
    record.writeUInt32LE(bytes.length + (isData ? 1_000 : 0), 12);
    batch.push(record, Buffer.from(bytes));
    if (batch.length === 20_000 || i === packets - 1) writeSync(fd, Buffer.concat(batch.splice(0)));
  }
  closeSync(fd);
}

async function run(file: string, mode: "count" | "state"): Promise<{ readonly ran: Ran; readonly rate: number }> {
  const startedMs = performance.now();
  const child = spawn("sh", ["-c", 'tcpdump -r - -w - <"$1" 2>/dev/null | "$2" "$3" "$4"', "sh", file, process.execPath, program, mode], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`the reader ended with status ${code}`);
  const ran = JSON.parse(output) as Ran;
  return { ran, rate: ran.frames / ((performance.now() - startedMs) / 1_000) };
}

interface Live {
  readonly frames: number;
  readonly kernelDropped: number;
  readonly early: number;
  readonly cpuS: number;
}

/** The same by the daemon's own monitor on two devices, each direction on its own, in a capsule. `rate` in packets/s; 0: as fast as the sender can. */
async function live(rate: number, report: (figure: Figure) => void): Promise<void> {
  await using capsule = await Capsule.start();
  const up = ["a0", "a1", "b0", "b1"].map((device) => `ip link set ${device} addrgenmode none up`).join(" && ");
  await capsule.run("sh", ["-c", `ip link add a0 type veth peer name a1 && ip link add b0 type veth peer name b1 && ${up}`]);
  const child = capsule.spawn(process.execPath, [fileURLToPath(new URL("./capture-live.js", import.meta.url)), "a1", "b1"], { stdio: ["pipe", "pipe", "inherit"] });
  if (child.stdout === null) throw new Error("no pipe");
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  await lines.next(); // it captures
  const flood = await capsule.run("python3", [`${projectDir}/lab/tools/tcp_flood.py`, "a0", "b0", String(liveConnections), String(rate), String(liveSeconds)], { timeoutMs: 60_000 });
  const { sent, seconds } = JSON.parse(flood.stdout) as { readonly sent: number; readonly seconds: number };
  child.stdin?.end();
  const told = await lines.next();
  if (told.done === true) throw new Error("the capture ended without a word");
  const { frames, kernelDropped, early, cpuS } = JSON.parse(told.value) as Live;
  const who = `live, ${Math.round(sent / seconds).toLocaleString("en")} packets/s sent`;
  report({ what: `captured and taken into state, per second of ${liveSeconds}`, who, value: frames / seconds, unit: "packets/s", ...(rate === 0 ? {} : { bar: atLeast(frames / seconds, asked * 0.99) }) });
  report({ what: "dropped by the kernel for want of room, counted", who, value: (100 * kernelDropped) / sent, unit: "%" });
  report({ what: "packets not accounted for", who, value: sent - frames - kernelDropped, unit: "packets", bar: atMost(Math.abs(sent - frames - kernelDropped), 0) });
  report({ what: "sent on before their turn", who, value: early, unit: "packets" });
  report({ what: "packets per CPU-second of the reader", who, value: frames / cpuS, unit: "packets/CPU-s" });
}

export const captureBench: Bench = {
  name: "capture",
  about: `${packets.toLocaleString("en")} packets of ${connections.toLocaleString("en")} connections from tcpdump through a pipe; the rate is what goes through in all, start of the programs included; then live from two devices by the daemon's monitor, with sender, tcpdump and reader on the same cores`,
  async run(report) {
    const dir = mkdtempSync(`${tmpdir()}/capture-bench-`);
    try {
      const file = `${dir}/tcp.pcap`;
      write(file);
      const state = await run(file, "state");
      report({ what: "packets through tcpdump, pipe, reader and connection state", who: "ours", value: state.rate, unit: "packets/s", bar: atLeast(state.rate, asked) });
      report({ what: "packets not accounted for", who: "ours", value: packets - state.ran.accounted, unit: "packets", bar: atMost(packets - state.ran.accounted, 0) });
      report({ what: "connections missing", who: "ours", value: connections - state.ran.connections, unit: "connections", bar: atMost(connections - state.ran.connections, 0) });
      report({ what: "packets per CPU-second of the reader", who: "ours", value: packets / state.ran.cpuS, unit: "packets/CPU-s" });
      report({ what: "memory of one connection", who: "ours", value: state.ran.bytesPerConnection, unit: "bytes" });
      report({ what: "resident memory", who: "ours", value: state.ran.rssMb, unit: "MB" });
      await live(asked * 1.02, report);
      await live(0, report);
      const count = await run(file, "count");
      report({ what: "packets through tcpdump, pipe and reader", who: "ours, counting only", value: count.rate, unit: "packets/s" });
      report({ what: "packets per CPU-second of the reader", who: "ours, counting only", value: packets / count.ran.cpuS, unit: "packets/CPU-s" });
    } finally {
      rmSync(dir, { recursive: true });
    }
  },
};
