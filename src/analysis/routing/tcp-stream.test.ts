import { TcpStream, type StreamPart } from "./tcp-stream.js";

const text = (parts: readonly StreamPart[]): string => parts.map((part) => (part.is === "gap" ? `[${part.bytes}]` : Buffer.from(part.bytes).toString())).join("");
const bytes = (of: string): Uint8Array => Buffer.from(of);

test("in order, out of order, repeated and overlapping segments give each byte once", () => {
  const stream = new TcpStream();
  stream.open(99);
  expect(text(stream.add(100, bytes("abc"), 0))).toBe("abc");
  expect(text(stream.add(106, bytes("ghi"), 0))).toBe("");
  expect(text(stream.add(100, bytes("abc"), 0))).toBe("");
  expect(text(stream.add(101, bytes("XXdefgXX"), 0))).toBe("defgXX"); // what came first counts, in order
  expect(text(stream.add(109, bytes("j"), 0))).toBe("j");
  expect(stream.counters).toEqual({ repeated: 8, missing: 0, outside: 0 });
});

test("a hole is waited for, then skipped and told", () => {
  const stream = new TcpStream();
  stream.open(0);
  stream.add(1, bytes("ab"), 0);
  expect(text(stream.add(5, bytes("ef"), 10))).toBe("");
  expect(text(stream.expire(1_000))).toBe("");
  expect(text(stream.expire(2_100))).toBe("[2]ef");
  expect(stream.counters.missing).toBe(2);
});

test("sequence numbers wrap", () => {
  const stream = new TcpStream();
  stream.open(0xfffffffc);
  expect(text(stream.add(0xfffffffd, bytes("abcdef"), 0))).toBe("abcdef");
  expect(text(stream.add(3, bytes("gh"), 0))).toBe("gh");
});

test("begun within a connection; a new connection on the same ports begins anew", () => {
  const stream = new TcpStream();
  expect(text(stream.add(5_000, bytes("xy"), 0))).toBe("xy");
  stream.open(900_000_000);
  expect(text(stream.add(900_000_001, bytes("new"), 1))).toBe("new");
});

test("bounds: a flood of segments behind a hole skips it; segments from nowhere are counted", () => {
  const stream = new TcpStream();
  stream.open(0);
  let got = "";
  for (let i = 0; i < 300; i++) got += text(stream.add(10 + i * 2, bytes("zz"), 0));
  expect(got.startsWith("[9]zz")).toBe(true);
  expect(stream.counters.missing).toBe(9);
  expect(text(stream.add(0x7fff0000, bytes("far"), 0))).toBe("");
  expect(stream.counters.outside).toBe(1);
});
