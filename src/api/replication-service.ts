/** ReplicationService: sessions listed, added and removed. */
import { sessionSchema } from "../config/session-schema.js";
import { portKey } from "../network/model.js";
import type { SteeringView } from "../shadow/replication/copy-reading.js";
import { hashSteps } from "../shadow/replication/fraction.js";
import { stepsAt } from "../shadow/replication/shares.js";
import type { Replication, SessionState } from "../shadow/replication/replication.js";
import { InvalidArgument } from "./convert.js";
import type { CopyBudget, ReplicationServiceServer, Session as SessionMessage, SessionStatus } from "./generated/ovsshadow/v1/replication.js";
import { unary } from "./unary.js";

export type ReplicationSurface = Pick<Replication, "list" | "bridges" | "add" | "remove" | "cachedFlows" | "maxCachedFlows" | "copyBudget">;

const statusMessage = ({ session, configured, state, problems, ports }: SessionState): SessionStatus => ({
  session: {
    name: session.name,
    origins: session.origins.map(({ bridge, port, vlan, host, match, routes }) => ({ bridge, port: port === undefined ? undefined : String(port), vlan, host, match, routes: routes && { from: routes.from, source: routes.source, within: routes.within } })),
    percent: session.percent,
    maxLen: session.maxLen,
    direction: session.direction,
    auto: session.auto === true,
  },
  configured,
  state,
  problems: [...problems],
  ports: ports.map((port) => ({ ...port })),
});

function budgetMessage({ limit, shares, state, changes, failure }: SteeringView): CopyBudget {
  const percent = (steps: number): number => (100 * steps) / hashSteps;
  return {
    unit: "packetsPerS" in limit ? "packets/s" : "bit/s",
    limit: "packetsPerS" in limit ? limit.packetsPerS : limit.bitsPerS,
    copied: state?.copiedPerS,
    byOthers: state?.fixedPerS,
    asked: state?.askedPerS,
    percent: percent(shares.base),
    raised: shares.raised.map((port) => ({ port: portKey(port), percent: percent(stepsAt(shares.base, port.factor)) })),
    changes,
    failure: failure ?? "",
  };
}

/** Checks a session of a request. Throws InvalidArgument naming the field. */
function readSession(message: SessionMessage | undefined) {
  if (message === undefined) throw new InvalidArgument("session", "is missing");
  const present = (value: object): object => Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined && one !== ""));
  const origins = message.origins.map(({ port, routes, ...rest }) => present({ ...rest, routes: routes && present(routes), port: port !== undefined && /^\d+$/.test(port) ? Number(port) : port }));
  const parsed = sessionSchema.safeParse({ ...present(message), percent: message.percent === 0 ? 100 : message.percent, origins: origins.length === 0 ? [{}] : origins });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new InvalidArgument(`session.${issue?.path.join(".") ?? ""}`, issue?.message ?? "not a session");
}

export function replicationHandlers(replication: ReplicationSurface): ReplicationServiceServer {
  return {
    listSessions: unary(async () => ({
      sessions: (await replication.list()).map(statusMessage),
      bridges: replication.bridges(),
      cachedFlows: replication.cachedFlows.current,
      maxCachedFlows: replication.maxCachedFlows,
      copyBudget: replication.copyBudget && budgetMessage(replication.copyBudget),
    })),
    addSession: unary(async ({ session, replace }) => ({ session: statusMessage(await replication.add(readSession(session), replace)) })),
    removeSession: unary(async ({ name }) => {
      await replication.remove(name);
      return {};
    }),
  };
}
