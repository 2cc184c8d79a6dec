import { OvsdbClient } from "../index.js";
import { MemoryServer } from "./index.js";

const schema = { name: "D", version: "1.0.0", tables: { T: { isRoot: true, columns: { name: { type: "string" } } } } };

test("a client lives through a server that goes away for a moment, on monitors of any kind", async () => {
  for (const unknownMethods of [[], ["monitor_cond_since", "set_db_change_aware"], ["monitor_cond_since", "monitor_cond"]]) {
    await using server = await MemoryServer.start({ schemas: [schema], unknownMethods });
    const client = await OvsdbClient.connect({ remote: server.remote, backoff: { initialMs: 1, maxMs: 2 } });
    const replica = await client.replica("D", { T: "all" });
    const synced = new Promise<void>((resolve) => replica.once("synced", resolve));
    server.disconnect();
    server.transact("D", [{ op: "insert", table: "T", row: { name: "meanwhile" } }]);
    await synced;
    expect([...replica.table("T").values()].map((row) => row["name"])).toEqual(["meanwhile"]);
    await client.close();
  }
});

test("what makes no sense is counted and its connection closed", async () => {
  await using server = await MemoryServer.start({ schemas: [schema], maxMessageBytes: 1_000 });
  const client = await OvsdbClient.connect({ remote: server.remote });
  await expect(client.transact("D", [{ op: "comment", comment: "x".repeat(2_000) }])).rejects.toMatchObject({ kind: "outcome-unknown" });
  expect(server.protocolErrors).toBe(1);
  await client.close();
});
