/**
 * A child of the capture benchmark, in a capsule: the daemon's own monitor on the devices named, until its input ends and nothing more comes. Says when it
 * captures, and in the end what it counted, as JSON lines.
 */
import { once } from "node:events";
import { TcpMonitor } from "../src/telemetry/tcp/monitor.js";

const devices = process.argv.slice(2);
const monitor = new TcpMonitor(65_536);
monitor.on("failure", (device, why) => process.stderr.write(`${device}: ${why}\n`));
monitor.on("capturing", (now) => {
  if (now.length === devices.length) process.stdout.write('{"capturing":true}\n');
});
monitor.setDevices(devices);
let isEnding = false;
process.stdin.resume().on("end", () => (isEnding = true));
let before = -1;
for (;;) {
  await once(monitor, "second");
  const { frames = 0, kernelDropped = 0 } = monitor.counters ?? {};
  if (isEnding && frames + kernelDropped === before) break;
  before = frames + kernelDropped;
}
await monitor.close();
const { user, system } = process.cpuUsage();
process.stdout.write(`${JSON.stringify({ ...monitor.counters, cpuS: (user + system) / 1e6, rssMb: process.memoryUsage.rss() / (1 << 20) })}\n`);
