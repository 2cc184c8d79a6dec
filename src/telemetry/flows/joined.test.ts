import { action, field, instruction, match, parseMatch, type Match } from "node-openflow";
import type { PacketHeader } from "sflow-collector";
import { permanent, type FlowEntry } from "../../network/flow-entry.js";
import { SoftwareSwitch } from "../../network/flow-table.js";
import { cookie } from "../../network/pipeline.js";
import { carriedBy, entryKey, recordOf, type JoinContext } from "./joined.js";
import { KnownFlows } from "./known-flows.js";
import { parseTracked } from "./conntrack.js";
import { packetOfHeader, specificity, wayOf } from "./ways.js";

const header = (srcPort: number, more: Partial<PacketHeader> = {}): PacketHeader => ({
  ethDst: "00:00:00:00:00:03", ethSrc: "00:00:00:00:00:01", ethType: 0x0800, vlanVid: undefined, src: "10.0.0.1", dst: "10.0.0.3", protocol: 17, laterFragment: false, fragment: false, ttl: 64, srcPort, dstPort: 53, tcpFlags: 0, payloadLength: 10, ...more,
});
const entry = (priority: number, spec: Parameters<typeof match>[0], tableId = 0, own?: bigint): FlowEntry =>
  permanent({ tableId, priority, match: match(spec), cookie: own ?? 0n, instructions: [instruction.apply(action.output(3))] });
const toHost = entry(10, { ethDst: "00:00:00:00:00:03" });
const toService = entry(20, { ethType: 0x0800, ipProto: 17, udpDst: 53, ipv4Dst: "10.0.0.3" });
const isNothing = (): boolean => false;
const untracked = (): undefined => undefined;

const tablesOf = (flows: readonly FlowEntry[]): SoftwareSwitch => new SoftwareSwitch([{ name: "l1", flows, ports: [{ number: 1, name: "p1", up: true }, { number: 3, name: "p3", up: true }] }]);

test("bits of the packet's headers count, registers and ports do not; masks by their bits", () => {
  const of = (fields: Match): number => specificity({ match: fields });
  expect([of([field("ethDst", "00:00:00:00:00:03")]), of(parseMatch("ip,nw_dst=10.0.0.0/24")), of([field("inPort", 1), field("reg15", 1)]), of([])]).toEqual([48, 16 + 24, 0, 0]);
});

test("of the entries on a packet's way the most specific one is its; those that every packet meets are nobody's", () => {
  const goesOn = { ...entry(65_534, {}, 0, cookie("entry")), instructions: [instruction.apply(action.output(3)), instruction.gotoTable(1)] };
  const way = wayOf(tablesOf([goesOn, { ...toHost, tableId: 1 }]), "l1", packetOfHeader(header(1_000), 1), untracked, isNothing);
  expect([way.entry?.priority, way.outputs, way.undecided, way.zones]).toEqual([10, [3], [], []]);
  const own = wayOf(tablesOf([goesOn]), "l1", packetOfHeader(header(1_000), 1), untracked, isNothing);
  expect(own.entry).toBeUndefined();
  const both = wayOf(tablesOf([toHost, toService]), "l1", packetOfHeader(header(1_000), 1), untracked, (port) => port === 3);
  expect([both.entry?.priority, both.outputs]).toEqual([20, []]);
});

test("tracking is asked for the zone, and its answer decides", () => {
  const track = permanent({ tableId: 0, priority: 1, match: match({ ethType: 0x0800 }), cookie: 0n, instructions: [instruction.apply({ type: "ct", flags: 0, zone: 5, recircTable: 1, alg: 0, actions: [] } as never)] });
  const established = entry(5, { ethType: 0x0800, ipv4Dst: "10.0.0.3" }, 1);
  const way = wayOf(tablesOf([track, established]), "l1", packetOfHeader(header(1_000), 1), () => ({ state: 0x22, mark: 7 }), isNothing);
  expect([way.zones, way.entry?.tableId, way.outputs]).toEqual([[5], 1, [3]]);
});

const context = (known: KnownFlows, more: Partial<JoinContext> = {}): JoinContext => ({
  entries: new Map([[entryKey("l1", toHost), { packets: 12n, bytes: 1_200n, durationS: 9, readMs: 5 }]]), carried: carriedBy(known.all()), matchText: () => "…", hasTcp: false, isCapturing: true, samplingRates: new Map([["l1", 8]]), conntrackFailure: undefined, openflowFailure: undefined, ...more,
});
const ingress = { bridge: "l1", ofport: 1 };
const way = { bridge: "l1", asked: "", entry: toHost, zones: [], undecided: [] };

/** Two flows whose packets one entry carries; of the second only copies were seen. */
function two(packets: number): KnownFlows {
  const known = new KnownFlows(10);
  known.sampled({ tMs: 1, weight: 8, frameLength: 100, ingress, header: header(40_000) });
  known.captured(header(40_001), { packets, bytes: 100, payloadBytes: 10 }, 1, 2);
  for (const { directions } of known.all()) {
    for (const direction of directions) if (direction.header !== undefined) [direction.way, direction.ingress] = [way, ingress];
  }
  return known;
}
const recordsOf = (known: KnownFlows, more: Partial<JoinContext> = {}) => [...known.all()].map((flow) => recordOf(flow, context(known, more)));

test("an entry's counters come with how many flows it carries; estimates with their interval", () => {
  const [first] = recordsOf(two(3));
  expect(first?.out.entry).toMatchObject({ packets: 12n, carries: 2, owner: "operator", bridge: "l1", priority: 10 });
  expect(first?.out.sampled).toEqual({ samples: 1, packets: 8, bytes: 800, errorRatio: (1.96 * Math.sqrt(56)) / 8 });
  expect([first?.name, first?.back.sampled, first?.isComplete]).toEqual(["10.0.0.1:40000>10.0.0.3:53/udp", undefined, true]);
});

test("that none of a few packets was sampled is no lack, of many it is", () => {
  const lackOf = (packets: number) => recordsOf(two(packets))[1]?.missing.find(({ source }) => source === "sflow");
  expect(lackOf(3)).toEqual({ source: "sflow", why: "of 3 packets from 10.0.0.1 none was sampled, by a chance of 0.67", notApplicable: true });
  expect(lackOf(100)?.notApplicable).toBe(false);
  expect([recordsOf(two(3))[1]?.isComplete, recordsOf(two(100))[1]?.isComplete]).toEqual([true, false]);
});

test("each source that is missing says why", () => {
  const known = two(3);
  const [first] = recordsOf(known, { hasTcp: true, entries: new Map(), conntrackFailure: "no socket" });
  expect(first?.missing.map(({ source, why, notApplicable }) => `${source}: ${why}${notApplicable ? " (does not apply)" : ""}`)).toEqual([
    "openflow: its entry is gone",
    "conntrack: no entry that it meets where it comes in tracks connections (does not apply)",
    "tcp: it is not TCP (does not apply)",
    "capture: no copy of it was captured: its edges are not copied",
  ]);
  expect(first?.isComplete).toBe(false);
});

test("a connection that only the tracker tells of is a record, with the client as it has it", () => {
  const known = new KnownFlows(10);
  const connection = parseTracked("tcp,orig=(src=10.0.0.9,dst=10.0.0.3,sport=80,dport=40000),reply=(src=10.0.0.3,dst=10.0.0.9,sport=40000,dport=80),zone=5");
  if (connection === undefined) throw new Error("not read");
  known.tracked(connection, "tcp 10.0.0.3:40000 10.0.0.9:80", [{ address: "10.0.0.3", port: 40_000 }, { address: "10.0.0.9", port: 80 }], 1, 7);
  const [record] = recordsOf(known);
  expect([record?.name, record?.tracked.length, record?.isComplete]).toEqual(["10.0.0.9:80>10.0.0.3:40000/tcp", 1, false]);
});
