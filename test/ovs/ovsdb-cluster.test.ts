/**
 * A RAFT cluster of three ovsdb-servers: writers keep writing while its leader is killed, hangs, and comes back. What was
 * acknowledged is there once, what was refused is not there, and what was unknown is there once or not at all.
 */
import { OvsdbClient, OvsdbError, type Replica } from "ovsdb-client";
import { waitFor } from "../../lab/wait.js";
import { all, Clients, dump, EventLog, held, run, Server } from "./ovsdb-support.js";

const clients = new Clients();
let servers: Server[];
beforeEach(async () => {
  const first = await Server.ofCluster();
  servers = [first, await Server.ofCluster(first), await Server.ofCluster(first)];
  for (const server of servers) await run("ovsdb-client", ["--timeout=10", "wait", server.remote, "Kinds", "connected"]);
});
afterEach(async () => {
  await clients.close();
  for (const server of servers) await server[Symbol.asyncDispose]();
});
const remotes = (): string[] => servers.map(({ remote }) => remote);
const leaderOnly = { leaderOnly: "Kinds", probeIntervalMs: 200 };
const of = (remote: string | undefined): Server => servers.find((server) => server.remote === remote) as Server;

/** Inserts rows with names that count up until told to stop, and keeps what became of each. */
class Writer {
  readonly acknowledged: string[] = [];
  readonly unknown: string[] = [];
  /** The longest time between two acknowledged writes, ms. */
  gapMs = 0;
  private isStopped = false;
  private lastMs = performance.now();
  private readonly done: Promise<void>;

  constructor(client: OvsdbClient, prefix: string) {
    this.done = this.write(client, prefix);
  }
  async stop(): Promise<void> {
    this.isStopped = true;
    await this.done;
  }
  private async write(client: OvsdbClient, prefix: string): Promise<void> {
    for (let n = 0; !this.isStopped; n++) {
      const name = `${prefix}${n}`;
      try {
        await client.transact("Kinds", [{ op: "insert", table: "Item", row: { name } }]);
        this.acknowledged.push(name);
        this.gapMs = Math.max(this.gapMs, performance.now() - this.lastMs);
        this.lastMs = performance.now();
      } catch (error) {
        if (!(error instanceof OvsdbError)) throw error;
        if (error.kind === "outcome-unknown") this.unknown.push(name);
        else if (error.kind !== "transport" && error.kind !== "not-leader") throw error;
        await waitFor(() => client.state === "connected" || this.isStopped, "connected again");
      }
    }
  }
}

/** Checks the rows of a writer against what the cluster holds. */
function check(names: readonly string[], writer: Writer): void {
  const set = new Set(names);
  expect(names.length).toBe(set.size); // the schema's index would refuse a second one; a doubled write shows here all the same
  expect(writer.acknowledged.filter((name) => !set.has(name))).toEqual([]);
  const known = new Set([...writer.acknowledged, ...writer.unknown]);
  expect(names.filter((name) => !known.has(name))).toEqual([]);
}
const namesIn = (replica: Replica): string[] => [...replica.table("Item").values()].map((row) => row["name"] as string);

test.each(["SIGKILL", "SIGSTOP", "partition"] as const)("%s of the leader under load: no acknowledged write is lost or doubled, the client follows the new leader, the old one rejoins", async (signal) => {
  const writing = await clients.connect(remotes(), leaderOnly);
  const reading = await clients.connect(remotes(), leaderOnly);
  const replica = await reading.replica("Kinds", all);
  const log = new EventLog(replica);
  const lock = await writing.lock("writer");
  const leader = of(writing.remote);
  expect(await writing.databases()).toEqual(expect.arrayContaining([expect.objectContaining({ name: "Kinds", model: "clustered", leader: true, connected: true })]));
  expect(lock.held).toBe(true);
  const writer = new Writer(writing, "w");
  await waitFor(() => writer.acknowledged.length > 100, "a hundred writes");
  if (signal === "SIGKILL") await leader.kill();
  else if (signal === "SIGSTOP") leader.signal(signal);
  else await leader.ctl("cluster/failure-test", "stop-raft-rpc"); // the other servers hear nothing of it any more, its clients do
  const before = writer.acknowledged.length;
  await waitFor(() => writing.remote !== leader.remote && writer.acknowledged.length > before + 100, "a hundred more, at another leader", 30_000);
  await lock.whenHeld();
  if (signal === "SIGKILL") await leader.up();
  else if (signal === "SIGSTOP") leader.signal("SIGCONT");
  else {
    await leader.kill(); // the failure lasts as long as the process
    await leader.up();
  }
  await run("ovsdb-client", ["--timeout=20", "wait", leader.remote, "Kinds", "connected"]);
  await writer.stop();
  process.stdout.write(`${signal}: ${writer.acknowledged.length} acknowledged, ${writer.unknown.length} unknown, longest gap ${Math.round(writer.gapMs)} ms\n`);
  expect(writer.gapMs).toBeLessThan(15_000);
  await writing.transact("Kinds", [{ op: "insert", table: "Item", row: { name: "last" } }]);
  writer.acknowledged.push("last");
  await waitFor(() => namesIn(replica).includes("last"), "the reader is up to date");
  check(namesIn(replica), writer);
  expect([held(replica), log.faults]).toEqual([await dump(writing.remote ?? "", "Kinds", run), []]);
  // The server that was away has it all too.
  const follower = await clients.connect(leader.remote);
  const copy = await follower.replica("Kinds", all);
  await waitFor(() => copy.table("Item").size === replica.table("Item").size, "the old leader has caught up");
  expect(held(copy)).toEqual(held(replica));
});

test("a server that stops leading without dying is left; a lock without leaderOnly is refused; without a majority nothing is pretended", async () => {
  const client = await clients.connect(remotes(), leaderOnly);
  const leader = of(client.remote);
  await leader.ctl("cluster/leave", "Kinds").catch(() => undefined);
  await waitFor(() => client.state === "connected" && client.remote !== leader.remote, "the client is with the new leader", 30_000);
  expect(client.counters.notLeader).toBeGreaterThan(0);
  await client.transact("Kinds", [{ op: "insert", table: "Item", row: { name: "after" } }]);
  const follower = servers.find(({ remote }) => remote !== client.remote && remote !== leader.remote) as Server;
  await expect((await clients.connect(follower.remote)).lock("x")).rejects.toMatchObject({ kind: "not-leader" });
  const abort = new AbortController();
  let tries = 0;
  const vain = OvsdbClient.connect({ remote: follower.remote, ...leaderOnly, backoff: { initialMs: 20, maxMs: 50 }, signal: abort.signal, random: () => (tries++, 0.5) });
  await waitFor(() => tries > 2, "asked again");
  abort.abort();
  await expect(vain).rejects.toMatchObject({ cause: expect.objectContaining({ kind: "not-leader" }) as object });
  await follower.kill();
  await waitFor(() => client.state === "connecting", "the rest has no majority, and says so", 30_000);
});
