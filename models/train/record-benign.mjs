#!/usr/bin/env node
// Records benign traffic of real programs in the lab, for training: web clients at many rates up to flash crowds, bulk
// transfer, a steady UDP stream, pings. Needs the built project and root.
//
//   node models/train/record-benign.mjs DIR [NAME...]
import { mkdirSync } from "node:fs";
import { once } from "node:events";
import { Network } from "../../dist/lab/fabric.js";
import { elapse } from "../../dist/lab/wait.js";
import { startProbe, startWebServer, webLoad } from "../../dist/lab/traffic.js";

const dir = process.argv[2];
if (!dir) throw new Error("usage: record-benign.mjs DIR");
mkdirSync(dir, { recursive: true });
const network = await Network.start();

// Names of captures to make; none: all.
const only = process.argv.slice(3);

async function record(name, work) {
  if (only.length > 0 && !only.includes(name)) return;
  // Packets as they enter the switch at the edges, which is what sFlow samples: each device in its own direction.
  const tcpdump = network.ovs.capsule.spawn("sh", ["-c", `exec tcpdump -i any -Q in -n -s 128 -B 65536 -w - > "$1" 2>/dev/null`, "sh", `${dir}/${name}.pcap`], { stdio: "ignore" });
  await elapse(700);
  await work();
  await elapse(300);
  await network.ovs.capsule.run("sh", ["-c", "for p in /proc/[0-9]*; do [ \"$(cat $p/comm 2>/dev/null)\" = tcpdump ] && kill -INT ${p#/proc/}; done; true"]);
  await once(tcpdump, "exit");
  console.log(`recorded ${name}`);
}

try {
  await startWebServer(network, "h1");
  await startWebServer(network, "h4");
  for (const rate of [5, 20, 60, 150, 400]) await record(`web-${rate}`, () => webLoad(network, "h3", "h1", rate, 15));
  for (const rate of [100, 300, 500]) await record(`crowd-${rate}`, () => Promise.all(["h2", "h3", "h4"].map((host) => webLoad(network, host, "h1", rate / 3, 12, 1500))));
  await record("web-large", () => Promise.all([webLoad(network, "h3", "h1", 5, 15, 500000), webLoad(network, "h2", "h4", 10, 15, 100000)]));
  await record("udp-1000", async () => {
    const { receiver, sender } = await startProbe(network, "h2", "h4", 1000, 12);
    await once(sender, "exit");
    await receiver.stop();
  });
  await record("udp-100", async () => {
    const { receiver, sender } = await startProbe(network, "h3", "h1", 100, 12);
    await once(sender, "exit");
    await receiver.stop();
  });
  await record("bulk", async () => {
    const server = network.spawn("h4", "iperf3", ["-s", "-1"], { stdio: "ignore" });
    const exited = once(server, "exit");
    await elapse(500);
    await network.exec("h1", "iperf3", ["-c", network.host("h4").ip, "-t", "10", "-b", "40M"]);
    await exited;
  });
  await record("ping", () => Promise.all([network.exec("h1", "ping", ["-q", "-i", "0.02", "-c", "500", network.host("h3").ip]), network.exec("h2", "ping", ["-q", "-i", "0.1", "-c", "100", network.host("h4").ip])]));
  await record("mix", async () => {
    const { receiver, sender } = await startProbe(network, "h2", "h4", 1000, 20);
    await Promise.all([webLoad(network, "h3", "h1", 40, 20), webLoad(network, "h2", "h1", 20, 20, 20000), once(sender, "exit")]);
    await receiver.stop();
  });
} finally {
  await network.stop();
}
