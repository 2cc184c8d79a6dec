/**
 * What a controller wrote, to be written again without it: the transactions of its database writer, in their batches and order, and
 * the tables it made. What that takes on the same network is what Open vSwitch itself needs.
 */
import { connect, groupMod, flowMod, type ModBody } from "node-openflow";
import { OvsdbClient, type Operation } from "ovsdb-client";
import type { DatabaseWriter } from "../src/reconcile/database-writer.js";
import type { Ovs } from "./ovs.js";

type Operations = readonly Operation[];

/** Keeps the transactions of a writer from now on. Rows get the uuids that they got, so that later transactions find them. */
export function recordRows(writer: DatabaseWriter): Operations[] {
  const recorded: Operations[] = [];
  writer.committed = (operations, results) => {
    recorded.push(operations.map((operation, at) => (operation.op === "insert" ? { ...operation, uuid: results[at]?.uuid?.[1] } : operation)));
  };
  return recorded;
}

export interface Replayed {
  /** Until ovs-vswitchd has taken it in, each in ms. */
  readonly transactionsMs: readonly number[];
  readonly wholeMs: number;
}

/** Raises next_cfg and resolves when ovs-vswitchd has taken in all that was written before. */
export async function configured(ovs: Ovs, timeoutMs = 300_000): Promise<void> {
  await ovs.capsule.run("ovs-vsctl", [`--timeout=${timeoutMs / 1_000}`, "set", "Open_vSwitch", ".", "other_config:lab=configured"], { timeoutMs });
  await ovs.capsule.run("ovs-vsctl", [`--timeout=${timeoutMs / 1_000}`, "remove", "Open_vSwitch", ".", "other_config", "lab"], { timeoutMs });
}

/** Writes them one after the other, each when ovs-vswitchd has taken in the one before, and nothing else. */
export async function replayRows(ovs: Ovs, recorded: readonly Operations[]): Promise<Replayed> {
  const client = await OvsdbClient.connect({ remote: ovs.remote });
  try {
    const replica = await client.replica("Open_vSwitch", { Open_vSwitch: ["cur_cfg"] });
    const current = (): number => Number([...replica.table("Open_vSwitch").values()][0]?.["cur_cfg"]);
    const transactionsMs: number[] = [];
    const begin = performance.now();
    for (const operations of recorded) {
      const start = performance.now();
      // The last operation of the writer's transactions reads next_cfg.
      const target = Number((await client.transact("Open_vSwitch", operations)).at(-1)?.rows?.[0]?.["next_cfg"]);
      if (!Number.isSafeInteger(target)) throw new Error("a recorded transaction does not tell next_cfg");
      await new Promise<void>((resolve) => {
        const look = (): void => {
          if (current() < target) return;
          replica.off("changes", look);
          resolve();
        };
        replica.on("changes", look);
        look();
      });
      transactionsMs.push(performance.now() - start);
    }
    return { transactionsMs, wholeMs: performance.now() - begin };
  } finally {
    await client.close();
  }
}

/** The groups and flows of one bridge as modifications that make them. */
export interface RecordedTables {
  readonly bridge: string;
  readonly mods: readonly ModBody[];
}

async function session(ovs: Ovs, bridge: string): ReturnType<typeof connect> {
  return connect({ remote: `unix:${ovs.runDir}/${bridge}.mgmt`, versions: [5], requestTimeoutMs: 60_000 });
}

/** Reads the tables of bridges. `isWanted`: which flows of a bridge. */
export async function recordTables(ovs: Ovs, bridges: readonly string[], isWanted: (flow: { readonly cookie: bigint }) => boolean): Promise<RecordedTables[]> {
  const recorded: RecordedTables[] = [];
  for (const bridge of bridges) {
    const connection = await session(ovs, bridge);
    const groups = await connection.groupDescs();
    const flows = (await connection.flowStats()).filter(isWanted);
    await connection.close();
    const mods: ModBody[] = [
      ...groups.map(({ groupId, groupType, buckets }) => groupMod({ command: "add", groupId, groupType, buckets })),
      ...flows.map(({ tableId, priority, match, cookie, instructions }) => flowMod({ command: "add", tableId, priority, match, cookie, instructions })),
    ];
    recorded.push({ bridge, mods });
  }
  return recorded;
}

/** Connects to all bridges at once and sends each its tables, with one barrier; resolves with how long that took, in ms. */
export async function replayTables(ovs: Ovs, recorded: readonly RecordedTables[]): Promise<number> {
  const start = performance.now();
  const one = async ({ bridge, mods }: RecordedTables): Promise<void> => {
    const connection = await session(ovs, bridge);
    const [first] = await connection.apply(mods);
    await connection.close();
    if (first !== undefined) throw first;
  };
  await Promise.all(recorded.map(one));
  return performance.now() - start;
}
