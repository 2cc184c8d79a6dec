/**
 * What ours does in the sFlow benchmark, in a process of its own: `sflow-count.js offline PCAP` or `sflow-count.js live`.
 * Decodes every flow sample down to the 5-tuple and counts it per flow, with what the library offers to everyone. Prints one
 * line of JSON; live, first the port, then, at the end of its input, the counts.
 */
import { createReadStream } from "node:fs";
import { once } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import { FlowCounts, FlowKey, PcapStream, SampleView, Sequence, SflowCollector, UdpExtractor } from "sflow-collector";

class Counter {
  samples = 0;
  readonly flows = new FlowCounts(65_536);
  private readonly sequence = new Sequence();
  private readonly view = new SampleView();
  private readonly key = new FlowKey();

  take(bytes: Uint8Array, at: number, length: number): void {
    const { view, key } = this;
    view.open(bytes, at, length);
    this.sequence.take(view.datagramSequenceNumber, view.uptime);
    while (view.next()) {
      this.samples++;
      if (view.headerProtocol !== 0 && key.read(bytes, view.headerAt, view.headerLength, view.headerProtocol)) this.flows.add(key, view.samplingRate, view.frameLength - view.stripped);
    }
  }

  report(about: object): void {
    const flows = [...this.flows.flows()].map(({ src, dst, protocol, srcPort, dstPort, samples }) => [`${src} ${dst} ${protocol} ${srcPort} ${dstPort}`, samples]);
    const { received, lost } = this.sequence;
    process.stdout.write(`${JSON.stringify({ samples: this.samples, datagrams: received, lost, flows, maxRssBytes: process.resourceUsage().maxRSS * 1_024, ...about })}\n`);
  }
}

async function offline(file: string): Promise<void> {
  const counter = new Counter();
  const pcap = new PcapStream();
  const udp = new UdpExtractor();
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    for (const packet of pcap.push(chunk)) {
      const payload = udp.take(packet)?.payload;
      if (payload !== undefined) counter.take(payload, 0, payload.length);
    }
  }
  counter.report({});
}

async function live(): Promise<void> {
  const counter = new Counter();
  const collector = await SflowCollector.start({
    host: "127.0.0.1",
    port: 0,
    ringBytes: 1 << 25,
    onDatagram: ({ bytes, at, length }) => counter.take(bytes, at, length),
  });
  process.stdout.write(`${JSON.stringify({ port: collector.port })}\n`);
  const rssMb: number[] = [];
  const watch = setInterval(() => rssMb.push(Math.round(process.memoryUsage().rss / (1 << 20))), 1_000);
  process.stdin.resume();
  await once(process.stdin, "end");
  clearInterval(watch);
  // Over once nothing new has come for a while.
  for (let before = -1; before !== counter.samples; await wait(200)) before = counter.samples;
  const cpu = process.cpuUsage();
  const { ringDropped, kernelDropped } = await collector.close();
  counter.report({ ringDropped, kernelDropped, rssMb, cpuS: (cpu.user + cpu.system) / 1e6 });
}

const [mode, file] = process.argv.slice(2);
if (mode === "offline" && file !== undefined) await offline(file);
else await live();
