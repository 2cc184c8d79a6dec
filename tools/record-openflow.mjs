// Records what ovs-ofctl and ovs-vswitchd say to each other, in every OpenFlow version, into openflow/vectors/:
// `npm run build && node tools/record-openflow.mjs`. Each message is kept once, whatever its xid. `>` goes to the switch. What
// ovs-ofctl never asks we ask ourselves; of that only the switch's answers are kept. With ovs-ofctl's commands as arguments
// (`node tools/record-openflow.mjs add-flow dump-desc`) only those run, and kinds of messages not yet recorded are added to the files.
import { readFileSync, writeFileSync } from "node:fs";
import net from "node:net";
import { Capsule } from "../dist/lab/capsule.js";
import { Ovs } from "../dist/lab/ovs.js";
import { action, connect, decodeMessage, encodeMessage, flowMod, groupMod, instruction, meterMod, packetOut } from "../openflow/dist/index.js";

const only = process.argv.slice(2);
const versions = ["10", "11", "12", "13", "14", "15"];

const fields = [
  "conj_id=7", "tun_id=0x1234567890", "tun_id=0x10/0xf0", "tun_src=1.2.3.4", "tun_dst=1.2.0.0/16", "tun_ipv6_src=fe80::1", "tun_ipv6_dst=fe80::/64", "tun_gbp_id=3",
  "tun_gbp_flags=0x48", "tun_erspan_ver=1,tun_erspan_idx=0x7", "tun_erspan_ver=2,tun_erspan_dir=1,tun_erspan_hwid=0x3", "tun_gtpu_flags=0x30", "tun_gtpu_msgtype=255",
  "tun_metadata0=0x12", "tun_metadata1=0x12345678/0xffff0000", "tun_flags=oam", "in_port=3", "in_port=LOCAL", "pkt_mark=0x77", "pkt_mark=0x1/0xff", "actset_output=2", "packet_type=(1,0x800)",
  "ip,ct_state=+trk+est-new", "ip,ct_zone=5", "ip,ct_mark=0x10/0xf0", "ip,ct_label=0x123456789abcdef0123456789abcdef", "ip,ct_state=+trk,ct_nw_src=1.2.3.4,ct_nw_dst=1.2.0.0/16,ct_nw_proto=6,ct_tp_src=80,ct_tp_dst=0x100/0xff00",
  "ipv6,ct_state=+trk,ct_ipv6_src=fe80::1,ct_ipv6_dst=fe80::/16,ct_nw_proto=17", "metadata=0x1234", "metadata=0x1200/0xff00", ...Array.from({ length: 16 }, (_, i) => `reg${i}=0x${i}1`), "reg0=0x10/0xf0",
  ...Array.from({ length: 8 }, (_, i) => `xreg${i}=0x1234567890`), ...Array.from({ length: 4 }, (_, i) => `xxreg${i}=0x123456789012345678901234567890`),
  "dl_src=00:11:22:33:44:55", "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00", "dl_type=0x1234", "dl_vlan=5", "dl_vlan=5,dl_vlan_pcp=3", "dl_vlan_pcp=2", "vlan_vid=0x1000/0x1000", "dl_vlan=0xffff", "vlan_tci=0x1123/0x1fff", "vlan_tci=0x1005",
  "mpls,mpls_label=100", "mpls,mpls_tc=3", "mpls,mpls_bos=1", "mpls,mpls_ttl=9", "ip,nw_src=10.1.2.3", "ip,nw_dst=10.0.0.0/8", "ip,nw_dst=10.0.0.1/255.0.0.255", "ipv6,ipv6_src=2001:db8::1", "ipv6,ipv6_dst=2001:db8::/32", "ipv6,ipv6_label=0x12345",
  "ip,nw_proto=7", "ip,nw_ttl=64", "ip,ip_frag=later", "ip,ip_frag=yes", "ip,nw_tos=0x20", "ip,nw_ecn=2", "ipv6,nw_proto=6", "arp,arp_op=1", "arp,arp_spa=10.0.0.1", "arp,arp_tpa=10.0.0.0/24", "arp,arp_sha=00:11:22:33:44:55", "arp,arp_tha=00:11:22:00:00:00/ff:ff:ff:00:00:00",
  "rarp,arp_op=3", "eth_type=0x894f,nsh_mdtype=1,nsh_spi=0x123,nsh_si=5,nsh_c1=1,nsh_c2=2,nsh_c3=3,nsh_c4=4/0xff", "eth_type=0x894f,nsh_flags=1,nsh_ttl=20,nsh_np=3", "tcp,tp_src=80", "tcp,tp_dst=0x50/0xfff0", "tcp,tcp_flags=+syn-ack", "tcp,tcp_flags=0x2", "udp,tp_src=53", "udp,tp_dst=53", "udp6,udp_dst=53", "sctp,tp_src=1", "sctp,tp_dst=2",
  "icmp,icmp_type=8", "icmp,icmp_code=3", "icmp6,icmpv6_type=128,icmpv6_code=0", "icmp6,icmpv6_type=135,nd_target=fe80::1,nd_sll=00:11:22:33:44:55", "icmp6,icmpv6_type=136,nd_target=fe80::/64,nd_tll=00:11:22:33:44:55", "icmp6,icmpv6_type=136,nd_reserved=5,nd_options_type=2", "",
];
const actions = [
  "drop", "output:2", "2", "LOCAL", "in_port", "normal", "flood", "all", "controller", "controller:100", "controller(max_len=200,reason=no_match,id=3)", "controller(userdata=01.02.03.04.05,meter_id=1)", "controller(pause)", "table", "output:NXM_NX_REG0[0..15]", "output:reg1[16..31]", "output(port=2,max_len=100)",
  "enqueue:2:3", "set_queue:4", "set_queue:4,2,pop_queue", "group:1", "mod_vlan_vid:5", "mod_vlan_pcp:3", "strip_vlan", "pop_vlan", "push_vlan:0x8100", "push_vlan:0x88a8,set_field:4100->vlan_vid,2", "mod_dl_src:00:11:22:33:44:55", "mod_dl_dst:00:11:22:33:44:55",
  "resubmit:3", "resubmit(,5)", "resubmit(3,5)", "resubmit(,5,ct)", "set_tunnel:5", "set_tunnel64:0x123456789a", "move:NXM_OF_IN_PORT[]->NXM_NX_REG0[0..15]", "move:eth_src[]->eth_dst[]", "move:reg0[0..7]->reg1[8..15]", "load:0x5->NXM_NX_REG0[]", "load:0x5->reg3[4..9]", "load:0x123456789abc->eth_dst[]", "load:1->OXM_OF_METADATA[0]", "set_field:0x1234/0xff00->reg0", "set_field:00:11:22:33:44:55->eth_src",
  "set_field:5->tun_id", "set_field:0x5->metadata", "set_field:0x1->xreg0", "set_field:1->xxreg0", "push:NXM_NX_REG2[1..5]", "pop:reg3[]", "note:00.11.22.33.44.55", "note:", "exit", "multipath(eth_src,50,modulo_n,1,0,NXM_NX_REG0[])", "multipath(symmetric_l4,1024,hrw,16,0,reg1[0..3])", "multipath(symmetric_l3l4+udp,1024,iter_hash,4,5,reg1[0..3])",
  "bundle(eth_src,0,hrw,ofport,slaves:4,8)", "bundle(symmetric_l4,60,active_backup,ofport,slaves:2,3)", "bundle_load(eth_src,0,hrw,ofport,NXM_NX_REG0[],slaves:4,8)", "learn(table=1,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])", "learn(table=2,idle_timeout=10,hard_timeout=20,fin_idle_timeout=5,fin_hard_timeout=6,priority=10,cookie=0x5,send_flow_rem,delete_learned,NXM_OF_VLAN_TCI[0..11],eth_type=0x800,load:5->NXM_NX_REG1[0..3],load:NXM_NX_REG2[0..15]->NXM_NX_REG3[0..15],output:NXM_OF_IN_PORT[])",
  "learn(limit=100,result_dst=reg0[8],table=3,eth_dst=eth_src,load:in_port->reg1[0..15])", "dec_ttl", "dec_ttl(1,2,3)", "fin_timeout(idle_timeout=5,hard_timeout=10)", "sample(probability=12345,collector_set_id=23456,obs_domain_id=34567,obs_point_id=45678)", "sample(probability=12345,collector_set_id=23456,obs_domain_id=34567,obs_point_id=45678,sampling_port=2)", "sample(probability=12345,collector_set_id=23456,obs_domain_id=34567,obs_point_id=45678,egress)",
  "ct_clear", "clone(output:2,set_field:5->reg0)", "clone(clone(2),3)", "write_metadata:0x5", "write_metadata:0x5/0xff", "meter:1", "goto_table:5", "clear_actions", "write_actions(output:2,set_queue:1)", "apply_actions(output:2)", "meter:1,apply_actions(2),clear_actions,write_actions(group:1),write_metadata:0x1,goto_table:7", "check_pkt_larger(1500)->reg0[3]", "delete_field:tun_metadata0",
  "debug_recirc", "debug_slow", "mod_nw_src:1.2.3.4:", "output:2,output:3,output:4", "encap(nsh(md_type=1))", "encap(nsh(md_type=2,tlv(0x1000,10,0x12345678)))", "encap(ethernet)", "encap(mpls)", "decap()", "decap(packet_type(ns=1,type=0x800))",
];
const ipActions = [
  "mod_nw_src:1.2.3.4", "mod_nw_dst:1.2.3.4", "mod_nw_tos:0x20", "mod_nw_ecn:2", "mod_nw_ttl:20", "ct", "ct(commit)", "ct(commit,force)", "ct(table=5,zone=7)", "ct(zone=reg0[0..15],table=2)", "ct(commit,zone=1,nat(src=10.0.0.1))", "ct(commit,nat(src=10.0.0.1-10.0.0.9:1000-2000,random))", "ct(commit,nat(dst=10.0.0.1:80,persistent,hash))", "ct(table=1,nat)", "ct(commit,exec(set_field:5->ct_mark,set_field:0x1/0xff->ct_label,move:reg0[]->ct_mark[]))", "ct(commit,alg=ftp)", "ct(commit,nat(src),alg=tftp,zone=3)", "set_field:1.2.3.4->ip_src", "set_field:10->ip_dscp",
];
const special = [
  ["tcp", "mod_tp_src:80"], ["tcp", "mod_tp_dst:81"], ["udp", "mod_tp_dst:53"], ["sctp", "set_field:5->sctp_dst"], ["mpls", "pop_mpls:0x800"], ["ip", "push_mpls:0x8847,set_mpls_label:5,set_mpls_tc:3,set_mpls_ttl:9"], ["mpls", "dec_mpls_ttl"], ["mpls", "set_mpls_ttl:5"], ["mpls", "set_field:5->mpls_label"], ["ipv6", "ct(commit,nat(src=fe80::1-fe80::9))"],
  ["ipv6", "set_field:fe80::1->ipv6_dst"], ["arp", "set_field:2->arp_op"], ["eth_type=0x894f", "decap"], ["eth_type=0x894f", "dec_nsh_ttl"], ["eth_type=0x894f", "set_field:5->nsh_si"], ["icmp6,icmpv6_type=136", "set_field:1->nd_options_type,set_field:5->nd_reserved"], ["conj_id=5", "2"], ["tcp,tp_dst=80", "conjunction(5,1/2)"], ["ip", "dec_ttl,set_field:0->nw_tos"], ["vlan_tci=0x1005/0x1fff", "set_field:7->vlan_pcp,mod_vlan_vid:9"],
];
const groups = [
  "group_id=1,type=all,bucket=output:2,bucket=output:3", "group_id=2,type=select,bucket=weight:5,output:2,bucket=weight:3,watch_port:2,output:3", "group_id=3,type=indirect,bucket=set_field:5->reg0,2", "group_id=4,type=ff,bucket=watch_port:2,output:2,bucket=watch_group:1,output:3", "group_id=5,type=select,selection_method=hash,fields(ip_src,ip_dst=255.255.0.0),bucket=bucket_id:7,weight:1,2", "group_id=6,type=select,selection_method=dp_hash,selection_method_param=3,bucket=2",
];
const commandsOf = (of) => {
  const list = [];
  for (const field of fields) list.push(["add-flow", `priority=9,${field}${field === "" ? "" : ","}actions=2`]);
  for (const action of actions) list.push(["add-flow", `table=3,actions=${action}`]);
  for (const action of ipActions) list.push(["add-flow", `table=3,ip,actions=${action}`]);
  for (const [field, action] of special) list.push(["add-flow", `table=3,${field},actions=${action}`]);
  for (const field of ["ip,nw_src=10.1.2.3", "reg0=5", "tcp,tcp_flags=+syn", "in_port=3,dl_vlan=5"]) list.push(["-F", "NXM+table_id", "add-flow", `priority=10,${field},actions=2`], ["-F", "OXM-OpenFlow14", "add-flow", `priority=11,${field},actions=2`]);
  list.push(["add-flow", "cookie=0x123,idle_timeout=5,hard_timeout=60,importance=7,send_flow_rem,check_overlap,priority=77,in_port=4,actions=2"], ["add-flow", "reset_counts,no_packet_counts,no_byte_counts,priority=78,actions=drop"]);
  list.push(["mod-flows", "cookie=0x1/-1,in_port=3,actions=3"], ["--strict", "mod-flows", "priority=9,in_port=3,actions=4"], ["del-flows", "cookie=0x5/-1"], ["--strict", "del-flows", "priority=9,in_port=3"], ["del-flows", "out_port=7,out_group=9"]);
  for (const group of groups) list.push(["add-group", group]);
  list.push(["mod-group", "group_id=3,type=indirect,bucket=3"], ["insert-buckets", "group_id=1,command_bucket_id=last,bucket=bucket_id:9,output:4"], ["remove-buckets", "group_id=1,command_bucket_id=9"], ["dump-groups"], ["dump-groups", "1"], ["dump-group-stats"], ["dump-group-features"], ["del-groups", "group_id=4"]);
  list.push(["add-meter", "meter=1,kbps,burst,stats,bands=type=drop,rate=100,burst_size=50"], ["add-meter", "meter=2,pktps,stats,bands=type=drop,rate=10"], ["mod-meter", "meter=2,pktps,bands=type=drop,rate=20"], ["dump-meters"], ["meter-stats"], ["meter-features"], ["del-meters", "meter=2"]);
  if (of === "10") list.push(["-F", "OpenFlow10", "dump-flows"], ["-F", "OpenFlow10", "dump-aggregate"]);
  list.push(["show"], ["dump-desc"], ["dump-tables"], ["dump-table-desc"], ["dump-table-features"], ["mod-table", "0", "evict"], ["mod-table", "0", "vacancy:20,80"], ["mod-table", "1", "continue"], ["dump-ports"], ["dump-ports", "p1"], ["dump-ports-desc"], ["dump-ports-desc", "p1"], ["mod-port", "p1", "no-flood"], ["mod-port", "p1", "down"], ["mod-port", "p1", "up"], ["get-frags"], ["set-frags", "reassemble"], ["set-frags", "normal"]);
  list.push(["dump-flows"], ["dump-flows", "table=3,ip"], ["dump-aggregate"], ["dump-aggregate", "table=3"], ["queue-stats"], ["queue-stats", "p1"], ["queue-get-config"], ["queue-get-config", "p1"], ["dump-ipfix-bridge"], ["dump-ipfix-flow"], ["ct-flush-zone", "5"], ["ct-flush", "zone=5"], ["ct-flush", "zone=5", "ct_nw_src=1.1.1.1,ct_nw_proto=6,ct_tp_src=1"]);
  list.push(["add-tlv-map", "{class=0xffff,type=1,len=8}->tun_metadata5"], ["dump-tlv-map"], ["del-tlv-map", "{class=0xffff,type=1,len=8}->tun_metadata5"], ["packet-out", "in_port=controller,packet=ffffffffffff0011223344550800,actions=output:2"], ["packet-out", "in_port=5,tun_id=7,packet=ffffffffffff0011223344550800,actions=resubmit(,3)"], ["probe"], ["ping", "3"]);
  if (Number(of) >= 13) list.push(["bundle", "-", "flow add table=9,priority=1,actions=2\ngroup add group_id=77,type=all,bucket=2\npacket-out in_port=controller,packet=ffffffffffff0011223344550800,actions=2\n"]);
  return list;
};

/** A relay between a socket of its own and the bridge's, which hands each whole message to `note`. */
async function relay(listenAt, target, note) {
  const server = net.createServer((client) => {
    const upstream = net.connect(target);
    for (const [from, to, direction] of [[client, upstream, ">"], [upstream, client, "<"]]) {
      let held = Buffer.alloc(0);
      from.on("data", (chunk) => {
        held = Buffer.concat([held, chunk]);
        while (held.length >= 8 && held.length >= held.readUInt16BE(2)) {
          note(direction, held.subarray(0, held.readUInt16BE(2)));
          held = held.subarray(held.readUInt16BE(2));
        }
        to.write(chunk);
      });
      from.on("close", () => to.destroy());
      from.on("error", () => to.destroy());
    }
  });
  return new Promise((resolve) => server.listen(listenAt, () => resolve(server)));
}

/** Roles, asynchronous configuration and what others are told of them, packet-ins in all forms, evictions. */
async function answers(remote, version) {
  const open = () => connect({ remote, versions: [version] });
  const [first, second] = [await open(), await open()];
  const table = version === 1 ? 0 : 0xff;
  const quiet = (work) => work.catch(() => undefined); // a version that does not have it answers with an error, which is kept too
  for (const one of [first, second]) await one.setConfig({ missSendLen: 65_535 });
  if (version >= 4) {
    await quiet(first.request({ type: "getAsyncRequest" }));
    for (const masks of version >= 5 ? [{ requestForwardMaster: 3 }, { roleStatusMaster: 7, roleStatusSlave: 7 }, { tableStatusMaster: 24 }] : [{ flowRemovedMaster: 15 }]) await quiet(first.setAsync(masks));
    await quiet(first.request({ type: "getAsyncRequest" }));
  }
  for (const role of [1, 2, 3]) await quiet(first.request(version >= 3 ? { type: "roleRequest", role, generationId: BigInt(role) } : { type: "nxRoleRequest", role: role - 1 }));
  for (const connection of [first, second]) await quiet(connection.request(version >= 3 ? { type: "roleRequest", role: 2, generationId: 9n } : { type: "nxRoleRequest", role: 1 }));
  for (const connection of [first, second]) await quiet(connection.request(version >= 3 ? { type: "roleRequest", role: 1, generationId: 9n } : { type: "nxRoleRequest", role: 0 }));
  const frame = Uint8Array.from({ length: 60 }, (_, i) => (i === 12 ? 8 : i === 14 ? 0x45 : i));
  const ask = async () => {
    first.send(packetOut({ inPort: 1, actions: [{ type: "regLoad", field: "reg0", offset: 0, bits: 32, value: 7n }, action.toController(), action.resubmit(9)].slice(version >= 6 ? 1 : 0), data: frame }));
    await first.barrier();
  };
  await ask();
  await first.apply([flowMod({ tableId: version === 1 ? 0 : 9, instructions: [instruction.apply({ type: "controller2", options: { userdata: Uint8Array.of(1, 2, 3), pause: true } })] })]);
  for (const format of [1, 2]) {
    first.send({ type: "nxSetPacketInFormat", format });
    await quiet(ask());
  }
  await first.apply([flowMod({ command: "delete", tableId: table }), flowMod({ priority: 3, flags: 1, hardTimeout: 1, instructions: [instruction.apply(action.output(2))] })]);
  // Left by the version before: taken away first.
  if (version >= 2) await second.apply([groupMod({ command: "delete", groupId: 90 }), groupMod({ groupId: 90, groupType: "indirect", buckets: [{ weight: 0, watchPort: 0xffffffff, watchGroup: 0xffffffff, actions: [action.output(1)] }] })]);
  if (version >= 4) await second.apply([meterMod({ command: "delete", meterId: 90 }), meterMod({ meterId: 90, bands: [{ rate: 5, burstSize: 0 }] })]);
  await quiet(first.multipart("flowStats", { tableId: 0xff, outPort: 0xffffffff, outGroup: 0xffffffff, cookie: 0n, cookieMask: 0n, match: [] }));
  await first.apply([flowMod({ command: "delete", tableId: table })]);
  if (version < 4) {
    // What 1.0 to 1.2 have through Nicira: forwarded requests, and flows that a 1.0 match can't say.
    first.send({ type: "nxSetAsyncConfig2", masks: { requestForwardMaster: 3 } });
    first.send({ type: "nxSetFlowFormat", format: 2 });
    const flow = { ...flowMod({ flags: 1, match: [{ name: "reg1", value: 5n }], instructions: [instruction.apply(action.output(2))] }), type: "nxFlowMod" };
    first.send(flow);
    await first.barrier();
    first.send({ ...flow, command: "delete" });
    await first.barrier();
    if (version >= 2) await second.apply([groupMod({ command: "delete", groupId: 90 })]);
  } else {
    if (version === 4) first.send({ type: "nxSetAsyncConfig2", masks: { requestForwardMaster: 3 } });
    await second.apply([groupMod({ command: "delete", groupId: 90 })]);
    // Room for ten flows, told of when 80 of 100 are free or taken.
    const limited = Array.from({ length: 10 }, (_, i) => flowMod({ tableId: 8, priority: i + 1, instructions: [] }));
    await quiet(first.apply([{ type: "tableMod", tableId: 8, config: 8, properties: [{ type: "vacancy", vacancyDown: 20, vacancyUp: 80, vacancy: 0 }] }]));
    await first.apply(limited);
    await first.apply(limited.map((mod) => ({ ...mod, command: "deleteStrict" })));
  }
  await Promise.all([first.close(), second.close()]);
}

/** A monitor that does not read while many flows change: the switch pauses it and resumes. Hands on what comes of that. */
async function paused(path, version, note) {
  const socket = net.connect(path);
  const write = (xid, body) => socket.write(encodeMessage(version, xid, body));
  await new Promise((resolve) => socket.once("connect", resolve));
  write(1, { type: "hello", versions: [version] });
  const multipartType = version >= 5 ? "flowMonitor" : version === 4 ? "onfFlowMonitor" : "nxFlowMonitor";
  write(2, { type: "multipartRequest", multipartType, flags: 0, body: [{ monitorId: 2, flags: 31, outPort: 0xffffffff, outGroup: 0xffffffff, tableId: 0xff, command: 0, match: [] }] });
  await new Promise((resolve) => socket.once("data", resolve));
  socket.pause();
  const other = await connect({ remote: `unix:${path}`, versions: [version] });
  const many = Array.from({ length: 20_000 }, (_, i) => flowMod({ priority: 5, cookie: BigInt(i), match: [{ name: "ethSrc", value: BigInt(i) }], instructions: [instruction.apply(action.output(2))] }));
  await other.apply(many);
  await other.apply([flowMod({ command: "delete", tableId: version === 1 ? 0 : 0xff })]);
  let held = Buffer.alloc(0);
  await new Promise((resolve) => {
    const end = setTimeout(resolve, 5_000);
    socket.on("data", (chunk) => {
      held = Buffer.concat([held, chunk]);
      while (held.length >= 8 && held.length >= held.readUInt16BE(2)) {
        const message = held.subarray(0, held.readUInt16BE(2));
        const isNews = message[1] === 4 || (message.length < 60 && message[1] === (version === 1 ? 17 : 19));
        if (isNews) note("<", message);
        if (isNews && decodeMessage(message).type.endsWith("Resumed")) {
          clearTimeout(end);
          resolve();
        }
        held = held.subarray(message.length);
      }
    });
    socket.resume();
  });
  await other.close();
  socket.destroy();
}

/** What a message is, for its kind to stay once recorded: when a switch pauses a monitor, say, depends on the moment. */
const kindOf = (line) => {
  const { type, multipartType = "" } = decodeMessage(Buffer.from(line.slice(2), "hex"));
  return `${line[0]} ${type} ${multipartType}`;
};
function withKindsOf(file, lines) {
  const kinds = new Set(lines.map(kindOf));
  const before = readFileSync(file, "utf8").split("\n").filter((line) => /^[<>] /.test(line));
  const had = new Set(before.map(kindOf));
  if (only.length > 0) return [...before, ...lines.filter((line) => !had.has(kindOf(line)))];
  return [...lines, ...before.filter((line) => !kinds.has(kindOf(line)))];
}

const maxLength = 9_000; // of OpenFlow 1.3 to 1.5 the table features go beyond that, and are kept once
const capsule = await Capsule.start();
const ovs = await Ovs.start(capsule);
await ovs.vsctl("add-br", "br", "--", "set", "bridge", "br", "datapath_type=netdev", "fail_mode=secure", "protocols=OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14,OpenFlow15", "other-config:datapath-id=00000000000000aa");
for (const n of [1, 2, 3]) {
  await capsule.run("ip", ["link", "add", `p${n}`, "type", "veth", "peer", "name", `q${n}`]);
  await capsule.run("ip", ["link", "set", `p${n}`, "address", `02:00:00:00:00:0${n}`, "up"]);
  await ovs.vsctl("add-port", "br", `p${n}`, "--", "set", "interface", `p${n}`, `ofport_request=${n}`);
}
await ovs.vsctl("set", "port", "p1", "qos=@q", "--", "--id=@q", "create", "qos", "type=linux-htb", "queues:5=@r", "--", "--id=@r", "create", "queue", "other-config:min-rate=1000", "other-config:max-rate=100000");
await ovs.vsctl("set", "bridge", "br", "flow_tables:8=@t", "--", "--id=@t", "create", "Flow_Table", "flow_limit=10", "overflow_policy=refuse");
await ovs.ofctl("add-tlv-map", "br", "{class=0xffff,type=0,len=4}->tun_metadata0,{class=0xffff,type=9,len=8}->tun_metadata1");

for (const of of versions) {
  const lines = [];
  const seen = new Set();
  const note = (direction, message) => {
    const key = `${direction}${message.toString("hex", 0, 4)}${message.toString("hex", 8)}`;
    if (seen.has(key) || (message.length > maxLength && seen.has(`long${message[1]}`))) return;
    seen.add(key);
    if (message.length > maxLength) seen.add(`long${message[1]}`);
    lines.push(`${direction} ${message.toString("hex")}`);
  };
  const server = await relay(capsule.path(`/run/relay${of}`), `${capsule.path("/run/openvswitch")}/br.mgmt`, note);
  let refused = 0;
  const watch = (...args) => capsule.spawn("ovs-ofctl", ["-O", `OpenFlow${of}`, "monitor", `unix:/run/relay${of}`, "65535", ...args], { stdio: "ignore" });
  const monitors = only.length > 0 ? [] : [["invalid_ttl", "watch:"], ["resume", "-P", "nxt_packet_in2"], ["-P", "standard"]].map((args) => watch(...args)); // it takes three arguments at most
  for (const [command, ...rest] of commandsOf(of)) {
    const options = [];
    let verb = command;
    const args = [...rest];
    while (verb.startsWith("-")) {
      options.push(verb);
      if (verb === "-F") options.push(args.shift());
      verb = args.shift();
    }
    if (only.length > 0 && !only.includes(verb)) continue;
    const input = verb === "bundle" ? args.pop() : undefined;
    const { code } = await capsule.run("ovs-ofctl", [...options, "-O", `OpenFlow${of}`, verb, `unix:/run/relay${of}`, ...args], { mayFail: true, timeoutMs: 5_000, ...(input === undefined ? {} : { input }) });
    if (code !== 0) refused++;
  }
  if (only.length === 0) {
    const asked = await relay(capsule.path(`/run/asked${of}`), `${capsule.path("/run/openvswitch")}/br.mgmt`, (direction, message) => void (direction === "<" && note(direction, message)));
    await answers(`unix:${capsule.path(`/run/asked${of}`)}`, Number(of[1]) + 1);
    asked.close();
    await paused(`${capsule.path("/run/openvswitch")}/br.mgmt`, Number(of[1]) + 1, note);
    for (const to of ["controller(max_len=100,userdata=01.02)", "controller(pause)"]) await capsule.run("ovs-ofctl", ["-O", `OpenFlow${of}`, "packet-out", `unix:/run/relay${of}`, `in_port=1,packet=ffffffffffff00112233445508004500001400000000401100000a0000010a000002,actions=${to}`], { mayFail: true });
    await ovs.vsctl("add-port", "br", "p9", "--", "set", "interface", "p9", "type=internal");
    await ovs.vsctl("del-port", "br", "p9");
  }
  await capsule.run("ovs-ofctl", ["-O", `OpenFlow${of}`, "del-flows", `unix:/run/relay${of}`], { mayFail: true });
  for (const monitor of monitors) monitor.kill();
  server.close();
  const file = new URL(`../openflow/vectors/ovs-3.1-of1.${of[1]}.hex`, import.meta.url);
  writeFileSync(file, `# Whole messages between ovs-ofctl and ovs-vswitchd 3.1.0, by tools/record-openflow.mjs; > to the switch, < from it.\n${withKindsOf(file, lines).join("\n")}\n`);
  process.stdout.write(`OpenFlow 1.${of[1]}: ${lines.length} messages, ${refused} commands refused\n`);
}
process.exit(0);
