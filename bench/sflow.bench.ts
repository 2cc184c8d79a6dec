/** sFlow: decoding with the 5-tuple counted per flow, offline from a capture and live on loopback, beside sfacctd and sfcapd. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { atLeast, atMost, type Bench, type Figure } from "./bench.js";
import { sfacctdLive, sfacctdName, sfacctdOffline, sfcapdLive, sfcapdName, timed } from "./sflow-peers.js";
import { asPcap, forGenerator, makeWorkload, templateCount, type Workload } from "./sflow-workload.js";

/** 1,000,000 samples. */
const offlineRounds = 200;
const liveRate = 80_000;
const liveSeconds = 10;
const liveDatagrams = liveRate * liveSeconds;
const peerPort = 26_343;
/** Resident memory may grow by this after the first second and still be called flat. */
const flatMb = 20;

const ours = fileURLToPath(new URL("./sflow-count.js", import.meta.url));
const generator = fileURLToPath(new URL("../../bench/sflow-generator.py", import.meta.url));

interface Counted {
  readonly samples: number;
  readonly datagrams: number;
  readonly lost: number;
  readonly flows: readonly (readonly [string, number])[];
  readonly maxRssBytes: number;
}
interface LiveCounted extends Counted {
  readonly ringDropped: number;
  readonly kernelDropped: number;
  readonly rssMb: readonly number[];
  readonly cpuS: number;
}

/** Flows whose count is not the truth's, when the workload was sent `datagrams` datagrams long. */
function wrongFlows({ flows, samples }: Workload, counted: Counted, rounds: number): number {
  const expected = rounds * samples.reduce((sum, count) => sum + count, 0);
  const got = new Map(counted.flows);
  let wrong = counted.samples === expected ? 0 : 1;
  for (const [key, count] of flows) if (got.get(key) !== count * rounds) wrong++;
  return wrong + Math.max(0, got.size - flows.size);
}

/** Sends the workload to a port; resolves with the rate it went at, in datagrams/s. */
async function generate(workload: Workload, port: number, datagrams: number): Promise<number> {
  const child = spawn("nice", ["-n", "-10", "python3", generator, "127.0.0.1", String(port), String(datagrams), String(liveRate)], { stdio: ["pipe", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stdin.end(forGenerator(workload));
  const [code] = (await once(child, "close")) as [number | null];
  const [sent = 0, seconds = 1] = output.trim().split(" ").map(Number);
  if (code !== 0 || sent !== datagrams) throw new Error(`the generator sent ${sent} of ${datagrams}`);
  return sent / seconds;
}

function offline(workload: Workload, dir: string, report: (figure: Figure) => void): void {
  const file = `${dir}/offline.pcap`;
  const fd = openSync(file, "w");
  for (const piece of asPcap(workload, offlineRounds)) writeSync(fd, piece);
  closeSync(fd);
  const what = "offline: samples of a capture, decoded and counted per flow, per CPU-second";
  const { cpuS, stdout } = timed([process.execPath, ours, "offline", file]);
  const counted = JSON.parse(stdout) as Counted;
  report({ what, who: "ours", value: counted.samples / cpuS, unit: "samples/CPU-s", bar: atLeast(counted.samples / cpuS, 800_000) });
  const wrong = wrongFlows(workload, counted, offlineRounds);
  report({ what: "offline: flows not counted as they were made", who: "ours", value: wrong, unit: "flows", bar: atMost(wrong, 0) });
  const mb = counted.maxRssBytes / (1 << 20);
  report({ what: "offline: memory, at most", who: "ours", value: mb, unit: "MB", bar: atMost(mb, 200, "MB") });
  const peer = sfacctdOffline(dir, file);
  report({ what, who: sfacctdName(), value: peer.samples / peer.cpuS, unit: "samples/CPU-s" });
  rmSync(file);
}

async function live(workload: Workload, report: (figure: Figure) => void): Promise<void> {
  const child = spawn("nice", ["-n", "-10", process.execPath, ours, "live"], { stdio: ["pipe", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  await once(child.stdout, "data");
  const { port } = JSON.parse(output.split("\n")[0] ?? "") as { port: number };
  const rate = await generate(workload, port, liveDatagrams);
  child.stdin.end();
  await once(child, "close");
  const counted = JSON.parse(output.split("\n")[1] ?? "") as LiveCounted;
  const expected = liveDatagrams * (5_000 / templateCount);
  report({ what: "live: rate it was sent at", who: "generator", value: rate, unit: "datagrams/s", bar: atLeast(rate, liveRate * 0.99) });
  const dropped = liveDatagrams - counted.datagrams;
  report({ what: `live: dropped of ${liveDatagrams.toLocaleString("en")} datagrams in ${liveSeconds} s`, who: "ours", value: dropped, unit: "datagrams", bar: atMost(dropped, 0) });
  const told = counted.kernelDropped + counted.ringDropped;
  report({ what: "live: of these, those it says the kernel or the ring dropped", who: "ours", value: told, unit: "datagrams", bar: { text: "all", ok: told === dropped } });
  const untrue = Math.abs(counted.samples - Math.floor(expected)) > 8 ? 1 : 0;
  report({ what: "live: samples counted", who: "ours", value: counted.samples, unit: "samples", bar: { text: `all ${Math.floor(expected).toLocaleString("en")}`, ok: untrue === 0 } });
  report({ what: "live: samples per CPU-second, receiving included", who: "ours", value: counted.samples / counted.cpuS, unit: "samples/CPU-s" });
  const mb = counted.maxRssBytes / (1 << 20);
  report({ what: "live: memory, at most", who: "ours", value: mb, unit: "MB", bar: atMost(mb, 200, "MB") });
  const growth = (counted.rssMb.at(-1) ?? 0) - (counted.rssMb[2] ?? 0);
  report({ what: "live: memory gained from the third second to the end", who: "ours", value: growth, unit: "MB", bar: atMost(growth, flatMb, "MB") });
}

async function livePeers(workload: Workload, dir: string, report: (figure: Figure) => void): Promise<void> {
  const load = async (): Promise<void> => void (await generate(workload, peerPort, liveDatagrams));
  const expected = Math.floor(liveDatagrams * (5_000 / templateCount));
  for (const [who, run] of [
    [sfacctdName(), sfacctdLive],
    [sfcapdName(), sfcapdLive],
  ] as const) {
    const peer = await run(dir, peerPort, load);
    report({ what: "live: samples not counted", who, value: expected - peer.samples, unit: "samples" });
    report({ what: "live: samples per CPU-second, receiving included", who, value: peer.samples / peer.cpuS, unit: "samples/CPU-s" });
    report({ what: "live: memory, at most", who, value: peer.maxRssBytes / (1 << 20), unit: "MB" });
  }
}

/**
 * Lets this session go before others on a busy machine, or no more: ours, the peers and the generator alike. The kernel groups
 * processes by session, and nice(1) goes between those of one only. Where it can't be set the live figures tell of the machine.
 */
function setSessionNiceness(niceness: number): void {
  try {
    writeFileSync("/proc/self/autogroup", String(niceness));
  } catch (error) {
    if (!["ENOENT", "EACCES", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}

export const sflowBench: Bench = {
  name: "sflow",
  about: "flow samples of 128 bytes in datagrams of 7, decoded to the 5-tuple and counted per flow; live at 80,000 datagrams/s on loopback",
  async run(report) {
    const dir = mkdtempSync(`${tmpdir()}/bench-sflow-`);
    try {
      const workload = makeWorkload();
      offline(workload, dir, report);
      setSessionNiceness(-10);
      await live(workload, report);
      await livePeers(workload, dir, report);
    } finally {
      setSessionNiceness(0);
      rmSync(dir, { recursive: true });
    }
  },
};
