import { readPingLine } from "./ping-output.js";
import { ProbeWindows } from "./probe-windows.js";

test("lines of ping are read: answers with their times, and probes that wait for theirs; the rest says nothing", () => {
  expect(readPingLine("[1795295628.250000] 64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=0.038 ms")).toEqual({ is: "answer", seq: 1, tMs: 1_795_295_628_250, rttMs: 0.038 });
  expect(readPingLine("[1795295473.500000] no answer yet for icmp_seq=2")).toEqual({ is: "missing", seq: 2, tMs: 1_795_295_473_500 });
  for (const line of ["", "PING 10.0.0.2 (10.0.0.2) 56(84) bytes of data.", "[1.5] 64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=0.038 ms (DUP!)", "From 10.0.0.1 icmp_seq=1 Destination Host Unreachable", "[x] no answer yet for icmp_seq=2", "64 bytes from 10.0.0.2: icmp_seq=1 ttl=64"]) expect(readPingLine(line)).toBeUndefined();
});

test("a window has the probes of its seconds: what was answered late counts as answered, what never was as lost", () => {
  const windows = new ProbeWindows();
  for (let seq = 1; seq <= 10; seq++) {
    const tMs = 10_000 + seq * 90;
    if (seq > 3) windows.take({ is: "answer", seq, tMs, rttMs: seq });
    else windows.take({ is: "missing", seq, tMs });
  }
  windows.take({ is: "answer", seq: 1, tMs: 10_950, rttMs: 860 });
  const [second, five, thirty] = windows.advance(13_000);
  expect(second).toEqual({ tMs: 10_000, windowMs: 1_000, sent: 10, lost: 2, rttMs: 7, rttP99Ms: 860 });
  expect([five?.tMs, five?.sent, thirty?.tMs, thirty?.sent]).toEqual([6_000, 10, -19_000, 10]);
  // The next second had none: a window without a probe says nothing.
  expect(windows.advance(14_000).map(({ windowMs }) => windowMs)).toEqual([5_000, 30_000]);
  expect(windows.advance(60_000)).toEqual([]);
});

test("all lost: a loss of 1 and no round trip; what a pause interrupted is not judged", () => {
  const windows = new ProbeWindows();
  windows.take({ is: "missing", seq: 1, tMs: 1_100 });
  expect(windows.advance(4_000)[0]).toEqual({ tMs: 1_000, windowMs: 1_000, sent: 1, lost: 1, rttMs: undefined, rttP99Ms: undefined });
  windows.take({ is: "missing", seq: 2, tMs: 5_100 });
  windows.pause();
  expect(windows.advance(8_000).map(({ windowMs, sent }) => [windowMs, sent])).toEqual([[5_000, 1], [30_000, 1]]);
});

test("more probes than there is room for are refused and counted", () => {
  const windows = new ProbeWindows();
  for (let seq = 0; seq < 5_000; seq++) windows.take({ is: "answer", seq, tMs: 1_000 + seq / 10, rttMs: 1 });
  expect(windows.refused).toBe(5_000 - 4_096);
  expect(windows.advance(4_000).at(-1)?.sent).toBe(4_096);
});
