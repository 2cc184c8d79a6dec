import { CounterRates, SourceTable, type Datagram } from "./index.js";

const flow = (sequenceNumber: number, samplingRate = 64, drops = 0, index = 1_000): Datagram["samples"][number] => ({
  format: "0:1",
  kind: "flow",
  sequenceNumber,
  dataSource: { class: 2, index },
  samplingRate,
  samplePool: 0,
  drops,
  input: { format: 0, value: 1 },
  output: { format: 0, value: 2 },
  records: [],
});
const datagram = (sequenceNumber: number, samples: Datagram["samples"], subAgentId = 0, uptime = 1_000): Datagram => ({ agentAddress: "10.0.0.1", subAgentId, sequenceNumber, uptime, samples });

test("datagrams count per agent and sub-agent, samples per data source and kind", () => {
  const table = new SourceTable();
  table.take(datagram(1, [flow(1), flow(1, 64, 0, 1_001), flow(2)]));
  table.take(datagram(3, [flow(5), flow(2, 64, 0, 1_001), { format: "0:2", kind: "counters", sequenceNumber: 9, dataSource: { class: 2, index: 1_000 }, records: [] }]));
  table.take(datagram(7, [], 1));
  expect(table.agentStates()).toMatchObject([
    { subAgentId: 0, datagrams: { received: 2, lost: 1 }, lossRatio: 1 / 3 },
    { subAgentId: 1, datagrams: { received: 1, lost: 0 } },
  ]);
  expect(table.sourceStates()).toMatchObject([
    { source: "2.1000", of: "flow", samples: { received: 3, lost: 2 }, lossRatio: 0.4, sampling: { samplingRate: 64 } },
    { source: "2.1001", of: "flow", samples: { received: 2, lost: 0 } },
    { source: "2.1000", of: "counters", samples: { received: 1 } },
  ]);
});

test("a datagram that comes twice is not taken twice", () => {
  const table = new SourceTable();
  table.take(datagram(1, [flow(1)]));
  expect(table.take(datagram(1, [flow(1)])).arrival.is).toBe("duplicate");
  expect(table.sourceStates()[0]?.samples).toMatchObject({ received: 1, duplicates: 0 });
});

test("a changed sampling rate and the agent's own drops are followed", () => {
  const table = new SourceTable();
  table.take(datagram(1, [flow(1, 64, 0xffff_fffe)]));
  expect(table.take(datagram(2, [flow(2, 256, 3)])).samplingChanges).toEqual([{ agent: "10.0.0.1 0", source: "2.1000", from: 64, to: 256 }]);
  expect(table.sourceStates()[0]?.sampling).toEqual({ samplingRate: 256, changes: 1, drops: 5 });
});

test("each data source has its own rate, and the same index of another class, agent or sub-agent is another source", () => {
  const table = new SourceTable();
  const of = (sequenceNumber: number, samplingRate: number, sourceClass: number): Datagram["samples"][number] => ({ ...flow(sequenceNumber, samplingRate, 0, 7), dataSource: { class: sourceClass, index: 7 } }) as Datagram["samples"][number];
  const changes = [
    table.take(datagram(1, [of(1, 64, 0), of(1, 1_024, 2)])),
    table.take({ ...datagram(1, [of(1, 16, 0)]), agentAddress: "10.0.0.2" }),
    table.take(datagram(1, [of(1, 8, 0)], 1)),
    table.take(datagram(2, [of(2, 64, 0), of(2, 2_048, 2)])),
  ].flatMap(({ samplingChanges }) => samplingChanges);
  expect(changes).toEqual([{ agent: "10.0.0.1 0", source: "2.7", from: 1_024, to: 2_048 }]);
  expect(table.sourceStates().map(({ agent, source, sampling, samples }) => [agent, source, sampling?.samplingRate, samples.lost])).toEqual([
    ["10.0.0.1 0", "0.7", 64, 0],
    ["10.0.0.1 0", "2.7", 2_048, 0],
    ["10.0.0.2 0", "0.7", 16, 0],
    ["10.0.0.1 1", "0.7", 8, 0],
  ]);
});

test("an agent that restarts has lost nothing; what was lost before stays counted", () => {
  const table = new SourceTable();
  table.take(datagram(100, [flow(500)], 0, 90_000));
  table.take(datagram(103, [flow(510)], 0, 91_000));
  expect(table.take(datagram(1, [flow(1)], 0, 500)).arrival.is).toBe("restart");
  table.take(datagram(2, [flow(2)], 0, 1_500));
  expect(table.agentStates()[0]).toMatchObject({ datagrams: { received: 4, lost: 2, restarts: 1 }, lossRatio: 2 / 6 });
  expect(table.sourceStates()[0]).toMatchObject({ samples: { received: 4, lost: 9, restarts: 1 } });
});

test("bounds are kept: the oldest goes, and it is counted", () => {
  const table = new SourceTable({ maxAgents: 2, maxSources: 2 });
  for (let i = 0; i < 5; i++) table.take(datagram(1, [flow(1, 64, 0, i)], i));
  expect(table.agentStates()).toHaveLength(2);
  expect(table.sourceStates()).toHaveLength(2);
  expect(table.forgotten).toBe(6);
});

describe("counter rates", () => {
  const record = (ifInOctets: bigint, ifInUcastPkts: number): Record<string, unknown> => ({ format: "0:1", kind: "ifCounters", ifInOctets, ifInUcastPkts, ifInErrors: 0xffffffff });
  const at = (seconds: number, speedBps = 0) => ({ nowMs: 1_000 * seconds, uptime: 1_000 * seconds, speedBps });

  test("differences over the injected time; what is not kept is left out", () => {
    const rates = new CounterRates();
    expect(rates.take("a", record(100n, 1), at(0)).is).toBe("first");
    expect(rates.take("a", record(1_100n, 11), at(10))).toEqual({ is: "change", seconds: 10, deltas: { ifInOctets: 1_000, ifInUcastPkts: 10 }, perS: { ifInOctets: 100, ifInUcastPkts: 1 } });
  });

  test("32-bit counters go round, unless that could not have happened", () => {
    const rates = new CounterRates();
    rates.take("a", record(0n, 0xffff_fff0), at(0));
    expect(rates.take("a", record(1n, 16), at(1, 1e9))).toMatchObject({ is: "change", deltas: { ifInUcastPkts: 32 } });
    rates.take("a", record(2n, 1_000_000_000), at(2));
    expect(rates.take("a", record(3n, 5), at(3, 1e9))).toEqual({ is: "discontinuity", why: "too-fast" });
    expect(rates.take("a", record(4n, 6), at(4, 1e9))).toMatchObject({ is: "change", deltas: { ifInUcastPkts: 1 } });
  });

  test("a 64-bit counter gone back, a restart, and no time between are discontinuities", () => {
    const rates = new CounterRates();
    rates.take("a", record(100n, 1), at(10));
    expect(rates.take("a", record(99n, 1), at(11))).toEqual({ is: "discontinuity", why: "backwards" });
    expect(rates.take("a", record(120n, 1), { nowMs: 12_000, uptime: 5 })).toEqual({ is: "discontinuity", why: "restart" });
    expect(rates.take("a", record(120n, 1), { nowMs: 12_000, uptime: 6 })).toEqual({ is: "discontinuity", why: "no-time" });
  });
});
