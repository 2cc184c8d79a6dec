import { describe, expect, it } from "@jest/globals";
import { parseFlow } from "node-openflow";
import type { FlowRecord } from "sflow-collector";
import { SoftwareSwitch, type BridgeState } from "../network/flow-table.js";
import { inferredEgress, saidEgress, sampleKey } from "./egress.js";

/** Ethernet, IPv4, UDP 1000 → 53, from 10.0.0.1 to 10.0.0.2. */
const frame = Uint8Array.from(Buffer.from("020000000002020000000001080045000020000000004011000 00a0000010a00000203e80035000c0000deadbeef".replaceAll(" ", ""), "hex"));
const record = (header: Uint8Array): FlowRecord => ({ kind: "sampledHeader", headerProtocol: 1, frameLength: 60, stripped: 4, header }) as unknown as FlowRecord;
const ports = [1, 2, 3, 0x8001].map((number) => ({ number, name: `p${number}`, up: true }));
const bridge = (flows: readonly string[], groups: BridgeState["groups"] = []): SoftwareSwitch =>
  new SoftwareSwitch([{ name: "br", ports, groups, flows: flows.map((text) => parseFlow(text)) }]);
const several = { format: 2, value: 2 };
const ask = (tables: SoftwareSwitch, output: { readonly format: number; readonly value: number }, header = frame) =>
  saidEgress({ output }) ?? inferredEgress(tables, { sample: { output, records: [record(header)] }, bridge: "br", inPort: 1 }, (port) => port > 0x7eff);

describe("egress of a sample", () => {
  it("takes the sample's word", () => {
    expect(ask(bridge([]), { format: 0, value: 7 })).toEqual({ how: "sampled", ifIndex: 7 });
    expect(ask(bridge([]), { format: 1, value: 256 })).toEqual({ how: "dropped" });
  });
  it("of a mirrored packet the tables tell the port, without the copy's", () => {
    const tables = bridge(["priority=5,udp,tp_dst=53,nw_dst=10.0.0.2,actions=output:32769,output:3", "priority=1,actions=output:2"]);
    expect(ask(tables, several)).toEqual({ how: "inferred", ports: [3] });
    expect(ask(tables, { format: 0, value: 0x3fffffff })).toEqual({ how: "inferred", ports: [3] });
    expect(ask(bridge(["priority=5,tcp,actions=output:3"]), { format: 0, value: 0 })).toEqual({ how: "inferred", ports: [] });
  });
  it("says which ports it may be where a hash decides", () => {
    const bucket = (to: number) => ({ weight: 1, watchPort: 0xffffffff, watchGroup: 0xffffffff, actions: [{ type: "output" as const, port: to, maxLen: 0 }] });
    const tables = bridge(["actions=group:1"], [{ groupId: 1, groupType: "select", buckets: [bucket(2), bucket(3)] }]);
    expect(ask(tables, several)).toEqual({ how: "one of", ways: [[2], [3]], why: ["the hash of select group 1"] });
  });
  it("does not trust a header that was cut", () => {
    const found = ask(bridge(["udp,tp_dst=53,actions=output:3"]), several, frame.subarray(0, 30));
    expect(found).toMatchObject({ how: "one of", why: ["the header was cut short"] });
  });
  it("says so when there is no header", () => {
    expect(inferredEgress(bridge([]), { sample: { output: several, records: [] }, bridge: "br", inPort: 1 })).toEqual({ how: "unknown", why: "the sample has no header" });
  });
});

describe("what of a header decides", () => {
  const key = (bytes: Uint8Array): string => sampleKey(bytes, 1);
  const changed = (at: number): Uint8Array => Uint8Array.from(frame, (byte, i) => (i === at ? byte ^ 0x5a : byte));
  it("leaves lengths, identification, checksums and payload out, and nothing else", () => {
    const free = new Set([16, 17, 18, 19, 24, 25, 38, 39, 40, 41, 42, 43, 44, 45]);
    for (let at = 0; at < frame.length; at++) {
      // An EtherType, a version or a protocol that is another one makes another packet of it.
      expect([at, key(changed(at)) === key(frame)]).toEqual([at, free.has(at)]);
    }
    expect(sampleKey(frame, 2)).not.toBe(key(frame));
  });
  it("of fragments, of what is cut and of what is no TCP or UDP, the whole header counts", () => {
    const fragment = changed(20);
    expect(key(Uint8Array.from([...fragment.subarray(0, 45), 7]))).not.toBe(key(fragment));
    expect(key(frame.subarray(0, 40))).not.toBe(key(frame));
  });
});
