/** node-openflow against os-ken and ovs-testcontroller, and against what the switch itself takes. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import net from "node:net";
import { action, connect, encodeMessage, flowMod, instruction, match, type FlowMod } from "node-openflow";
import { Capsule, projectDir } from "../lab/capsule.js";
import { Ovs } from "../lab/ovs.js";
import { atLeast, atMost, type Bench, type Figure } from "./bench.js";
import { Load } from "./openflow/load.js";
import { Measured } from "./process.js";

type Report = (figure: Figure) => void;

interface Peer {
  readonly who: string;
  readonly version: 1 | 4;
  readonly command: string;
  readonly args: (port: number) => readonly string[];
  /** It takes no more at a time. */
  readonly maxSwitches?: number;
}
const peers: readonly Peer[] = [
  { who: "ours", version: 4, command: process.execPath, args: (port) => [`${projectDir}/openflow/dist/bin/ofp-testcontroller.js`, `ptcp:${port}:127.0.0.1`] },
  { who: "ovs-testcontroller 3.1", version: 1, command: "ovs-testcontroller", args: (port) => [`ptcp:${port}:127.0.0.1`, "--max-idle=60", "--unixctl=none"], maxSwitches: 16 },
  { who: "os-ken 2.5", version: 4, command: "osken-manager", args: (port) => ["--ofp-tcp-listen-port", String(port), "--ofp-listen-host", "127.0.0.1", `${projectDir}/bench/openflow/peer_osken.py`] },
];
/** What the sockets and the load generator alone take; in latency only, where that is most of it. */
const floor: Peer = { who: "bare sockets of Node", version: 4, command: process.execPath, args: (port) => [`${projectDir}/dist/bench/openflow/bare-answer.js`, String(port)] };
const warmUpS = 2;
const runS = 5;

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Resolves when somebody listens on the port; looks it up, because a connection to try would take a switch's place. */
async function listening(port: number): Promise<void> {
  const entry = new RegExp(`:${port.toString(16).toUpperCase().padStart(4, "0")} 0{8}(0{24})?:0000 0A`);
  for (const end = performance.now() + 20_000; ; ) {
    if (["/proc/net/tcp", "/proc/net/tcp6"].some((table) => entry.test(readFileSync(table, "utf8")))) return;
    if (performance.now() > end) throw new Error(`nothing listens on port ${port}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function controller(peer: Peer): Promise<{ readonly process: Measured; readonly port: number }> {
  const port = await freePort();
  const process_ = new Measured(peer.command, peer.args(port));
  await listening(port);
  return { process: process_, port };
}

async function throughput(peer: Peer, switches: number, report: Report): Promise<void> {
  const { process: controlling, port } = await controller(peer);
  await using _ = controlling;
  const { load } = await Load.start({ port, version: peer.version, switches, outstanding: 64 });
  await using __ = load;
  await load.introduce();
  await load.run(warmUpS);
  const before = controlling.cpuS();
  const { answers, flowMods, strange, seconds } = await load.run(runS);
  const perCpu = answers / (controlling.cpuS() - before);
  if (strange > 0 || flowMods < answers) throw new Error(`${peer.who}: ${answers} answers with ${flowMods} flow-mods, ${strange} of them to no question`);
  report({ what: `packet-ins answered, ${switches} switches`, who: peer.who, value: perCpu, unit: "per CPU-second", ...(peer.who === "ours" ? { bar: atLeast(perCpu, 450_000) } : {}) });
  report({ what: `packet-ins answered, ${switches} switches, by the clock`, who: peer.who, value: answers / seconds, unit: "per second" });
}

const quantile = (sorted: Float64Array, share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;

async function latency(peer: Peer, report: Report): Promise<void> {
  const { process: controlling, port } = await controller(peer);
  await using _ = controlling;
  const { load } = await Load.start({ port, version: peer.version, switches: 16, outstanding: 1 });
  await using __ = load;
  await load.introduce();
  await load.run(1, 2_000);
  const { latenciesUs } = await load.run(runS, 2_000);
  const [p50, p99] = [quantile(latenciesUs, 0.5), quantile(latenciesUs, 0.99)];
  const isOurs = peer.who === "ours";
  report({ what: "answer at 2,000/s, p50", who: peer.who, value: p50, unit: "µs", ...(isOurs ? { bar: atMost(p50, 40, "µs") } : {}) });
  report({ what: "answer at 2,000/s, p99", who: peer.who, value: p99, unit: "µs", ...(isOurs ? { bar: atMost(p99, 1_000, "µs") } : {}) });
}

async function crowd(peer: Peer, report: Report): Promise<void> {
  const { process: controlling, port } = await controller(peer);
  await using _ = controlling;
  const { load, connectedMs } = await Load.start({ port, version: peer.version, switches: 1_000, outstanding: 1 });
  await using __ = load;
  await load.introduce();
  const { peak } = controlling.memoryMb();
  const isOurs = peer.who === "ours";
  report({ what: "1,000 switches at once: all served", who: peer.who, value: connectedMs, unit: "ms", ...(isOurs ? { bar: atMost(connectedMs, 1_000, "ms") } : {}) });
  report({ what: "1,000 switches at once: peak memory", who: peer.who, value: peak, unit: "MB", ...(isOurs ? { bar: atMost(peak, 150, "MB") } : {}) });
}

async function stalled(peer: Peer, report: Report): Promise<void> {
  const rates: number[] = [];
  let peak = 0;
  for (const count of [0, 4]) {
    const { process: controlling, port } = await controller(peer);
    await using _ = controlling;
    // The same twelve switches ask in both runs; in the second four more do not read.
    const { load } = await Load.start({ port, version: peer.version, switches: 12 + count, outstanding: 64, stalled: count });
    await using __ = load;
    await load.introduce();
    await load.run(warmUpS);
    const { each, seconds } = await load.run(runS);
    rates.push(each.slice(count).reduce((sum, n) => sum + n, 0) / seconds);
    ({ peak } = controlling.memoryMb());
  }
  const [without = 1, withThem = 0] = rates;
  const lost = (1 - withThem / without) * 100;
  const isOurs = peer.who === "ours";
  report({ what: "4 of 16 switches stop reading: the others lose", who: peer.who, value: lost, unit: "%", ...(isOurs ? { bar: atMost(lost, 10, "%") } : {}) });
  report({ what: "4 of 16 switches stop reading: peak memory", who: peer.who, value: peak, unit: "MB" });
}

const mods = (count: number, tableId: number): FlowMod[] =>
  Array.from({ length: count }, (_, i) =>
    flowMod({ tableId, priority: 10, cookie: BigInt(i), match: match({ inPort: 1, ethType: 0x800, ipProto: 6, ipv4Dst: 0x0a000000 + i, tcpDst: 80 }), instructions: [instruction.apply(action.output(2))] }),
  );

async function push(report: Report): Promise<void> {
  const counting = fork(`${projectDir}/dist/bench/openflow/counting-switch.js`);
  try {
    const [{ port }] = (await once(counting, "message")) as [{ port: number }];
    const connection = await connect({ remote: `tcp:127.0.0.1:${port}`, versions: [4] });
    const batch = mods(20_000, 0);
    for (let i = 0; i < 5; i++) await connection.apply(batch);
    const start = performance.now();
    const rounds = 10;
    for (let i = 0; i < rounds; i++) await connection.apply(batch);
    const rate = (rounds * batch.length) / ((performance.now() - start) / 1000);
    await connection.close();
    report({ what: "20,000 flow-mods to a switch that only counts", who: "ours", value: rate, unit: "per second", bar: atLeast(rate, 500_000) });
  } finally {
    counting.kill();
  }
}

/** Writes bytes encoded before and waits for the barrier behind them: what the switch itself takes. */
async function ceiling(path: string, bytes: Buffer): Promise<number> {
  const socket = net.connect(path);
  await once(socket, "connect");
  socket.write(encodeMessage(4, 1, { type: "hello", versions: [4] }));
  const start = performance.now();
  socket.write(bytes);
  socket.write(encodeMessage(4, 0x7eadbeef, { type: "barrierRequest" }));
  await new Promise<void>((resolve) => {
    let held = Buffer.alloc(0);
    socket.on("data", (chunk) => {
      held = Buffer.concat([held, chunk]);
      if (held.includes(Buffer.from([4, 21, 0, 8, 0x7e, 0xad, 0xbe, 0xef]))) resolve();
    });
  });
  const elapsed = performance.now() - start;
  socket.destroy();
  return elapsed;
}

async function realSwitch(report: Report): Promise<void> {
  const capsule = await Capsule.start();
  await using ovs = await Ovs.start(capsule);
  await ovs.vsctl("add-br", "br", "--", "set", "bridge", "br", "datapath_type=netdev", "fail_mode=secure");
  const path = capsule.path("/run/openvswitch/br.mgmt");
  const count = 100_000;
  const connection = await connect({ remote: `unix:${path}`, versions: [4], requestTimeoutMs: 60_000 });
  const empty = (): Promise<unknown> => connection.apply([flowMod({ command: "delete", tableId: 0xff })]);
  const own: number[] = [];
  const bare: number[] = [];
  for (let round = 0; round < 3; round++) {
    const batch = mods(count, 0);
    const start = performance.now();
    const errors = await connection.apply(batch);
    own.push(performance.now() - start);
    if (errors.length > 0) throw new Error(`the switch refused ${errors.length} flow-mods`);
    await empty();
    bare.push(await ceiling(path, Buffer.concat(batch.map((mod, i) => encodeMessage(4, i + 10, mod)))));
    await empty();
  }
  const ratio = Math.min(...own) / Math.min(...bare);
  report({ what: "100,000 flows into Open vSwitch", who: "ours", value: Math.min(...own), unit: "ms" });
  report({ what: "100,000 flows into Open vSwitch", who: "bytes made before", value: Math.min(...bare), unit: "ms" });
  report({ what: "100,000 flows into Open vSwitch, ours to the switch's ceiling", who: "ours", value: ratio, unit: "times", bar: atMost(ratio, 1.2) });

  await connection.apply(mods(count, 0));
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < 3; round++) {
    const before = process.cpuUsage();
    const flows = await connection.flowStats();
    const { user, system } = process.cpuUsage(before);
    if (flows.length !== count) throw new Error(`${flows.length} flows came`);
    ours.push((user + system) / 1000);
    // What the shell's children have used, in s: "user system" of `times`, second line.
    const { stdout } = await capsule.run("bash", ["-c", "ovs-ofctl -O OpenFlow13 dump-flows br > /run/dump; times"]);
    const [m1 = 0, s1 = 0, m2 = 0, s2 = 0] = (stdout.trim().split("\n").at(-1) ?? "").match(/[\d.]+/g)?.map(Number) ?? [];
    theirs.push(((m1 + m2) * 60 + s1 + s2) * 1000);
  }
  await connection.close();
  const [best, peer] = [Math.min(...ours), Math.min(...theirs)];
  report({ what: "a dump of 100,000 flows read, CPU", who: "ours", value: best, unit: "ms" });
  report({ what: "a dump of 100,000 flows read and printed, CPU", who: "ovs-ofctl 3.1", value: peer, unit: "ms" });
  report({ what: "a dump of 100,000 flows, ours to ovs-ofctl", who: "ours", value: best / peer, unit: "times", bar: atMost(best / peer, 2) });
}

export const openflow: Bench = {
  name: "openflow",
  about: "learning switches under packet-ins (64 outstanding a switch, SYNs between known hosts), many connections, large tables",
  async run(report) {
    for (const peer of peers) for (const switches of [16, 64].filter((n) => n <= (peer.maxSwitches ?? n))) await throughput(peer, switches, report);
    for (const peer of [...peers, floor]) await latency(peer, report);
    for (const peer of peers.filter(({ maxSwitches }) => maxSwitches === undefined)) await crowd(peer, report);
    for (const peer of peers.slice(0, 2)) await stalled(peer, report);
    await push(report);
    await realSwitch(report);
  },
};
