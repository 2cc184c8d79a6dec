import { describe, expect, it } from "@jest/globals";
import { parseFlow, parseGroup, port } from "node-openflow";
import { parsePacket, printPacket, SoftwareSwitch, type BridgeState, type SwitchAnswer } from "./flow-table.js";

const flows = (...texts: readonly string[]) => texts.map((text) => ({ ...parseFlow(text, { version: 5 }) }));
const groups = (...texts: readonly string[]) => texts.map((text) => parseGroup(text, { version: 5 }));
const ports = [1, 2, 3, 4].map((number) => ({ number, name: `p${number}`, up: number !== 4 }));
const one = (parts: Partial<BridgeState>): SoftwareSwitch => new SoftwareSwitch([{ name: "br", ports, flows: [], ...parts }]);
const tcp = "in_port=1,tcp,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=64,tp_src=1000,tp_dst=80";
const ask = (sw: SoftwareSwitch, packet = tcp, options = {}): SwitchAnswer => sw.process("br", parsePacket(packet), options);
const left = ({ outputs }: SwitchAnswer): string[] => outputs.map((item) => `${item.bridge}:${item.port}`);

describe("the software switch", () => {
  it("takes the flow of highest priority and writes what it says", () => {
    const answer = ask(one({ flows: flows("priority=1,actions=output:2", "priority=9,tcp,tp_dst=80,actions=set_field:10.0.0.9->ip_dst,dec_ttl,output:3") }));
    expect(left(answer)).toEqual(["br:3"]);
    expect(printPacket(answer.outputs[0]?.packet ?? parsePacket(""), true)).toMatch(/nw_dst=10\.0\.0\.9.*nw_ttl=63/);
    expect(answer.undecided).toEqual([]);
  });
  it("does not send back to the port a packet came from, but for IN_PORT", () => {
    expect(left(ask(one({ flows: flows("actions=output:1,output:2,IN_PORT") })))).toEqual(["br:2", "br:1"]);
    expect(left(ask(one({ flows: flows("actions=FLOOD") })))).toEqual(["br:2", "br:3", "br:4"]);
  });
  it("executes the action set in its own order, a group before an output", () => {
    const sw = one({ flows: flows("actions=write_actions(output:4,set_field:5->reg0,group:1),goto_table:1", "table=1,actions=write_actions(pop_vlan,output:2)"), groups: groups("group_id=1,type=indirect,bucket=actions=output:3") });
    expect(left(ask(sw))).toEqual(["br:3"]);
    expect(left(ask(one({ flows: flows("actions=write_actions(set_field:5->reg0)") })))).toEqual([]);
  });
  it("takes the first live bucket of a fast-failover group", () => {
    const sw = one({ flows: flows("actions=group:1"), groups: groups("group_id=1,type=ff,bucket=watch_port:4,actions=output:4,bucket=watch_port:3,actions=output:3,bucket=watch_port:2,actions=output:2") });
    expect(left(ask(sw))).toEqual(["br:3"]);
  });
  it("answers a select group with every way it may go, dead buckets and weight 0 left out", () => {
    const sw = one({ flows: flows("actions=group:1,output:2"), groups: groups("group_id=1,type=select,bucket=weight:5,watch_port:4,actions=output:4,bucket=weight:5,actions=output:3,bucket=weight:0,actions=output:1,bucket=weight:1,actions=output:2") });
    const { answers, isComplete } = sw.outcomes("br", parsePacket(tcp));
    expect(isComplete).toBe(true);
    expect(answers.map(left)).toEqual([["br:3", "br:2"], ["br:2", "br:2"]]);
    expect(answers[0]?.undecided).toEqual(["the hash of select group 1"]);
  });
  it("says when there are more ways than it follows", () => {
    const sw = one({ flows: flows("actions=multipath(symmetric_l4,0,modulo_n,100,0,NXM_NX_REG0[0..7]),output:NXM_NX_REG0[0..15]") });
    const { answers, isComplete } = sw.outcomes("br", parsePacket(tcp));
    expect([answers.length, isComplete]).toEqual([64, false]);
  });
  it("does not guess between flows of one priority", () => {
    const { undecided, choices } = ask(one({ flows: flows("priority=5,tcp,actions=output:2", "priority=5,in_port=1,actions=output:3") }));
    expect(undecided[0]).toMatch(/2 flows of priority 5 in table 0/);
    expect(choices).toHaveLength(1);
  });
  it("drops the whole packet beyond Open vSwitch's limits", () => {
    const loop = ask(one({ flows: flows("actions=output:2,resubmit(,0)") }));
    expect([left(loop), loop.error]).toEqual([[], "more than 64 levels deep"]);
    const branching = ask(one({ flows: Array.from({ length: 13 }, (_, i) => flows(`table=${i},actions=resubmit(,${i + 1}),resubmit(,${i + 1})`)).flat() .concat(flows("table=13,actions=output:2")) }));
    expect(branching.error).toBe("more than 4096 resubmits");
  });
  it("finishes a conjunctive match", () => {
    const sw = one({ flows: flows("priority=9,tcp,nw_src=10.0.0.1,actions=conjunction(7,1/2)", "priority=9,tcp,tp_dst=80,actions=conjunction(7,2/2)", "priority=9,conj_id=7,tcp,actions=output:3", "priority=1,actions=output:2") });
    expect(left(ask(sw))).toEqual(["br:3"]);
    expect(left(ask(sw, tcp.replace("tp_dst=80", "tp_dst=81")))).toEqual(["br:2"]);
  });
  it("tells what is learned, and learns nothing itself", () => {
    const sw = one({ flows: flows("actions=learn(table=3,priority=7,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])") });
    const { flow } = ask(sw).learned[0] ?? {};
    expect(flow).toMatchObject({ tableId: 3, priority: 7, match: [{ name: "ethDst", value: 0x020000000001n }] });
    expect(flow?.instructions).toEqual([{ type: "applyActions", actions: [{ type: "output", port: 1, maxLen: 0 }] }]);
  });
  it("goes on behind connection tracking as it is told", () => {
    const sw = one({ flows: flows("ct_state=-trk,tcp,actions=ct(table=1,zone=5)", "table=1,ct_state=+est+trk,ct_mark=9,tcp,actions=output:3", "table=1,priority=1,ct_state=+new+trk,tcp,actions=output:2") });
    expect(left(ask(sw))).toEqual(["br:2"]);
    expect(left(ask(sw, tcp, { track: (_packet: unknown, zone: number) => ({ state: zone === 5 ? 0x22 : 0x21, mark: 9 }) }))).toEqual(["br:3"]);
  });
  it("asks for the length where that decides", () => {
    const sw = one({ flows: flows("actions=check_pkt_larger(1000)->NXM_NX_REG0[0],resubmit(,1)", "table=1,priority=40000,reg0=1,actions=output:3", "table=1,actions=output:2") });
    expect(ask(sw).undecided).toEqual(["whether the packet has more than 1000 bytes"]);
    expect(left(ask(sw, tcp, { frameLength: 1500 }))).toEqual(["br:3"]);
  });
  it("crosses a patch port without its registers", () => {
    const sw = new SoftwareSwitch([
      { name: "br", ports: [...ports, { number: 10, name: "a", up: true, peer: { bridge: "far", port: 11 } }], flows: flows("actions=set_field:5->reg0,set_field:6->pkt_mark,output:10,output:2") },
      { name: "far", ports: [{ number: 11, name: "b", up: true }, { number: 1, name: "q", up: true }], flows: flows("priority=5,reg0=5,actions=drop", "priority=1,pkt_mark=6,in_port=11,actions=output:1") },
    ]);
    expect(left(ask(sw))).toEqual(["far:1", "br:2"]);
  });
  it("gives NORMAL what a learning bridge knows", () => {
    const vlan = (mode: "access" | "trunk", tag: number) => ({ mode, tag, trunks: [] });
    const state = { ports: [{ ...ports[0]!, vlan: vlan("access", 10) }, { ...ports[1]!, vlan: vlan("access", 10) }, { ...ports[2]!, vlan: vlan("access", 20) }, ports[3]!], flows: flows("actions=NORMAL") };
    const flooded = ask(one(state));
    expect(left(flooded)).toEqual(["br:2", "br:4"]);
    expect(flooded.outputs.map(({ packet }) => printPacket(packet, true).includes("dl_vlan=10"))).toEqual([false, true]);
    expect(flooded.macs).toEqual([{ bridge: "br", key: "10/02:00:00:00:00:01", port: 1 }]);
    expect(left(ask(one({ ...state, macs: new Map([["10/02:00:00:00:00:02", 2]]) })))).toEqual(["br:2"]);
    expect(left(ask(one(state), tcp.replace("dl_dst=02:00:00:00:00:02", "dl_dst=01:80:c2:00:00:00")))).toEqual([]);
  });
  it("sees what is below a label it has pushed itself, and says when it can't", () => {
    const popped = ask(one({ flows: flows("ip,actions=push_mpls:0x8847,pop_mpls:0x0800,resubmit(,1)", "table=1,tcp,actions=output:3") }));
    expect([left(popped), popped.undecided]).toEqual([["br:3"], []]);
    const unknown = ask(one({ flows: flows("mpls,actions=pop_mpls:0x0800,output:3") }), "in_port=1,mpls,mpls_bos=1,mpls_ttl=3");
    expect(unknown.undecided).toEqual(["what is below the label"]);
  });
  it("stops where the time to live has run out, and shows it to the controller", () => {
    expect(ask(one({ flows: flows("ip,actions=output:2,dec_ttl,output:3") }), tcp.replace("nw_ttl=64", "nw_ttl=1")).outputs.map((item) => item.port)).toEqual([2, port.controller]);
  });
  it("refuses what it does not know by name", () => {
    expect(() => one({}).process("nowhere", parsePacket(tcp))).toThrow(RangeError);
    expect(() => parsePacket("in_port=1,tun_metadata0=5")).toThrow("a packet here has no tunMetadata0");
    expect(() => new SoftwareSwitch([{ name: "br", ports, flows: [] }, { name: "br", ports, flows: [] }])).toThrow("two bridges are named br");
  });
});

it("tables built in steps answer like those built at once", () => {
  const state: BridgeState = { name: "br", ports: [{ number: 1, name: "p1", up: true }, { number: 2, name: "p2", up: true }], flows: Array.from({ length: 25 }, (_, i) => parseFlow(`priority=${i},udp,tp_dst=${i},actions=output:2`)) };
  const building = SoftwareSwitch.building([state], 10);
  expect([building.next(), building.next()]).toEqual([{ done: false, value: 10 }, { done: false, value: 20 }]);
  const last = building.next();
  if (last.done !== true) throw new Error("not built");
  const packet = parsePacket("in_port=1,udp,tp_dst=24");
  expect(last.value.process("br", packet)).toEqual(new SoftwareSwitch([state]).process("br", packet));
  expect(() => [...SoftwareSwitch.building([state, state], 10)]).toThrow("two bridges are named br");
});
