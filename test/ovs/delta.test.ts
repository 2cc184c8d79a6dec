/** What is sent for a change is the change, on real Open vSwitch: bytes to the switch and to the database against those of everything. */
import { Attached } from "../../lab/attached.js";
import { waitFor } from "../../lab/wait.js";
import { shadowBridge } from "../../src/shadow/names.js";

const flowCount = 600;
const churned = 6;

test("1 % of the flows changed costs at most 5 % of the bytes of all of them, and nothing at the database", async () => {
  await using lab = await Attached.start({ bridges: 1, edges: 3 });
  const { ovs } = lab;
  await lab.inStep(1);
  const flow = (n: number, out: number): string => `table=5,priority=${n},ip,nw_dst=10.1.${n >> 8}.${n & 255},actions=output:${out}`;
  const add = (flows: readonly string[]) => ovs.capsule.run("ovs-ofctl", ["-O", "OpenFlow14", "add-flows", "br0", "-"], { input: flows.join("\n") });
  const { shadow, database } = lab.controller;
  const name = shadowBridge("br0");
  const installed = async (out: number): Promise<number> => Number(/flow_count=(\d+)/.exec(await ovs.ofctl("dump-aggregate", name, `table=5,out_port=${out}`))?.[1]);
  const bytes = (): number => shadow.writerCounters().get(name)?.bytes ?? 0;
  const atStart = bytes();
  await add(Array.from({ length: flowCount }, (_, n) => flow(n, 1)));
  await waitFor(async () => (await installed(1)) === flowCount, "all flows are in the shadow", 30_000);
  await lab.inStep(1);
  const whole = bytes() - atStart;
  // The switch's own dump of the table: what following by polling would read each time.
  const connection = shadow.connection("br0");
  if (connection === undefined) throw new Error("no session with the shadow");
  const receivedBefore = connection.counters.receivedBytes;
  expect((await connection.flowStats({ tableId: 5 })).length).toBe(flowCount);
  const dump = connection.counters.receivedBytes - receivedBefore;
  const [transactions, databaseBytes] = [database.counters.transactions, database.counters.bytes];
  const before = bytes();
  await add(Array.from({ length: churned }, (_, n) => flow(n * 100, 2)));
  await waitFor(async () => (await installed(2)) === churned, "the changed flows are in the shadow", 30_000);
  await lab.inStep(1);
  const delta = bytes() - before;
  expect(whole).toBeGreaterThan(flowCount * 56); // an ofp_flow_mod has 48 bytes before its match, which has 8 at least
  expect(delta).toBeGreaterThan(churned * 56);
  expect(delta / whole).toBeLessThanOrEqual(0.05);
  expect(delta / dump).toBeLessThanOrEqual(0.05);
  expect([database.counters.transactions, database.counters.bytes]).toEqual([transactions, databaseBytes]);
}, 90_000);

test("one port more costs at most 5 % of the database bytes of a network of a hundred", async () => {
  await using lab = await Attached.start({ bridges: 5, edges: 20 });
  await lab.inStep(5, 120_000);
  const { database, shadow } = lab.controller;
  await shadow.settle();
  const whole = database.counters.bytes;
  const { transactions } = database.counters;
  await lab.ovs.vsctl("add-port", "br0", "more", "--", "set", "interface", "more", "type=internal", "ofport_request=77");
  await waitFor(() => shadow.edges("br0").includes(77), "the port has a replica", 30_000);
  await shadow.settle();
  expect(database.counters.transactions).toBeGreaterThan(transactions);
  expect((database.counters.bytes - whole) / whole).toBeLessThanOrEqual(0.05);
}, 180_000);

test("a changed sampling rate is an update of the sFlow row that is there", async () => {
  await using lab = await Attached.start({ bridges: 2, edges: 2, ring: false });
  const { ovs } = lab;
  await lab.inStep(2);
  const { shadow } = lab.controller;
  await shadow.settle();
  const row = async (bridge: string): Promise<string> => (await ovs.vsctl("get", "bridge", bridge, "sflow")).replaceAll('"', "").trim();
  const before = [await row("br0"), await row("br1")];
  const rate = async (uuid: string): Promise<number> => Number(await ovs.vsctl("get", "sflow", uuid, "sampling"));
  const configured = await rate(before[1] ?? "");
  shadow.setSampling(new Map([["br0", configured + 7]]));
  await shadow.settle();
  expect([await rate(before[0] ?? ""), await rate(before[1] ?? "")]).toEqual([configured + 7, configured]);
  expect([await row("br0"), await row("br1")]).toEqual(before);
  shadow.setSampling(new Map());
  await shadow.settle();
  expect([await rate(before[0] ?? ""), await row("br0")]).toEqual([configured, before[0]]);
}, 60_000);
