/** The shadow follows live by event, on real Open vSwitch: meters, settings, bursts, restarts. */
import { Attached } from "../../lab/attached.js";
import { waitFor } from "../../lab/wait.js";
import { shadowBridge } from "../../src/shadow/names.js";

const withoutCounters = (text: string): string[] =>
  text
    .split("\n")
    .map((line) => line.replace(/(duration|n_packets|n_bytes|idle_age|hard_age)=[^ ]+ /g, "").trim())
    .filter((line) => line !== "" && !line.startsWith("OFPST") && !line.includes("table=249"))
    .sort();

test("meters of another controller reach the shadow with the flows that name them, and go again", async () => {
  await using lab = await Attached.start({ bridges: 1, edges: 2 });
  const { ovs } = lab;
  await lab.inStep(1);
  const shadow = shadowBridge("br0");
  const meters = async (bridge: string): Promise<string> => (await ovs.ofctl("dump-meters", bridge)).split("\n").slice(1).join("\n");
  await ovs.ofctl("add-meter", "br0", "meter=7,kbps,burst,band=type=drop,rate=1000,burst_size=200");
  await ovs.ofctl("add-flow", "br0", "table=3,priority=9,ip,actions=meter:7,output:2");
  await waitFor(async () => (await ovs.ofctl("dump-flows", shadow, "table=3")).includes("meter:7"), "the metered flow is in the shadow");
  expect(await meters(shadow)).toBe(await meters("br0"));
  await ovs.ofctl("mod-meter", "br0", "meter=7,kbps,burst,band=type=drop,rate=5000,burst_size=100");
  await waitFor(async () => (await meters(shadow)).includes("rate=5000"), "the changed meter is in the shadow");
  // Deleting a meter takes its flows with it, on live by OpenFlow's rule and in the shadow after them.
  await ovs.ofctl("del-meter", "br0", "meter=7");
  await waitFor(async () => !(await meters(shadow)).includes("meter=7"), "the meter is gone from the shadow");
  expect(await ovs.ofctl("dump-flows", shadow, "table=3")).not.toContain("meter:7");
  await lab.inStep(1);
}, 60_000);

test("settings that change what NORMAL does reach the shadow's rows, and what can't is said", async () => {
  await using lab = await Attached.start({ bridges: 1, edges: 3 });
  const { ovs } = lab;
  await lab.inStep(1);
  const shadow = shadowBridge("br0");
  await ovs.vsctl("set", "port", "p0-1", "vlan_mode=trunk", "trunks=10,20", "--", "set", "port", "p0-2", "tag=30", "--", "set", "port", "p0-3", "protected=true");
  await ovs.vsctl("set", "bridge", "br0", "mcast_snooping_enable=true", "other-config:mac-aging-time=60", "flood-vlans=10", "stp_enable=false");
  await ovs.vsctl("--", "--id=@q", "create", "qos", "type=linux-htb", "--", "set", "port", "p0-1", "qos=@q");
  const name = async (ofport: number): Promise<string> => (await ovs.vsctl("--bare", "--columns=name", "find", "interface", `ofport=${ofport}`, "external_ids:ovs-shadow\\:role=edge")).trim();
  const column = async (table: string, row: string, what: string): Promise<string> => ovs.vsctl("get", table, row, what);
  const [first, second, third] = [await name(1), await name(2), await name(3)];
  await waitFor(async () => (await column("port", first, "trunks")) === "[10, 20]", "the trunk is in the shadow");
  await waitFor(async () => (await column("bridge", shadow, "mcast_snooping_enable")) === "true", "snooping is on in the shadow");
  expect([await column("port", second, "tag"), await column("port", third, "protected"), await column("port", first, "vlan_mode")]).toEqual(["30", "true", "trunk"]);
  expect(await column("bridge", shadow, "flood_vlans")).toBe("[10]");
  expect(await column("bridge", shadow, "other_config")).toBe('{disable-in-band="true", mac-aging-time="60"}');
  await waitFor(() => lab.controller.shadow.left.some(({ port, why }) => port === "br0:1" && why.includes("QoS")), "the status says what the shadow can't have");
  await ovs.vsctl("clear", "port", "p0-1", "trunks", "--", "remove", "bridge", "br0", "other_config", "mac-aging-time");
  await waitFor(async () => (await column("port", first, "trunks")) === "[]", "a setting that goes is followed");
  await waitFor(async () => !(await column("bridge", shadow, "other_config")).includes("mac-aging"), "an option that goes is followed");
  await lab.inStep(1);
}, 60_000);

test("a burst of 10,000 flow-mods of another controller is followed flow by flow", async () => {
  await using lab = await Attached.start({ bridges: 2, edges: 2, ring: false });
  const { ovs } = lab;
  await lab.inStep(2);
  const shadow = shadowBridge("br0");
  const flow = (n: number): string => `table=5,priority=${n % 100},ip,nw_dst=10.${n >> 16}.${(n >> 8) & 255}.${n & 255},actions=output:${1 + (n % 2)}`;
  const burst = Array.from({ length: 10_000 }, (_, n) => flow(n)).join("\n");
  await ovs.capsule.run("ovs-ofctl", ["-O", "OpenFlow14", "add-flows", "br0", "-"], { input: burst, timeoutMs: 120_000 });
  const count = async (bridge: string): Promise<number> => Number(/flow_count=(\d+)/.exec(await ovs.ofctl("dump-aggregate", bridge, "table=5"))?.[1]);
  await waitFor(async () => (await count(shadow)) === 10_000, "all are in the shadow", 60_000);
  await lab.inStep(2);
  expect(withoutCounters(await ovs.ofctl("dump-flows", shadow, "table=5"))).toEqual(withoutCounters(await ovs.ofctl("dump-flows", "br0", "table=5")));
  expect(lab.controller.shadow.flowLag.count).toBeGreaterThanOrEqual(10_000);
  await ovs.ofctl("del-flows", "br0", "table=5");
  await waitFor(async () => (await count(shadow)) === 0, "all are gone from the shadow", 60_000);
  await lab.inStep(2);
}, 180_000);

test("a restart with nothing to do sends nothing: no flow-mod, no group-mod, no transaction", async () => {
  await using lab = await Attached.start({ bridges: 4, edges: 3 });
  const { ovs } = lab;
  await ovs.ofctl("add-meter", "br1", "meter=3,pktps,band=type=drop,rate=100");
  await ovs.ofctl("add-flow", "br1", "priority=4,in_port=1,actions=meter:3,NORMAL");
  await ovs.ofctl("add-group", "br2", "group_id=9,type=select,bucket=output:1,bucket=output:2");
  await ovs.ofctl("add-flow", "br2", "priority=4,in_port=3,actions=group:9");
  await lab.inStep(4);
  await lab.restart();
  await lab.inStep(4);
  const { shadow, live, database } = lab.controller;
  await Promise.all([shadow.settle(), live.settle()]);
  expect(database.counters.transactions).toBe(0);
  const sent = [...live.counters().values(), ...shadow.writerCounters().values()].map(({ flowMods, groupMods, meterMods }) => flowMods + groupMods + meterMods);
  expect(sent).toHaveLength(12);
  expect(sent).toEqual(sent.map(() => 0));
}, 90_000);
