import { emptyNetwork, type Network, type PortRole } from "../network/model.js";
import { CounterWindows, type PortReading } from "./counter-windows.js";

const port = (ofport: number, role: PortRole) => [ofport, { name: `p${ofport}`, ofport, role, type: "", up: true, ifindex: ofport }] as const;
const bridge = (name: string, ...ports: (readonly [number, PortRole])[]) => [name, { name, datapathId: 1n, datapathType: "netdev", failMode: undefined, ports: new Map(ports.map(([n, role]) => port(n, role))) }] as const;
const network: Network = {
  ...emptyNetwork,
  bridges: new Map([bridge("a", [1, "edge"], [2, "fabric"]), bridge("b", [2, "fabric"])]),
  links: [{ a: { bridge: "a", ofport: 2 }, b: { bridge: "b", ofport: 2 }, up: true }],
};
const reading = (name: string, ofport: number, rx: number, tx: number, more: Partial<PortReading> = {}): PortReading => ({ port: { bridge: name, ofport }, rxPackets: BigInt(rx), txPackets: BigInt(tx), rxBytes: BigInt(rx * 100), txBytes: BigInt(tx * 100), ...more });
const at = (windows: CounterWindows, endMs: number, kind: string, windowS: number) => windows.observations(network, endMs).find((one) => one.subject.kind === kind && one.windowMs === windowS * 1_000);

test("rates are what the counters moved, whenever they were read", () => {
  const windows = new CounterWindows("live");
  for (let i = 0; i <= 40; i++) windows.add(10_300 + i * 700, reading("a", 1, i * 70, i * 35));
  for (const windowS of [1, 5]) {
    const seen = at(windows, 38_000, "port", windowS);
    expect(seen?.subject.name).toBe("a:1");
    expect(seen?.values["inPacketsPerS"]).toBeCloseTo(100, 6);
    expect(seen?.values["outBitsPerS"]).toBeCloseTo(50 * 800, 6);
    expect(seen?.values["inBitsSlope"]).toBeCloseTo(0, 6);
  }
  expect(at(windows, 38_000, "bridge", 1)?.values["inPacketsPerS"]).toBeCloseTo(100, 6);
});

test("a window that nobody read to its end has no observation, and not a zero", () => {
  const windows = new CounterWindows("live");
  windows.add(10_000, reading("a", 1, 0, 0));
  windows.add(11_500, reading("a", 1, 150, 0));
  expect(at(windows, 11_000, "port", 1)?.values["inPacketsPerS"]).toBeCloseTo(100, 6);
  expect(at(windows, 12_000, "port", 1)).toBeUndefined();
  expect(at(windows, 11_000, "port", 5)).toBeUndefined();
});

test("counters that went back are a restart: nothing is concluded from that pair", () => {
  const windows = new CounterWindows("live");
  windows.add(10_000, reading("a", 1, 5_000, 0));
  windows.add(11_000, reading("a", 1, 10, 0));
  windows.add(12_000, reading("a", 1, 20, 0));
  expect(windows.restarts).toBe(1);
  expect(at(windows, 11_000, "port", 1)).toBeUndefined();
  expect(at(windows, 12_000, "port", 1)?.values["inPacketsPerS"]).toBeCloseTo(10, 6);
});

test("a link's loss is what was sent into it and did not arrive", () => {
  const windows = new CounterWindows("live");
  for (const i of [0, 1]) {
    windows.add(10_000 + i * 1_000, reading("a", 2, 0, i * 1_000));
    windows.add(10_000 + i * 1_000, reading("b", 2, i * 900, 0));
  }
  const link = at(windows, 11_000, "link", 1);
  expect(link?.subject.name).toBe("a:2-b:2");
  expect(link?.values["lossRatio"]).toBeCloseTo(0.1, 9);
});

test("counters a switch does not keep are no drops, those it keeps are", () => {
  const windows = new CounterWindows("live");
  const all = 0xffff_ffff_ffff_ffffn;
  windows.add(10_000, reading("a", 1, 0, 0, { rxDropped: all, txDropped: 5n, rxErrors: undefined }));
  windows.add(11_000, reading("a", 1, 0, 0, { rxDropped: all, txDropped: 9n, rxErrors: undefined }));
  expect(at(windows, 11_000, "port", 1)?.values).toMatchObject({ dropsPerS: 4, errorsPerS: 0 });
});

test("thrifty: of a quiet port the longest window is told, one after the other, and everything once it carries something", () => {
  const windows = new CounterWindows("live");
  const told = (endMs: number) => windows.observations(network, endMs, true).filter(({ subject }) => subject.kind === "port").map(({ windowMs, values }) => [windowMs / 1_000, Math.round((values["inPacketsPerS"] ?? 0) * 100) / 100]);
  const longest: number[] = [];
  for (let s = 0; s <= 96; s += 6) {
    windows.add(s * 1_000, reading("a", 1, s, 0)); // one packet/s
    const found = told(s * 1_000);
    for (const [windowS, rate] of found) expect([windowS, rate]).toEqual([30, 1]);
    if (found.length > 0) longest.push(s);
  }
  expect(longest).toEqual([30, 60, 90]);
  for (let s = 97; s <= 99; s++) windows.add(s * 1_000, reading("a", 1, 96 + (s - 96) * 500, 0));
  expect(told(99_000)).toEqual([[1, 500], [5, expect.any(Number)], [30, expect.any(Number)]]);
});
