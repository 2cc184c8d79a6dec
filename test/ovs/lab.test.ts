/** The lab itself: capsules end with their owner, the comparison finds what it should and nothing else. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { Capsule, projectDir } from "../../lab/capsule.js";
import { differences, snapshot } from "../../lab/compare.js";
import { Fabric } from "../../lab/fabric.js";
import { Ovs } from "../../lab/ovs.js";
import { waitFor } from "../../lab/wait.js";

test("a capsule has a network and a /run of its own, and is gone when it is disposed of", async () => {
  let pid = 0;
  {
    await using ovs = await Ovs.start(await Capsule.start());
    pid = ovs.capsule.pid;
    expect(await ovs.vsctl("list-br")).toBe("");
    expect((await ovs.capsule.run("ip", ["-o", "link"])).stdout.trim().split("\n").filter((line) => !line.includes("ovs-netdev"))).toHaveLength(1);
    expect(existsSync(`/proc/${pid}/root/run/openvswitch/db.sock`)).toBe(true);
  }
  expect(existsSync(`/proc/${pid}`)).toBe(false);
}, 30_000);

test("a capsule whose owner is killed with -9 goes with it, with every process in it", async () => {
  const program = `import { Capsule } from "${projectDir}/dist/lab/capsule.js"; import { Ovs } from "${projectDir}/dist/lab/ovs.js"; const ovs = await Ovs.start(await Capsule.start()); console.log(ovs.capsule.pid); setInterval(() => {}, 1000);`;
  const owner = spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(owner.stdout, "data")) as [Buffer];
  const pid = Number(line.toString());
  expect(existsSync(`/proc/${pid}`)).toBe(true);
  owner.kill("SIGKILL");
  await waitFor(() => !existsSync(`/proc/${pid}`), "the capsule is gone");
}, 30_000);

test("two equal networks show no difference; a planted flow, port, key, group and mirror are each found", async () => {
  await using fabric = await Fabric.start();
  const { live, twin } = fabric;
  const compare = async (): Promise<string[]> => differences(await snapshot(live.ovs), await snapshot(twin.ovs));
  expect(await compare()).toEqual([]);
  const plant = async (put: () => Promise<unknown>, take: () => Promise<unknown>): Promise<number> => {
    await put();
    const found = (await compare()).length;
    await take();
    expect(await compare()).toEqual([]);
    return found;
  };
  const { ovs } = live;
  const found = [
    await plant(() => ovs.ofctl("add-flow", "l1", "priority=3,udp,actions=drop"), () => ovs.ofctl("--strict", "del-flows", "l1", "priority=3,udp")),
    await plant(() => ovs.vsctl("set", "bridge", "l1", "external_ids:planted=1"), () => ovs.vsctl("remove", "bridge", "l1", "external_ids", "planted")),
    await plant(() => ovs.ofctl("add-group", "s1", "group_id=9,type=all,bucket=output:1"), () => ovs.ofctl("del-groups", "s1", "group_id=9")),
    await plant(() => ovs.vsctl("add-port", "l2", "planted", "--", "set", "interface", "planted", "type=internal"), () => ovs.vsctl("del-port", "l2", "planted")),
    await plant(() => ovs.vsctl("--", "--id=@m", "create", "mirror", "name=planted", "--", "set", "bridge", "l1", "mirrors=@m"), () => ovs.vsctl("clear", "bridge", "l1", "mirrors")),
  ];
  expect(found.every((count) => count > 0)).toBe(true);
}, 60_000);
