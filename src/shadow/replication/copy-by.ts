/** What copies ports of which a session asks for everything: Mirror rows, or flows. docs/replication.md says when which. */
import type { Config } from "../../config/schema.js";
import { entries, uuids, type BridgeRow, type Tables } from "../../network/database-view.js";
import { mark } from "../../network/pipeline.js";

export type CopyBy = "auto" | "mirrors" | "flows";

/** What the configuration says: "auto" where it depends on live's tables. Where we forward, NORMAL gets what nobody knows, and is asked for little. */
export const copyByOf = ({ shadow, forward }: Pick<Config, "shadow" | "forward">): CopyBy => (shadow.copyBy === "auto" && forward.enabled ? "mirrors" : shadow.copyBy);

/** What the rows of a bridge say that a controller before us has chosen: none of our Mirror rows copies a port. False where there are none. */
export function hasBareGuards(tables: Tables, row: BridgeRow | undefined): boolean {
  const ours = (row?.mirrors ?? []).map((uuid) => tables.table("Mirror").get(uuid)).filter((mirror) => entries(mirror, "external_ids").has(mark.role));
  return ours.length > 0 && ours.every((mirror) => uuids(mirror, "select_src_port").length === 0);
}

/**
 * Whether flows copy. `usesNormal`: whether live's flows say NORMAL; undefined while they are not known, and then it stays as a controller
 * before us has made it (`bareGuards`), so that a restart changes nothing.
 */
export function flowsCopy(copyBy: CopyBy, usesNormal: boolean | undefined, bareGuards: boolean): boolean {
  if (copyBy !== "auto") return copyBy === "flows";
  return usesNormal ?? bareGuards;
}
