import { readFileSync } from "node:fs";
import { datagramJson, hexLineJson, PcapStream } from "./index.js";

const payloads = new PcapStream().push(readFileSync(`${import.meta.dirname}/vectors/ovs-3.1-sflow.pcap`)).map((packet) => packet.bytes.subarray(42));
const first = payloads[0] ?? new Uint8Array();
interface Shown {
  readonly error?: { readonly code: string; readonly offset: number; readonly message: string };
  readonly samples: readonly { readonly format: string; readonly records?: readonly { readonly format: string; readonly kind: string; readonly [field: string]: unknown }[] }[];
  readonly [field: string]: unknown;
}
const parse = (line: string): Shown => JSON.parse(line) as Shown;

test("a datagram is one line; every sample and record has its format, 64-bit values are decimal strings, bytes hex", () => {
  const line = datagramJson(first);
  expect(line).not.toContain("\n");
  const shown = parse(line);
  expect(shown).toMatchObject({ agentAddress: "127.0.0.1", subAgentId: 0, sequenceNumber: 1, uptime: 0 });
  expect(shown).not.toHaveProperty("error");
  const formats = shown.samples.map((sample) => [sample.format, ...(sample.records ?? []).map((record) => record.format)]);
  expect(formats.slice(0, 2)).toEqual([
    ["0:1", "0:1001", "0:1"],
    ["0:2", "0:2203", "0:2207"],
  ]);
  const records = shown.samples.flatMap((sample) => sample.records ?? []);
  expect(records.find(({ kind }) => kind === "ofPort")).toMatchObject({ format: "0:1004", datapathId: "177" });
  expect(records.find(({ kind }) => kind === "sampledHeader")?.header).toMatch(/^[0-9a-f]{172}$/);
  expect(records.find(({ kind }) => kind === "sampledHeader")?.layers).toMatchObject([{ protocol: "ethernet" }, { protocol: "ipv6", src: "::", dst: "ff02::1:fff1:9745" }, { protocol: "icmpv6", type: 135 }]);
});

test("a fault is told with the samples before it", () => {
  const whole = parse(datagramJson(first));
  const cut = parse(datagramJson(first.subarray(0, first.length - 4)));
  expect(cut.error).toEqual({ code: "truncated", offset: expect.any(Number) as number, message: expect.stringMatching(/bytes needed/) as string });
  expect(cut.samples).toEqual(whole.samples.slice(0, -1));
  expect(cut.agentAddress).toBe("127.0.0.1");
  expect(parse(datagramJson(Buffer.from("00000004", "hex")))).toMatchObject({ error: { code: "version", offset: 0 }, samples: [] });
});

test("a line of hex is read with or without separators; what is no hex is told", () => {
  const hex = Buffer.from(first).toString("hex");
  expect(hexLineJson(hex)).toBe(datagramJson(first));
  expect(hexLineJson(hex.replace(/../g, "$& ").toUpperCase())).toBe(datagramJson(first));
  expect(parse(hexLineJson("0000zz"))).toMatchObject({ error: { code: "hex", offset: 2 }, samples: [] });
  expect(parse(hexLineJson("000"))).toMatchObject({ error: { code: "hex", offset: 1 } });
});
