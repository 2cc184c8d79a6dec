/** While ports come to live and go, the shadow sends what it took in, once, and nothing is flooded there. */
import { PatchPanel } from "../../lab/patch-panel.js";
import { shadowBridge } from "../../src/shadow/names.js";

const quiet = ["sflow: { samplingRate: 1000000 }", "forward: { enabled: false }", "policy: { promotion: { automatic: false } }"];
const packets = 3_000;

test("a probe of 1,000/s is sent on by the shadow as often as it came in, to its one port, while a port is added and taken out", async () => {
  await using panel = await PatchPanel.start({ l1: 3 });
  const { ovs } = panel;
  await ovs.capsule.run("sh", ["-ec", "ip link add l1-4 type veth peer name l1-4-h; ip link set l1-4 addrgenmode none up; ip link set l1-4-h addrgenmode none up"]);
  panel.startDaemon(quiet);
  await panel.inStep();
  const shadow = shadowBridge("l1");
  const counters = async (): Promise<{ readonly in: number; readonly out: readonly number[] }> => {
    // Patch ports count in ovs-vswitchd's rounds over its cached flows, twice a second: without this a reading is up to half a second old.
    for (let i = 0; i < 2; i++) await ovs.appctl("revalidator/wait");
    const text = await ovs.ofctl("dump-ports", shadow);
    const of = (port: number, way: "rx" | "tx"): number => Number(new RegExp(`port\\s+"?(?:${port}|she\\w+-${port})"?: rx pkts=(\\d+)[^\\n]*\\n\\s+tx pkts=(\\d+)`).exec(text)?.[way === "rx" ? 1 : 2] ?? 0);
    return { in: of(1, "rx"), out: [1, 2, 3, 4].map((port) => of(port, "tx")) };
  };
  // Both hosts are learned, on live and by the copies in the shadow.
  await panel.send("l1-2-h", "udp", 0, 3, 100, "src=02:00:00:00:00:02", "dst=02:00:00:00:00:01");
  await panel.send("l1-1-h", "udp", 10, 3, 100, "src=02:00:00:00:00:01", "dst=02:00:00:00:00:02");
  const change = {
    nothing: () => Promise.resolve(""),
    "a port is added": () => ovs.vsctl("add-port", "l1", "l1-4", "--", "set", "interface", "l1-4", "ofport_request=4"),
    "a port is taken out": () => ovs.vsctl("del-port", "l1", "l1-4"),
  } as const;
  for (const [what, make] of Object.entries(change)) {
    const before = await counters();
    const sending = panel.send("l1-1-h", "udp", 100, packets, 1_000, "src=02:00:00:00:00:01", "dst=02:00:00:00:00:02");
    await make();
    await sending;
    await panel.inStep();
    const after = await counters();
    const came = after.in - before.in;
    expect([what, after.out.map((count, i) => count - (before.out[i] ?? 0))]).toEqual([what, [0, came, 0, 0]]);
    expect(came).toBeLessThanOrEqual(packets);
    expect(came).toBeGreaterThan(packets / 2);
  }
}, 120_000);
