/**
 * Which server of a RAFT cluster leads: database _Server, table Database (ovsdb-server(5)). A server says when it stops
 * leading or loses its majority; one that hangs says nothing, the inactivity probe finds it.
 */
import { OvsdbError } from "./errors.js";
import type { Session } from "./json-rpc/session.js";
import type { OperationResult } from "./transaction.js";

export interface ServerDatabase {
  readonly name: string;
  readonly model: "standalone" | "clustered" | "relay";
  /** Of a clustered one: in contact with a majority. */
  readonly connected: boolean;
  readonly leader: boolean;
  /** Cluster's and server's uuid, when clustered. */
  readonly cid: string | undefined;
  readonly sid: string | undefined;
  /** The last entry of the log applied, when clustered. */
  readonly index: number | undefined;
}

type Json = Readonly<Record<string, unknown>>;
const columns = ["name", "model", "connected", "leader", "cid", "sid", "index"];

const optional = (value: unknown): unknown => (Array.isArray(value) && value[0] === "set" ? undefined : Array.isArray(value) ? (value[1] as unknown) : value);
function parse(row: Json): ServerDatabase {
  const [cid, sid, index] = [optional(row["cid"]), optional(row["sid"]), optional(row["index"])];
  return {
    name: String(row["name"]),
    model: row["model"] as ServerDatabase["model"],
    connected: row["connected"] === true,
    leader: row["leader"] === true,
    cid: typeof cid === "string" ? cid : undefined,
    sid: typeof sid === "string" ? sid : undefined,
    index: typeof index === "number" ? index : undefined,
  };
}

/** What the server says of its databases. Empty for servers before 2.9, which have no _Server. */
export async function serverDatabases(session: Session): Promise<ServerDatabase[]> {
  const select = { op: "select", table: "Database", where: [], columns };
  const reply = await session.request("transact", ["_Server", select]).catch((error: unknown) => {
    if (error instanceof OvsdbError && error.kind === "server") return [];
    throw error;
  });
  const [result] = reply as OperationResult[];
  return (result?.rows ?? []).map(parse);
}

/** Whether a database is kept by a RAFT cluster. False when that can't be found out any more. */
export async function isClustered(session: Session, db: string): Promise<boolean> {
  const databases = await serverDatabases(session).catch((): ServerDatabase[] => []);
  return databases.some(({ name, model }) => name === db && model === "clustered");
}

/** How far the log of a cluster has been seen by this client, at whatever server. */
export interface Seen {
  cid: string | undefined;
  index: number;
}

export interface ServerDemands {
  readonly db: string;
  /** The server must lead the cluster. */
  readonly leader: boolean;
  /** The server must not be behind what was seen; kept up to date. */
  readonly seen: Seen | undefined;
}

/**
 * Rejects with "not-leader" or "stale" unless the server is one to be used for a database (a standalone one always is), and
 * closes the session with that when it is so no more.
 */
export async function holdToServer(session: Session, demands: ServerDemands): Promise<void> {
  const { db } = demands;
  const monitorId = `server of ${db}`;
  let row: Json | undefined;
  let fault: OvsdbError | undefined;
  const look = (updates: unknown): void => {
    const [body] = Object.values(((updates as Json)["Database"] ?? {}) as Readonly<Record<string, Json>>);
    if (body === undefined) return;
    if (body["delete"] !== undefined) row = undefined;
    else row = { ...row, ...((body["initial"] ?? body["insert"] ?? body["modify"]) as Json) };
    fault = row === undefined ? new OvsdbError("not-leader", `${session.remote} has no database ${db} any more`) : faultOf(parse(row), demands, session.remote);
  };
  session.on("notification", (_method, [id, updates]) => {
    if (id !== monitorId) return;
    look(updates);
    if (fault !== undefined) session.close(fault);
  });
  const wanted = ["name", "model", "connected", "leader", ...(demands.seen === undefined ? [] : ["cid", "index"])];
  const requests = { Database: [{ columns: wanted, where: [["name", "==", db]] }] };
  await session.request("monitor_cond", ["_Server", monitorId, requests], { onResult: look });
  if (row === undefined) throw new OvsdbError("not-leader", `${session.remote} has no database ${db}`);
  if (fault !== undefined) throw fault;
}

/** What is left out of an update is as it was; out of the first contents, it is false or nothing. */
function faultOf(server: ServerDatabase, { db, leader, seen }: ServerDemands, remote: string): OvsdbError | undefined {
  if (server.model !== "clustered") return undefined;
  if (!server.connected) return new OvsdbError("not-leader", `${remote} has no majority of the cluster of ${db}`);
  if (leader && !server.leader) return new OvsdbError("not-leader", `${remote} does not lead the cluster of ${db}`);
  if (seen === undefined) return undefined;
  const index = server.index ?? 0;
  const isSameCluster = seen.cid === server.cid;
  if (isSameCluster && index < seen.index) return new OvsdbError("stale", `${remote} is at ${index} of the log of ${db}, behind ${seen.index}`);
  seen.cid = server.cid;
  seen.index = index;
  return undefined;
}
