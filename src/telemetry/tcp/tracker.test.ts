import fc from "fast-check";
import { frame, sackOption, stamps, transfer, type FrameFields } from "../../../lab/simulated-tcp.js";
import { tcpSecond } from "./observations.js";
import { secondOf } from "./second.js";
import { tcpMetrics } from "./metrics.js";
import { summarize, type ConnectionSummary } from "./summary.js";
import { TcpTracker } from "./tracker.js";

const [fin, syn, rst, ack] = [0x01, 0x02, 0x04, 0x10];
const follow = (tracker: TcpTracker, ...steps: readonly (readonly [tMs: number, fields: FrameFields])[]): number => steps.reduce((_, [tMs, fields]) => tracker.frame(frame(fields), 1, tMs), -1);
const opened = (options: readonly number[] = [], version: 4 | 6 = 4): { tracker: TcpTracker; slot: number; now: () => ConnectionSummary } => {
  const tracker = new TcpTracker({ capacity: 8, seed: 1 });
  const slot = follow(
    tracker,
    [1, { from: 0, seq: 99, flags: syn, options, version }],
    [11, { from: 1, seq: 499, ack: 100, flags: syn | ack, options, version }],
    [14, { from: 0, seq: 100, ack: 500, flags: ack, version }],
  );
  return { tracker, slot, now: () => summarize(tracker.table, slot) };
};

test("a transfer with loss, reordering and duplicates, anywhere in sequence space, is counted as it was made", () => {
  fc.assert(
    fc.property(fc.integer(), fc.oneof(fc.nat(0xffffffff), fc.integer({ min: 0xffff0000, max: 0xffffffff })), fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 50 }), (seed, isn, count, pathMs) => {
      const { frames, truth } = transfer(seed, isn, count, pathMs);
      const tracker = new TcpTracker({ capacity: 4, seed });
      for (const { bytes, tMs } of frames) tracker.frame(bytes, 1, tMs);
      const { client, ...connection } = summarize(tracker.table, [...tracker.table.slots()][0] ?? -1);
      expect(connection).toMatchObject({ whole: true, handshake: "done", state: "open" });
      expect(client).toMatchObject({ retransmissions: truth.retransmissions, outOfOrder: truth.outOfOrder, duplicates: truth.duplicates, appBytes: truth.appBytes, handshakeMs: pathMs, inFlight: 0 });
      // Karn: what was sent again gives no sample. A segment that came first of a swapped pair waited 0.2 ms less.
      if (client.rttSamples > 0) expect(Math.abs((client.pathMs ?? NaN) - pathMs)).toBeLessThanOrEqual(0.201);
    }),
    { numRuns: 300 },
  );
});

test("IPv4, IPv6 and two VLAN tags: addresses, ports, window scaling, the halves of the handshake", () => {
  for (const version of [4, 6] as const) {
    const { now } = opened([2, 4, 5, 0xb4, 3, 3, 7, 4, 2], version);
    expect(now()).toMatchObject({
      name: version === 4 ? "10.0.0.1:40000>10.0.0.2:80" : "[2001:db8::1]:40000>[2001:db8::2]:80",
      state: "open",
      whole: true,
      client: { windowBytes: 128_000, mss: 1_460, hasSack: true, handshakeMs: 10, returnMs: 3, rttMs: 13 },
      server: { handshakeMs: 3, rttMs: 13 },
    });
  }
  const tracker = new TcpTracker({ seed: 1, capacity: 2 });
  const slot = follow(tracker, [0, { from: 0, seq: 1, flags: syn, vlans: [100, 7] }]);
  expect(summarize(tracker.table, slot).client).toMatchObject({ vlan: 100, innerVlan: 7 });
});

test("a capture of the opener's edge that is behind: the connection is whole all the same", () => {
  const answer: readonly [number, FrameFields] = [1, { from: 1, seq: 9, ack: 100, flags: syn | ack, options: [4, 2, 3, 3, 7] }];
  const own: readonly (readonly [number, FrameFields])[] = [
    [0, { from: 0, seq: 99, flags: syn, options: [4, 2, 3, 3, 7] }],
    [2, { from: 0, seq: 100, ack: 10, flags: ack }],
    [3, { from: 0, seq: 100, ack: 10, flags: ack, payload: 50 }],
  ];
  const acked: readonly [number, FrameFields] = [4, { from: 1, seq: 10, ack: 150, flags: ack }];
  for (const steps of [[answer, ...own, acked], [answer, acked, ...own]]) {
    const tracker = new TcpTracker({ capacity: 2, seed: 1 });
    const slot = follow(tracker, ...steps);
    expect(tracker.counters.connections).toBe(1);
    expect(summarize(tracker.table, slot)).toMatchObject({ whole: true, handshake: "done", state: "open", firstMs: 0, client: { handshakeMs: 1, appBytes: 50, retransmissions: 0, unseen: 0, inFlight: 0, hasSack: true } });
  }
  // Another connection from the same port: its SYN was not what the answer was for.
  const tracker = new TcpTracker({ capacity: 2, seed: 1 });
  follow(tracker, answer, [5, { from: 0, seq: 5_000, flags: syn }]);
  expect(tracker.counters.connections).toBe(2);
});

test("a scale that only one side offers does not count, and one not seen is not guessed", () => {
  const tracker = new TcpTracker({ capacity: 2, seed: 1 });
  const slot = follow(tracker, [0, { from: 0, seq: 99, flags: syn, options: [3, 3, 7] }], [1, { from: 1, seq: 9, ack: 100, flags: syn | ack }], [2, { from: 0, seq: 100, ack: 10, flags: ack }]);
  expect(summarize(tracker.table, slot).client.windowBytes).toBe(1_000);
  const midway = new TcpTracker({ capacity: 2, seed: 1 });
  const other = follow(midway, [0, { from: 0, seq: 5_000, ack: 7, flags: ack, payload: 100 }]);
  expect(summarize(midway.table, other)).toMatchObject({ whole: false, handshake: "unseen", state: "open", client: { windowBytes: undefined, appBytes: 100, retransmissions: 0 } });
});

test("refused, unanswered, reset and closed connections", () => {
  const outcome = (...steps: readonly (readonly [number, FrameFields])[]): ConnectionSummary => {
    const tracker = new TcpTracker({ capacity: 2, seed: 1 });
    return summarize(tracker.table, follow(tracker, ...steps));
  };
  const open: readonly [number, FrameFields] = [0, { from: 0, seq: 99, flags: syn }];
  expect(outcome(open, [9, { ...open[1] }])).toMatchObject({ state: "opening", handshake: "unanswered", client: { retransmissions: 1 } });
  expect(outcome(open, [1, { from: 1, seq: 0, ack: 100, flags: rst | ack }])).toMatchObject({ state: "closed", handshake: "refused", resetBy: "server" });
  const { tracker, now } = opened();
  follow(tracker, [20, { from: 0, seq: 100, ack: 500, flags: fin | ack }], [21, { from: 1, seq: 500, ack: 101, flags: fin | ack }]);
  expect(now().state).toBe("open");
  follow(tracker, [22, { from: 0, seq: 101, ack: 501, flags: ack }]);
  expect(now()).toMatchObject({ state: "closed", client: { finished: true, retransmissions: 0, appBytes: 0 }, resetBy: undefined });
  // The same ports once more: another connection.
  follow(tracker, [30, { from: 0, seq: 77_000, flags: syn }]);
  expect([...tracker.table.slots()].map((slot) => summarize(tracker.table, slot).firstMs)).toEqual([30]);
});

test("keep-alives and probes of a closed window are no retransmissions", () => {
  const { tracker, now } = opened();
  follow(tracker, [20, { from: 0, seq: 100, ack: 500, flags: ack, payload: 50 }], [21, { from: 1, seq: 500, ack: 150, flags: ack }]);
  follow(tracker, [1_000, { from: 0, seq: 149, ack: 500, flags: ack }], [2_000, { from: 0, seq: 149, ack: 500, flags: ack, payload: 1 }]);
  expect(now().client).toMatchObject({ keepAlives: 2, retransmissions: 0, windowProbes: 0 });
  follow(tracker, [3_000, { from: 1, seq: 500, ack: 150, flags: ack, window: 0 }], [3_100, { from: 0, seq: 149, ack: 500, flags: ack }], [3_101, { from: 1, seq: 500, ack: 150, flags: ack, window: 0 }]);
  expect(now()).toMatchObject({ client: { windowProbes: 1, retransmissions: 0, keepAlives: 2 }, server: { zeroWindows: 1 } });
});

test("SACK tells of holes, D-SACK and timestamps of retransmissions in vain; a segment that overlaps is sent again in part", () => {
  const { tracker, now } = opened([4, 2]);
  const data = (seq: number, payload = 100, options: readonly number[] = []): FrameFields => ({ from: 0, seq, ack: 500, flags: ack, payload, options });
  follow(tracker, [20, data(100)], [21, data(200)], [22, data(300)]);
  follow(tracker, [31, { from: 1, seq: 500, ack: 100, flags: ack, options: sackOption(200, 300) }], [32, { from: 1, seq: 500, ack: 100, flags: ack, options: sackOption(200, 400) }]);
  expect(now().client).toMatchObject({ sackHoles: 1, rttSamples: 2, inFlight: 300 });
  follow(tracker, [33, data(100)], [43, { from: 1, seq: 500, ack: 400, flags: ack }], [44, { from: 1, seq: 500, ack: 400, flags: ack, options: sackOption(100, 200) }]);
  expect(now().client).toMatchObject({ retransmissions: 1, spurious: 1, lost: 0, inFlight: 0, rttSamples: 2, sackHoles: 1 });
  follow(tracker, [50, data(350, 100)]);
  expect(now().client).toMatchObject({ retransmissions: 2, retransmittedBytes: 150, appBytes: 350 });
  const early = opened([...stamps(1, 0)]);
  follow(early.tracker, [20, data(100, 100, stamps(10, 1))], [60, data(100, 100, stamps(50, 1))], [61, { from: 1, seq: 500, ack: 200, flags: ack, options: stamps(9, 10) }]);
  expect(early.now().client).toMatchObject({ retransmissions: 1, spurious: 1 });
});

test("of segments with one timestamp the first counts, and its echo gives the half of the path", () => {
  const { tracker, now } = opened([...stamps(1, 0)]);
  follow(tracker, [20, { from: 0, seq: 100, ack: 500, flags: ack, payload: 10, options: stamps(10, 1) }], [20.5, { from: 0, seq: 110, ack: 500, flags: ack, payload: 10, options: stamps(10, 1) }]);
  const before = now().client.stampMs;
  follow(tracker, [27, { from: 1, seq: 500, ack: 110, flags: ack, options: stamps(5, 10) }]);
  expect(before).toBeUndefined();
  expect(now().client).toMatchObject({ pathMs: 7 });
});

test("a clock that steps back spoils no round trip, and far sequence numbers and hostile options nothing else", () => {
  const { tracker, now } = opened();
  const before = now();
  follow(tracker, [1_000, { from: 0, seq: 100, ack: 500, flags: ack, payload: 10 }], [500, { from: 1, seq: 500, ack: 110, flags: ack }]);
  expect(now().client).toMatchObject({ rttSamples: 0, pathMs: before.client.pathMs, appBytes: 10 });
  expect(tracker.counters.clockStepsBack).toBe(1);
  follow(tracker, [1_001, { from: 0, seq: 0x90000000, ack: 500, flags: ack, payload: 10 }], [1_002, { from: 0, seq: 110, ack: 500, flags: ack, payload: 10 }]);
  expect(now().client).toMatchObject({ outOfWindow: 1, appBytes: 20, unseen: 0 });
  for (const options of [[8, 0], [5, 3, 0], [3, 200, 1], [2], [8, 10, 1, 1]]) follow(tracker, [1_003, { from: 0, seq: 120, ack: 500, flags: ack, options }]);
  expect(tracker.segment.counters.badOptions).toBeGreaterThanOrEqual(3);
  expect(now().client.appBytes).toBe(20);
});

test("frames cut or changed anywhere never throw, and each is accounted for", () => {
  const tracker = new TcpTracker({ capacity: 16, seed: 3 });
  const whole = [frame({ from: 0, seq: 1, flags: syn, options: [...stamps(1, 2), 4, 2], vlans: [1, 2] }), frame({ from: 1, seq: 1, flags: ack, options: sackOption(1, 2, 3, 4), version: 6 })];
  for (const bytes of whole) {
    for (let at = 0; at < bytes.length; at++) {
      tracker.frame(bytes.subarray(0, at), 1, at);
      for (const flip of [1, 0x80, 0xff]) tracker.frame(bytes.map((byte, i) => (i === at ? byte ^ flip : byte)), 1, at);
    }
  }
  const { frames, segments } = tracker.counters;
  const { other, malformed, fragments } = tracker.segment.counters;
  expect(segments + other + malformed + fragments).toBe(frames);
  expect(malformed).toBeGreaterThan(0);
});

test("a full table forgets what is closed first, then what never opened, and counts it; silence ends connections by state", () => {
  const tracker = new TcpTracker({ capacity: 3, seed: 5 });
  const open = (port: number, tMs: number, flags = syn): number => tracker.frame(frame({ from: 0, seq: 1, flags, ports: [1_000 + port, 80] }), 1, tMs);
  open(1, 0, ack);
  open(2, 1);
  open(3, 2);
  tracker.frame(frame({ from: 1, seq: 0, ack: 2, flags: rst | ack, ports: [1_003, 80] }), 1, 3);
  open(4, 4);
  expect(tracker.table.evicted).toEqual({ opening: 0, open: 0, closed: 1 });
  open(5, 5);
  expect(tracker.table.evicted).toEqual({ opening: 1, open: 0, closed: 1 });
  expect([...tracker.table.slots()].map((slot) => summarize(tracker.table, slot).client.port).sort()).toEqual([1_001, 1_004, 1_005]);
  tracker.endSecond(40_000);
  expect([...tracker.table.slots()].map((slot) => summarize(tracker.table, slot).client.port)).toEqual([1_001]);
  expect(tracker.table.expired).toBe(2);
  // Many more than there is room for: the index stays whole.
  for (let port = 10; port < 5_000; port++) expect(open(port, 50_000 + port)).toBeGreaterThanOrEqual(0);
  expect(tracker.table.size).toBe(3);
  expect(tracker.heard()).toHaveLength(2); // the open one was silent
});

test("a second's observations: sums by host and pair, means of times, all of them in the catalogue and its range", () => {
  const { tracker, slot } = opened();
  tracker.endSecond(20);
  follow(tracker, [1_000, { from: 0, seq: 100, ack: 500, flags: ack, payload: 50 }], [1_004, { from: 1, seq: 500, ack: 150, flags: ack }]);
  const { observations } = tcpSecond([secondOf(tracker.table, slot)], 1_000);
  const of = (kind: string, name: string): Readonly<Record<string, number>> => observations.find(({ subject }) => subject.kind === kind && subject.name === name)?.values ?? {};
  expect(of("host", "10.0.0.1")).toMatchObject({ tcpConnections: 1, tcpOpened: 0, tcpSegments: 1, tcpBytes: 50, tcpPathMs: 4, tcpRttMs: 7 });
  expect(of("pair", "10.0.0.2>10.0.0.1")).toMatchObject({ tcpSegments: 1, tcpBytes: 0 });
  expect(of("connection", "10.0.0.1:40000>10.0.0.2:80")).toMatchObject({ tcpBytes: 50, serverTcpSegments: 1 });
  for (const { subject, values } of observations) {
    if (subject.kind === "connection") continue;
    for (const [name, value] of Object.entries(values)) {
      const metric = tcpMetrics.find((one) => one.name === name);
      expect(value).toBeGreaterThanOrEqual(metric?.min ?? Infinity);
      expect(value).toBeLessThanOrEqual(metric?.max ?? -Infinity);
    }
  }
});
