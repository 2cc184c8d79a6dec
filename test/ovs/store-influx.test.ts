/** The store on servers of the InfluxDB protocol, each started here with ports and files of its own. */
import { TimeSeriesServer, type ServerKind } from "../../lab/time-series-server.js";
import { waitFor } from "../../lab/wait.js";
import { InfluxStore } from "../../src/store/influx/store.js";
import { Clock, hour, observation, retention, start, storeContract } from "./store-contract.js";


let servers: Record<ServerKind, TimeSeriesServer>;
beforeAll(async () => {
  servers = { influxdb: await TimeSeriesServer.start("influxdb"), victoriametrics: await TimeSeriesServer.start("victoriametrics") };
}, 60_000);
afterAll(async () => {
  await Promise.all(Object.values(servers).map((server) => server[Symbol.asyncDispose]()));
});

let databases = 0;
const open = (dialect: ServerKind, clock: Clock, maxWaiting = 100_000, keep = retention, database = `db${databases++}`): InfluxStore =>
  new InfluxStore({ url: servers[dialect].url, database, dialect, retention: keep, maxWaiting, flushMs: 100, maintainMs: 0, nowMs: clock.read });

for (const dialect of ["influxdb", "victoriametrics"] as const) {
  const names = new Map<unknown, string>();
  describe(dialect, () =>
    storeContract({
      name: dialect,
      keepsEvents: dialect === "influxdb",
      exports: dialect === "influxdb",
      rollsUp: dialect === "influxdb",
      open: (clock, settings = {}) => {
        const database = `db${databases++}`;
        const store = open(dialect, clock, settings.maxWaiting, settings.retention, database);
        names.set(store, database);
        return Promise.resolve(store);
      },
      reopen: async (store, clock) => {
        await store.close();
        return open(dialect, clock, undefined, undefined, names.get(store));
      },
    }),
  );
}

// VictoriaMetrics acknowledges what it has in memory and writes it out some seconds later: a kill costs these, an orderly end does not.
test.each([["influxdb", "KILL"], ["victoriametrics", "TERM"]] as const)("%s ended by SIG%s and started again under load: no acknowledged row is lost", async (dialect, signal) => {
  const clock = new Clock();
  const store = open(dialect, clock);
  const subject = { kind: "port", name: "l1:1" } as const;
  let given = 0;
  const some = (): void => {
    for (let i = 0; i < 200; i++, given++) store.observe(observation(start + given, { n: given }));
    clock.nowMs = start + given;
  };
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 5; i++) {
      some();
      await store.flush().catch(() => undefined);
    }
    some();
    const stopped = servers[dialect].kill(signal);
    some();
    await stopped;
    some();
    await store.flush().catch(() => undefined);
    expect((await store.health()).failure).toBeDefined();
    await servers[dialect].restart();
  }
  await waitFor(async () => (await store.health()).waiting === 0, "what waited was sent", 40_000);
  await store.flush();
  const { counters } = await store.health();
  expect(counters).toMatchObject({ acknowledged: given, dropped: { queueFull: 0, refused: 0 } });
  expect(counters.retries).toBeGreaterThan(0);
  const { points } = await store.query({ subject, side: "live", metric: "n", fromMs: start, toMs: start + given });
  expect([...new Set(points.map(({ value }) => value))]).toHaveLength(given);
  await store.close();
}, 120_000);

test("influxdb: a server that is away fills the queue, which then drops and counts; all that waited arrives", async () => {
  const clock = new Clock();
  const store = open("influxdb", clock, 1_000);
  await servers.influxdb.kill();
  for (let i = 0; i < 1_500; i++) store.observe(observation(start + i, { n: i }));
  await expect(store.flush()).rejects.toThrow(/influxdb/);
  await servers.influxdb.restart();
  await waitFor(async () => (await store.health()).waiting === 0, "what waited was sent", 40_000);
  expect((await store.health()).counters).toMatchObject({ observed: 1_500, acknowledged: 1_000, dropped: { queueFull: 500 } });
  await store.close();
}, 90_000);

test("influxdb: points older than the server keeps are refused by it, counted, and not sent again", async () => {
  const clock = new Clock();
  clock.nowMs = Date.now();
  // We would take them, the server's policy of an hour would not: by its clock they are two hours old.
  const store = open("influxdb", clock);
  await store.flush();
  store.observe(observation(clock.nowMs, { n: 1 }));
  await store.flush();
  clock.nowMs = Date.now() - 3 * hour;
  store.observe(observation(clock.nowMs, { n: 2 }));
  store.observe(observation(Date.now() - 2.5 * hour, { n: 3 }));
  clock.nowMs = Date.now();
  store.observe(observation(clock.nowMs, { n: 4 }));
  await store.flush();
  expect((await store.health()).counters).toMatchObject({ acknowledged: 2, retries: 0, dropped: { refused: 1 } });
  await store.close();
});
