/**
 * What the shadow of an edge port costs in memory: `node dist/lab/measure/port-memory.js [PORTS]`, 1,000 by default, on ten bridges. The daemon
 * is attached to a network of few ports, then to one with that many more: each time the resident memory of ovs-vswitchd before attaching and
 * in step, and that of the daemon in step, the least of 200 looks. Prints one line of JSON, bytes for each further port.
 */
import { writeFileSync } from "node:fs";
import type { GetStatusResponse } from "../../src/api/generated/ovsshadow/v1/shadow.js";
import { buildLive } from "../attached.js";
import { Capsule, projectDir } from "../capsule.js";
import { Ovs } from "../ovs.js";
import { waitFor } from "../wait.js";

const bridges = 10;
const more = Number(process.argv[2] ?? 1_000);
const few = 2;

interface Memory {
  readonly ports: number;
  readonly vswitchdBefore: number;
  readonly vswitchdInStep: number;
  readonly daemon: number;
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
  writeFileSync(ovs.capsule.path("/run/lab/config.yaml"), config);
  ovs.capsule.spawn("node", [`${projectDir}/dist/src/main.js`, "--config", "/run/lab/config.yaml"], { stdio: "ignore" });
  const isInStep = async (): Promise<boolean> => {
    const { code, stdout } = await ovs.capsule.run("node", [`${projectDir}/dist/src/cli/main.js`, "status", "--output", "json"], { mayFail: true, timeoutMs: 60_000 });
    if (code !== 0) return false;
    const { settled, shadows } = JSON.parse(stdout) as GetStatusResponse;
    return settled && shadows.length === bridges && shadows.every(({ state }) => state === "in step");
  };
  await waitFor(isInStep, "all shadows are in step", 300_000);
  // The least of some looks: what is garbage goes meanwhile.
  const looks: number[] = [];
  await waitFor(async () => looks.push(await resident(ovs, "node .*/dist/src/main.js")) >= 200, "it has come to rest", 60_000);
  return { ports: bridges * edges, vswitchdBefore, vswitchdInStep: await resident(ovs, vswitchd), daemon: Math.min(...looks) };
}

const small = await measure(few);
const large = await measure(few + Math.ceil(more / bridges));
const ports = large.ports - small.ports;
const each = (of: (memory: Memory) => number): number => Math.round((of(large) - of(small)) / ports);
process.stdout.write(
  `${JSON.stringify({ small, large, bytesEach: { liveAlone: each((one) => one.vswitchdBefore), shadowInVswitchd: each((one) => one.vswitchdInStep - one.vswitchdBefore), daemon: each((one) => one.daemon) } })}\n`,
);
