/**
 * Live bridges on which flows copy what Mirror rows could, too: a port that a Mirror row names takes all addresses along, when it goes, that
 * NORMAL has learned on its bridge (docs/pipeline.md).
 */
import type { BridgeIndex } from "../network/bridge-index.js";
import type { Tables } from "../network/database-view.js";
import { flowsCopy, hasBareGuards, type CopyBy } from "./replication/copy-by.js";
import type { ShadowSessions } from "./sessions.js";

export interface ByFlowsParts {
  readonly sessions: Pick<ShadowSessions, "followers">;
  readonly tables: Tables;
  readonly index: BridgeIndex;
  readonly copyBy: CopyBy;
  /** The copies of a bridge are made the other way from now on. */
  readonly changed: () => void;
}

export class ByFlows {
  private readonly parts: ByFlowsParts;
  private readonly chosen = new Set<string>();

  constructor(parts: ByFlowsParts) {
    this.parts = parts;
  }

  /** As of the last look: the rows are planned by it. */
  has(bridge: string): boolean {
    return this.chosen.has(bridge);
  }

  /** What live's flows, or before they are known the rows of a controller before us, ask for now. */
  asked(bridge: string): boolean {
    const { sessions, tables, index, copyBy } = this.parts;
    const follower = sessions.followers.get(bridge);
    return flowsCopy(copyBy, follower?.known === true ? follower.usesNormal() : undefined, hasBareGuards(tables, index.bridge(bridge)));
  }

  /** Looks at all of these live bridges; others are forgotten. */
  lookAtAll(live: ReadonlySet<string>): void {
    for (const bridge of this.chosen) if (!live.has(bridge)) this.chosen.delete(bridge);
    for (const bridge of live) this.look(bridge);
  }

  look(bridge: string): void {
    const isByFlows = this.asked(bridge);
    if (isByFlows === this.chosen.has(bridge)) return;
    if (isByFlows) this.chosen.add(bridge);
    else this.chosen.delete(bridge);
    this.parts.changed();
  }
}
