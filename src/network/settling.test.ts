import type { OpenFlowConnection } from "node-openflow";
import { Settling } from "./settling.js";

const later = (): { promise: Promise<void>; resolve: () => void } => {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
};

test("settled when LLDP has gone out of all ports and come back, and had its time besides", async () => {
  let now = 0;
  let barriers = 0;
  const connection = { barrier: () => Promise.resolve(void barriers++) } as unknown as OpenFlowConnection;
  const settling = new Settling(() => now, 100);
  const sent = later();
  const sweep = settling.sweep(sent.promise, [connection]);
  now = 1_000;
  expect(settling.isOver(true)).toBe(false);
  sent.resolve();
  await sweep;
  expect(barriers).toBe(2);
  expect(settling.isOver(true)).toBe(false);
  now = 1_100;
  expect([settling.isOver(true), settling.isOver(false)]).toEqual([true, false]);
});

test("a sweep that another one overtook settles nothing", async () => {
  let now = 0;
  const settling = new Settling(() => now, 100);
  const [first, second] = [later(), later()];
  const sweeps = [settling.sweep(first.promise, []), settling.sweep(second.promise, [])];
  first.resolve();
  await sweeps[0];
  now = 200;
  expect(settling.isOver(true)).toBe(false);
  second.resolve();
  await sweeps[1];
  now = 300;
  expect(settling.isOver(true)).toBe(true);
});

test("one that does not come is waited for while there is news, and three seconds more, and never longer than thirty", () => {
  let now = 0;
  const settling = new Settling(() => now, 100);
  for (now = 0; now <= 29_000; now += 1_000) {
    settling.news();
    expect(settling.isOver(false)).toBe(false);
  }
  now = 31_000;
  settling.news();
  expect(settling.isOver(false)).toBe(true);
  const quiet = new Settling(() => now, 100);
  now += 3_001;
  expect(quiet.isOver(false)).toBe(true);
});
