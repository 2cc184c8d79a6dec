import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { action, type Action } from "../actions/action.js";
import { instruction } from "../actions/instruction.js";
import { match } from "../fields/match.js";
import { flowMod } from "../messages/flow.js";
import { parseActions, parseInstructions, printActions } from "./action-text.js";
import { parseFlow, parseFlowStats, printFlow } from "./flow-text.js";
import { parseGroup, parseGroupDesc, printGroup } from "./group-text.js";
import { parseMatch, printMatch } from "./match-text.js";
import { parseMeter, parseMeterConfig } from "./meter-text.js";
import { TextError } from "./scan.js";
import { parseGroupStats, parseMeterStats } from "./stats-text.js";

describe("matches", () => {
  it.each([
    ["tcp,tp_dst=80", match({ ethType: 0x800, ipProto: 6, tcpDst: 80 })],
    ["tp_dst=80,nw_proto=17,ipv6", match({ ethType: 0x86dd, ipProto: 17, udpDst: 80 })], // what it depends on may stand behind
    ["arp,nw_src=10.0.0.0/8", match({ ethType: 0x806, arpSpa: "10.0.0.0/8" })],
    ["dl_vlan=5,dl_vlan_pcp=3", match({ vlanVid: 0x1005, vlanPcp: 3 })],
    ["vlan_tci=0x1005/0x1fff", match({ vlanVid: 0x1005 })],
    ["dl_vlan=0xffff", match({ vlanVid: 0 })],
    ["vlan_tci=0x3000/0x3000", match({ vlanTci: [0x3000, 0x3000] })], // a part of the priority has no field of the standard's
    ["in_port=LOCAL", match({ inPort: 0xfffffffe })],
    ["in_port=65534", match({ inPort: 0xfffffffe })],
    ["ip,ct_state=+trk-new", match({ ethType: 0x800, ctState: [0x20, 0x21] })],
    ["tcp,tcp_flags=+syn-ack", match({ ethType: 0x800, ipProto: 6, tcpFlags: [2, 0x12] })],
    ["tcp,tcp_flags=0x2/0x12", match({ ethType: 0x800, ipProto: 6, tcpFlags: [2, 0x12] })],
    ["packet_type=(1,0x800),nw_dst=1.2.3.4", match({ packetType: 0x10800, ipv4Dst: "1.2.3.4" })],
    ["ip nw_src=10.0.0.1/255.0.0.255", match({ ethType: 0x800, ipv4Src: [0x0a000001, 0xff0000ff] })],
    ["", []],
  ])("are read: %s", (text, expected) => {
    expect(parseMatch(text)).toEqual(expected);
  });

  it("print registers in 32 bits, a VLAN as one field, and what is not known", () => {
    expect(printMatch(match({ xreg0: 0x1200000034n, vlanPcp: 2 }))).toBe("reg0=0x12,reg1=0x34,dl_vlan_pcp=2");
    const unknown = [{ name: "unknown" as const, bytes: Uint8Array.of(0xff, 0xfe, 2, 1, 7) }];
    expect(printMatch(unknown)).toBe("unknown(fffe020107)");
    expect(parseMatch("unknown(fffe020107)")).toEqual(unknown);
  });

  it("know ports by name when told", () => {
    const ports = (name: string): number | undefined => (name === "eth 0" ? 7 : undefined);
    expect(parseFlow('in_port="eth 0",actions=output:"eth 0","eth 0"', { ports })).toEqual(flowMod({ match: match({ inPort: 7 }), instructions: [instruction.apply(action.output(7), action.output(7))] }));
  });
});

describe("actions", () => {
  it("are those of the version", () => {
    expect(parseActions("mod_dl_src:00:00:00:00:00:07,mod_tp_dst:80", { version: 1 })).toEqual([{ type: "setDlSrc", dlAddr: Uint8Array.of(0, 0, 0, 0, 0, 7) }, { type: "setTpDst", tpPort: 80 }]);
    const udp = match({ ethType: 0x800, ipProto: 17 });
    expect(parseActions("mod_dl_src:00:00:00:00:00:07,mod_tp_dst:80", { match: udp })).toEqual([action.setField("ethSrc", 7), action.setField("udpDst", 80)]);
    expect(parseActions("mod_vlan_vid:5")).toEqual([action.pushVlan(), action.setField("vlanVid", 0x1005)]);
    expect(parseActions("mod_vlan_vid:5", { match: match({ vlanVid: 0x1007 }) })).toEqual([action.setField("vlanVid", 0x1005)]);
    expect(parseActions("mod_vlan_vid:5", { version: 2 })).toEqual([action.pushVlan(), { type: "setVlanVid", vlanVid: 5 }]);
    expect(parseActions("push_vlan:0x8100,set_vlan_vid:5,set_vlan_pcp:3", { version: 2 })).toEqual([action.pushVlan(), { type: "setVlanVid", vlanVid: 5 }, { type: "setVlanPcp", vlanPcp: 3 }]);
    expect(parseActions("set_vlan_vid:5,set_vlan_pcp:3", { version: 4 })).toEqual([action.setField("vlanVid", 0x1005), action.setField("vlanPcp", 3)]);
    expect(parseActions("enqueue:2:3")).toEqual([action.setQueue(3), action.output(2), { type: "popQueue" }]);
    expect(parseInstructions("meter:4,2")).toEqual([instruction.meter(4), instruction.apply(action.output(2))]);
    expect(parseInstructions("meter:4,2", { version: 6 })).toEqual([instruction.apply({ type: "meter", meterId: 4 }, action.output(2))]);
  });

  it.each([
    "clone(clone(output:2),ct(commit,nat(src=[fe80::1]-[fe80::9]:80-90,random),exec(set_field:0x1->ct_mark)))",
    "learn(table=2,idle_timeout=10,priority=10,cookie=0x5,limit=3,result_dst=NXM_NX_REG0[8],NXM_OF_VLAN_TCI[0..11],eth_type=0x800,in_port=LOCAL,load:0x5->NXM_NX_REG1[0..3],output:NXM_OF_IN_PORT[])",
    "output:NXOXM_NSH_SPI[],push:unknown_12340008[3..4],unknown(00010008ffffffff)",
    "push_pbb:0x88e7,pop_pbb,copy_ttl_in,copy_ttl_out",
  ])("are read and printed: %s", (text) => {
    expect(printActions(parseActions(text))).toBe(text);
  });

  it("that name neither port nor table have a text as well", () => {
    expect(printActions([action.resubmit(0xff)])).toBe("resubmit:IN_PORT");
    expect(parseActions("resubmit:IN_PORT")).toEqual([action.resubmit(0xff)]);
  });
});

describe("errors", () => {
  it.each<[(text: string) => unknown, string, number]>([
    [parseMatch, "ip,nw_src=1.2.3", 10],
    [parseMatch, "ip,bogus=3", 3],
    [parseMatch, "nw_src=1.2.3.4", 0],
    [parseMatch, "tcp,tp_dst=65536", 11],
    [parseMatch, "reg0=010", 5],
    [parseMatch, "reg0=1,reg0=2", 7],
    [parseMatch, "toString=1", 0],
    [parseMatch, "ct_state=+bogus", 9],
    [parseActions, "output:2,bogus", 9],
    [parseActions, "clone(output:2", 14],
    [parseActions, "output:2)", 8],
    [parseActions, "toString:3", 0],
    [parseActions, "move:reg0->xreg1", 5],
    [parseActions, "goto_table:3", 0],
    [parseActions, "set_field:300->nw_ttl", 10],
    [parseFlow, "priority=1,ip", 13],
    [parseFlow, "cookie=1/2,actions=drop", 9],
    [parseFlowStats, " cookie=0x0, duration=1, actions=drop", 22],
    [parseGroup, "group_id=1,bucket=2", 19],
    [parseGroupDesc, "type=all", 8],
    [parseMeter, "meter=1,kbps,pktps,bands=", 0],
    [parseMeterConfig, "meter=1 kbps bands=rate=5", 19],
    [parseGroupStats, "group_id=7,packet_count=x", 24],
    [parseGroupStats, "group_id=7,bucket9999:packet_count=0,byte_count=0", 11],
    [parseMeterStats, "meter:3 flow_count:1 bogus:2", 21],
    [parseMeterStats, "meter:3 bands:\n1: packet_count:1 byte_count:2", 15],
  ])("%p(%p) says where: %d", (parse, text, offset) => {
    let thrown: unknown;
    try {
      parse(text);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(TextError);
    expect({ text, offset: (thrown as TextError).offset }).toEqual({ text, offset });
    expect((thrown as TextError).expected).not.toBe("");
  });

  it("come for what is too long or too deep", () => {
    expect(() => parseActions(`${"1,".repeat(40_000)}1`)).toThrow(/at most 65536 characters/);
    expect(() => parseActions(`${"clone(".repeat(33)}1${")".repeat(33)}`)).toThrow(/at most 32 levels/);
    expect(parseActions(`${"clone(".repeat(32)}1${")".repeat(32)}`)).toHaveLength(1);
  });

  it("are all that broken text throws", () => {
    const texts = [
      "cookie=0x5, table=3, priority=7,tcp,ct_state=+trk-new,tun_metadata0=0x5/0xff,nw_src=10.0.0.0/8,tcp_flags=+syn actions=ct(commit,zone=NXM_NX_REG0[0..15],nat(src=1.2.3.4-1.2.3.9:1-9,random),alg=ftp),learn(table=1,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:5->reg0[1..3]),bundle(eth_src,0,hrw,ofport,members:4,8),encap(nsh(md_type=2,tlv(0x1000,10,0x1234))),check_pkt_larger(9)->reg0[1]",
      "group_id=5,type=select,selection_method=hash,fields(ip_src,ip_dst=255.255.0.0),bucket=weight:5,watch_port:2,actions=output:2,bucket=2",
      "meter=1 kbps burst stats bands=\ntype=drop rate=100 burst_size=50",
      "group_id=7,duration=12.030s,ref_count=2,packet_count=5,byte_count=600,bucket0:packet_count=1,byte_count=2",
      "meter:3 flow_count:1 packet_in_count:2 byte_in_count:3 duration:4.005s bands:\n0: packet_count:6 byte_count:7",
    ];
    const broken = fc.constantFrom(...texts).chain((text) =>
      fc.array(fc.tuple(fc.nat(text.length), fc.nat(3), fc.constantFrom("", ",", "(", ")", "=", ":", "->", "[", "]", "/", "\"", "-", "0", "x", " ", "é", "constructor")), { minLength: 1, maxLength: 4 }).map((edits) => edits.reduce((all, [at, cut, put]) => all.slice(0, at) + put + all.slice(at + cut), text)),
    );
    fc.assert(
      fc.property(broken, (text) => {
        for (const parse of [parseFlow, parseFlowStats, parseMatch, parseActions, parseGroup, parseGroupDesc, parseMeter, parseMeterConfig, parseGroupStats, parseMeterStats]) {
          try {
            parse(text);
          } catch (error) {
            if (!(error instanceof TextError) || error.offset < 0 || error.offset > text.length) throw error;
          }
        }
      }),
      { numRuns: 5_000 },
    );
  }, 60_000);
});

describe("flows and groups", () => {
  it("of other commands have the command's word before them", () => {
    const gone = flowMod({ command: "deleteStrict", tableId: 3, priority: 9, match: match({ inPort: 3 }), outPort: 7, cookie: 5n, cookieMask: 0xffff_ffff_ffff_ffffn });
    expect(printFlow(gone)).toBe("delete_strict cookie=0x5/-1, table=3, out_port=7, priority=9,in_port=3");
    expect(parseFlow(printFlow(gone))).toEqual(gone);
    expect(parseFlow("in_port=3", { command: "delete" })).toEqual(flowMod({ command: "delete", tableId: 0xff, match: match({ inPort: 3 }) }));
    expect(printGroup(parseGroup("group_id=4", { command: "delete" }))).toBe("delete group_id=4");
    expect(printGroup(parseGroup("", { command: "delete" }))).toBe("delete group_id=all");
    expect(parseGroup("insert_bucket group_id=4,command_bucket_id=last,bucket=bucket_id:9,2", { version: 6 })).toMatchObject({ command: "insertBucket", commandBucketId: 0xfffffffe, buckets: [{ bucketId: 9, actions: [action.output(2)] satisfies Action[] }] });
  });

  it("of a switch are printed with or without what was counted", () => {
    const line = " cookie=0x5, duration=12.034s, table=3, n_packets=7, n_bytes=90, idle_timeout=60, send_flow_rem idle_age=4, priority=9,ip actions=drop";
    const flow = parseFlowStats(line);
    expect(flow).toMatchObject({ tableId: 3, cookie: 5n, durationSec: 12, durationNsec: 34_000_000, packetCount: 7n, byteCount: 90n, idleTimeout: 60, flags: 1, oxs: { idleSec: 4 }, priority: 9, instructions: [] });
    expect(printFlow(flow)).toBe(line);
    expect(parseFlow(printFlow(flow, { stats: false }))).toEqual(parseFlow(line)); // which add-flows reads as well
  });
});
