import { execFileSync, spawnSync } from "node:child_process";
import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { action, type Action } from "../actions/action.js";
import { instruction, type Instruction } from "../actions/instruction.js";
import { field, match, type KnownField } from "../fields/match.js";
import { WireError, type Version } from "../wire/reader.js";
import { asyncProperties, type AsyncMasks } from "./async.js";
import { flowMod } from "./flow.js";
import { groupMod } from "./group.js";
import { decodeMessage, encodeMessage, type Body } from "./message.js";
import { meterFlag, meterMod } from "./meter.js";
import { packetOut } from "./packet.js";
import { portMod } from "./port.js";

const u8 = fc.nat(0xff);
const u16 = fc.nat(0xffff);
const u32 = fc.nat(0xffff_ffff);
const u64 = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn });
const data = fc.uint8Array({ maxLength: 200 });
const text = fc.stringMatching(/^[a-z0-9]{0,15}$/);

const fields: fc.Arbitrary<KnownField> = fc.oneof(
  u32.map((v) => field("inPort", v)),
  fc.tuple(u32, u32).map(([v, m]) => field("reg3", [v, m])),
  fc.bigInt({ min: 0n, max: 0xffff_ffff_ffffn }).map((v) => field("ethDst", v)),
  fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }).map((v) => field("ipv6Src", v)),
);
const actions: fc.Arbitrary<Action> = fc.oneof(
  fc.record({ type: fc.constant("output" as const), port: u32, maxLen: u16 }),
  fc.record({ type: fc.constant("group" as const), groupId: u32 }),
  fc.record({ type: fc.constantFrom("pushVlan" as const, "pushMpls" as const, "popMpls" as const), ethType: u16 }),
  fc.constantFrom({ type: "popVlan" } as const, { type: "decNwTtl" } as const, { type: "ctClear" } as const),
  fields.map((one) => ({ type: "setField", field: one }) as const),
  fc.record({ type: fc.constant("resubmit" as const), inPort: fc.nat(0xfeff), tableId: u8 }),
  fc.record({ type: fc.constant("regLoad" as const), field: fc.constantFrom("reg0" as const, "metadata" as const), offset: fc.nat(63), bits: fc.integer({ min: 1, max: 64 }), value: u64 }),
  fc.record({ type: fc.constant("regMove" as const), bits: u16, sourceOffset: u16, targetOffset: u16, source: fc.constant("reg1" as const), target: fc.constant("ethDst" as const) }),
  fc.record({ type: fc.constant("conjunction" as const), clause: u8, clauses: u8, id: u32 }),
);
const someActions = fc.array(actions, { maxLength: 4 });
const instructions: fc.Arbitrary<Instruction> = fc.oneof(
  u8.map((tableId) => ({ type: "gotoTable", tableId }) as const),
  u32.map((meterId) => ({ type: "meter", meterId }) as const),
  fc.record({ type: fc.constant("writeMetadata" as const), metadata: u64, mask: u64 }),
  fc.record({ type: fc.constantFrom("applyActions" as const, "writeActions" as const), actions: someActions }),
  fc.constant({ type: "clearActions" } as const),
);
const someFields = fc.array(fields, { maxLength: 4 });
const ethernet = fc.record({ curr: u32, advertised: u32, supported: u32, peer: u32, currSpeed: u32, maxSpeed: u32 });
const hwAddr = fc.uint8Array({ minLength: 6, maxLength: 6 });
const masks13: fc.Arbitrary<AsyncMasks> = fc.tuple(u32, u32, u32, u32, u32, u32).map((all) => Object.fromEntries(all.map((mask, i) => [asyncProperties[i] ?? "", mask] as const)));

/** Bodies that 1.3 and 1.4 both have, as the decoder gives them. */
const anyBody: fc.Arbitrary<Body> = fc.oneof(
  fc.uniqueArray(fc.integer({ min: 1, max: 31 }), { maxLength: 6 }).map((versions) => ({ type: "hello", versions: versions.sort((a, b) => a - b) }) as const),
  fc.record({ type: fc.constant("error" as const), errorType: u16, code: u16, data }),
  fc.record({ type: fc.constantFrom("echoRequest" as const, "echoReply" as const), data }),
  fc.record({ type: fc.constant("experimenter" as const), experimenter: u32, expType: u32, data }),
  fc.constantFrom({ type: "featuresRequest" } as const, { type: "barrierReply" } as const, { type: "getConfigRequest" } as const),
  fc.record({ type: fc.constant("featuresReply" as const), datapathId: u64, nBuffers: u32, nTables: u8, auxiliaryId: u8, capabilities: u32, reserved: u32 }),
  fc.record({ type: fc.constantFrom("getConfigReply" as const, "setConfig" as const), flags: u16, missSendLen: u16 }),
  fc.record({ type: fc.constant("packetIn" as const), bufferId: u32, totalLen: u16, reason: u8, tableId: u8, cookie: u64, match: someFields, data }),
  fc.record({ type: fc.constant("portStatus" as const), reason: u8, desc: fc.record({ portNo: u32, hwAddr, name: text, config: u32, state: u32, ethernet }) }),
  fc.record({ type: fc.constant("packetOut" as const), bufferId: u32, inPort: u32, actions: someActions, data }),
  fc
    .record({ command: fc.constantFrom("add" as const, "modify" as const, "deleteStrict" as const), tableId: u8, priority: u16, match: someFields, cookie: u64, cookieMask: u64, flags: u16, outPort: u32, instructions: fc.array(instructions, { maxLength: 3 }) })
    .map(flowMod),
  fc
    .record({ groupType: fc.constantFrom("all" as const, "select" as const, "ff" as const), groupId: u32, buckets: fc.array(fc.record({ weight: u16, watchPort: u32, watchGroup: u32, actions: someActions }), { maxLength: 3 }) })
    .map(groupMod),
  fc.record({ meterId: u32, flags: u16, bands: fc.array(fc.record({ bandType: fc.constant(1), rate: u32, burstSize: u32 }), { maxLength: 3 }) }).map(meterMod),
  fc.record({ portNo: u32, hwAddr, config: u32, mask: u32, advertise: u32 }).map(portMod),
  fc.record({ type: fc.constantFrom("multipartRequest" as const, "multipartReply" as const), multipartType: fc.constant("unknown" as const), typeNumber: fc.integer({ min: 100, max: 0xfffe }), flags: u16, body: data }),
  fc.record({ type: fc.constant("multipartReply" as const), multipartType: fc.constant("group" as const), flags: u16, body: fc.array(fc.record({ groupId: u32, refCount: u32, packetCount: u64, byteCount: u64, durationSec: u32, durationNsec: u32, buckets: fc.array(fc.record({ packetCount: u64, byteCount: u64 }), { maxLength: 3 }) }), { maxLength: 3 }) }),
  fc.record({ type: fc.constantFrom("roleRequest" as const, "roleReply" as const), role: u32, generationId: u64 }),
  fc.record({ type: fc.constantFrom("setAsync" as const, "getAsyncReply" as const), masks: masks13 }),
  fc.record({ type: fc.constant("unknown" as const), typeNumber: fc.integer({ min: 40, max: 255 }), bytes: data }),
);

describe("every message", () => {
  it.each([4, 5] as const)("reads what it wrote in wire version %d", (version) => {
    fc.assert(
      fc.property(anyBody, fc.nat(0xffff_ffff), (body, xid) => {
        const bytes = encodeMessage(version, xid, body);
        expect(decodeMessage(bytes)).toEqual({ ...body, version, xid });
      }),
      { numRuns: 500 },
    );
  });

  it("survives random bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 8, maxLength: 300 }), fc.constantFrom(4, 5), fc.nat(40), (bytes, version, type) => {
        bytes[0] = version;
        bytes[1] = type;
        new DataView(bytes.buffer, bytes.byteOffset).setUint16(2, bytes.length);
        try {
          decodeMessage(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(WireError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("refuses numbers that do not fit and types the version does not have", () => {
    expect(() => encodeMessage(5, 1, flowMod({ priority: 65_536 }))).toThrow(RangeError);
    expect(() => encodeMessage(5, 1, flowMod({ cookie: -1n }))).toThrow(RangeError);
    expect(() => encodeMessage(4, 1, { type: "bundleControl", bundleId: 1, bundleType: 0, flags: 0, properties: [] })).toThrow(RangeError);
    expect(() => encodeMessage(5, 1, { type: "onfBundleControl", bundleId: 1, bundleType: 0, flags: 0 })).toThrow(/not in wire version 5/);
    expect(() => encodeMessage(2, 1, { type: "multipartRequest", multipartType: "nxGroup", flags: 0, body: { groupId: 1 } })).toThrow(/not in wire version 2/);
  });

  it("takes an experimenter's message of another version for one that is not known", () => {
    const bytes = encodeMessage(1, 1, { type: "nxSetFlowFormat", format: 2 });
    bytes[0] = 5;
    expect(decodeMessage(bytes)).toEqual({ version: 5, xid: 1, type: "experimenter", experimenter: 0x2320, expType: 12, data: Uint8Array.of(0, 0, 0, 2) });
  });

  it("says where it is wrong", () => {
    const bytes = encodeMessage(5, 1, flowMod({ instructions: [instruction.gotoTable(3)] }));
    bytes[59] = 200; // the instruction's length
    expect(() => decodeMessage(bytes)).toThrow(expect.objectContaining({ offset: expect.any(Number) }));
    expect(() => decodeMessage(encodeMessage(5, 1, { type: "unknown", typeNumber: 20, bytes: new Uint8Array(4) }))).toThrow(/4 bytes after the end of barrierRequest/);
  });
});

/** What ovs-ofctl, which shares no code with us, understands. */
const print = (version: Version, body: Body): string =>
  execFileSync("ovs-ofctl", ["ofp-print", Buffer.from(encodeMessage(version, 5, body)).toString("hex"), "2"], { encoding: "utf8" }).trim();

describe("ovs-ofctl ofp-print reads", () => {
  it("a flow-mod", () => {
    const mod = flowMod({
      tableId: 3,
      priority: 77,
      cookie: 0xabn,
      idleTimeout: 60,
      flags: 1,
      match: match({ ethType: 0x800, ipProto: 6, ipv4Dst: "10.0.0.0/8", tcpDst: 80, reg5: [0x10, 0xf0], metadata: 4, tcpFlags: 2 }),
      instructions: [
        instruction.meter(9),
        instruction.apply(
          action.load("reg0", 5n, 0, 16),
          action.move("reg0", 0, "reg1", 16, 16),
          action.setField("ethDst", "00:00:00:00:00:07"),
          action.setField("reg2", 4, 0xc),
          action.decNwTtl(),
          action.outputTrunc(1, 64),
          action.resubmit(9),
          action.group(7),
          action.toController(100),
        ),
        instruction.writeMetadata(5n, 7n),
        instruction.gotoTable(4),
      ],
    });
    const expected =
      "ADD table:3 priority=77,tcp,reg5=0x10/0xf0,metadata=0x4,nw_dst=10.0.0.0/8,tp_dst=80,tcp_flags=syn cookie:0xab idle:60 send_flow_rem " +
      "actions=meter:9,load:0x5->NXM_NX_REG0[0..15],move:NXM_NX_REG0[0..15]->NXM_NX_REG1[16..31],set_field:00:00:00:00:00:07->eth_dst,set_field:0x4/0xc->reg2," +
      "dec_ttl,output(port=1,max_len=64),resubmit(,9),group:7,CONTROLLER:100,write_metadata:0x5/0x7,goto_table:4";
    expect(print(5, mod)).toBe(`OFPT_FLOW_MOD (OF1.4) (xid=0x5): ${expected}`);
    expect(print(4, mod)).toBe(`OFPT_FLOW_MOD (OF1.3) (xid=0x5): ${expected}`);
  });

  it("a group-mod, a meter-mod, a port-mod, a packet-out, a role request, a bundle", () => {
    const buckets = [{ weight: 0, watchPort: 1, watchGroup: 0xffffffff, actions: [action.output(1)] }];
    expect(print(5, groupMod({ groupType: "ff", groupId: 7, buckets }))).toContain("ADD group_id=7,type=ff,bucket=watch_port:1,actions=output:1");
    expect(print(5, meterMod({ meterId: 4, flags: meterFlag.kbps | meterFlag.burst, bands: [{ rate: 1000, burstSize: 50 }] }))).toMatch(/ADD meter=4 kbps burst bands=\ntype=drop rate=1000 burst_size=50/);
    for (const version of [4, 5] as const) {
      const mod = portMod({ portNo: 2, hwAddr: Uint8Array.of(0, 1, 2, 3, 4, 5), config: 1, mask: 1 });
      expect(print(version, mod)).toMatch(/port: 2: addr:00:01:02:03:04:05\n\s+config: PORT_DOWN\n\s+mask: {3}PORT_DOWN/);
      expect(print(version, { type: "setAsync", masks: { packetInMaster: 1, portStatusMaster: 7 } })).toContain("primary:\n       PACKET_IN: no_match\n     PORT_STATUS: add delete modify");
    }
    expect(print(5, packetOut({ inPort: 1, actions: [action.resubmit(2)], data: Uint8Array.from({ length: 60 }, (_, i) => i) }))).toContain("in_port=1 actions=resubmit(,2) data_len=60");
    expect(print(4, { type: "roleRequest", role: 2, generationId: 9n })).toContain("role=primary generation_id=9");
    const message = encodeMessage(5, 5, flowMod({ command: "delete" }));
    expect(print(5, { type: "bundleAdd", bundleId: 3, flags: 3, message })).toContain("bundle_id=0x3 flags=atomic ordered\nOFPT_FLOW_MOD (OF1.4) (xid=0x5): DEL");
  });

  it("what neither ovs-ofctl nor ovs-vswitchd says by itself", () => {
    expect(print(4, { type: "nxSetAsyncConfig2", masks: { packetInMaster: 1, portStatusMaster: 7 } })).toMatch(/NXT_SET_ASYNC_CONFIG2.*\n primary:\n\s+PACKET_IN: no_match\n\s+PORT_STATUS: add delete modify/);
    expect(print(1, { type: "nxFlowMonitorCancel", monitorId: 5 })).toBe("NXT_FLOW_MONITOR_CANCEL (xid=0x5): id=5");
    expect(print(4, { type: "onfFlowMonitorCancel", monitorId: 5 })).toBe("ONFT_FLOW_MONITOR_CANCEL (OF1.3) (xid=0x5): id=5");
    const mod = { ...flowMod({ match: match({ reg1: 5 }), instructions: [instruction.apply(action.output(2)), instruction.gotoTable(4)] }), type: "nxFlowMod" } as const;
    expect(print(4, mod)).toMatch(/NXT_FLOW_MOD \(OF1.3\).*reg1=0x5.* actions=output:2,goto_table:4/);
    const resume = { type: "nxResume", packet: new Uint8Array(14), reason: 1, metadata: match({ inPort: 3 }), userdata: Uint8Array.of(1, 2) } as const;
    expect(print(4, resume)).toMatch(/NXT_RESUME \(OF1.3\) \(xid=0x5\): total_len=14 in_port=3 \(via action\) data_len=14 \(unbuffered\)\n userdata=01.02/);
  });
});

/** os-ken's own decoder, for what Open vSwitch does not have. */
const osKen = (reading: string, bytes: Uint8Array): string => {
  const script = `import sys\nfrom os_ken.ofproto import ofproto_v1_5_parser as parser\nbuffer = bytes.fromhex(sys.argv[1])\n${reading}`;
  return execFileSync("/usr/bin/python3", ["-c", script, Buffer.from(bytes).toString("hex")], { encoding: "utf8" }).trim();
};
const hasOsKen = spawnSync("/usr/bin/python3", ["-c", "import os_ken.ofproto.ofproto_v1_5_parser"]).status === 0;
(hasOsKen ? describe : describe.skip)("os-ken reads", () => {
  it("a controller status", () => {
    const uri = Uint8Array.from(Buffer.from("tcp:10.0.0.9"));
    const bytes = encodeMessage(6, 5, { type: "controllerStatus", shortId: 513, role: 2, reason: 4, channelStatus: 1, properties: [{ type: "uri", uri }] });
    const reading = `
status = parser.OFPControllerStatus.parser(None, buffer[0], buffer[1], len(buffer), 5, buffer).status
print(status.length, status.short_id, status.role, status.reason, status.channel_status, [p.uri.decode() for p in status.properties])`;
    expect(osKen(reading, bytes)).toBe("32 513 2 4 1 ['tcp:10.0.0.9']");
  });

  it("bundle features, of which no other program's answer was found", () => {
    const at = (seconds: bigint, nanoseconds: number): { seconds: bigint; nanoseconds: number } => ({ seconds, nanoseconds });
    const time = { type: "time", schedAccuracy: at(0n, 1000), schedMaxFuture: at(60n, 0), schedMaxPast: at(5n, 0), timestamp: at(1_700_000_000n, 5) } as const;
    const bytes = encodeMessage(6, 5, { type: "multipartReply", multipartType: "bundleFeatures", flags: 0, body: { capabilities: 513, properties: [time] } });
    const reading = `
features = parser.OFPBundleFeaturesStats.parser(buffer, 16)
print(features.capabilities, features.length, [(p.sched_accuracy.nanoseconds, p.sched_max_future.seconds, p.sched_max_past.seconds, p.timestamp.seconds, p.timestamp.nanoseconds) for p in features.properties])`;
    expect(osKen(reading, bytes)).toBe("513 80 [(1000, 60, 5, 1700000000, 5)]");
  });
});
