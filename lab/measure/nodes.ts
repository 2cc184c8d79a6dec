/**
 * What shadow nodes cost: `node dist/lab/measure/nodes.js [REAL] [ALL]`, 16 real ones of 1,000 by default, on ten bridges with as many edge ports,
 * behind which twice as many hosts as real nodes announce themselves. Prints one line of JSON: light and real nodes that are listed, how long the real ones took from
 * the daemon's being in step, the proportional memory (Pss) of what runs in and for them, by program, in bytes of each process, and the processor
 * time of 20 s in ms a pair: of these, of the daemon and of ovs-vswitchd, less that of a run without real nodes.
 */
import { buildLive } from "../attached.js";
import { Capsule } from "../capsule.js";
import { Ovs } from "../ovs.js";
import { Shadowd } from "../shadowd.js";
import { elapse, waitFor } from "../wait.js";
import type { ListNodesResponse } from "../../src/api/generated/ovsshadow/v1/nodes.js";

const bridges = 10;
const real = Number(process.argv[2] ?? 16);
const all = Number(process.argv[3] ?? 1_000);
/** Hosts of each bridge. */
const hosts = Math.ceil((2 * real) / bridges);
const windowMs = 20_000;

/** Announces a host behind each edge port (RFC 5227, 3), by ARP from its device. */
const announce = `
import socket, struct, sys
for n in range(${bridges}):
    for e in range(1, int(sys.argv[1]) + 1):
        mac = bytes([2, 0, 0, n, e >> 8, e & 255]); ip = bytes([10, n, e >> 8, e & 255])
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind((f"p{n}-{e}", 0))
        s.send(b"\\xff" * 6 + mac + struct.pack("!HHHBBH", 0x806, 1, 0x800, 6, 4, 1) + mac + ip + b"\\0" * 6 + ip); s.close()
`;

interface Usage {
  readonly processes: number;
  readonly pssBytes: number;
  readonly cpuMs: number;
}

/** By program: what the capsule's processes use. */
async function usage(ovs: Ovs): Promise<Map<string, Usage>> {
  const script = `for p in /proc/[0-9]*; do [ -r $p/smaps_rollup ] && echo "$(cat $p/comm) $(awk '/^Pss:/{print $2}' $p/smaps_rollup) $(sed 's/.*) //' $p/stat | awk '{print $12+$13}')"; done 2>/dev/null; true`;
  const found = new Map<string, Usage>();
  for (const line of (await ovs.capsule.run("sh", ["-c", script])).stdout.trim().split("\n")) {
    const [name = "", kb = "0", ticks = "0"] = line.split(" ");
    const { processes, pssBytes, cpuMs } = found.get(name) ?? { processes: 0, pssBytes: 0, cpuMs: 0 };
    found.set(name, { processes: processes + 1, pssBytes: pssBytes + Number(kb) * 1_024, cpuMs: cpuMs + Number(ticks) * 10 });
  }
  return found;
}

async function measure(count: number) {
  await using ovs = await Ovs.start(await Capsule.start());
  await buildLive(ovs, { bridges, edges: Math.ceil(all / bridges) });
  const up = String.raw`ip -o link show | sed -n 's/^[0-9]*: \(p[0-9]*-[0-9]*\):.*/link set dev \1 addrgenmode none\nlink set dev \1 up/p' | ip -batch -`;
  await ovs.capsule.run("sh", ["-c", up], { timeoutMs: 120_000 });
  const shadowd = new Shadowd(ovs.capsule);
  shadowd.start([`shadow: { nodes: { count: ${count}, maxPairs: 64 }, budget: { enabled: false } }`, "sflow: { samplingRate: 1000000 }", "policy: { promotion: { automatic: false } }", "stateDir: /run/lab/state", ""].join("\n"));
  await shadowd.inStep(bridges, 300_000);
  await ovs.capsule.run("python3", ["-c", announce, String(hosts)], { timeoutMs: 120_000 });
  const start = performance.now();
  const listed = (): Promise<ListNodesResponse> => shadowd.ctl<ListNodesResponse>(["nodes", "--all"]);
  await waitFor(async () => {
    const now = await listed().catch(() => undefined); // it is busy
    if (now === undefined) return false;
    const { nodes, pairs } = now;
    return nodes.filter((node) => node.real && node.why === "").length === count && nodes.filter(({ mac }) => mac !== "").length >= hosts * bridges && pairs.every(({ connected }) => connected);
  }, "all nodes are there", 300_000);
  const tookMs = performance.now() - start;
  await elapse(5_000);
  const before = await usage(ovs);
  await elapse(windowMs);
  const after = await usage(ovs);
  const { nodes, pairs, failure } = await listed();
  const cpuMs = Object.fromEntries([...after].map(([name, { cpuMs: now }]) => [name, now - (before.get(name)?.cpuMs ?? 0)]));
  const memory = Object.fromEntries(["ping", "tcpdump"].map((name) => {
    const { processes = 0, pssBytes = 0 } = after.get(name) ?? {};
    return [name, { processes, bytesEach: processes === 0 ? 0 : Math.round(pssBytes / processes) }];
  }));
  return { listed: nodes.length, named: new Set(nodes.map(({ name }) => name)).size, real: nodes.filter((node) => node.real).length, pairs: pairs.length / 2, lost: pairs.reduce((sum, { lost }) => sum + lost, 0), failure, tookMs: Math.round(tookMs), memory, cpuMs };
}

const none = await measure(0);
const some = await measure(real);
const each = Object.fromEntries(["ping", "tcpdump", "node", "ovs-vswitchd"].map((name) => [name, Math.round(((some.cpuMs[name] ?? 0) - (none.cpuMs[name] ?? 0)) / Math.max(1, some.pairs))]));
process.stdout.write(`${JSON.stringify({ none, some, cpuMsEachPairIn20S: each })}\n`);
