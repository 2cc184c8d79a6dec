import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { NetworkEvent } from "../../base/observation.js";
import { ConfigError } from "../../config/load.js";
import type { Bridge, Link, Network, PortRef } from "../../network/model.js";
import { driftsOf } from "./compare.js";
import { DriftWatch } from "./drift-watch.js";
import { readIntended } from "./intended.js";

const ref = (key: string): PortRef => ({ bridge: key.split(":")[0] ?? "", ofport: Number(key.split(":")[1]) });
const link = (a: string, b: string, up = true): Link => ({ a: ref(a), b: ref(b), up });
/** Bridges a, b and c with ports 1 to 3, of which those named are down. */
function network(links: readonly Link[], down: readonly string[] = []): Network {
  const bridge = (name: string): Bridge => ({
    name,
    datapathId: 1n,
    datapathType: "netdev",
    failMode: undefined,
    ports: new Map([1, 2, 3].map((ofport) => [ofport, { name: `${name}${ofport}`, ofport, role: "edge", type: "", up: !down.includes(`${name}:${ofport}`), ifindex: 0 }])),
  });
  return { bridges: new Map(["a", "b", "c"].map((name) => [name, bridge(name)])), links, hosts: new Map() };
}

let dir: string;
beforeEach(() => (dir = mkdtempSync(path.join(tmpdir(), "drift-"))));
afterEach(() => rmSync(dir, { recursive: true }));

test("each way in which links are others than intended has its name and reason", () => {
  const of = (links: readonly Link[], down: readonly string[] = [], isWhole = true) => driftsOf([["a:1", "b:1"], ["b:2", "c:1"]], network(links, down), isWhole).map(({ link: name, kind, why }) => `${name} ${kind}: ${why}`);
  const whole = [link("a:1", "b:1"), link("b:2", "c:1")];
  expect(of(whole)).toEqual([]);
  expect(of([link("a:1", "b:1", false), link("b:2", "c:1")], ["b:1"])).toEqual(["a:1-b:1 link down: port b:1 is down"]);
  expect(of([link("b:2", "c:1")])).toEqual(["a:1-b:1 link gone: both ports are up, and neither hears the other's LLDP"]);
  expect(of([link("a:1", "c:3"), link("b:2", "c:1")])).toEqual(["a:1-b:1 link moved: a:1 leads to c:3"]);
  expect(of([link("a:1", "c:1"), link("b:1", "b:2")])).toEqual(["a:1-b:1 link moved: a:1 leads to c:1, b:1 leads to b:2", "b:2-c:1 link moved: b:2 leads to b:1, c:1 leads to a:1"]);
  expect(of([...whole, link("a:3", "c:3")])).toEqual(["a:3-c:3 link not intended: no such link is intended"]);
  expect(of([...whole, link("a:3", "c:3")], [], false)).toEqual([]);
  expect(driftsOf([["a:9", "x:1"]], network([]), true)).toEqual([{ link: "a:9-x:1", kind: "link gone", why: "port a:9 is not there" }]);
  expect(driftsOf([["x:1", "a:1"]], network([]), true)[0]?.why).toBe("bridge x is not there");
});

function watch(file?: string) {
  const events: NetworkEvent[] = [];
  let now = 0;
  const made = new DriftWatch({ file, stateDir: dir, sink: { happened: (event) => void events.push(event) }, warn: (why) => expect(why).toBe(""), nowMs: () => ++now });
  return { watch: made, told: () => events.splice(0).map(({ subject, kind, detail }) => `${kind} ${subject}: ${JSON.stringify(detail)}`) };
}

test("the first seen links are the intended ones, over a restart, until others are accepted", () => {
  const first = watch();
  first.watch.update(network([]));
  first.watch.update(network([link("a:1", "b:1")]));
  first.watch.update(network([link("a:1", "b:1"), link("b:2", "c:1")]));
  expect(first.told()).toEqual([]);
  expect(JSON.parse(readFileSync(path.join(dir, "topology.json"), "utf8"))).toEqual({ links: [["a:1", "b:1"], ["b:2", "c:1"]] });

  const second = watch();
  const moved = network([link("a:1", "c:3"), link("b:2", "c:1")]);
  second.watch.update(moved);
  second.watch.update(moved);
  expect(second.told()).toEqual(['alert link a:1-b:1: {"what":"link moved","why":"a:1 leads to c:3"}']);
  expect(second.watch.list()).toEqual([{ link: "a:1-b:1", kind: "link moved", why: "a:1 leads to c:3", sinceMs: 1 }]);
  second.watch.update(network([link("a:1", "b:1"), link("b:2", "c:1")]));
  expect(second.told()).toEqual(['alert link a:1-b:1: {"what":"link as intended","was":"link moved"}']);
  second.watch.update(moved);
  second.watch.accept();
  expect([second.watch.list(), second.told()]).toEqual([[], ['alert link a:1-b:1: {"what":"link moved","why":"a:1 leads to c:3"}', 'alert link a:1-b:1: {"what":"link as intended","was":"link moved"}']]);
});

test("a topology file is all that may be; it is not accepted away, and a bad one is told with its place", () => {
  const file = path.join(dir, "intended.yaml");
  writeFileSync(file, "links:\n  - [b:1, a:1]\n");
  expect(readIntended(file)).toEqual([["a:1", "b:1"]]);
  const { watch: made, told } = watch(file);
  made.update(network([link("a:1", "b:1"), link("b:2", "c:1")]));
  expect(told()).toEqual(['alert link b:2-c:1: {"what":"link not intended","why":"no such link is intended"}']);
  expect(() => made.accept()).toThrow(/intended.yaml/);
  writeFileSync(file, "links:\n  - [a:1, b]\n");
  expect(() => readIntended(file)).toThrow(new ConfigError([`${file}: links.0.1: expected BRIDGE:PORT NUMBER`]));
  writeFileSync(file, "links:\n  - [a:1, b:1]\n  - [a:1, c:1]\n");
  expect(() => readIntended(file)).toThrow(/links\.1: a:1 is the end of two links/);
  expect(() => readIntended(path.join(dir, "none.yaml"))).toThrow(/ENOENT/);
});
