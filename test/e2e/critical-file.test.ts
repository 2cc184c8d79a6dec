/** Critical devices and links: learned from a running network, written, edited, and taken by a reload. */
import { readFileSync, writeFileSync } from "node:fs";
import { PatchPanel } from "../../lab/patch-panel.js";
import { waitFor } from "../../lab/wait.js";
import type { GetTopologyResponse } from "../../src/api/generated/ovsshadow/v1/shadow.js";

const quiet = ["sflow: { samplingRate: 1000000 }", "forward: { enabled: false }", "policy: { promotion: { automatic: false } }"];

test("the bridge and the links on which everything hangs are learned, exported and used again", async () => {
  await using panel = await PatchPanel.start({ l1: 1, l2: 1, m: 1 });
  for (const leaf of ["l1", "l2"]) {
    const [here, there] = [`${leaf}-m`, `m-${leaf}`];
    await panel.ovs.vsctl("add-port", leaf, here, "--", "set", "interface", here, "type=patch", `options:peer=${there}`, "ofport_request=100", "--", "add-port", "m", there, "--", "set", "interface", there, "type=patch", `options:peer=${here}`, `ofport_request=${leaf === "l1" ? 101 : 102}`);
  }
  panel.startDaemon(quiet);
  await panel.inStep();
  await panel.send("l1-1-h", "udp", 0, 5, 1_000, "src=02:00:00:00:00:01");
  await panel.send("l2-1-h", "udp", 100, 5, 1_000, "src=02:00:00:00:00:02");
  await waitFor(async () => {
    const { hosts, links } = await panel.ctl<GetTopologyResponse>("topology");
    return hosts.length === 2 && links.length === 2;
  }, "hosts and links are known");
  const learned = await panel.ctl<{ devices: { name: string }[]; links: { link: string }[] }>("shadow", "critical", "--out", "/run/lab/critical.yaml");
  expect(learned.devices.map(({ name }) => name)).toEqual(["m"]);
  expect(learned.links.map(({ link }) => link)).toEqual(["l1:100-m:101", "l2:100-m:102"]);
  const file = panel.ovs.capsule.path("/run/lab/critical.yaml");
  const text = readFileSync(file, "utf8");
  const config = [...quiet, "shadow: { criticalFile: /run/lab/critical.yaml }"];
  writeFileSync(file, text.replace("devices:\n", "devices:\n  - name: 02:00:00:00:00:02\n"));
  expect(await panel.reload(config)).toBe("taken");
  writeFileSync(file, text.replace("l1:100-m:101", "l1"));
  expect(await panel.reload(config)).toBe("refused");
  expect(panel.daemonLog.join("\n")).toContain("links.0.link: expected BRIDGE");
  writeFileSync(file, text);
  await panel.endDaemon("KILL");
  panel.startDaemon(config);
  await panel.inStep();
}, 120_000);
