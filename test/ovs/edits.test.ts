/** A thousand random edits of live: no row, port, mirror, flow, group or meter is left over, and the shadow ends in step. */
import { performance } from "node:perf_hooks";
import { Attached } from "../../lab/attached.js";
import { waitFor } from "../../lab/wait.js";
import { seeded } from "../../src/base/seeded.js";
import { adapterBridge, shadowBridge } from "../../src/shadow/names.js";

const edits = 1_000;
/** Edits that one command carries: the shadow sees them in one transaction or one message. */
const perRound = 20;
/** Beyond this the rest of the edits is left, with at least a fifth of them made. */
const timeMs = 60_000;

test("random edits leave nothing behind", async () => {
  const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
  const numbers = seeded(seed);
  const random = (below: number): number => Math.floor(numbers() * below);
  process.stdout.write(`seed ${seed}\n`);
  await using lab = await Attached.start({ bridges: 4, edges: 2 }, { shadow: { holdMs: 200 } });
  const { ovs } = lab;
  await lab.inStep(4);
  /** Bridges, each with its edge ports' names by number. */
  type Ports = Map<number, string>;
  const live = new Map<string, Ports>([0, 1, 2, 3].map((n) => [`br${n}`, new Map([1, 2].map((port) => [port, `p${n}-${port}`]))]));
  const links = new Set<string>();
  let made = 0;
  let serial = 0;

  const some = <T>(list: readonly T[]): T | undefined => list[random(list.length)];
  const bridgeWithPorts = (): [string, Ports] => some([...live]) ?? ["br0", new Map<number, string>()];
  const rowEdit = (): string[] | undefined => {
    const [bridge, ports] = bridgeWithPorts();
    const [port, name = ""] = some([...ports]) ?? [];
    switch (random(7)) {
      case 0:
      case 1: {
        const ofport = 1 + random(20);
        if (ports.has(ofport)) return undefined;
        const fresh = `e${serial++}`;
        ports.set(ofport, fresh);
        return ["add-port", bridge, fresh, "--", "set", "interface", fresh, "type=internal", `ofport_request=${ofport}`];
      }
      case 2:
        if (port === undefined) return undefined;
        ports.delete(port);
        return ["del-port", bridge, name];
      case 3:
        return port === undefined ? undefined : ["set", "port", name, `tag=${1 + random(100)}`];
      case 4: {
        if (live.size >= 7) return undefined;
        const fresh = `bx${serial++}`;
        live.set(fresh, new Map<number, string>());
        return ["add-br", fresh, "--", "set", "bridge", fresh, "datapath_type=netdev", "fail_mode=secure", "other-config:disable-in-band=true"];
      }
      case 5: {
        if (!bridge.startsWith("bx") || [...links].some((link) => link.split(" ").includes(bridge))) return undefined;
        live.delete(bridge);
        return ["del-br", bridge];
      }
      default: {
        const [far] = bridgeWithPorts();
        const link = [...links].find((one) => random(2) === 0 && one.length > 0);
        if (link !== undefined) {
          links.delete(link);
          const [a, b, n] = link.split(" ");
          return ["del-port", a ?? "", `c${n}a`, "--", "del-port", b ?? "", `c${n}b`];
        }
        if (far === bridge) return undefined;
        const n = serial++;
        links.add(`${bridge} ${far} ${n}`);
        const end = (on: string, name: string, peer: string): string[] => ["add-port", on, name, "--", "set", "interface", name, "type=patch", `options:peer=${peer}`];
        return [...end(bridge, `c${n}a`, `c${n}b`), "--", ...end(far, `c${n}b`, `c${n}a`)];
      }
    }
  };
  const tableEdit = (): string => {
    const [bridge] = bridgeWithPorts();
    const n = 1 + random(30);
    const commands: string[][] = [
      ["add-flow", bridge, `table=${random(4)},priority=${n},in_port=${n},actions=output:${1 + random(20)}`],
      ["del-flows", bridge, `table=${random(4)},in_port=${n}`],
      ["add-meter", bridge, `meter=${n},pktps,band=type=drop,rate=${100 * n}`],
      ["del-meter", bridge, `meter=${n}`],
      ["add-group", bridge, `group_id=${n},type=all,bucket=output:${n}`],
      ["del-groups", bridge, `group_id=${n}`],
      ["add-flow", bridge, `table=5,priority=${n},udp,tp_dst=${n},actions=NORMAL`],
    ];
    // An edit may be refused (a meter that is there, a group that is not): so it would be for an operator.
    const [command = "", on = "", what = ""] = some(commands) ?? [];
    made++;
    return `ovs-ofctl -O OpenFlow14 ${command} ${on} '${what}'`;
  };

  const start = performance.now();
  while (made < edits && performance.now() - start < timeMs) {
    const round: string[][] = [];
    for (let i = 0; i < perRound; i++) {
      const edit = rowEdit();
      if (edit !== undefined) round.push(edit);
    }
    if (round.length > 0) await ovs.vsctl("--no-wait", ...round.flatMap((edit) => ["--", ...edit]));
    made += round.length;
    const commands = Array.from({ length: perRound }, tableEdit);
    await ovs.capsule.run("sh", ["-c", `(${commands.join("; ")}) 2>/dev/null; true`], { timeoutMs: 60_000 });
  }
  expect(made).toBeGreaterThanOrEqual(edits / 5);
  process.stdout.write(`${made} edits in ${Math.round(performance.now() - start)} ms\n`);

  const names = [...live.keys()];
  await lab.inStep(names.length);
  await waitFor(async () => {
    const rows = (await ovs.vsctl("--bare", "--columns=name", "list", "bridge")).split(/\s+/).filter(Boolean).sort();
    return rows.join() === [...names, ...names.map(shadowBridge), ...names.map(adapterBridge)].sort().join();
  }, "the bridges are live's, their shadows and their adapters");
  await Promise.all([lab.controller.shadow.settle(), lab.controller.live.settle()]);
  /** What every row of a role stands for. */
  const marked = async (table: string, role: string): Promise<string[]> =>
    (await ovs.vsctl("--bare", "--columns=name", "find", table, `external_ids:ovs-shadow\\:role=${role}`)).split(/\s+/).filter(Boolean);
  const replicated = names.flatMap((name) => lab.controller.shadow.edges(name));
  for (const role of ["replica", "ingress", "egress", "edge"]) expect({ role, rows: (await marked("port", role)).length }).toEqual({ role, rows: replicated.length });
  expect(await marked("mirror", "guard")).toHaveLength(replicated.length);
  const edges = [...lab.controller.discovery.current.bridges.values()].flatMap((bridge) => [...bridge.ports.values()].filter((port) => port.role === "edge"));
  expect(replicated).toHaveLength(edges.length);
  // Nothing of ours has an error, and the patches of the shadow's links meet.
  expect([...lab.controller.database.problems()]).toEqual([]);
  for (const name of names) {
    const rows = async (bridge: string, what: string): Promise<string> => (await ovs.ofctl(what, bridge)).split("\n").slice(1).sort().join("\n");
    expect(await rows(shadowBridge(name), "dump-groups")).toBe(await rows(name, "dump-groups"));
    expect(await rows(shadowBridge(name), "dump-meters")).toBe(await rows(name, "dump-meters"));
  }
  await lab.controller.detach();
  const left = (await ovs.vsctl("--bare", "--columns=name", "list", "bridge")).split(/\s+/).filter(Boolean).sort();
  expect(left).toEqual([...names].sort());
  expect(await marked("port", "replica")).toEqual([]);
  expect((await ovs.vsctl("--bare", "--columns=name", "list", "mirror")).trim()).toBe("");
}, 240_000);
