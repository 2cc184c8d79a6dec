import type { Observation, Side } from "../base/observation.js";
import { emptyNetwork, type Network } from "../network/model.js";
import type { PortReading } from "./counter-windows.js";
import { Observatory } from "./observatory.js";

const port = (ofport: number) => [ofport, { name: `p${ofport}`, ofport, role: "edge" as const, type: "", up: true, ifindex: ofport }] as const;
const network: Network = { ...emptyNetwork, bridges: new Map([["a", { name: "a", datapathId: 1n, datapathType: "netdev", failMode: undefined, ports: new Map([port(1), port(2)]) }]]) };

/** Host 1 sends 1,000 packets/s to host 2; the shadow sees `copied` of them and gives `given` of those on. */
function watch(copied: number, given: number, seconds: number): Promise<{ readonly observatory: Observatory; readonly seen: readonly Observation[] }> {
  jest.useFakeTimers({ now: 1_000_000 });
  const seen: Observation[] = [];
  const reading = (ofport: number, rx: number, tx: number): PortReading => ({ port: { bridge: "a", ofport }, rxPackets: BigInt(Math.round(rx)), txPackets: BigInt(Math.round(tx)), rxBytes: 0n, txBytes: 0n });
  const readPorts = (side: Side): Promise<PortReading[]> => {
    const s = (Date.now() - 1_000_000) / 1_000;
    return Promise.resolve(side === "live" ? [reading(1, 1_000 * s, 0), reading(2, 0, 1_000 * s)] : [reading(1, 1_000 * s * copied, 0), reading(2, 0, 1_000 * s * copied * given)]);
  };
  const observatory = new Observatory({ sink: { observe: (observation) => seen.push(observation), happened: () => {} }, readPorts, readSwitches: () => Promise.resolve([]), network: () => network, nowMs: Date.now });
  observatory.start();
  return jest.advanceTimersByTimeAsync(seconds * 1_000 + 50).then(() => ({ observatory, seen }));
}
afterEach(() => jest.useRealTimers());

test("both sides are observed each second, and equal ones have no cause", async () => {
  const { observatory, seen } = await watch(1, 1, 9);
  expect(observatory.deviating).toEqual([]);
  const live = seen.filter(({ side, subject, windowMs }) => side === "live" && subject.name === "a:1" && windowMs === 1_000);
  expect(live.length).toBeGreaterThanOrEqual(7);
  expect(live.at(-1)?.values["inPacketsPerS"]).toBeCloseTo(1_000, 3);
  expect(observatory.latest({ subject: "a:1", windowMs: 5_000 }).map(({ side }) => side).sort()).toEqual(["live", "shadow", "shadow"]);
  await observatory.stop();
});

test("a shadow that drops is told from a copy that loses", async () => {
  const dropping = await watch(1, 0.5, 9);
  expect(dropping.observatory.deviating).toContainEqual(expect.objectContaining({ subject: { kind: "port", name: "a:2" }, cause: "the networks differ" }));
  await dropping.observatory.stop();
  const losing = await watch(0.8, 1, 9);
  expect(losing.observatory.deviating.map(({ cause }) => cause)).toEqual(losing.observatory.deviating.map(() => "mirror loss"));
  expect(losing.observatory.deviating.length).toBeGreaterThan(0);
  await losing.observatory.stop();
});

test("switches that do not answer leave a gap and a reason", async () => {
  jest.useFakeTimers({ now: 5_000_000 });
  const observatory = new Observatory({ sink: { observe: () => {}, happened: () => {} }, readPorts: () => Promise.reject(new Error("no connection")), readSwitches: () => Promise.resolve([]), network: () => network, nowMs: Date.now });
  observatory.start();
  await jest.advanceTimersByTimeAsync(2_100);
  expect(observatory.failure).toBe("live: no connection; shadow: no connection");
  expect(observatory.counters.readFailures).toBe(4);
  await observatory.stop();
});

test("what looks otherwise for a second or two is not told; what lasts is", async () => {
  let now = 0;
  const reading = (ofport: number, rx: number, tx: number): PortReading => ({ port: { bridge: "a", ofport }, rxPackets: BigInt(rx), txPackets: BigInt(tx), rxBytes: 0n, txBytes: 0n });
  const told: number[] = [];
  const run = async (given: (s: number) => number): Promise<number[]> => {
    jest.useFakeTimers({ now: 1_000_000 });
    told.length = 0;
    const observatory = new Observatory({
      sink: { observe: () => {}, happened: () => {} },
      readPorts: (side) => {
        now = Math.round((Date.now() - 1_000_000) / 1_000);
        return Promise.resolve([reading(1, 1_000 * now, 0), reading(2, 0, side === "live" ? 1_000 * now : given(now))]);
      },
      readSwitches: () => Promise.resolve([]),
      network: () => network,
      nowMs: Date.now,
    });
    observatory.start();
    for (let s = 0; s < 20; s++) {
      await jest.advanceTimersByTimeAsync(1_000);
      told.push(observatory.deviating.filter(({ subject }) => subject.name === "a:2").length);
    }
    await observatory.stop();
    jest.useRealTimers();
    return [...told];
  };
  // Counted late at every fifth reading, and made up for with the next: a window then ends short, and another begins so.
  expect(await run((s) => 1_000 * s - (s % 5 === 3 ? 400 : 0))).toEqual(Array<number>(20).fill(0));
  const lasting = await run((s) => 1_000 * Math.min(s, 8) + 900 * Math.max(0, s - 8));
  expect(lasting.at(-1)).toBe(1);
  expect(lasting.slice(0, 9)).toEqual(Array<number>(9).fill(0));
});
