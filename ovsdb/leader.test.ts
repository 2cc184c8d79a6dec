import { OvsdbClient } from "./index.js";
import { MemoryServer } from "./testing/index.js";

const optional = (key: string) => ({ type: { key, min: 0, max: 1 } });
/** What clients look at of _Server, and a database. */
const schemas = [
  { name: "D", version: "1.0.0", tables: { T: { isRoot: true, columns: { name: { type: "string" } } } } },
  { name: "_Server", version: "1.2.0", tables: { Database: { isRoot: true, columns: { name: { type: "string" }, model: { type: "string" }, connected: { type: "boolean" }, leader: { type: "boolean" }, cid: optional("uuid"), sid: optional("uuid"), index: optional("integer") } } } },
];
const cid = ["uuid", "11111111-2222-4333-8444-555555555555"];
async function start(row: object): Promise<MemoryServer> {
  const server = await MemoryServer.start({ schemas });
  server.transact("_Server", [{ op: "insert", table: "Database", row: { name: "D", model: "clustered", connected: true, cid, ...row } }]);
  return server;
}
const update = (server: MemoryServer, row: object): unknown => server.transact("_Server", [{ op: "update", table: "Database", where: [], row }]);
const backoff = { initialMs: 4, maxMs: 8 };
const at = (client: OvsdbClient, server: MemoryServer): Promise<void> =>
  new Promise((resolve) => {
    const look = (): void => {
      if (client.state !== "connected" || client.remote !== server.remote) return;
      client.off("connected", look);
      resolve();
    };
    client.on("connected", look);
    look();
  });

test("leaderOnly: the client goes where the leader is, and along when that changes", async () => {
  await using one = await start({ leader: false });
  await using two = await start({ leader: true });
  const client = await OvsdbClient.connect({ remote: [one.remote, two.remote], leaderOnly: "D", backoff });
  expect([client.remote, client.counters.notLeader]).toEqual([two.remote, 1]);
  update(two, { leader: false });
  update(one, { leader: true });
  await at(client, one);
  update(one, { connected: false });
  update(two, { leader: true });
  await at(client, two);
  expect(await client.databases()).toEqual([expect.objectContaining({ name: "D", model: "clustered", leader: true })]);
  await client.close();
});

test("neverOlder: a server behind what another told is passed over until it has caught up", async () => {
  await using one = await start({ index: 5 });
  await using two = await start({ index: 9 });
  const client = await OvsdbClient.connect({ remote: [one.remote, two.remote], neverOlder: "D", backoff });
  expect(client.remote).toBe(one.remote); // nothing was seen before
  update(one, { index: 10 });
  await client.listDbs(); // after it the update has come
  const reasons: string[] = [];
  client.on("retrying", (reason) => reasons.push((reason as { kind?: string }).kind ?? ""));
  const behind = new Promise<void>((resolve) => client.on("retrying", () => resolve()));
  one.disconnect();
  await behind;
  await at(client, one);
  expect(reasons).toContain("stale");
  update(two, { index: 10 });
  one.disconnect();
  await at(client, two);
  await client.close();
});

test("a standalone server is its own leader; one without the database is none", async () => {
  await using server = await start({ model: "standalone" });
  const client = await OvsdbClient.connect({ remote: server.remote, leaderOnly: "D", neverOlder: "D", backoff });
  await client.close();
  const abort = new AbortController();
  let tries = 0;
  const vain = OvsdbClient.connect({ remote: server.remote, leaderOnly: "E", backoff, signal: abort.signal, random: () => (++tries > 2 && abort.abort(), 0.5) });
  await expect(vain).rejects.toMatchObject({ cause: expect.objectContaining({ kind: "not-leader" }) as object });
});
