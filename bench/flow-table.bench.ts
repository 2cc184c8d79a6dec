/** The software switch: packets a second through 10,000 flows, beside `ofproto/trace` where Open vSwitch runs (ovs-facts: 2,900 a second). */
import { action, instruction, match, type Match } from "node-openflow";
import type { FlowEntry } from "../src/network/flow-entry.js";
import { packetOf, SoftwareSwitch, type Words } from "../src/network/flow-table.js";
import type { EgressQuestion } from "../src/telemetry/egress.js";
import { EgressInference } from "../src/telemetry/egress-inference.js";
import { atLeast, type Bench, type Figure } from "./bench.js";

const flowCount = 10_000;
const packetCount = 20_000;
const rounds = 20;
const ports = Array.from({ length: 48 }, (_, i) => ({ number: i + 1, name: `p${i + 1}`, up: true }));

const permanent = (tableId: number, priority: number, of: Match, instructions: FlowEntry["instructions"]): FlowEntry => ({ tableId, priority, match: of, cookie: 0n, instructions, idleTimeout: 0, hardTimeout: 0, flags: 0 });
const mac = (i: number): string => `02:00:00:00:${((i >> 8) & 255).toString(16).padStart(2, "0")}:${(i & 255).toString(16).padStart(2, "0")}`;
const host = (i: number): string => `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`;

/** A block list, routes of eight prefix lengths, and the ports behind them: three tables, 26 kinds of masks. */
function tables(): FlowEntry[] {
  const flows: FlowEntry[] = [];
  for (let i = 0; i < flowCount; i++) {
    if (i % 4 === 0) flows.push(permanent(0, 100 + (i % 16), match({ ethType: 0x800, ipProto: 6, ipv4Src: host(i), tcpDst: i % 16 === 0 ? [i & 0xff00, 0xff00] : i & 0xffff }), []));
    else if (i % 4 === 1) {
      const length = 17 + (i % 16);
      flows.push(permanent(1, 10 + length, match({ ethType: 0x800, ipv4Dst: `${host((i << (32 - length)) & 0xffffff)}/${length}` }), [instruction.apply(action.setField("ethDst", `02:00:00:00:00:${(i % 64).toString(16).padStart(2, "0")}`), action.decNwTtl()), instruction.gotoTable(2)]));
    } else flows.push(permanent(2, 30_000, match({ ethDst: mac(i) }), [instruction.apply(action.output(1 + (i % 48)))]));
  }
  for (let i = 0; i < 64; i++) flows.push(permanent(2, 30_001, match({ ethDst: `02:00:00:00:00:${i.toString(16).padStart(2, "0")}` }), [instruction.apply(action.output(1 + (i % 48)))]));
  flows.push(permanent(0, 0, [], [instruction.gotoTable(1)]), permanent(1, 0, [], [instruction.gotoTable(2)]));
  return flows;
}

const packets = (): Words[] =>
  Array.from({ length: packetCount }, (_, i) =>
    packetOf(match({ inPort: 1 + (i % 48), ethSrc: "02:00:00:00:00:01", ethDst: mac(((i * 4) % flowCount) + 2), ethType: 0x800, ipProto: i % 3 === 0 ? 17 : 6, ipv4Src: host(i), ipv4Dst: host((i * 7919) & 0xffffff), ipTtl: 64, ...(i % 3 === 0 ? { udpDst: 53 } : { tcpDst: i & 0xffff }) })),
  );

/** The same packets as samples with output "several": TCP and UDP over IPv4 in Ethernet, 128 bytes. */
const samples = (): EgressQuestion[] =>
  Array.from({ length: packetCount }, (_, i) => {
    const header = Buffer.alloc(128);
    header.set([2, 0, 0, 0, ((((i * 4) % flowCount) + 2) >> 8) & 255, (((i * 4) % flowCount) + 2) & 255, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 114, i & 255, 0, 0, 0, 64, i % 3 === 0 ? 17 : 6]);
    header.writeUInt32BE(0x0a000000 + i, 26);
    header.writeUInt32BE(0x0a000000 + ((i * 7919) & 0xffffff), 30);
    header.writeUInt16BE(1_024, 34);
    header.writeUInt16BE(i % 3 === 0 ? 53 : i & 0xffff, 36);
    header[46] = 0x50;
    return { bridge: "br", inPort: 1 + (i % 48), sample: { output: { format: 2, value: 2 }, records: [{ format: "0:1", kind: "sampledHeader", protocol: 1, frameLength: 132, stripped: 4, header }] } };
  });

/** Outputs of samples: each of another kind, and of 1,000 kinds that come again. */
async function inferred(report: (figure: Figure) => void, flows: readonly FlowEntry[]): Promise<void> {
  const inference = new EgressInference({ read: () => Promise.resolve({ name: "br", ports, flows }), clockMs: () => performance.now(), cpuShare: 1e6 });
  const asked = samples();
  const [first] = asked;
  if (first !== undefined) inference.egress(first);
  await new Promise((resolve) => setImmediate(resolve));
  const measure = (what: string, questions: readonly EgressQuestion[], bar: number): void => {
    const start = process.cpuUsage();
    for (const question of questions) inference.egress(question);
    const { user, system } = process.cpuUsage(start);
    const value = questions.length / ((user + system) / 1e6);
    report({ what, who: "ours", value, unit: "samples/CPU-s", bar: atLeast(value, bar) });
  };
  measure("outputs of samples inferred, each of another kind of packet", asked, 10_000);
  const few = asked.slice(0, 1_000);
  for (const question of few) inference.egress(question);
  measure("outputs of samples inferred, of 1,000 kinds of packets", Array.from({ length: 200 }, () => few).flat(), 100_000);
  const { inferred: count, overBudget, noTables } = inference.counters;
  report({ what: "of these, left open", who: "ours", value: overBudget + noTables - 1, unit: "samples", bar: { text: "none", ok: overBudget === 0 && noTables === 1 && count > 0 } });
}

export const flowTable: Bench = {
  name: "flow-table",
  about: `the software switch: ${packetCount.toLocaleString("en")} packets, ${rounds} times, through three tables of ${flowCount.toLocaleString("en")} flows`,
  async run(report) {
    const flows = tables();
    const building = performance.now();
    const sw = new SoftwareSwitch([{ name: "br", ports, flows }]);
    report({ what: `build the tables of ${flowCount.toLocaleString("en")} flows`, who: "ours", value: performance.now() - building, unit: "ms" });
    const asked = packets();
    let [outputs, lookups] = [0, 0];
    const run = (): void => {
      for (const packet of asked) {
        const answer = sw.process("br", packet);
        outputs += answer.outputs.length;
        lookups += answer.lookups;
      }
    };
    run(); // warm
    [outputs, lookups] = [0, 0];
    const start = performance.now();
    for (let i = 0; i < rounds; i++) run();
    const seconds = (performance.now() - start) / 1_000;
    const rate = (packetCount * rounds) / seconds;
    report({ what: "packets followed to the end", who: "ours", value: rate, unit: "packets/s", bar: atLeast(rate, 50_000, "packets/s") });
    report({ what: "tables looked at", who: "ours", value: lookups / seconds, unit: "lookups/s" });
    report({ what: "packets that leave", who: "ours", value: (100 * outputs) / (packetCount * rounds), unit: "%" });
    await inferred(report, flows);
  },
};
