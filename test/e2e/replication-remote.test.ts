/** The shadow on another host: a second Open vSwitch with its own database in namespaces of its own, reached by VXLAN. */
import { once } from "node:events";
import { PatchPanel } from "../../lab/patch-panel.js";
import { waitFor } from "../../lab/wait.js";
import { shadowBridge } from "../../src/shadow/names.js";

const config = (far: PatchPanel, mtu: number): string[] => [
  "bridges: [l1, l2]",
  "sflow: { samplingRate: 1000000 }",
  "forward: { enabled: false }",
  // DuckDB makes paths canonical, and the state directory lies behind a link of /proc that has no canonical path.
  "store: { kind: none }",
  "policy: { promotion: { automatic: false } }",
  `shadow: { remote: { ovsdb: "${far.ovs.remote}", runDir: ${far.ovs.runDir}, liveAddress: 192.0.2.1, shadowAddress: 192.0.2.2, mtu: ${mtu} }, sessions: [{ name: all }] }`,
];

test("2,000 copies arrive in the other host's shadow, each at its own port; sessions may cut them; detaching leaves nothing there", async () => {
  await using live = await PatchPanel.start({ l1: 4, l2: 4 });
  await using far = await PatchPanel.start({});
  await live.join(far, 9_100);
  const bad = live.startDaemonOutside(config(far, 1_500));
  const [status] = (await once(bad, "exit")) as [number];
  expect(status).toBe(2);
  expect(live.daemonLog.join("\n")).toMatch(/shadow.remote.mtu is 1500: frames of l\d:l\d-\d \(MTU 9000\) need 9058/);

  const daemon = live.startDaemonOutside(config(far, 9_100));
  try {
    await live.inStep();
    expect(await live.ovs.vsctl("list-br")).toBe("brul\nl1\nl2");
    expect((await far.ovs.vsctl("list-br")).split("\n")).toHaveLength(5);
    const received = async (): Promise<number[]> => {
      const counts = await Promise.all(["l1", "l2"].map((bridge) => far.received(shadowBridge(bridge))));
      return counts.flatMap((ports) => [1, 2, 3, 4].map((n) => ports.get(n) ?? 0));
    };
    // Tunnels resolve the other's address with the first packets, which are lost meanwhile.
    const ready = async (): Promise<boolean> => {
      await live.send("l1-1-h", "udp", 0, 1, 100);
      await live.send("l2-1-h", "udp", 0, 1, 100);
      const now = await received();
      return (now[0] ?? 0) > 0 && (now[4] ?? 0) > 0;
    };
    await waitFor(ready, "the tunnels carry copies");
    const before = await received();
    const sent = [100, 150, 200, 250, 250, 300, 350, 400];
    const arrived = async (): Promise<number[]> => (await received()).map((count, i) => count - (before[i] ?? 0));
    const sum = (counts: readonly number[]): number => counts.reduce((all, count) => all + count, 0);
    let total = 0;
    for (const [i, count] of sent.entries()) {
      // In bursts that the socket between the two hosts holds, whatever else this machine does.
      const burst = i === 1 ? 10 : 50;
      for (let first = 0; first < count; first += burst) {
        await live.send(`l${i < 4 ? 1 : 2}-${(i % 4) + 1}-h`, i === 1 ? "jumbo" : "udp", 1_000 * i + first, burst, 1_000, `src=02:00:00:00:02:0${i}`, ...(i === 1 ? ["vlan=9", "pcp=4"] : []));
        total += burst;
        await waitFor(async () => sum(await arrived()) >= total, `${total} copies arrived`, 60_000);
      }
    }
    expect(await arrived()).toEqual(sent);
    expect(await live.ctl("mirror", "add", "all", "--replace", "--max-len", "128")).toMatchObject({ state: "copying", problems: [] });
    const bytes = async (): Promise<number> => Number(/port\s+3: rx pkts=\d+, bytes=(\d+)/.exec(await far.ovs.ofctl("dump-ports", shadowBridge("l1"), "3"))?.[1]);
    const [packets, octets] = [(await received())[2] ?? 0, await bytes()];
    await live.send("l1-3-h", "jumbo", 50_000, 10, 1_000);
    await waitFor(async () => ((await received())[2] ?? 0) === packets + 10, "copies that were cut arrived");
    expect((await bytes()) - octets).toBe(10 * 128);
    await live.ctl("detach");
    expect(await far.ovs.vsctl("list-br")).toBe("brul");
    expect(await live.ovs.vsctl("--bare", "--columns=name", "list", "mirror")).toBe("");
  } finally {
    daemon.kill("SIGKILL");
  }
}, 300_000);
