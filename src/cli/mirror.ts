/** ovs-shadowctl mirror …: the sessions that say what is copied. */
import { ReplicationServiceClient, type AddSessionResponse, type CopyBudget, type ListSessionsResponse, type Origin, type RemoveSessionResponse, type SessionStatus } from "../api/generated/ovsshadow/v1/replication.js";
import { callService, type GlobalOptions } from "./client.js";
import { printJson, printLine, printTable } from "./print.js";

export interface AddOptions extends GlobalOptions {
  readonly bridge?: string;
  readonly port?: string;
  readonly vlan?: number;
  readonly host?: string;
  readonly match?: string;
  readonly routes?: boolean;
  readonly routesFrom?: string;
  readonly routesSource?: string;
  readonly routesWithin?: string;
  readonly percent: number;
  readonly auto?: boolean;
  readonly maxLen?: number;
  readonly direction: string;
  readonly replace?: boolean;
}

const list = (options: GlobalOptions): Promise<ListSessionsResponse> =>
  callService<ReplicationServiceClient, ListSessionsResponse>(options, ReplicationServiceClient, (client, done) => client.listSessions({}, done));

const keysText = (keys: object): string =>
  Object.entries(keys).filter(([, value]) => value !== undefined).map(([key, value]) => `${key} ${typeof value === "object" ? keysText(value as object) || "all" : String(value)}`).join(" ");
const originText = (origin: Origin): string => keysText(origin) || "every edge port";

function row({ session, configured, state, problems, ports }: SessionStatus): (string | number)[] {
  const what = session?.origins.map(originText).join("; ") ?? "";
  const selected = ports.reduce((sum, port) => sum + port.selected, 0);
  return [session?.name ?? "", what, session?.auto === true ? `auto, at most ${session.percent} %` : `${session?.percent ?? 0} %`, session?.maxLen ?? "whole", session?.direction ?? "", state, ports.length, selected, configured ? "configuration" : "added", problems.join("; ")];
}

export async function mirrorList(options: GlobalOptions): Promise<void> {
  const { sessions, bridges, cachedFlows, maxCachedFlows, copyBudget } = await list(options);
  if (options.output === "json") return printJson({ sessions, bridges, cachedFlows, maxCachedFlows, copyBudget });
  printTable(["session", "origins", "share", "length", "direction", "state", "ports", "selected", "from", "problems"], sessions.map(row));
  printLine(`flows in ovs-vswitchd's cache: ${cachedFlows ?? "unknown"}, at most ${maxCachedFlows} before sessions that take fractions are suspended`);
  if (copyBudget !== undefined) printBudget(copyBudget);
}

function printBudget({ unit, limit, copied, byOthers, asked, percent, raised, changes, failure }: CopyBudget): void {
  const rate = (value: number | undefined): string => (value === undefined ? "not measured yet" : Math.round(value).toLocaleString("en"));
  printLine(`copies: ${rate(copied)} of ${rate(limit)} ${unit}, ${rate(byOthers)} of them by other sessions; auto selects ${rate(asked)} and copies ${percent.toFixed(1)} %, changed ${changes} times${failure === "" ? "" : `; not steered: ${failure}`}`);
  for (const { port, percent: share } of raised) printLine(`  ${port}: ${share.toFixed(1)} %`);
}

export async function mirrorShow(options: GlobalOptions, name: string): Promise<void> {
  const found = (await list(options)).sessions.find(({ session }) => session?.name === name);
  if (found === undefined) throw new Error(`there is no session ${name}`);
  if (options.output === "json") return printJson(found);
  printTable(["session", "origins", "share", "length", "direction", "state", "ports", "selected", "from", "problems"], [row(found)]);
  printTable(["edge port", "by", "selected"], found.ports.map(({ port, by, selected }) => [port, by, selected]));
}

export async function mirrorAdd(options: AddOptions, name: string): Promise<void> {
  const { bridge, port, vlan, host, match, routesFrom, routesSource, routesWithin, percent, auto, maxLen, direction, replace } = options;
  const isByRoutes = options.routes === true || [routesFrom, routesSource, routesWithin].some((key) => key !== undefined);
  const routes = isByRoutes ? { from: routesFrom, source: routesSource, within: routesWithin } : undefined;
  const session = { name, origins: [{ bridge, port, vlan, host, match, routes }], percent, auto: auto === true, maxLen, direction };
  const answer = await callService<ReplicationServiceClient, AddSessionResponse>(options, ReplicationServiceClient, (client, done) => client.addSession({ session, replace: replace === true }, done));
  if (options.output === "json") return printJson(answer.session);
  printLine(`${name}: ${answer.session?.state ?? ""}${answer.session?.problems.map((problem) => `; ${problem}`).join("") ?? ""}`);
}

export async function mirrorRemove(options: GlobalOptions, name: string): Promise<void> {
  await callService<ReplicationServiceClient, RemoveSessionResponse>(options, ReplicationServiceClient, (client, done) => client.removeSession({ name }, done));
  if (options.output === "json") printJson({ removed: name });
  else printLine(`${name}: removed`);
}

/** ovs-shadowctl shadow: how each bridge is copied. */
export async function shadow(options: GlobalOptions): Promise<void> {
  const { bridges } = await list(options);
  if (options.output === "json") return printJson(bridges);
  printTable(
    ["live bridge", "replica ports", "edge ports", "by Mirror rows", "copying flows", "foreign Mirror rows", "gaps made by others"],
    bridges.map((one) => [one.bridge, one.wiring === "common" ? "one for all" : "one each", one.edgePorts, one.mirroredPorts, one.flows, one.foreignMirrors, one.gaps === 0 ? "none" : `${one.gaps} (${one.gapMs.toFixed(0)} ms, ${one.gapPackets} packets)`]),
  );
}
