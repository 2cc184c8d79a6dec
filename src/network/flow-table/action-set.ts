/** The action set: what is written into it counts once a kind, and is executed in an order of its own (OpenFlow 1.5.1 section 5.10). */
import type { Action } from "node-openflow";

const early: readonly (readonly Action["type"][])[] = [["popVlan", "stripVlan"], ["popMpls"], ["decap"], ["encap"], ["pushMpls"], ["pushVlan"], ["decNwTtl", "decTtlCntIds"], ["decMplsTtl"], ["decNshTtl"]];
const sets = new Set<Action["type"]>(["setField", "regLoad", "regLoad2", "regMove", "copyField", "setVlanVid", "setVlanPcp", "setDlSrc", "setDlDst", "setNwSrc", "setNwDst", "setNwTos", "setNwEcn", "setTpSrc", "setTpDst", "setNwTtl", "setMplsTtl", "setMplsLabel", "setMplsTc", "setTunnel", "setTunnel64"]);

/** Of those that end a packet's way the first here counts alone. */
const last: readonly Action["type"][] = ["group", "output", "resubmit", "ct"];

/** The actions in the order in which they are executed. A set that leads nowhere does nothing: the packet is dropped. */
export function orderedActionSet(written: readonly Action[]): readonly Action[] {
  const lastOf = (types: readonly Action["type"][]): Action | undefined => written.findLast(({ type }) => types.includes(type));
  const end = last.map((type) => lastOf([type])).find((found) => found !== undefined);
  if (end === undefined) return [];
  const queue = lastOf(["setQueue"]);
  return [...early.flatMap((types) => lastOf(types) ?? []), ...written.filter(({ type }) => sets.has(type)), ...(queue === undefined ? [] : [queue]), end];
}
