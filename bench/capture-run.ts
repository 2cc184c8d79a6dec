/** A child of the capture benchmark: reads a capture from its input through the reader and, with "state", the connections. */
import { PcapStream } from "sflow-collector";
import { TcpTracker } from "../src/telemetry/tcp/tracker.js";

const withState = process.argv[2] === "state";
const tracker = new TcpTracker({ seed: 1 });
const pcap = new PcapStream();
let frames = 0;
for await (const chunk of process.stdin) {
  for (const { bytes, linkType, tMs } of pcap.push(chunk as Uint8Array)) {
    frames++;
    if (withState) tracker.frame(bytes, linkType, tMs);
  }
}
const { other, malformed, fragments } = tracker.segment.counters;
const { user, system } = process.cpuUsage();
process.stdout.write(
  JSON.stringify({ frames, accounted: withState ? tracker.counters.segments + other + malformed + fragments : frames, connections: tracker.table.size, bytesPerConnection: tracker.table.bytesPerConnection, cpuS: (user + system) / 1e6, rssMb: process.memoryUsage.rss() / (1 << 20) }),
);
