/** A cable that is cut or plugged in elsewhere is told: as an event in the history, and by the command line. */
import { PatchPanel } from "../../lab/patch-panel.js";
import { waitFor } from "../../lab/wait.js";
import type { ListDriftResponse } from "../../src/api/generated/ovsshadow/v1/drift.js";
import type { QueryEventsResponse } from "../../src/api/generated/ovsshadow/v1/history.js";

const quiet = ["sflow: { samplingRate: 1000000 }", "forward: { enabled: false }", "policy: { promotion: { automatic: false } }"];

test("links as first seen are intended; a cut, a repair and a cable plugged in elsewhere are alarms, over a restart, until accepted", async () => {
  await using panel = await PatchPanel.start({ l1: 1, l2: 1, l3: 1 });
  const { capsule } = panel.ovs;
  await capsule.run("sh", ["-ec", "ip link add ca type veth peer name cb; ip link set ca addrgenmode none up; ip link set cb addrgenmode none up"]);
  const plug = (device: string, bridge: string): string[] => ["--", "--if-exists", "del-port", device, "--", "add-port", bridge, device, "--", "set", "interface", device, "ofport_request=10"];
  await panel.ovs.vsctl(...plug("ca", "l1"), ...plug("cb", "l2"));
  panel.startDaemon(quiet);
  await panel.inStep();
  const drift = (): Promise<ListDriftResponse> => panel.ctl<ListDriftResponse>("drift");
  const shown = async (): Promise<string> => (await drift()).drifts.map(({ link, kind, why }) => `${link} ${kind}: ${why}`).join();
  await waitFor(async () => (await drift()).links === 1, "the link is known");
  expect(await drift()).toMatchObject({ drifts: [], source: "as first seen" });

  await capsule.run("ip", ["link", "set", "cb", "down"]);
  await waitFor(async () => /^l1:10-l2:10 link down: port l[12]:10 is down$/.test(await shown()), "the cut is told", 30_000);
  await capsule.run("ip", ["link", "set", "cb", "up"]);
  await waitFor(async () => (await shown()) === "", "the repair is told", 30_000);

  await panel.ovs.vsctl(...plug("cb", "l3"));
  const moved = "l1:10-l2:10 link moved: l1:10 leads to l3:10";
  await waitFor(async () => (await shown()) === moved, "the cable's other place is told", 30_000);
  const events = async (): Promise<string[]> => {
    const { events: all } = await panel.ctl<QueryEventsResponse>("history", "--from", "-1h", "--subject", "link l1:10-l2:10");
    return all.filter(({ kind }) => kind === "alert").sort((x, y) => x.timeMs - y.timeMs).map(({ detail }) => (JSON.parse(detail) as { what: string }).what);
  };
  // A port that goes is a link that is gone, for the moment before the cable is found where it is now.
  await waitFor(async () => (await events()).at(-1) === "link moved", "the store has it");
  const told = await events();
  expect(told.slice(0, 2)).toEqual(["link down", "link as intended"]);
  expect(told.slice(2).every((what) => what === "link gone" || what === "link moved")).toBe(true);

  await panel.endDaemon("TERM");
  panel.startDaemon(quiet);
  await panel.inStep();
  await waitFor(async () => (await shown()) === moved, "a restart knows what was intended");
  expect(await panel.ctl("drift", "--accept")).toEqual({ links: 1 });
  expect(await drift()).toMatchObject({ drifts: [], links: 1 });
}, 180_000);
