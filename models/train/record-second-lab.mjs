#!/usr/bin/env node
// Records ordinary traffic and floods in a second lab, built unlike the first: one bridge, other addresses, ports, sizes and programs. Three sets with
// different figures: "train-1", "train-2", and "judge", which no training, no threshold and no choice ever sees. If a judgement leads to a
// change, its set becomes one to train on and "judge" gets new figures: train-2 was one. Needs the built project and root.
//
//   node models/train/record-second-lab.mjs train-1|train-2|judge DIR [NAME...]
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { Capsule } from "../../dist/lab/capsule.js";
import { Ovs } from "../../dist/lab/ovs.js";
import { elapse } from "../../dist/lab/wait.js";

const [set, dir, ...only] = process.argv.slice(2);
const sets = ["train-1", "train-2", "judge"];
if (!sets.includes(set) || dir === undefined) throw new Error("usage: record-second-lab.mjs train-1|train-2|judge DIR [NAME...]");
mkdirSync(dir, { recursive: true });
const of = (...figures) => figures[sets.indexOf(set)];
const traffic = `/usr/bin/python3 ${path.join(import.meta.dirname, "traffic.py")}`;
const seconds = 8;
const v = "172.20.3.1";
const w = "172.20.4.1";

const capsule = await Capsule.start();
try {
  const ovs = await Ovs.start(capsule);
  const sh = (command, options = {}) => capsule.run("sh", ["-c", command], { timeoutMs: 60_000, ...options });
  const on = (host, command) => sh(`ip netns exec ${host} ${command}`, { mayFail: true });
  const serve = (host, command) => capsule.spawn("sh", ["-c", `exec ip netns exec ${host} ${command}`], { stdio: "ignore" });

  await sh("ip link set lo up");
  await ovs.vsctl("add-br", "b1", "--", "set", "bridge", "b1", "datapath_type=netdev");
  for (const [i, host] of ["a", "b", "v", "w"].entries()) {
    const inside = `ip link set lo up; ip addr add 172.20.${i + 1}.1/16 dev eth0; ip link set eth0 up; ethtool -K eth0 tx off tso off gso off gro off; for n in $(seq 10 73); do ip addr add 172.20.${i + 1}.$n/16 dev eth0; done`;
    await sh(`ip netns add ${host}; ip link add p-${host} type veth peer name eth0 netns ${host}; ip link set p-${host} up; ip netns exec ${host} sh -c '${inside}' > /dev/null`);
    await ovs.vsctl("add-port", "b1", `p-${host}`);
  }
  serve("v", `${traffic} web-serve 8080 ${of(2_500, 6_000, 4_000)}`);
  serve("w", `${traffic} web-serve 8080 ${of(60_000, 120_000, 90_000)}`);
  serve("v", `${traffic} udp-sink 9000`);
  for (const host of ["a", "b"]) serve(host, `${traffic} udp-answer 53 ${of(300, 180, 220)}`);
  serve("v", "iperf3 -s -p 5301");
  serve("w", "iperf -s -p 5002");
  await elapse(1_500);
  for (const host of ["a", "b"]) for (const other of [v, w]) await on(host, `ping -c 1 ${other}`);

  async function record(name, work) {
    if (only.length > 0 && !only.includes(name)) return;
    const args = ["-i", "any", "-Z", "root", "-Q", "in", "-n", "-s", "128", "-B", "65536", "-w", `${path.resolve(dir)}/${name}.pcap`, "not net 127.0.0.0/8"];
    const tcpdump = capsule.spawn("tcpdump", args, { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    tcpdump.stderr.on("data", (data) => (said += data));
    await once(tcpdump.stderr, "data");
    await work();
    await elapse(300);
    const ended = once(tcpdump, "exit");
    await sh("kill -INT $(pidof tcpdump)"); // of this capsule's processes, the only one
    await ended;
    console.log(`recorded ${name}: ${/\d+ packets? dropped by kernel/.exec(said)?.[0] ?? ""}`);
  }
  const web = (host, rate, sources, time = seconds) => on(host, `${traffic} web-load ${v} 8080 ${rate} ${time} 172.20.${host === "a" ? 1 : 2}. ${sources}`);
  const stream = (host, size, rate) => on(host, `${traffic} udp-stream ${v} 9000 ${size} ${rate} ${seconds}`);

  const streams = of([[64, 1000], [1200, 1000], [400, 3000], [700, 300], [1400, 150], [200, 2000], [1470, 1700], [1000, 4500], [18, 1000], [40, 3000], [50, 300]], [[128, 1000], [900, 1200], [1400, 2500], [300, 500], [50, 4000]], [[20, 1500], [90, 800], [512, 1000], [1100, 3000], [1300, 400]]);
  for (const [size, rate] of streams) await record(`benign-udp-${size}-${rate}`, () => stream("a", size, rate));
  await record("benign-udp-two", () => Promise.all([stream("a", of(300, 500, 150), of(800, 600, 1200)), stream("b", of(900, 150, 1250), of(500, 900, 250))]));
  await record("benign-iperf3", () => on("a", `iperf3 -c ${v} -p 5301 -t ${seconds} -b ${of(80, 30, 55)}M`));
  await record("benign-iperf2", () => on("b", `iperf -c ${w} -p 5002 -t ${seconds} -P ${of(4, 2, 3)} -b ${of(10, 25, 15)}M`));
  await record("benign-iperf3-udp", () => on("b", `iperf3 -u -c ${v} -p 5301 -t ${seconds} ${of("-b 20M", "-b 10M -l 1000", "-b 6M -l 300")}`));
  for (const [rate, sources] of of([[15, 8], [30, 20], [80, 64], [80, 1]], [[20, 12], [45, 30], [120, 2]], [[25, 15], [60, 50], [100, 4]])) await record(`benign-web-${rate}-${sources}`, () => web("a", rate, sources));
  for (const rate of of([200, 500], [350, 600], [250, 450])) await record(`benign-crowd-${rate}`, () => Promise.all([web("a", rate / 2, 64), web("b", rate / 2, 64)]));
  await record("benign-download", () => on("a", `${traffic} web-load ${w} 8080 ${of(25, 15, 20)} ${seconds} 172.20.1. ${of(1, 3, 2)}`));
  for (const rate of of([50, 400], [200], [100])) await record(`benign-ping-${rate}`, () => on("b", `timeout ${seconds} ping -q -i ${1 / rate} ${v}`));
  for (const rate of of([100, 400], [250, 800], [150, 600])) await record(`benign-dns-${rate}`, () => on("v", `${traffic} udp-query 172.20.1.1,172.20.2.1 53 ${rate} ${seconds}`));
  await record("benign-mixed", () => Promise.all([stream("a", of(64, 200, 400), 1000), web("a", of(30, 50, 40), 20), on("b", `iperf3 -c ${v} -p 5301 -t ${seconds} -b ${of(20, 10, 15)}M`)]));

  // hping3 exits with 1 or is ended by timeout: what it sent is in the capture.
  const flood = (options, rate) => Promise.all([web("a", of(30, 50, 40), 20), on("b", `timeout ${seconds} hping3 ${options} -i u${Math.round(1e6 / rate)} -q ${v}`)]);
  const floods = [
    ["syn", "-S -p 8080 --rand-source", of([500, 1500, 4000], [700, 2500], [600, 3000])],
    ["syn-one", "-S -p 8080", of([1500], [1000], [1200])],
    ["ack", "-A -p 8080 --rand-source", of([1500], [800], [1000])],
    ["udp", "--udp -p 9000 --rand-source -d 64", of([400, 1500], [900], [700])],
    ["udp-large", "--udp -p 9000 --rand-source -d 900", of([1000], [2000], [1300])],
    ["icmp", "--icmp --rand-source", of([400, 1500], [900, 3000], [600, 2000])],
  ];
  for (const [name, options, rates] of floods) for (const rate of rates) await record(`attack-${name}-${rate}`, () => flood(options, rate));
} finally {
  await capsule[Symbol.asyncDispose]();
}
