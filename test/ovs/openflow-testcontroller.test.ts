/** ofp-testcontroller as its README shows it: two hosts on a real switch reach each other through it, in the oldest and the newest versions. */
import { Capsule, projectDir } from "../../lab/capsule.js";
import { Ovs } from "../../lab/ovs.js";
import { waitFor } from "../../lab/wait.js";

test.each(["OpenFlow10", "OpenFlow13", "OpenFlow15"])("hosts reach each other and flows take over, %s", async (protocol) => {
  const capsule = await Capsule.start();
  await using ovs = await Ovs.start(capsule);
  const controller = capsule.spawn("node", [`${projectDir}/openflow/dist/bin/ofp-testcontroller.js`, "ptcp:6653:127.0.0.1"], { stdio: "ignore" });
  await capsule.run("ip", ["link", "set", "lo", "up"]);
  await ovs.vsctl("add-br", "br", "--", "set", "bridge", "br", "datapath_type=netdev", "fail_mode=secure", `protocols=${protocol}`);
  for (const n of [1, 2]) {
    await capsule.run("ip", ["netns", "add", `h${n}`]);
    await capsule.run("ip", ["link", "add", `p${n}`, "type", "veth", "peer", "name", "eth0", "netns", `h${n}`]);
    await capsule.run("ip", ["link", "set", `p${n}`, "up"]);
    await capsule.run("ip", ["-n", `h${n}`, "addr", "add", `10.9.0.${n}/24`, "dev", "eth0"]);
    await capsule.run("ip", ["-n", `h${n}`, "link", "set", "eth0", "up"]);
    await ovs.vsctl("add-port", "br", `p${n}`);
  }
  await ovs.vsctl("set-controller", "br", "tcp:127.0.0.1:6653");
  await waitFor(async () => (await capsule.run("ip", ["netns", "exec", "h1", "ping", "-c1", "-W1", "10.9.0.2"], { mayFail: true })).code === 0, "h1 reaches h2", 20_000);
  const { stdout } = await capsule.run("ip", ["netns", "exec", "h1", "ping", "-c5", "-i0.2", "10.9.0.2"]);
  expect(stdout).toContain(" 0% packet loss");
  const flows = (await capsule.run("ovs-ofctl", ["-O", protocol, "dump-flows", "br"])).stdout;
  expect(flows.match(/priority=1,in_port=p?[12],dl_src=[0-9a-f:]+,dl_dst=[0-9a-f:]+ actions=output:/g)?.length).toBeGreaterThanOrEqual(2);
  controller.kill();
}, 60_000);
