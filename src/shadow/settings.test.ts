import { qosText } from "./settings.js";
import type { Tables } from "../network/database-view.js";

const tables = (queues: number): Tables => {
  const rows = new Map<string, ReadonlyMap<string, Record<string, unknown>>>([
    ["QoS", new Map([["s", { type: "linux-htb", other_config: new Map([["max-rate", "9"], ["burst", "3"]]), queues: new Map(Array.from({ length: queues }, (_, i) => [queues - i, `q${queues - i}`])) }]])],
    ["Queue", new Map(Array.from({ length: queues }, (_, i) => [`q${i + 1}`, i === 0 ? { dscp: 46, other_config: new Map() } : { other_config: new Map([["max-rate", String(i)]]) }]))],
  ]);
  return { table: (name) => (rows.get(name) ?? new Map()) as ReturnType<Tables["table"]> };
};

test("a QoS reads the same whatever the order of its keys and queues, and a long one is cut", () => {
  expect(qosText(tables(3), "s")).toBe("linux-htb burst=3 max-rate=9; queue 1 dscp=46; queue 2 max-rate=1; queue 3 max-rate=2");
  expect(qosText(tables(66), "s").split("; ").slice(-2)).toEqual(["queue 64 max-rate=63", "2 more queues"]);
  expect(qosText(tables(0), "gone")).toBe("");
});
