/** Who made an edit, as far as the protocols let it be known. Pure. */
import { isOurGroup, isOurs, mark, readCookie } from "../../network/pipeline.js";
import type { FlowEdit } from "../../shadow/table-follower.js";

export interface Author {
  /** "ovs-shadow"; "switch" (a time-out, or ovs-vswitchd itself); a configured owner's name; "unknown". */
  readonly by: string;
  /** "certain": nothing else can have made it; "likely": a mark says so, which others could write, too; "open": one of `candidates`. */
  readonly certainty: "certain" | "likely" | "open";
  readonly why: string;
  /** Who can have made it: controllers connected to the bridge, and its management socket. */
  readonly candidates?: readonly string[];
  /** Somebody else changed what is ours. */
  readonly touchesOurs?: boolean;
}

/** Flows with these cookies, or groups and meters of these ids, belong to somebody with a name. */
export interface Owner {
  readonly name: string;
  readonly cookie?: { readonly value: bigint; readonly mask: bigint };
  /** Both included. */
  readonly ids?: readonly [from: number, to: number];
}

/** A row of table Controller that belongs to a bridge. */
export interface ControllerRow {
  readonly target: string;
  readonly isConnected: boolean;
  /** "master", "slave", "other" (equal); undefined while unknown. */
  readonly role: string | undefined;
}

/** ofp_flow_removed_reason. */
const removedReasons = ["idle time-out", "hard time-out", "deleted", "its group was deleted", "its meter was deleted", "evicted", "meter deleted"] as const;
const deleted = 2;

/** Who can write to a bridge: slaves can't (OpenFlow 1.3 section 6.3.6); whoever may open the management socket can. */
export function writers(controllers: readonly ControllerRow[]): string[] {
  const able = controllers.filter(({ target, isConnected, role }) => (isConnected && role !== "slave") || /^p(tcp|unix|ssl):/.test(target));
  return [...able.map(({ target, role }) => (role === undefined ? target : `${target} (${role})`)), "management socket"];
}

function unknown(candidates: readonly string[], touchesOurs: boolean): Author {
  const [only] = candidates;
  const mark = touchesOurs ? { touchesOurs } : {};
  if (candidates.length === 1 && only !== undefined) return { by: only, certainty: "certain", why: "nobody else is connected", ...mark };
  return { by: "unknown", certainty: "open", why: "the protocol does not say who", candidates, ...mark };
}

/** `isEcho`: the edit is one we were about to send. */
export function flowAuthor(edit: FlowEdit, isEcho: boolean, owners: readonly Owner[], controllers: readonly ControllerRow[]): Author {
  const cookie = (edit.now ?? edit.old)?.cookie ?? 0n;
  if (isEcho) return { by: "ovs-shadow", certainty: "certain", why: `sent by us: ${readCookie(cookie)?.kind ?? "a flow"}` };
  if (edit.op === "removed" && edit.reason !== undefined && edit.reason !== deleted) return { by: "switch", certainty: "certain", why: removedReasons[edit.reason] ?? `reason ${edit.reason}` };
  if (readCookie(cookie)?.kind === "poke") return { by: "ovs-shadow", certainty: "likely", why: "our cookie: poke" };
  if (isOurs(cookie) || isOurs(edit.old?.cookie ?? 0n)) return { ...unknown(writers(controllers), true), why: edit.op === "added" ? "a flow with our cookie that we did not send" : "a flow of ours that we did not touch" };
  const owner = owners.find((one) => one.cookie !== undefined && (cookie & one.cookie.mask) === one.cookie.value);
  if (owner !== undefined) return { by: owner.name, certainty: "likely", why: "its range of cookies" };
  return unknown(writers(controllers), false);
}

/** For groups and meters, which carry no cookie. */
export function idAuthor(kind: "group" | "meter", id: number, isEcho: boolean, owners: readonly Owner[], controllers: readonly ControllerRow[]): Author {
  if (isEcho) return { by: "ovs-shadow", certainty: "certain", why: "sent by us" };
  if (isOurGroup(id)) return { ...unknown(writers(controllers), true), why: `a ${kind} of our range that we did not send` };
  const owner = owners.find((one) => one.ids !== undefined && id >= one.ids[0] && id <= one.ids[1]);
  if (owner !== undefined) return { by: owner.name, certainty: "likely", why: `its range of ${kind} ids` };
  return unknown(writers(controllers), false);
}

/** A row as far as it tells whose it is. */
export interface MarkedRow {
  readonly externalIds: ReadonlyMap<string, string>;
}
export const isMarked = ({ externalIds }: MarkedRow): boolean => externalIds.has(mark.role);

/**
 * For rows of the database. OVSDB says nothing of who wrote; what our own transactions wrote is known, and columns that only
 * ovs-vswitchd writes are its own. `touchesMarked`: somebody else changed a row with our mark at the same moment.
 */
export function rowAuthor(facts: { readonly isOurs: boolean; readonly touchesMarked: boolean; readonly isBySwitch: boolean; readonly managers: readonly string[] }): Author {
  if (facts.isOurs) return { by: "ovs-shadow", certainty: "certain", why: "our transaction" };
  if (facts.isBySwitch) return { by: "ovs-vswitchd", certainty: "likely", why: "columns that it writes" };
  const candidates = [...facts.managers, "database socket"];
  const author = unknown(candidates, facts.touchesMarked);
  return author.certainty === "certain" ? { ...author, why: "no manager is connected" } : { ...author, why: "the database does not say who" };
}
