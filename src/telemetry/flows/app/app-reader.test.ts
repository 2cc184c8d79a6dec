import { AppReader } from "./app-reader.js";
import { readDns } from "./dns.js";
import { isUsual, usualUse } from "./ports.js";
import { readSignature } from "./signatures.js";
import { readClientHello } from "./tls.js";

const latin1 = (text: string): Buffer => Buffer.from(text, "latin1");
const length16 = (bytes: Buffer): Buffer => Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);

/** A ClientHello with so many cipher suites, and these extensions. */
function clientHello(extensions: readonly (readonly [type: number, body: Buffer])[], suites = 31): Buffer {
  const extension = Buffer.concat(extensions.map(([type, body]) => Buffer.concat([Buffer.from([type >> 8, type & 0xff]), length16(body)])));
  const body = Buffer.concat([Buffer.from([3, 3]), Buffer.alloc(32, 7), Buffer.from([32]), Buffer.alloc(32, 9), length16(Buffer.alloc(suites * 2, 1)), Buffer.from([1, 0]), length16(extension)]);
  const message = Buffer.concat([Buffer.from([1, 0, body.length >> 8, body.length & 0xff]), body]);
  return Buffer.concat([Buffer.from([22, 3, 1]), length16(message)]);
}
const serverName = (name: string): readonly [number, Buffer] => [0, length16(Buffer.concat([Buffer.from([0]), length16(latin1(name))]))];
const protocols = (...names: readonly string[]): readonly [number, Buffer] => [16, length16(Buffer.concat(names.map((name) => Buffer.concat([Buffer.from([name.length]), latin1(name)]))))];
const query = latin1("\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03WWW\x07example\x03com\0\0\x01\0\x01");
const answer = Buffer.concat([latin1("\x12\x34\x81\x80\0\x01\0\x03\0\0\0\0\x03www\x07example\x03com\0\0\x01\0\x01"), latin1("\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x06\x03cdn\xc0\x10"), latin1("\xc0\x2d\0\x01\0\x01\0\0\0\x3c\0\x04\x5d\xb8\xd8\x22"), latin1("\xc0\x2d\0\x1c\0\x01\0\0\0\x3c\0\x10\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01")]);

test("a ClientHello: name and protocols, whole and cut off", () => {
  const hello = clientHello([[10, Buffer.from([0, 2, 0, 29])], serverName("WWW.Example.com"), protocols("h2", "http/1.1")]);
  expect(readClientHello(hello)).toEqual({ serverName: "www.example.com", protocols: ["h2", "http/1.1"], isWhole: true });
  // As a capture of 128 bytes has it, behind 66 bytes of headers.
  expect(readClientHello(hello.subarray(0, 62))).toEqual({ serverName: "", protocols: [], isWhole: false });
  expect(readClientHello(clientHello([serverName("not a name\n")]))?.serverName).toBe("");
  for (let i = 0; i < hello.length; i++) expect(() => readClientHello(hello.subarray(0, i))).not.toThrow();
});

test("a DNS message: its question, and the addresses of its answer", () => {
  expect(readDns(query)).toEqual({ isResponse: false, question: "www.example.com", addresses: [] });
  expect(readDns(answer)).toEqual({ isResponse: true, question: "www.example.com", addresses: ["93.184.216.34", "2001:db8::1"] });
  expect(readDns(Buffer.alloc(40))).toBeUndefined();
  // A name that points to itself ends.
  expect(readDns(latin1("\0\x01\x01\0\0\x01\0\0\0\0\0\0\xc0\x0c\0\x01\0\x01"))).toBeUndefined();
  for (let i = 0; i < answer.length; i++) expect(() => readDns(answer.subarray(0, i))).not.toThrow();
});

const [tcp, udp] = [6, 17];
test.each<[string, number, number, number, Buffer, string, string]>([
  ["http request", tcp, 40_000, 8_123, latin1("GET /a HTTP/1.1\r\nUser-Agent: x\r\nHost: shop.example\r\n\r\n"), "http", "shop.example"],
  ["http response", tcp, 8_123, 40_000, latin1("HTTP/1.1 200 OK\r\n"), "http", ""],
  ["tls server name", tcp, 40_000, 443, clientHello([serverName("a.example")]), "https", "a.example"],
  ["tls server name", tcp, 40_000, 993, clientHello([serverName("mail.example")]), "imaps", "mail.example"],
  ["tls server name", tcp, 40_000, 9_999, clientHello([serverName("a.example"), protocols("h2")]), "https", "a.example"],
  ["tls hello", tcp, 40_000, 9_999, clientHello([serverName("a.example")]).subarray(0, 62), "tls", ""],
  ["dns message", udp, 40_000, 53, query, "dns", "www.example.com"],
  ["dns message", udp, 53, 22, answer, "dns", "www.example.com"],
  ["dns message", tcp, 40_000, 53, length16(query), "dns", "www.example.com"],
  ["ssh banner", tcp, 902, 40_000, latin1("SSH-2.0-OpenSSH_9.2p1 Debian\r\n"), "ssh", "OpenSSH_9.2p1 Debian"],
  ["smtp banner", tcp, 25, 40_000, latin1("220 mail.example ESMTP Postfix\r\n"), "smtp", ""],
  ["ftp banner", tcp, 21, 40_000, latin1("220 ready\r\n"), "ftp", ""],
  ["pop3 banner", tcp, 110, 40_000, latin1("+OK ready\r\n"), "pop3", ""],
  ["imap banner", tcp, 143, 40_000, latin1("* OK ready\r\n"), "imap", ""],
  ["sip message", udp, 5_060, 5_060, latin1("OPTIONS sip:a@b SIP/2.0\r\n"), "sip", ""],
  ["bgp marker", tcp, 40_000, 179, Buffer.concat([Buffer.alloc(16, 0xff), Buffer.from([0, 29, 1])]), "bgp", ""],
  ["mqtt connect", tcp, 40_000, 1_883, latin1("\x10\x10\0\x04MQTT\x04"), "mqtt", ""],
  ["postgresql startup", tcp, 40_000, 5_432, latin1("\0\0\0\x20\0\x03\0\0user\0"), "postgresql", ""],
  ["mysql greeting", tcp, 3_306, 40_000, latin1("\x4a\0\0\0\x0a8.0.36\0aaaaaaaa"), "mysql", ""],
  ["snmp message", udp, 161, 40_000, latin1("\x30\x26\x02\x01\x01\x04\x06public"), "snmp", ""],
  ["ntp message", udp, 123, 123, Buffer.concat([Buffer.from([0x23]), Buffer.alloc(47)]), "ntp", ""],
  ["quic long header", udp, 40_000, 443, latin1("\xc3\0\0\0\x01\x08"), "quic", ""],
  ["stun cookie", udp, 40_000, 50_000, latin1("\0\x01\0\0\x21\x12\xa4\x42aaaaaaaaaaaa"), "stun", ""],
])("%s over %i from %i to %i", (evidence, protocol, from, to, payload, label, detail) => {
  expect(readSignature(protocol, from, to, payload)).toEqual({ label, evidence, detail });
});

test("what says nothing says nothing, and nothing throws, whatever is cut off or garbled", () => {
  expect(readSignature(tcp, 40_000, 40_001, Buffer.alloc(64))).toBeUndefined();
  expect(readSignature(udp, 40_000, 53, latin1("not a message at all"))).toBeUndefined();
  expect(readSignature(1, 0, 0, latin1("GET / HTTP/1.1"))).toBeUndefined();
  const messages = [query, answer, clientHello([serverName("a.example"), protocols("h2")]), latin1("\x30\x26\x02\x01\x01\x04\x06public"), latin1("220 x")];
  for (const message of messages) {
    for (let i = 0; i < message.length; i++) {
      const garbled = Buffer.from(message);
      garbled[i] = (garbled[i] ?? 0) ^ 0xff;
      for (const [x, y] of [[53, 40_000], [443, 40_000], [161, 1], [25, 2], [67, 68]] as const) for (const protocol of [tcp, udp]) for (const bytes of [garbled, message.subarray(0, i)]) expect(() => readSignature(protocol, x, y, bytes)).not.toThrow();
    }
  }
});

test("a flow's label: by what was seen before its port, a name that comes later, a port last, else unknown", () => {
  const reader = new AppReader();
  expect(reader.label).toBeUndefined();
  reader.data(tcp, 40_000, 80, latin1("\x01\x02"));
  expect(reader.label).toEqual({ label: "http", evidence: "port", detail: "", confidence: expect.any(Number) as number });
  reader.data(tcp, 80, 40_000, latin1("HTTP/1.1 200 OK\r\n"));
  expect(reader.label).toMatchObject({ label: "http", evidence: "http response", detail: "" });
  reader.data(tcp, 40_000, 80, latin1("GET / HTTP/1.1\r\nHost: a.example\r\n"));
  expect(reader.label).toMatchObject({ evidence: "http request", detail: "a.example" });
  expect(reader.isDone).toBe(true);
  const other = new AppReader();
  for (let i = 0; i < 8; i++) other.data(tcp, 40_000, 40_001, latin1("?"));
  expect([other.isDone, other.label]).toEqual([true, { label: "unknown", evidence: "none", detail: "", confidence: 0 }]);
});

test("a port is taken for what is used over the flow's protocol", () => {
  expect([usualUse(udp, 53, 22), usualUse(tcp, 53, 22), usualUse(udp, 22, 40_000), usualUse(tcp, 67, 1), usualUse(tcp, 50_000, 40_000)]).toEqual(["dns", "ssh", "", "", ""]);
  expect([isUsual("dns", udp, 22, 53), isUsual("ssh", udp, 22, 53)]).toEqual([true, false]);
});
