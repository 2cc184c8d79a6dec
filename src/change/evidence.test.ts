import { streamKey } from "../telemetry/streams.js";
import { compose, ConversationTable, type SeenPacket } from "./evidence.js";

const packet = (src: string, srcPort: number, dst: string, dstPort: number, tcpFlags: number, protocol = 6): SeenPacket => ({
  src,
  srcPort,
  dst,
  dstPort,
  tcpFlags,
  protocol,
});

const handshake = [
  packet("10.0.0.2", 40000, "10.0.0.1", 80, 0x02),
  packet("10.0.0.1", 80, "10.0.0.2", 40000, 0x12),
  packet("10.0.0.2", 40000, "10.0.0.1", 80, 0x10),
];
const spoofed = Array.from({ length: 50 }, (_, i) => packet(`203.0.113.${i}`, 1000 + i, "10.0.0.1", 80, 0x02));
const answers = spoofed.map((p) => packet("10.0.0.1", 80, p.src, p.srcPort, 0x12));

test("a finished handshake is a conversation, an answered spoofed SYN is not", () => {
  const table = new ConversationTable();
  const all = [...handshake, ...spoofed, ...answers];
  for (const p of all) table.add(p);
  expect(compose(all, table, "10.0.0.1", new Set())).toEqual({ benign: 2, attack: 50, benignConversations: 1 });
});

test("one-way UDP is benign only when it was there before the alarm", () => {
  const probe = Array.from({ length: 10 }, () => packet("10.0.0.3", 5000, "10.0.0.1", 7000, 0, 17));
  const table = new ConversationTable();
  for (const p of probe) table.add(p);
  expect(compose(probe, table, "10.0.0.1", new Set()).attack).toBe(10);
  const [first] = probe;
  expect(compose(probe, table, "10.0.0.1", new Set(first === undefined ? [] : [streamKey(first)])).benign).toBe(10);
});

test("the table is bounded and counts what it could not take", () => {
  const table = new ConversationTable(10);
  for (const p of spoofed) table.add(p);
  expect(table.overflow).toBe(40);
});
