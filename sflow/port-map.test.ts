import { readFileSync } from "node:fs";
import { decodeDatagram, describeInterface, dropReasonName, PcapStream, PortMap } from "./index.js";

const datagrams = new PcapStream().push(readFileSync(`${import.meta.dirname}/vectors/ovs-3.1-sflow.pcap`)).map((packet) => decodeDatagram(packet.bytes.subarray(42)));

test("every interface value has its meaning", () => {
  expect(describeInterface({ format: 0, value: 5 })).toEqual({ is: "port", ifIndex: 5 });
  expect(describeInterface({ format: 0, value: 0 })).toEqual({ is: "unknown" });
  expect(describeInterface({ format: 0, value: 0x3fffffff })).toEqual({ is: "internal" });
  expect(describeInterface({ format: 1, value: 256 })).toEqual({ is: "dropped", reason: 256, reasonName: "unknown" });
  expect(describeInterface({ format: 2, value: 2 })).toEqual({ is: "multiple", count: 2 });
  expect(describeInterface({ format: 2, value: 0 })).toEqual({ is: "multiple", count: undefined });
  expect(describeInterface({ format: 3, value: 1 })).toEqual({ is: "reserved", format: 3, value: 1 });
  expect([13, 258, 303, 304].map(dropReasonName)).toEqual(["commAdminProhibited", "acl", "splitHorizon", "reason 304"]);
});

test("ports are learned from Open vSwitch's own records; before, they are unmapped and counted", () => {
  const map = new PortMap();
  expect(map.interface("127.0.0.1", { format: 0, value: 4 })).toEqual({ is: "unmapped", ifIndex: 4 });
  for (const datagram of datagrams) map.learn(datagram);
  expect(map.interface("127.0.0.1", { format: 0, value: 4 })).toEqual({ is: "port", ifIndex: 4, bridge: "00000000000000b1", ofport: 1, name: "p-a", by: "ofPort" });
  expect(map.interface("10.0.0.1", { format: 0, value: 4 })).toEqual({ is: "unmapped", ifIndex: 4 });
  expect(map.counters).toEqual({ mapped: 1, unmapped: 2 });
});

test("the caller's lookup goes first", () => {
  const map = new PortMap((agent, ifIndex) => (agent === "127.0.0.1" && ifIndex === 4 ? { bridge: "b1", ofport: 7 } : undefined));
  for (const datagram of datagrams) map.learn(datagram);
  expect(map.interface("127.0.0.1", { format: 0, value: 4 })).toEqual({ is: "port", ifIndex: 4, bridge: "b1", ofport: 7, by: "lookup" });
  expect(map.interface("127.0.0.1", { format: 0, value: 5 })).toMatchObject({ ofport: 2, by: "ofPort" });
});

test("data sources by class; a bridge of Open vSwitch by what its ports told", () => {
  const map = new PortMap();
  const agent = { agentAddress: "127.0.0.1", subAgentId: 0 };
  expect(map.source(agent, { class: 2, index: 1_000 })).toEqual({ is: "entity", class: "physical", index: 1_000, datapathId: undefined });
  for (const datagram of datagrams) map.learn(datagram);
  expect(map.source(agent, { class: 2, index: 1_000 })).toMatchObject({ datapathId: "00000000000000b1" });
  expect(map.source(agent, { class: 0, index: 4 })).toMatchObject({ is: "port", port: { ofport: 1 } });
  expect(map.source(agent, { class: 1, index: 7 })).toEqual({ is: "vlan", vid: 7 });
  expect(map.source(agent, { class: 9, index: 7 })).toEqual({ is: "reserved", class: 9, index: 7 });
});
