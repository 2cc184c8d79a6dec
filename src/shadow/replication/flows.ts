/**
 * The flows of a live bridge that copy what sessions select: tables 243 to 247 (docs/pipeline.md). Pure.
 *
 *     243  session 1: 244 · session 2: 244 · … · session 0: 247 · clear the register
 *     244  session, port, match → selected: 247      (a fraction: 245)
 *     245  hash of the connection → 246
 *     246  session, hash in the fraction → selected: 247
 *     247  session i, port → counted ; session 0, selected, port → one copy, unless a Mirror row makes it
 */
import { action, instruction, isKnown, match, type Action, type FieldValue, type Match, type MatchSpec } from "node-openflow";
import { flowKey, permanent, type FlowEntry } from "../../network/flow-entry.js";
import { commonReplicaPort, cookie, replicaPort, replicationBits as bits, table } from "../../network/pipeline.js";
import { isFraction, type BridgePlan, type PlannedSession } from "./plan.js";
import { hashesTo, prefixesBelow, stepsOf } from "./fraction.js";
import { firstShares, shareRules, type Shares } from "./shares.js";

const { field } = bits;
type Part = "hash" | "session" | "length";
/** Value and mask of the register for parts of it. */
function register(parts: Partial<Record<Part, readonly [value: number, mask: number]>>): FieldValue {
  let [value, mask] = [0n, 0n];
  for (const [part, [partValue, partMask]] of Object.entries(parts) as [Part, readonly [number, number]][]) {
    value |= BigInt(partValue) << BigInt(bits[part].offset);
    mask |= BigInt(partMask) << BigInt(bits[part].offset);
  }
  return [value, mask];
}
const whole = (part: Part): number => 2 ** bits[part].bits - 1;
const load = (part: Part, value: number): Action => action.load(field, BigInt(value), bits[part].offset, bits[part].bits);

export const replicateCookie = (session: number, edge: number): bigint => cookie("replicate", (BigInt(session) << 16n) | BigInt(edge));
/** Session's index and edge port of a cookie's serial; session 0 is the copy itself. */
export const readReplicateSerial = (serial: bigint): { readonly index: number; readonly edge: number } => ({ index: Number(serial >> 16n), edge: Number(serial & 0xffffn) });

const specOf = (fields: Match): MatchSpec =>
  Object.fromEntries(fields.flatMap((one) => (isKnown(one) ? [[one.name, one.mask === undefined ? one.value : [one.value, one.mask]]] : [])));

function flow(tableId: number, priority: number, spec: MatchSpec, actions: readonly Action[], owner: bigint): FlowEntry {
  return permanent({ tableId, priority, match: match(spec), cookie: owner, instructions: actions.length === 0 ? [] : [instruction.apply(...actions)] });
}

/** How a copy of edge port N leaves a bridge. */
export type Exit = (edge: number, maxLen: number | undefined) => readonly Action[];

/** Through the replica port of its own. */
export const ownExit: Exit = (edge) => [action.output(replicaPort(edge))];
/** Through the common patch port, with the edge port in pkt_mark, which crosses a patch. The original keeps its mark. */
export const patchExit: Exit = (edge) => [action.clone(action.setField("pktMark", edge), action.output(commonReplicaPort))];
/** Through the common tunnel, with the edge port as its key. */
export const tunnelExit: Exit = (edge, maxLen) => [
  action.clone(action.setField("tunnelId", edge), maxLen === undefined ? action.output(commonReplicaPort) : action.outputTrunc(commonReplicaPort, maxLen)),
];

/** Classes of length of the sessions, shortest first: a later session may only lengthen the copy. Undefined, whole, is the last. */
function lengthsOf(sessions: readonly PlannedSession[]): (number | undefined)[] {
  const cut = [...new Set(sessions.flatMap(({ session }) => session.maxLen ?? []))].sort((x, y) => x - y);
  return [...cut, undefined];
}

/** Flows of tables 243 to 247 of one bridge; none where no flow has to copy. `shares`: what sessions with `auto` copy now, which changes flows of table 246 alone. */
export function replicationFlows(plan: BridgePlan, exit: Exit, shares: Shares = firstShares): FlowEntry[] {
  if (plan.sessions.length === 0) return [];
  const lengths = lengthsOf(plan.sessions);
  const classOf = ({ session }: PlannedSession): number => lengths.indexOf(session.maxLen) + 1;
  const inOrder = [...plan.sessions].sort((x, y) => classOf(x) - classOf(y) || x.index - y.index);
  const turn = (index: number, next: number): Action[] => [load("session", index), action.resubmit(next)];
  const clear = [load("hash", 0), load("session", 0), load("length", 0)];
  const byKey = new Map<string, FlowEntry>();
  const add = (one: FlowEntry): void => void byKey.set(flowKey(one), one);

  add(flow(table.replicate, 1, {}, [...inOrder.flatMap(({ index }) => turn(index, table.select)), ...turn(0, table.copy), ...clear], cookie("replicate")));
  const inPorts = (edge: number): readonly number[] => plan.members.get(edge) ?? [edge];
  const edges = new Set<number>();
  for (const planned of plan.sessions) {
    const { index, session, selections } = planned;
    const mine = register({ session: [index, whole("session")] });
    const selected = [load("length", classOf(planned)), action.resubmit(table.copy)];
    const chosen = isFraction(session) ? [action.resubmit(table.hash)] : selected;
    for (const [edge, selection] of selections) {
      if (!plan.mirrored.has(edge)) edges.add(edge);
      for (const inPort of inPorts(edge)) {
        const specs = selection === "all" ? [{}] : selection.map(specOf);
        for (const spec of specs) add(flow(table.select, 1, { ...spec, [field]: mine, inPort }, chosen, replicateCookie(index, edge)));
        add(flow(table.copy, 1, { [field]: mine, inPort }, [], replicateCookie(index, edge)));
      }
    }
    if (!isFraction(session)) continue;
    const most = stepsOf(session.percent);
    const rules = session.auto === true ? shareRules(shares, plan.bridge, new Set(selections.keys()), inPorts) : [{ spec: {}, steps: most }];
    for (const { spec, steps } of rules) {
      for (const [value, mask] of prefixesBelow(Math.min(most, steps))) {
        add(flow(table.share, 1, { ...spec, [field]: register({ session: [index, whole("session")], hash: [value, mask] }) }, selected, replicateCookie(index, 0)));
      }
    }
  }
  if (plan.sessions.some(({ session }) => isFraction(session))) for (const one of hashing()) add(one);
  for (const edge of edges) {
    for (const inPort of inPorts(edge)) {
      lengths.forEach((maxLen, i) =>
        add(flow(table.copy, 1, { [field]: register({ session: [0, whole("session")], length: [i + 1, whole("length")] }), inPort }, exit(edge, maxLen), replicateCookie(0, edge))),
      );
    }
  }
  return [...byKey.values()];
}

/** A datagram's later fragments have no ports: all its fragments are taken by addresses alone, so that they stay together. */
function hashing(): FlowEntry[] {
  const owner = cookie("replicate");
  const next = action.resubmit(table.share);
  const fragment = { ipFrag: [1, 1] as const };
  return [
    flow(table.hash, 2, { ethType: 0x0800, ...fragment }, [hashesTo("symmetricL3"), next], owner),
    flow(table.hash, 2, { ethType: 0x86dd, ...fragment }, [hashesTo("symmetricL3"), next], owner),
    flow(table.hash, 1, {}, [hashesTo("symmetricL3L4Udp"), next], owner),
  ];
}
