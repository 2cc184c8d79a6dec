import type { Host } from "../../network/model.js";
import { choose, type ChooseInput } from "./choose.js";

const host = (n: number, port = n): Host => ({ mac: `00:00:00:00:00:0${n}`, addresses: [`fe80::${n}`, `10.0.0.${n}`], at: { bridge: port > 2 ? "l2" : "l1", ofport: port } });
const load = (src: number, dst: number, bitsPerS: number) => ({ src: `10.0.0.${src}`, dst: `10.0.0.${dst}`, bitsPerS });
const chosen = (input: Partial<ChooseInput>) => {
  const { nodes, pairs, busy } = choose({ hosts: [1, 2, 3, 4].map((n) => host(n)), loads: [], kept: new Set(), count: 2, maxPairs: 8, ...input });
  return { nodes: nodes.map(({ address }) => Number(address.split(".")[3])), pairs: pairs.map(({ from, to }) => `${from.split(".")[3]}>${to.split(".")[3]}`), busy };
};

test("the busiest pair, from the side that sends more", () => {
  expect(chosen({ loads: [load(1, 2, 100), load(4, 3, 5_000), load(3, 4, 9_000)] })).toEqual({ nodes: [3, 4], pairs: ["3>4"], busy: 1 });
});

test("without traffic: what is there already, then the lowest addresses; each is probed with the next", () => {
  expect(chosen({})).toEqual({ nodes: [1, 2], pairs: ["1>2"], busy: 0 });
  expect(chosen({ kept: new Set(["l2:4"]) })).toEqual({ nodes: [1, 4], pairs: ["1>4"], busy: 0 });
  expect(chosen({ count: 3 })).toEqual({ nodes: [1, 2, 3], pairs: ["1>2", "2>3", "3>1"], busy: 0 });
});

test("a pair that is there is not replaced by one that is a little busier, and is by one that is much busier", () => {
  const kept = new Set(["l1:1", "l1:2"]);
  expect(chosen({ kept, loads: [load(1, 2, 100), load(3, 4, 150)] }).nodes).toEqual([1, 2]);
  expect(chosen({ kept, loads: [load(1, 2, 100), load(3, 4, 250)] }).nodes).toEqual([3, 4]);
});

test("bounds hold, and nobody is chosen of whom no address is known", () => {
  expect(chosen({ count: 0, loads: [load(1, 2, 100)] })).toEqual({ nodes: [], pairs: [], busy: 0 });
  expect(chosen({ count: 1 })).toEqual({ nodes: [1], pairs: [], busy: 0 });
  expect(chosen({ count: 64, maxPairs: 2 }).pairs).toHaveLength(2);
  const silent: Host = { mac: "00:00:00:00:00:09", addresses: ["fe80::9"], at: { bridge: "l9", ofport: 9 } };
  expect(chosen({ hosts: [silent, host(2)], count: 4 }).nodes).toEqual([2]);
  expect(chosen({ loads: [load(1, 1, 100), load(1, 99, 100)], count: 2 })).toEqual({ nodes: [1, 2], pairs: ["1>2"], busy: 0 });
});

test("of several hosts behind one port the busiest stands there, of equals the lowest address; as numbers, not as text", () => {
  const ten: Host = { mac: "00:00:00:00:00:0a", addresses: ["10.0.0.10"], at: { bridge: "l1", ofport: 1 } };
  const nine: Host = { mac: "00:00:00:00:00:0b", addresses: ["10.0.0.9"], at: { bridge: "l1", ofport: 1 } };
  expect(chosen({ hosts: [ten, nine], count: 4 }).nodes).toEqual([9]);
  expect(chosen({ hosts: [nine, ten, host(3)], count: 4, loads: [{ src: "10.0.0.3", dst: "10.0.0.10", bitsPerS: 1 }] })).toEqual({ nodes: [3, 10], pairs: ["3>10"], busy: 1 });
});
