import { flowsOfTracked, parseConntrack, parseTracked } from "./conntrack.js";

const line = "tcp,orig=(src=10.0.0.1,dst=10.0.0.3,sport=40000,dport=80),reply=(src=10.0.0.3,dst=10.0.0.1,sport=80,dport=40000),zone=5,mark=7,labels=0x2,protoinfo=(state=ESTABLISHED)";

test("a connection has its tuples, zone, mark, labels and state", () => {
  expect(parseTracked(line)).toEqual({
    protocol: 6,
    original: { from: { address: "10.0.0.1", port: 40_000 }, to: { address: "10.0.0.3", port: 80 }, packets: undefined, bytes: undefined },
    reply: { from: { address: "10.0.0.3", port: 80 }, to: { address: "10.0.0.1", port: 40_000 }, packets: undefined, bytes: undefined },
    zone: 5,
    mark: 7,
    labels: "0x2",
    state: "ESTABLISHED",
    isTranslated: false,
  });
});

test("counters and both states are taken where they are told", () => {
  const told = parseTracked("udp,orig=(src=10.0.0.1,dst=10.0.0.3,sport=1,dport=2,packets=4,bytes=400),reply=(src=10.0.0.3,dst=10.0.0.1,sport=2,dport=1,packets=0,bytes=0),status=SEEN_REPLY|CONFIRMED,timeout=30");
  expect([told?.original.packets, told?.original.bytes, told?.reply.packets, told?.state, told?.zone]).toEqual([4, 400, 0, "SEEN_REPLY|CONFIRMED", 0]);
  expect(parseTracked(line.replace("state=ESTABLISHED", "state_orig=ESTABLISHED,state_reply=SYN_SENT,wscale_orig=7"))?.state).toBe("ESTABLISHED/SYN_SENT");
});

test("IPv6 and ICMP", () => {
  const six = parseTracked("icmpv6,orig=(src=fe80::1,dst=fe80::2,id=7,type=128,code=0),reply=(src=fe80::2,dst=fe80::1,id=7,type=129,code=0)");
  expect([six?.protocol, six?.original.from, six?.isTranslated]).toEqual([58, { address: "fe80::1", port: 0 }, false]);
});

test("a translated connection is of two flows, an untranslated one of one", () => {
  const connection = parseTracked(line);
  const translated = parseTracked(line.replace("reply=(src=10.0.0.3,dst=10.0.0.1,", "reply=(src=10.9.9.9,dst=10.0.0.1,"));
  if (connection === undefined || translated === undefined) throw new Error("not read");
  expect(flowsOfTracked(connection)).toEqual([{ key: "tcp 10.0.0.1:40000 10.0.0.3:80", direction: 0, isReply: false }]);
  expect(translated.isTranslated).toBe(true);
  expect(flowsOfTracked(translated).map(({ key, isReply }) => [key, isReply])).toEqual([
    ["tcp 10.0.0.1:40000 10.0.0.3:80", false],
    ["tcp 10.0.0.1:40000 10.9.9.9:80", false],
  ]);
});

test("a line that can't be read is counted, with the first of them, and the others are there", () => {
  const dump = parseConntrack(`${line}\nrubbish\n\ntcp,orig=(src=10.0.0.1)\n${line}\n`);
  expect([dump.connections.length, dump.malformed, dump.firstMalformed]).toEqual([2, 2, "rubbish"]);
});

test("whatever is cut off or garbled, nothing throws", () => {
  for (let i = 0; i < line.length; i++) {
    expect(() => parseConntrack(line.slice(0, i))).not.toThrow();
    expect(() => parseConntrack(`${line.slice(0, i)}(${line.slice(i + 1)}`)).not.toThrow();
  }
});
