/** How the live network's database is reached. */
import type { Config } from "./schema.js";

export interface DatabaseOptions {
  readonly remote: readonly string[];
  /** With several servers: the database whose leader is followed. A server that keeps it alone always leads. */
  readonly leaderOnly?: string;
  readonly tls?: NonNullable<Config["ovsdbTls"]>;
}

/** What OvsdbClient.connect() is told. Files named are read at each connection. */
export function databaseOptions({ ovsdb, ovsdbTls }: Pick<Config, "ovsdb" | "ovsdbTls">): DatabaseOptions {
  const remote = ovsdb.split(",").map((one) => one.trim());
  return { remote, ...(remote.length > 1 ? { leaderOnly: "Open_vSwitch" } : {}), ...(ovsdbTls === undefined ? {} : { tls: ovsdbTls }) };
}
