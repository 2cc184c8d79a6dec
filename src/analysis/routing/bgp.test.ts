import { readFileSync } from "node:fs";
import { PcapStream } from "sflow-collector";
import { asPathText } from "./bgp-attributes.js";
import { BgpFraming } from "./bgp-framing.js";
import { isHeader, notificationText, readBgp, updateContext, type BgpMessage, type Open, type Update } from "./bgp.js";
import { readPacket, readTcp } from "./packet.js";
import { DecodeError } from "./reader.js";

const marker = "ff".repeat(16);
const message = (type: number, body: string): Buffer => {
  const bytes = Buffer.from(body.replace(/\s/g, ""), "hex");
  const head = Buffer.from(`${marker}0000${type.toString(16).padStart(2, "0")}`, "hex");
  head.writeUInt16BE(19 + bytes.length, 16);
  return Buffer.concat([head, bytes]);
};
const plain = { as4: true, addPath: () => false };
const fault = (bytes: Uint8Array, context = plain): DecodeError => {
  try {
    readBgp(bytes, context);
  } catch (error) {
    if (error instanceof DecodeError) return error;
    throw error;
  }
  throw new Error("it was read");
};

test("an OPEN with its capabilities", () => {
  // AS 23456, hold time 90, 192.0.2.1; multiprotocol IPv6 unicast, route refresh, AS 4200000002, add-path IPv4 both ways, one unknown
  const open = message(1, "04 5ba0 005a c0000201 1c 02 1a 0104 00020001 0200 4104 fa56ea02 4504 00010103 4900 4602 0000");
  expect(readBgp(open, plain)).toEqual({
    type: "open",
    version: 4,
    as: 4_200_000_002,
    holdTimeS: 90,
    identifier: "192.0.2.1",
    capabilities: [
      { kind: "multiprotocol", afi: 2, safi: 1 },
      { kind: "route-refresh" },
      { kind: "as4", as: 4_200_000_002 },
      { kind: "add-path", families: [{ afi: 1, safi: 1, receive: true, send: true }] },
      { kind: "unknown", code: 73, value: "" },
      { kind: "unknown", code: 70, value: "0000" },
    ],
  });
});

const update = (withdrawn: string, attributes: string, nlri: string): Buffer => {
  const size = (hex: string): string => (hex.replace(/\s/g, "").length / 2).toString(16).padStart(4, "0");
  return message(2, `${size(withdrawn)}${withdrawn}${size(attributes)}${attributes}${nlri}`);
};

test("an UPDATE with every attribute that is known", () => {
  const attributes = [
    "400101 02", // incomplete
    "400210 0202 0000fde9 0000fdea 0101 0000fdeb",
    "400304 c0000201",
    "800404 00000064",
    "400504 000000c8",
    "400600",
    "c00708 0000fde9 c0000202",
    "c00808 fde90001 ffffff01",
    "800904 01010101",
    "800a08 02020202 03030303",
    "c01008 0002fde900000064",
    "c0200c 0000fde9 00000007 00000008",
    "d0630002 abcd", // unknown, with a long length
  ].join("");
  const read = readBgp(update("18c00002", attributes, "08 0a 19 c6336480 00"), plain) as Update;
  expect(read.withdrawn).toEqual([{ family: "ipv4", prefix: "192.0.2.0/24", pathId: undefined }]);
  expect(read.announced.map(({ prefix }) => prefix)).toEqual(["10.0.0.0/8", "198.51.100.128/25", "0.0.0.0/0"]);
  expect(read.attributes).toEqual({
    origin: "incomplete",
    asPath: [{ type: "sequence", as: [65001, 65002] }, { type: "set", as: [65003] }],
    nextHop: "192.0.2.1",
    multiExitDisc: 100,
    localPref: 200,
    atomicAggregate: true,
    aggregator: { as: 65001, address: "192.0.2.2" },
    communities: ["65001:1", "65535:65281"],
    originatorId: "1.1.1.1",
    clusterList: ["2.2.2.2", "3.3.3.3"],
    extendedCommunities: ["0002fde900000064"],
    largeCommunities: ["65001:7:8"],
    unknown: [{ flags: 0xd0, type: 0x63, value: "abcd" }],
  });
  expect(asPathText(read.attributes.asPath ?? [])).toBe("65001 65002 {65003}");
});

test("IPv6 reachability, with two next hops; a family that is not read is passed over", () => {
  const reach = "800e2c 0002 01 20 20010db8000000000000000000000001 fe800000000000000000000000000001 00 30 20010db80001".replace(/\s/g, "");
  const read = readBgp(update("", reach, ""), plain) as Update;
  expect(read.attributes.mpReach).toEqual({ afi: 2, safi: 1, nextHop: "2001:db8::1", linkLocalNextHop: "fe80::1", nlri: [{ family: "ipv6", prefix: "2001:db8:1::/48", pathId: undefined }] });
  const unreach = readBgp(update("", "800f0a 0002 01 30 20010db80001", ""), plain) as Update;
  expect(unreach.attributes.mpUnreach?.nlri.map(({ prefix }) => prefix)).toEqual(["2001:db8:1::/48"]);
  const evpn = readBgp(update("", "800e0c 0019 46 04 01020304 00 020304", ""), plain) as Update;
  expect(evpn.attributes.mpReach).toMatchObject({ afi: 25, safi: 70, nlri: [] });
});

test("path identifiers where both sides agreed; two-octet paths with AS4_PATH", () => {
  const withPaths = { as4: true, addPath: () => true };
  const read = readBgp(update("00000001 08 0a", "", "00000002 08 0b"), withPaths) as Update;
  expect([read.withdrawn[0]?.pathId, read.announced[0]?.pathId]).toEqual([1, 2]);
  const old = readBgp(update("", "400206 0202 fde9 5ba0 c01106 0201 fa56ea02", "080a"), { as4: false, addPath: () => false }) as Update;
  expect(asPathText(old.attributes.asPath ?? [])).toBe("65001 4200000002");
  // Nothing is known of the session: both lengths are tried.
  const open = { as4: undefined, addPath: () => false };
  expect(asPathText((readBgp(update("", "400206 0202 fde9 fdea", "080a"), open) as Update).attributes.asPath ?? [])).toBe("65001 65002");
  expect(asPathText((readBgp(update("", "40020a 0202 0000fde9 0000fdea", "080a"), open) as Update).attributes.asPath ?? [])).toBe("65001 65002");
});

test("what the two OPENs agree on", () => {
  const side = (capabilities: Open["capabilities"]): Open => ({ type: "open", version: 4, as: 1, holdTimeS: 90, identifier: "1.1.1.1", capabilities });
  const sends = side([{ kind: "as4", as: 1 }, { kind: "add-path", families: [{ afi: 1, safi: 1, receive: false, send: true }] }]);
  const receives = side([{ kind: "add-path", families: [{ afi: 1, safi: 1, receive: true, send: false }] }]);
  expect(updateContext(sends, receives).addPath(1, 1)).toBe(true);
  expect(updateContext(receives, sends).addPath(1, 1)).toBe(false);
  expect(updateContext(sends, receives).addPath(2, 1)).toBe(false);
  expect([updateContext(sends, receives).as4, updateContext(sends, sends).as4, updateContext(sends, undefined).as4]).toEqual([false, true, undefined]);
});

test.each([
  ["a length that is not the message's", () => message(4, "00"), /1 bytes more/, 19],
  ["a prefix of 33 bits", () => update("", "", "21 0a000000 00"), /33 bits/, 23],
  ["an attribute twice", () => update("", "40010100 40010100", "080a"), /attribute 1 twice/, 27],
  ["an attribute beyond the message", () => update("", "4001ff00", ""), /255 bytes needed/, 26],
  ["a next hop of 5 bytes", () => update("", "800e0a 0002 01 05 0102030405 00", ""), /next hop of 5/, 30],
  ["an unknown type", () => message(9, ""), /type 9/, 18],
  ["an origin of 3", () => update("", "40010103", ""), /ORIGIN/, 26],
])("%s is an error with its place", (_name, make, text, offset) => {
  const error = fault(make());
  expect(error.message).toMatch(text);
  expect(error).toMatchObject({ protocol: "bgp", offset });
});

test("notifications in words", () => {
  expect(notificationText({ code: 6, subcode: 2 })).toBe("cease: administrative shutdown");
  expect(notificationText({ code: 4, subcode: 0 })).toBe("hold timer expired");
  expect(notificationText({ code: 3, subcode: 5 })).toBe("UPDATE error: subcode 5");
  expect(readBgp(message(3, "0602"), plain)).toEqual({ type: "notification", code: 6, subcode: 2, data: "" });
});

test("framing: any pieces, and back at the next marker after a hole or rubbish", () => {
  const all = [message(4, ""), update("", "40010100", "080a"), message(4, ""), message(3, "0602")];
  const stream = Buffer.concat(all);
  for (const size of [1, 5, 19, 1_000]) {
    const framing = new BgpFraming();
    const got: Uint8Array[] = [];
    for (let at = 0; at < stream.length; at += size) got.push(...framing.add({ is: "bytes", bytes: stream.subarray(at, at + size) }));
    expect(got.map((one) => Buffer.from(one).toString("hex"))).toEqual(all.map((one) => one.toString("hex")));
    expect(framing.counters).toEqual({ messages: 4, skipped: 0, resyncs: 0 });
  }
  const framing = new BgpFraming();
  expect(framing.add({ is: "bytes", bytes: stream.subarray(0, 25) })).toHaveLength(1);
  framing.add({ is: "gap", bytes: 10 });
  // The rest of the second message is lost; the third and fourth are found.
  expect(framing.add({ is: "bytes", bytes: stream.subarray(35) })).toHaveLength(2);
  expect(framing.counters).toMatchObject({ messages: 3, resyncs: 1 });
});

/** The BGP messages in a recording of FRR and BIRD. */
function recorded(): Buffer[] {
  const framings = new Map<string, BgpFraming>();
  return new PcapStream().push(readFileSync(`${import.meta.dirname}/fixtures/frr-bird-bgp.pcap`)).flatMap(({ bytes }) => {
    const { ip } = readPacket(bytes);
    if (ip?.protocol !== 6) return [];
    const tcp = readTcp(ip.payload);
    const key = `${ip.src} ${tcp.srcPort}`;
    const framing = framings.get(key) ?? new BgpFraming();
    framings.set(key, framing);
    return framing.add({ is: "bytes", bytes: tcp.payload }).map((one) => Buffer.from(one));
  });
}

const mutations = Number(process.env["MUTATIONS"] ?? 100_000);

test(`${mutations} changed messages of real routers: each is read, or refused with a place in it`, () => {
  const originals = recorded();
  expect(originals.length).toBeGreaterThan(15);
  for (const one of originals) expect(isHeader(one)).toBe(true);
  expect(new Set(originals.map((one): BgpMessage["type"] => readBgp(one, plain).type))).toEqual(new Set(["open", "update", "keepalive", "notification"]));
  let state = 7;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  let refused = 0;
  for (let i = 0; i < mutations; i++) {
    let bytes = Buffer.from(originals[random(originals.length)] as Buffer);
    for (let change = random(3); change >= 0; change--) {
      if (random(4) === 0) bytes = bytes.subarray(0, 19 + random(Math.max(1, bytes.length - 19)));
      else bytes[16 + random(bytes.length - 16)] = random(256);
    }
    // Most changes shall get further than the length field.
    if (random(8) !== 0) bytes.writeUInt16BE(bytes.length, 16);
    try {
      readBgp(bytes, { as4: [true, false, undefined][i % 3], addPath: () => i % 5 === 0 });
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      if (!(error.offset >= 0 && error.offset <= bytes.length)) throw new Error(`offset ${error.offset} in ${bytes.length} bytes`, { cause: error });
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(mutations / 10);
});
