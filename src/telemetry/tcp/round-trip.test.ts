/** Round trips of exchanges whose times are known. */
import { frame, sackOption, stamps, type FrameFields } from "../../../lab/simulated-tcp.js";
import { summarize, type SideSummary } from "./summary.js";
import { TcpTracker } from "./tracker.js";

const sackPermitted = [4, 2];

class Exchange {
  private readonly tracker = new TcpTracker({ seed: 1 });

  /** Shakes hands with 10 ms each way; what both sides permit is `options`. */
  constructor(options: readonly number[]) {
    this.put(0, { from: 0, seq: 0, flags: 0x02, options });
    this.put(10, { from: 1, seq: 0, ack: 1, flags: 0x12, options });
    this.put(20, { from: 0, seq: 1, ack: 1, flags: 0x10 });
  }
  put(tMs: number, fields: FrameFields): void {
    this.tracker.frame(frame(fields), 1, 1_000 + tMs);
  }
  data(tMs: number, seq: number, options: readonly number[] = []): void {
    this.put(tMs, { from: 0, seq, ack: 1, flags: 0x10, payload: 1_000, options });
  }
  answer(tMs: number, ack: number, options: readonly number[] = []): void {
    this.put(tMs, { from: 1, seq: 1, ack, flags: 0x10, options });
  }
  get client(): SideSummary {
    const { table } = this.tracker;
    const [slot] = table.slots();
    if (slot === undefined) throw new Error("no connection");
    return summarize(table, slot).client;
  }
}

test("an answer that tells of several segments behind a hole is a sample of the oldest of them", () => {
  const exchange = new Exchange(sackPermitted);
  for (let i = 0; i < 4; i++) exchange.data(100 + 10 * i, 1 + 1_000 * i);
  // The first is lost; the other three are told of at once.
  exchange.answer(150, 1, sackOption(1_001, 4_001));
  expect(exchange.client).toMatchObject({ rttSamples: 1, pathMs: 40, sackHoles: 1 });
});

test("what is sent again is timed no more; what was sent behind it is, where SACK tells of it", () => {
  for (const [options, samples] of [[sackPermitted, 1], [[], 0]] as const) {
    const exchange = new Exchange(options);
    for (let i = 0; i < 3; i++) exchange.data(100 + i, 1 + 1_000 * i);
    exchange.data(140, 1);
    exchange.answer(141, 1, options.length > 0 ? sackOption(2_001, 3_001) : []);
    exchange.answer(160, 3_001);
    expect([exchange.client.retransmissions, exchange.client.rttSamples]).toEqual([1, samples]);
    if (samples > 0) expect(exchange.client.pathMs).toBe(39);
  }
});

test("acknowledged together with a segment that was not timed, a segment is no sample; whichever of two is answered, samples come", () => {
  for (const flight of [5, 11, 16, 40]) {
    for (const offset of [0, 1]) {
      const exchange = new Exchange([]);
      const sent = (i: number): number => 100 + i;
      let next = 0;
      for (; next < flight; next++) exchange.data(sent(next), 1 + 1_000 * next);
      // Each answer is for two and lets two more go; the oldest of the two has waited 50 ms then.
      for (let acked = offset; acked + 2 <= 400; acked += 2) {
        const tMs = sent(acked) + 50;
        exchange.answer(tMs, 1 + 1_000 * (acked + 2));
        for (; next < acked + 2 + flight; next++) exchange.data(sent(next), 1 + 1_000 * next);
      }
      const { rttSamples, pathMs = 0 } = exchange.client;
      expect(rttSamples).toBeGreaterThan(20);
      expect(Math.abs(pathMs - 50)).toBeLessThan(1e-6);
    }
  }
});

test("waits on the way back count, waiting for data does not", () => {
  const exchange = new Exchange([]);
  let tMs = 100;
  let seq = 1;
  // 20 ms to the receiver; back 1 ms or 3 ms in turn, and every fifth time the sender has nothing to send for 200 ms.
  for (let i = 0; i < 200; i++) {
    exchange.data(tMs, seq, stamps(1 + Math.round(tMs), 1 + i));
    seq += 1_000;
    exchange.answer((tMs += 20), seq, stamps(2 + i, 1 + Math.round(tMs - 20)));
    tMs += i % 5 === 4 ? 200 : i % 2 === 0 ? 1 : 3;
  }
  const { pathMs, returnMs = 0 } = exchange.client;
  expect(pathMs).toBeCloseTo(20, 6);
  expect(returnMs).toBeGreaterThan(1.5);
  expect(returnMs).toBeLessThan(2.5);
});
