/** The operator's scripts on a real Open vSwitch: detach.sh leaves what it did not find marked exactly as it was. */
import { parseConfig } from "../../src/config/load.js";
import { cookie, groupBase, mark, table } from "../../src/network/pipeline.js";
import { Capsule, projectDir } from "../../lab/capsule.js";
import { Ovs } from "../../lab/ovs.js";

const script = (name: string): string => `${projectDir}/ovs-scripts/${name}.sh`;
const hex = (value: bigint): string => `0x${value.toString(16)}`;

let ovs: Ovs;
const run = async (name: string, ...args: string[]) => ovs.capsule.run(script(name), args, { mayFail: true });

beforeEach(async () => {
  ovs = await Ovs.start(await Capsule.start());
  // What the operator has: two bridges, a host, flows (one in a table we do not use), a group, a Mirror, sFlow.
  await ovs.capsule.run("sh", ["-ec", "ip netns add h1; ip link add s1-h1 type veth peer name eth0 netns h1; ip link set s1-h1 up; ip -n h1 link set eth0 up; ip netns exec h1 ethtool -K eth0 tx off"]);
  const bridge = (name: string) => ["--", "add-br", name, "--", "set", "bridge", name, "datapath_type=netdev", "fail_mode=secure"];
  await ovs.vsctl(...bridge("s1").slice(1), ...bridge("s2"), "--", "add-port", "s1", "s1-h1");
  await ovs.vsctl("add-port", "s1", "span", "--", "set", "interface", "span", "type=internal");
  await ovs.vsctl("--", "--id=@o", "get", "port", "span", "--", "--id=@m", "create", "mirror", "name=theirs", "select_all=true", "output_port=@o", "--", "add", "bridge", "s1", "mirrors", "@m");
  await ovs.vsctl("--", "--id=@f", "create", "sflow", 'targets="127.0.0.1:9999"', "agent=lo", "--", "set", "bridge", "s2", "sflow=@f");
  await ovs.ofctl("add-group", "s1", "group_id=7,type=all,bucket=output:1");
  for (const flow of ["priority=5,actions=group:7", "cookie=0x5347ffffffffffff,table=3,actions=drop", "cookie=0x5349000000000000,table=3,tcp,actions=drop"]) await ovs.ofctl("add-flow", "s1", flow);
});
afterEach(() => ovs[Symbol.asyncDispose]());

/** Flows, groups, meters and rows, without counters. */
async function state(): Promise<string> {
  const seen: string[] = [];
  for (const bridge of ["s1", "s2"]) {
    seen.push((await ovs.ofctl("dump-flows", "--no-stats", bridge)).replace(/^.*\(xid.*\n/gm, ""));
    for (const dump of ["dump-groups", "dump-meters"]) seen.push((await ovs.ofctl(dump, bridge)).replace(/xid=\S+/, ""));
  }
  return [...seen, await rows()].join("\n");
}

async function rows(): Promise<string> {
  const seen: string[] = [];
  for (const [name, columns] of [
    ["Bridge", "_uuid,name,ports,mirrors,sflow,netflow,external_ids,other_config"],
    ["Port", "_uuid,name,interfaces,tag,external_ids"],
    ["Interface", "_uuid,name,type,options,ofport,external_ids"],
    ["Mirror", "_uuid,name,select_all,select_src_port,output_port,external_ids"],
    ["sFlow", "_uuid,targets,sampling,external_ids"],
  ] as const) {
    const { data } = JSON.parse(await ovs.vsctl("--format=json", `--columns=${columns}`, "list", name)) as { data: unknown[] };
    seen.push(data.map((row) => JSON.stringify(row)).sort().join("\n"));
  }
  return seen.join("\n");
}

/** What the controller leaves on a network: all kinds of rows, flows in several tables, a group with flows that name it. */
async function plant(): Promise<void> {
  const marked = (rows: string, name: string, role: string) => ["--", "set", rows, name, `external_ids:"${mark.role}"=${role}`, `external_ids:"${mark.live}"="s1:1"`];
  const patch = (bridge: string, name: string, peer: string, role: string) => [
    ...["--", "add-port", bridge, name, "--", "set", "interface", name, "type=patch", `options:peer=${peer}`],
    ...marked("port", name, role),
  ];
  const bridge = (name: string, role: string) => ["--", "add-br", name, "--", "set", "bridge", name, "datapath_type=netdev", "fail_mode=secure", ...marked("bridge", name, role)];
  await ovs.vsctl(
    ...bridge("shsabcdefgh", "shadow").slice(1),
    ...bridge("shxabcdefgh", "adapter"),
    ...patch("s1", "shmabcdefgh-1", "shaabcdefgh-1", "replica"),
    ...patch("shxabcdefgh", "shaabcdefgh-1", "shmabcdefgh-1", "ingress"),
    ...["--", "--id=@o", "get", "port", "shmabcdefgh-1", "--", "--id=@s", "get", "port", "s1-h1"],
    ...["--", "--id=@m", "create", "mirror", "name=shgabcdefgh-1", "output_port=@o", "select_src_port=@s", `external_ids:"${mark.role}"=guard`],
    ...["--", "add", "bridge", "s1", "mirrors", "@m"],
    ...["--", "--id=@f", "create", "sflow", 'targets="127.0.0.1:6343"', "agent=lo", `external_ids:"${mark.role}"=sflow`, "--", "set", "bridge", "s1", "sflow=@f"],
  );
  await ovs.ofctl("add-group", "s1", `group_id=${groupBase + 3},type=all,bucket=output:1`);
  for (const flow of [
    `cookie=${hex(cookie("entry"))},table=${table.operator},priority=65534,actions=resubmit(,${table.admit})`,
    `cookie=${hex(cookie("forward", 9n))},table=${table.forward},actions=group:${groupBase + 3}`,
    `cookie=${hex(cookie("change", 1n))},table=${table.admit},tcp,actions=drop`,
  ]) {
    await ovs.ofctl("add-flow", "s1", flow);
  }
}

test("detach.sh removes what is ours and nothing else, and a dry run nothing at all", async () => {
  const before = await state();
  await plant();
  const attached = await state();
  expect(attached).not.toBe(before);

  const dry = await run("detach", "-n");
  expect(dry.code).toBe(0);
  expect(await state()).toBe(attached);
  const commands = dry.stdout.trim().split("\n");
  // Table 0 first, so that no packet meets half a pipeline; all rows in one transaction.
  const at = (text: string): number => commands.findIndex((line) => line.includes(text));
  expect(at("table=0")).toBe(0);
  expect(at("del-groups")).toBeGreaterThan(at("table=0"));
  expect(commands.filter((line) => line.startsWith("ovs-vsctl"))).toHaveLength(1);

  // The printed commands do the same as a run of the script.
  await ovs.capsule.run("sh", ["-e"], { input: dry.stdout });
  expect(await state()).toBe(before);

  await plant();
  const done = await run("detach", "--db=unix:/run/openvswitch/db.sock");
  expect(done).toMatchObject({ code: 0, stderr: "" });
  expect(await state()).toBe(before);
  expect(await run("detach")).toMatchObject({ code: 0, stdout: "", stderr: "" });
});

test("detach.sh leaves a group of our range that a foreign flow uses, and says so", async () => {
  await ovs.ofctl("add-group", "s1", `group_id=${groupBase + 4},type=all,bucket=output:1`);
  await ovs.ofctl("add-flow", "s1", `table=9,actions=group:${groupBase + 4}`);
  const before = await state();
  const { code, stderr } = await run("detach");
  expect(code).toBe(1);
  expect(stderr).toContain(`group ${groupBase + 4} of bridge s1 is used by a flow or group that is not ours`);
  expect(await state()).toBe(before);
});

test("doctor.sh finds nothing wrong at first, then what is planted", async () => {
  const well = await run("doctor");
  expect(well.stdout).toContain("ok    s1: tables 240 to 249 are free");
  expect(well.stdout).toContain("ok    s1: port s1-h1: transmit offload is off at its host");
  expect(well.stdout).toContain("ok    s1: 31 Mirror rows free, 2 ports");
  expect(well.stdout).toContain("note  s2: sFlow is in use by someone else");
  expect(well.stdout).toContain("warn  ovs-vswitchd runs without --monitor");
  expect(well).toMatchObject({ code: 0, stderr: "" });

  await ovs.ofctl("add-flow", "s1", `table=${table.forward},actions=drop`);
  await ovs.capsule.run("ip", ["netns", "exec", "h1", "ethtool", "-K", "eth0", "tx", "on"]);
  await ovs.vsctl("add-port", "s2", "shmqqqqqqqq-1", "--", "set", "interface", "shmqqqqqqqq-1", "type=internal");
  await ovs.vsctl("set", "bridge", "s2", "protocols=OpenFlow10");
  const planted = await rows();
  const ill = await run("doctor");
  expect(ill.code).toBe(1);
  expect(ill.stdout).toContain("FAIL  s1: 1 foreign flows in tables 240 to 249");
  expect(ill.stdout).toContain("warn  s1: port s1-h1: transmit offload is on at its host (eth0 in namespace h1)");
  expect(ill.stdout).toContain("warn  shmqqqqqqqq-1 has a name of the form ovs-shadow uses");
  expect(ill.stdout).toContain("FAIL  s2: protocols allows only OpenFlow10");
  expect(await rows()).toBe(planted); // it changes nothing

  await plant();
  const attached = await run("doctor");
  expect(attached.stdout).toContain("note  s1: 3 flows with a cookie of ovs-shadow");
  expect(attached.stdout).toContain("note  s1: sFlow is ours");
});

test("attach.sh writes a configuration that the controller takes, and starts nothing where the doctor says FAIL", async () => {
  const dry = await run("attach", "-n", "--config=/run/lab/x.yaml", "--state=/run/lab/it's", "s1", "s2");
  expect(dry).toMatchObject({ code: 0, stderr: "" });
  expect(dry.stdout).toMatch(/^# then: .*--config \/run\/lab\/x\.yaml$/m);
  expect(parseConfig(dry.stdout, "x.yaml")).toMatchObject({
    ovsdb: "unix:/run/openvswitch/db.sock",
    bridges: ["s1", "s2"],
    openflow: { runDir: "/run/openvswitch" },
    stateDir: "/run/lab/it's",
  });

  await ovs.ofctl("add-flow", "s1", `table=${table.learn},actions=drop`);
  const refused = await run("attach", "--config=/run/lab/x.yaml", "--state=/run/lab/state");
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain("not started");
  expect((await ovs.capsule.run("ls", ["/run/lab"])).stdout).toBe("");
});

test.each(["attach", "detach", "doctor"])("%s.sh explains itself and refuses what it does not know", async (name) => {
  const help = await run(name, "-h");
  expect(help.code).toBe(0);
  expect(help.stdout).toMatch(new RegExp(`^Usage: ${name}\\.sh`));
  expect((await run(name, "--no-such-thing")).code).toBe(2);
  const config = name === "attach" ? ["--config=/run/lab/none.yaml"] : [];
  const nowhere = await run(name, "--db=unix:/run/lab/no.sock", ...config);
  expect(nowhere.code).toBe(1);
});
