/**
 * Our side of the OVSDB benchmark, in a process of its own: what it uses of CPU and memory is its alone.
 *
 *   sync REMOTE           replicates Bridge, Port and Interface whole, says "ready", and waits for its input to end
 *   latency REMOTE COUNT  says "ready", then the delays of COUNT changes as a JSON array of ms
 *   follow REMOTE COUNT   says "ready", then how many rows of Event it saw when COUNT are there, or no more come
 *   write REMOTE COUNT RATE  inserts COUNT rows into Event, one a transaction, RATE a second
 */
import { OvsdbClient } from "ovsdb-client";

const [verb = "", remote = "", count = "0", rate = "0"] = process.argv.slice(2);
const say = (line: unknown): void => void process.stdout.write(`${typeof line === "string" ? line : JSON.stringify(line)}\n`);
const now = (): number => Number(process.hrtime.bigint()) / 1e6;

const client = await OvsdbClient.connect({ remote });
const wanted = Number(count);

if (verb === "sync") {
  const replica = await client.replica("Open_vSwitch", { Open_vSwitch: "all", Bridge: "all", Port: "all", Interface: "all" });
  if (replica.table("Port").size !== wanted) throw new Error(`${replica.table("Port").size} ports`);
  say("ready");
  await new Promise((resolve) => process.stdin.once("end", resolve).resume());
} else if (verb === "latency") {
  const delays: number[] = [];
  const replica = await client.replica("Bench", { Clock: ["sent"] });
  const done = new Promise<void>((resolve) => {
    replica.on("changes", (changes) => {
      for (const { new: row } of changes) if (row !== undefined) delays.push(now() - Number(row["sent"]));
      if (delays.length >= wanted) resolve();
    });
  });
  say("ready");
  await done;
  say(delays);
} else if (verb === "follow") {
  const replica = await client.replica("Bench", { Event: ["n"] });
  const seen = new Set<number>();
  let lastMs = now();
  replica.on("changes", (changes) => {
    for (const { old, new: row } of changes) if (old === undefined && row !== undefined) seen.add(Number(row["n"]));
    lastMs = now();
  });
  say("ready");
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      if (seen.size < wanted && (seen.size === 0 || now() - lastMs < 2_000)) return;
      clearInterval(timer);
      resolve();
    }, 20);
  });
  const seconds = process.cpuUsage();
  say({ seen: seen.size, lastMs, cpuMs: (seconds.user + seconds.system) / 1e3 });
} else if (verb === "write") {
  const started = now();
  const pending: Promise<unknown>[] = [];
  for (let n = 0; n < wanted; n++) {
    pending.push(client.transact("Bench", [{ op: "insert", table: "Event", row: { n } }]));
    const due = started + (n / Number(rate)) * 1e3;
    if (n % 40 === 39 && due > now()) await new Promise((resolve) => setTimeout(resolve, due - now()));
    if (pending.length >= 4_000) await Promise.all(pending.splice(0));
  }
  await Promise.all(pending);
  say({ seconds: (now() - started) / 1e3 });
}
await client.close();
