/**
 * What the shadow of an edge port costs in memory: `node dist/lab/measure/port-memory.js [PORTS]`, 1,000 by default, on ten bridges. The daemon
 * is attached to a network of few ports, then to one with that many more: each time the resident memory of ovs-vswitchd before attaching and
 * in step, that of the daemon, and what of its heap was in use after a full garbage collection. Prints one line of JSON, bytes for each further
 * port. The resident memory of the daemon is mostly garbage that V8 has not collected yet.
 */
import { createInterface } from "node:readline";
import { buildLive } from "../attached.js";
import { Capsule, projectDir } from "../capsule.js";
import { Ovs } from "../ovs.js";
import { Shadowd } from "../shadowd.js";
import { waitFor } from "../wait.js";

const bridges = 10;
const more = Number(process.argv[2] ?? 1_000);
const few = 2;

interface Memory {
  readonly ports: number;
  readonly vswitchdBefore: number;
  readonly vswitchdInStep: number;
  readonly daemon: number;
  readonly daemonHeap: number;
}

/** Resident memory in bytes of the one process of the capsule whose command line matches. */
async function resident(ovs: Ovs, pattern: string): Promise<number> {
  const { stdout } = await ovs.capsule.run("sh", ["-c", `for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep -q '^${pattern}' && cat $p/status; done; true`]);
  return Number(/VmRSS:\s+(\d+) kB/.exec(stdout)?.[1] ?? NaN) * 1_024;
}

async function measure(edges: number): Promise<Memory> {
  await using ovs = await Ovs.start(await Capsule.start());
  await buildLive(ovs, { bridges, edges });
  const vswitchd = "ovs-vswitchd unix";
  const vswitchdBefore = await resident(ovs, vswitchd);
  const config = ["forward: { enabled: false }", "sflow: { samplingRate: 1000000 }", "policy: { promotion: { automatic: false } }", "stateDir: /run/lab/state", ""].join("\n");
  const shadowd = new Shadowd(ovs.capsule);
  shadowd.configure(config);
  const daemon = ovs.capsule.spawn("node", ["--trace-gc", `${projectDir}/dist/src/main.js`, "--config", "/run/lab/config.yaml"], { stdio: ["ignore", "pipe", "ignore"] });
  const heaps: number[] = [];
  if (daemon.stdout === null) throw new Error("no pipe");
  let main: string | undefined;
  createInterface(daemon.stdout).on("line", (line) => {
    // Of the main thread: its isolate is the first to say anything.
    const isolate = /^\[\d+:(0x[0-9a-f]+)\]/.exec(line)?.[1];
    main ??= isolate;
    const after = isolate === main ? /Mark-Compact.* -> ([\d.]+) \(/.exec(line)?.[1] : undefined;
    if (after !== undefined) heaps.push(Number(after) * 1_048_576);
  });
  await shadowd.inStep(bridges, 300_000);
  const collected = heaps.length;
  await waitFor(() => heaps.length >= collected + 2, "the garbage was collected twice", 180_000);
  return { ports: bridges * edges, vswitchdBefore, vswitchdInStep: await resident(ovs, vswitchd), daemon: await resident(ovs, "node .*/dist/src/main.js"), daemonHeap: heaps.at(-1) ?? NaN };
}

const small = await measure(few);
const large = await measure(few + Math.ceil(more / bridges));
const ports = large.ports - small.ports;
const each = (of: (memory: Memory) => number): number => Math.round((of(large) - of(small)) / ports);
process.stdout.write(
  `${JSON.stringify({ small, large, bytesEach: { liveAlone: each((one) => one.vswitchdBefore), shadowInVswitchd: each((one) => one.vswitchdInStep - one.vswitchdBefore), daemon: each((one) => one.daemon), daemonHeap: each((one) => one.daemonHeap) } })}\n`,
);
