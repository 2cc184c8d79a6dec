/** ovs-vswitchd forgets the addresses behind a port that goes on every bridge: what was taken out of its bridge before stays on the others. */
import { Capsule } from "../../lab/capsule.js";
import { Ovs } from "../../lab/ovs.js";
import { readMacTable } from "../../src/network/mac-table.js";
import { forgetAddresses } from "../../src/reconcile/forget-addresses.js";

const mac = (n: number): string => `02:00:00:00:${(n >> 8).toString(16).padStart(2, "0")}:${(n & 0xff).toString(16).padStart(2, "0")}`;

test("ports of a bridge go, and the bridge itself: another keeps what it has learned of the same hosts, with and without VLANs", async () => {
  await using ovs = await Ovs.start(await Capsule.start());
  const bridges = ["live", "shadow"];
  for (const bridge of bridges) {
    await ovs.vsctl("add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=netdev", "fail_mode=standalone");
    for (const n of [1, 2, 3, 4]) await ovs.vsctl("add-port", bridge, `${bridge}${n}`, "--", "set", "interface", `${bridge}${n}`, "type=internal", `ofport_request=${n}`);
    await ovs.vsctl("set", "port", `${bridge}2`, "tag=30");
  }
  const ask = (method: string, params: readonly string[]): Promise<string> => ovs.appctl(method, ...params);
  /** As if a frame of the host had come in; nothing is sent. */
  const heard = async (port: number, address: string): Promise<void> => {
    for (const bridge of bridges) await ask("ofproto/trace-packet-out", [bridge, `in_port=${port},dl_src=${address},dl_dst=${address}`, "-generate", "NORMAL"]);
  };
  const known = async (bridge: string): Promise<string[]> => readMacTable(await ask("fdb/show", [bridge])).map(({ port, vlan, mac: address }) => `${address} ${port} ${vlan}`).sort();
  for (const port of [1, 2, 3]) await heard(port, mac(port));
  const all = [`${mac(1)} 1 0`, `${mac(2)} 2 30`, `${mac(3)} 3 0`];
  expect([await known("live"), await known("shadow")]).toEqual([all, all]);

  await forgetAddresses([{ bridge: "shadow", ports: new Map([[2, "shadow2"]]) }], ask);
  expect(await known("shadow")).toEqual([all[0], all[2]]);
  await ovs.vsctl("del-port", "shadow", "shadow2");
  expect(await known("live")).toEqual(all);

  // More than are taken out singly.
  for (let n = 1; n <= 70; n++) await heard(4, mac(0x100 + n));
  const many = await known("live");
  expect(many).toHaveLength(73);
  await forgetAddresses([{ bridge: "shadow", ports: new Map([[4, "shadow4"]]) }], ask);
  await ovs.vsctl("del-port", "shadow", "shadow4");
  expect(await known("live")).toEqual(many);

  // Without that a port takes the address with it, on all bridges.
  await heard(1, mac(1));
  await ovs.vsctl("del-port", "shadow", "shadow1");
  expect(await known("live")).toEqual(many.filter((one) => one !== all[0]));
  await heard(3, mac(3));
  await forgetAddresses([{ bridge: "shadow", ports: "all" }], ask);
  await ovs.vsctl("del-br", "shadow");
  expect(await known("live")).toContain(all[2]);
}, 60_000);
