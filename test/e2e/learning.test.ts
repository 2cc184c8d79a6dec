/** Addresses that live learned before there was a copy: the shadow knows them, where live has them, and live's hosts hear nothing of it. */
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { PatchPanel } from "../../lab/patch-panel.js";
import { waitFor } from "../../lab/wait.js";
import { readMacTable } from "../../src/network/mac-table.js";
import { shadowBridge } from "../../src/shadow/names.js";

const quiet = ["sflow: { samplingRate: 1000000 }", "forward: { enabled: false }", "policy: { promotion: { automatic: false } }", "shadow: { replicate: false }"];
const mac = (n: number): string => `02:00:00:00:01:0${n}`;

test("the shadow learns what live knows, by port and VLAN, while nothing is copied; an address that moves is followed", async () => {
  await using panel = await PatchPanel.start({ l1: 4 });
  await panel.ovs.vsctl("set", "port", "l1-3", "tag=30", "--", "set", "port", "l1-4", "vlan_mode=native-untagged", "tag=40", "trunks=30,40");
  await panel.send("l1-1-h", "udp", 1, 1, 100, `src=${mac(1)}`);
  await panel.send("l1-3-h", "udp", 2, 1, 100, `src=${mac(3)}`);
  await panel.send("l1-4-h", "udp", 3, 1, 100, `src=${mac(4)}`);
  await panel.send("l1-4-h", "udp", 4, 1, 100, `src=${mac(5)}`, "vlan=30");
  const table = async (bridge: string): Promise<string[]> => readMacTable(await panel.ovs.appctl("fdb/show", bridge)).filter((one) => one.mac.startsWith("02:00:00:00:01")).map((one) => `${one.mac} ${one.port} ${one.vlan}`).sort();
  const live = await table("l1");
  expect(live).toEqual([`${mac(1)} 1 0`, `${mac(3)} 3 30`, `${mac(4)} 4 40`, `${mac(5)} 4 30`]);
  const stats = await panel.ovs.appctl("fdb/stats-show", "l1");
  // Frames of the kind that teaches, as live's hosts would hear them.
  const heard: string[] = [];
  const ear = panel.ovs.capsule.spawn("tcpdump", ["-i", "l1-2-h", "-l", "-nn", "-e", "ether proto 0x88b5"], { stdio: ["ignore", "pipe", "pipe"] });
  const said = createInterface({ input: ear.stderr as Readable });
  await once(said, "line");
  createInterface({ input: ear.stdout as Readable }).on("line", (line) => line.startsWith("\t") || heard.push(line));
  panel.startDaemon(quiet);
  await panel.inStep();
  const shadow = shadowBridge("l1");
  await waitFor(async () => (await table(shadow)).join() === live.join(), "the shadow knows what live knows");
  expect(await panel.received(shadow).then((counts) => [1, 2, 3, 4].map((port) => counts.get(port)))).toEqual([0, 0, 0, 0]);
  expect(await panel.ovs.appctl("fdb/stats-show", "l1")).toBe(stats);
  // One that is sent to a host is heard, and is the only one.
  await panel.ovs.ofctl("packet-out", "l1", `in_port=controller,packet=02000000ffff02000000ffff88b5${"00".repeat(46)},actions=output:2`);
  await waitFor(() => heard.length > 0, "the frame is heard");
  expect(heard).toEqual([expect.stringContaining("02:00:00:00:ff:ff")]);
  ear.kill();
  await panel.send("l1-2-h", "udp", 5, 1, 100, `src=${mac(1)}`);
  await waitFor(async () => (await table(shadow)).includes(`${mac(1)} 2 0`), "the shadow follows the address");
}, 90_000);
