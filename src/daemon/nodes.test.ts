import { configSchema } from "../config/schema.js";
import { Nodes, type NodesParts } from "./nodes.js";

const parts = (shadow: unknown, isRoot: boolean): NodesParts => {
  const refuse = new Proxy({}, { get: (_of, name) => { throw new Error(`nothing may be asked for, and ${String(name)} was`); } });
  return { controller: refuse as NodesParts["controller"], config: configSchema.parse({ shadow }).shadow, observer: refuse as NodesParts["observer"], log: refuse as NodesParts["log"], nowMs: () => 0, isRoot };
};

test("who is not root, or has the shadow elsewhere, is told why there are no nodes, and nothing is tried", async () => {
  const remote = { ovsdb: "tcp:192.0.2.2:6640", runDir: "/run/x", liveAddress: "192.0.2.1", shadowAddress: "192.0.2.2", mtu: 1600 };
  for (const [shadow, isRoot, why] of [
    [{ nodes: { count: 2 } }, false, "shadow nodes need root: network namespaces can't be made"],
    [{ nodes: { count: 2 }, remote }, true, "shadow nodes need the shadow on this host: shadow.remote is set"],
    [{}, false, undefined],
  ] as const) {
    const nodes = new Nodes(parts(shadow, isRoot));
    nodes.start();
    expect(nodes.failure).toBe(why);
    expect([nodes.list(false), nodes.pairs(), nodes.held]).toEqual([[], [], false]);
    let detached = 0;
    await nodes.detach(() => Promise.resolve(void detached++));
    expect(detached).toBe(1);
  }
});

test("counts beyond the bounds are refused in the configuration", () => {
  for (const nodes of [{ count: 65 }, { count: -1 }, { maxPairs: 0 }, { probesPerS: 1_000 }, { transferKiBPerS: 0 }, { tcpPort: 0 }, { many: 1 }]) expect(configSchema.safeParse({ shadow: { nodes } }).success).toBe(false);
});
