/** The databases: of live's host, and of the host the shadow is on where that is another. Opened before anything is changed. */
import { OvsdbClient, type Replica } from "ovsdb-client";
import { databaseOptions } from "../config/database.js";
import { ConfigError } from "../config/load.js";
import type { Config } from "../config/schema.js";
import type { Sink } from "../config/sink-schema.js";
import { entries, monitoredTables, readBridges, rootUuid, type Tables } from "../network/database-view.js";
import { mark } from "../network/pipeline.js";
import type { DatabaseWriterCounters } from "../reconcile/database-writer.js";
import { liveMtus } from "../shadow/replication/rows.js";
import { tooLong } from "../shadow/replication/tunnel.js";
import { tooLongForSink } from "../shadow/sinks/sink-plan.js";

export interface Database {
  readonly client: OvsdbClient;
  readonly replica: Replica;
}

const backoff = { initialMs: 100, maxMs: 2_000 };

export class Databases {
  readonly near: Database;
  /** Undefined: the shadow is beside live. */
  readonly far: Database | undefined;

  private constructor(near: Database, far: Database | undefined) {
    this.near = near;
    this.far = far;
  }

  /** Throws ConfigError when live's ports send frames too long for the tunnels or sinks that are configured. */
  static async open(config: Config, signal?: AbortSignal): Promise<Databases> {
    const options = { backoff, ...(signal === undefined ? {} : { signal }) };
    const near = await connect({ ...databaseOptions(config), ...options });
    const { remote, sinks } = config.shadow;
    const tooLongs = sinks.flatMap((sink) => tooLongForSink(liveMtus(near.replica, config.bridges), sink) ?? []);
    if (tooLongs.length > 0) throw new ConfigError(tooLongs);
    if (remote === undefined) {
      checkDevices(near.replica, sinks);
      return new Databases(near, undefined);
    }
    const why = tooLong(liveMtus(near.replica, config.bridges), remote.mtu);
    if (why !== undefined) throw new ConfigError([why]);
    const far = await connect({ remote: remote.ovsdb, ...options });
    checkDevices(far.replica, sinks);
    return new Databases(near, far);
  }

  /** uuid of live's one Open_vSwitch row; undefined before it is known. */
  get uuid(): string | undefined {
    return rootUuid(this.near.replica);
  }

  /** Of live's, in words. */
  get state(): string {
    return `${this.near.client.state}, ${this.near.replica.state}`;
  }

  readonly isOurMirror = (uuid: string): boolean => entries(this.near.replica.table("Mirror").get(uuid), "external_ids").has(mark.role);

  async close(): Promise<void> {
    await this.near.client.close();
    await this.far?.client.close();
  }
}

/** Throws ConfigError where a device that is to be a sink is a port already, and not ours. */
function checkDevices(tables: Tables, sinks: readonly Sink[]): void {
  const foreign = readBridges(tables).flatMap(({ name: bridge, ports }) => ports.flatMap((port) => (port.role === undefined ? [[port.name, bridge] as const] : [])));
  const bridgeOf = new Map(foreign);
  const problems = sinks.flatMap((sink) => {
    const bridge = sink.type === "device" ? bridgeOf.get(sink.device) : undefined;
    return bridge === undefined || sink.type !== "device" ? [] : [`shadow.sinks ${sink.name}: device ${sink.device} is a port of ${bridge}`];
  });
  if (problems.length > 0) throw new ConfigError(problems);
}

async function connect(options: Parameters<typeof OvsdbClient.connect>[0]): Promise<Database> {
  const client = await OvsdbClient.connect(options);
  return { client, replica: await client.replica("Open_vSwitch", monitoredTables) };
}

/** What was written to both databases together. */
export function writesOf(near: DatabaseWriterCounters, far: DatabaseWriterCounters | undefined): DatabaseWriterCounters {
  if (far === undefined) return near;
  const sum = (key: Exclude<keyof DatabaseWriterCounters, "longestMs" | "lastMs">): number => near[key] + far[key];
  return { transactions: sum("transactions"), changes: sum("changes"), refused: sum("refused"), rows: sum("rows"), bytes: sum("bytes"), longestMs: Math.max(near.longestMs, far.longestMs), lastMs: near.lastMs };
}
