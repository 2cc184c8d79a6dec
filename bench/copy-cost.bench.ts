/** What a copy costs live: forwarding under a flood, and the delay of a probe, beside no copy and Open vSwitch's own Mirror. */
import { projectDir } from "../lab/capsule.js";
import { PatchPanel } from "../lab/patch-panel.js";
import { waitFor } from "../lab/wait.js";
import { adapterBridge, shadowBridge } from "../src/shadow/names.js";
import { atLeast, atMost, type Bench } from "./bench.js";

const rounds = 7;
/** Of what is measured apart from the others. */
const fewRounds = 5;
const seconds = 1;
const connections = 500;
const config = (showSink: boolean): string[] => [`shadow: { sessions: [], showSink: ${showSink}, budget: { enabled: false } }`, "sflow: { samplingRate: 1000000 }", "forward: { enabled: false }", "policy: { promotion: { automatic: false } }"];
const theirSink = "sink0";

interface Measured {
  /** Packets a second under the flood, and copies of them. */
  readonly forwarded: number;
  readonly copied: number;
  /** Packets of the whole flood. */
  readonly inAll: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly lost: number;
  /** Processor time of ovs-vswitchd for each packet it forwarded under the flood, in µs. */
  readonly processorUs: number;
}

/** Copies of a steady stream beside their originals. */
interface Spacing {
  readonly copied: number;
  readonly delivered: number;
  readonly reordered: number;
  /** How much the time between two copies differs from that between the two originals. */
  readonly p50Us: number;
  readonly p99Us: number;
}

interface Enabled {
  readonly delivered: number;
  readonly firstCopiedMs: number | null;
  readonly lastMissedMs: number | null;
}

/** One way to copy: how it is switched on and off, where its copies are seen, and the share of packets that must be there. */
interface Way {
  readonly name: string;
  readonly sink: string;
  readonly on: (panel: PatchPanel) => Promise<void>;
  readonly off: (panel: PatchPanel) => Promise<void>;
  readonly share: readonly [least: number, most: number];
}

const nothing = (): Promise<void> => Promise.resolve();
const ours = (percent: number, share: Way["share"]): Way => ({
  name: `ours, ${percent} %`,
  sink: adapterBridge("l1"),
  on: async (panel) => void (await panel.ctl("mirror", "add", "bench", "--percent", String(percent))),
  off: async (panel) => void (await panel.ctl("mirror", "remove", "bench")),
  share,
});
/** Cached flows do not notice a Mirror row that comes or goes before the next flow-mod. */
async function poke({ ovs }: PatchPanel): Promise<void> {
  await ovs.ofctl("add-flow", "l1", "table=200,actions=drop");
  await ovs.ofctl("del-flows", "l1", "table=200");
}
const ways: readonly Way[] = [
  { name: "no copy", sink: theirSink, on: nothing, off: nothing, share: [0, 0.01] },
  {
    name: "Open vSwitch's Mirror",
    sink: theirSink,
    on: async (panel) => {
      const row = ["--id=@m", "create", "mirror", "name=theirs", "select_src_port=@s1,@s3", "output_port=@o", "--", "add", "bridge", "l1", "mirrors", "@m"];
      await panel.ovs.vsctl("--", "--id=@s1", "get", "port", "l1-1", "--", "--id=@s3", "get", "port", "l1-3", "--", "--id=@o", "get", "port", theirSink, "--", ...row);
      await poke(panel);
    },
    off: async (panel) => {
      await panel.ovs.vsctl("--", "--id=@m", "get", "mirror", "theirs", "--", "remove", "bridge", "l1", "mirrors", "@m");
      await poke(panel);
    },
    share: [0.95, 1.05],
  },
  // The fraction is one of connections: what it is of these 500 is the draw's.
  ours(1, [0, 0.05]),
  ours(10, [0.04, 0.18]),
  ours(100, [0.95, 1.05]),
];

/** As attached: the copies end in the shadow, and no device shows them. */
const unseenWays: readonly Way[] = [ways[0], ours(1, [0, 0.05]), ours(10, [0.04, 0.18]), ours(100, [0.95, 1.05])].flatMap((way) => way ?? []).map((way) => ({ ...way, sink: theirSink }));

async function start(showSink: boolean): Promise<PatchPanel> {
  const panel = await PatchPanel.start({ l1: 3 });
  const { ovs } = panel;
  await ovs.vsctl("add-port", "l1", theirSink, "--", "set", "interface", theirSink, "type=internal", "ofport_request=9");
  await ovs.ofctl("del-flows", "l1");
  for (const inPort of [1, 3]) await ovs.ofctl("add-flow", "l1", `priority=9,in_port=${inPort},actions=output:2`);
  panel.startDaemon(config(showSink));
  await panel.inStep();
  // Both sinks are taps that nobody reads, and up: the kernel takes the frame and drops it.
  for (const device of [theirSink, ...(showSink ? [adapterBridge("l1")] : [])]) await ovs.capsule.run("ip", ["link", "set", device, "addrgenmode", "none", "up"]);
  return panel;
}

async function run<T>(panel: PatchPanel, ...args: (string | number)[]): Promise<T> {
  const { stdout } = await panel.ovs.capsule.run("/usr/bin/python3", [`${projectDir}/bench/copy-cost.py`, ...args.map(String)], { timeoutMs: 60_000 });
  return JSON.parse(stdout) as T;
}

/** `counted`: read before and after the flood, while the way is on; how much it grew for each packet that was forwarded is `share`. */
async function measure(panel: PatchPanel, way: Way, counted?: (panel: PatchPanel) => Promise<number>): Promise<Measured & { readonly share: number }> {
  await way.on(panel);
  try {
    await panel.inStep();
    const probed = await run<Pick<Measured, "p50Us" | "p99Us" | "lost">>(panel, "probe", "l1-1-h", "l1-2-h", seconds, 1_000);
    const before = await counted?.(panel);
    const flooded = await run<Omit<Measured, "p50Us" | "p99Us" | "lost">>(panel, "flood", "l1-3-h", "l1-2-h", way.sink, seconds, connections, "/run/openvswitch/ovs-vswitchd.pid");
    const share = counted === undefined || before === undefined ? flooded.copied / flooded.forwarded : ((await counted(panel)) - before) / flooded.inAll;
    return { ...probed, ...flooded, share };
  } finally {
    await way.off(panel);
    await waitFor(async () => !(await panel.ovs.vsctl("--columns=select_src_port", "--bare", "list", "mirror")).trim(), "no Mirror row copies");
  }
}

/** Packets that came into the shadow of l1 by the port of the flood. */
async function copies(panel: PatchPanel): Promise<number> {
  await panel.ovs.appctl("revalidator/wait");
  return (await panel.received(shadowBridge("l1"))).get(3) ?? 0;
}

/** What copies cost that end in the shadow, by the counters of the ports by which they come in. */
async function unseen(report: Parameters<Bench["run"]>[0]): Promise<void> {
  await using panel = await start(false);
  const results = new Map<Way, (Measured & { readonly share: number })[]>(unseenWays.map((way) => [way, []]));
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < unseenWays.length; i++) {
      const way = unseenWays[(i + round) % unseenWays.length];
      if (way === undefined) continue;
      results.get(way)?.push(await measure(panel, way, copies));
    }
  }
  const plain = median(results.get(unseenWays[0] as Way)?.map(({ forwarded }) => forwarded) ?? []);
  for (const [{ name, share }, all] of results) {
    const [forwarded, copied] = [median(all.map((one) => one.forwarded)), median(all.map((one) => one.share))];
    if (copied < share[0] || copied > share[1]) throw new Error(`${name}, ending in the shadow: copies are ${(copied * 100).toFixed(1)} % of what was forwarded`);
    const bar = name === "ours, 10 %" ? { bar: atLeast(forwarded, Math.round(plain * 0.95), "packets/s (95 % of no copy)") } : {};
    report({ what: "forwarded under the flood, copies ending in the shadow", who: name, value: forwarded, unit: "packets/s", ...bar });
    report({ what: "processor time of ovs-vswitchd for each packet, copies ending in the shadow", who: name, value: median(all.map((one) => one.processorUs)), unit: "µs" });
  }
}

/** Copies of 10,000 packets/s, by one way that copies all. */
async function space(panel: PatchPanel, way: Way): Promise<Spacing> {
  await way.on(panel);
  try {
    await panel.inStep();
    return await run<Spacing>(panel, "spacing", "l1-1-h", "l1-2-h", way.sink, 2, 10_000);
  } finally {
    await way.off(panel);
  }
}

/** From asking for all of established connections until every packet is copied, in ms; the time the command itself takes is in it. */
async function timeToWhole(panel: PatchPanel): Promise<number> {
  const way = ours(100, [1, 1]);
  const measured = run<Enabled>(panel, "enable", "l1-1-h", "l1-2-h", way.sink, 6, 2_000, 20);
  const before = (await panel.received("l1")).get(1) ?? 0;
  await waitFor(async () => ((await panel.received("l1")).get(1) ?? 0) > before + 1_000, "the connections are established");
  const askedMs = Date.now();
  try {
    await way.on(panel);
    const { firstCopiedMs, lastMissedMs } = await measured;
    if (firstCopiedMs === null || lastMissedMs === null || lastMissedMs < askedMs) throw new Error("the copies were not switched on while the connections were there");
    return lastMissedMs - askedMs;
  } finally {
    await way.off(panel);
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((x, y) => x - y)[values.length >> 1] ?? 0;
}

export const copyCost: Bench = {
  name: "copy-cost",
  about: `64-byte flood of ${connections} connections through the userspace datapath, and a probe of 1,000 packets/s without it; median of ${rounds} rounds in turn; the controller runs in all`,
  async run(report) {
    await unseen(report);
    await using panel = await start(true);
    const results = new Map<Way, Measured[]>(ways.map((way) => [way, []]));
    for (let round = 0; round < rounds; round++) {
      // Each round begins with another way, so that none always follows the same one.
      for (let i = 0; i < ways.length; i++) {
        const way = ways[(i + round) % ways.length];
        if (way !== undefined) results.get(way)?.push(await measure(panel, way));
      }
    }
    const of = (name: string, key: keyof Measured): number => median([...results].find(([way]) => way.name === name)?.[1].map((one) => one[key]) ?? []);
    for (const { name, share } of ways) {
      const copied = of(name, "copied") / of(name, "forwarded");
      if (copied < share[0] || copied > share[1]) throw new Error(`${name}: copies are ${(copied * 100).toFixed(1)} % of what was forwarded`);
      const isWhole = name === "ours, 100 %";
      const bound = Math.round(of("Open vSwitch's Mirror", "forwarded") * 0.95);
      report({ what: "forwarded under the flood", who: name, value: of(name, "forwarded"), unit: "packets/s", ...(isWhole ? { bar: atLeast(of(name, "forwarded"), bound, "packets/s (95 % of the Mirror's)") } : {}) });
      if (name !== "no copy") report({ what: "copies of what was forwarded", who: name, value: copied * 100, unit: "%" });
      report({ what: "delay of the probe, p50", who: name, value: of(name, "p50Us"), unit: "µs" });
      report({ what: "delay of the probe, p99", who: name, value: of(name, "p99Us"), unit: "µs" });
      report({ what: "probe packets lost", who: name, value: of(name, "lost"), unit: "packets" });
      report({ what: "processor time of ovs-vswitchd for each packet", who: name, value: of(name, "processorUs"), unit: "µs" });
    }
    for (const way of ways.filter(({ share }) => share[0] > 0.5)) {
      const all: Spacing[] = [];
      for (let round = 0; round < fewRounds; round++) all.push(await space(panel, way));
      const isOurs = way.name.startsWith("ours");
      const p99 = median(all.map(({ p99Us }) => p99Us));
      const reordered = Math.max(...all.map((one) => one.reordered));
      report({ what: "10,000 packets/s: copied of what was delivered", who: way.name, value: Math.min(...all.map((one) => (one.copied / one.delivered) * 100)), unit: "%" });
      report({ what: "10,000 packets/s: error of the time between copies, p50", who: way.name, value: median(all.map(({ p50Us }) => p50Us)), unit: "µs" });
      report({ what: "10,000 packets/s: error of the time between copies, p99", who: way.name, value: p99, unit: "µs", ...(isOurs ? { bar: atMost(p99, 100, "µs") } : {}) });
      report({ what: "10,000 packets/s: copies out of order", who: way.name, value: reordered, unit: "packets", ...(isOurs ? { bar: atMost(reordered, 0, "packets") } : {}) });
    }
    const whole: number[] = [];
    for (let round = 0; round < fewRounds; round++) whole.push(await timeToWhole(panel));
    report({ what: "established connections: command → every packet copied", who: "ours, 100 %", value: median(whole), unit: "ms", bar: atMost(median(whole), 1_000, "ms") });
  },
};
