/** The flows on live bridges that copy what no Mirror row copies. */
import type { FlowEntry } from "../../network/flow-entry.js";
import type { Wiring } from "../desired-shadow.js";
import { ownExit, patchExit, replicationFlows, tunnelExit } from "./flows.js";
import type { BridgePlan } from "./plan.js";
import { firstShares, type Shares } from "./shares.js";

const exits = { each: ownExit, commonPatch: patchExit, commonTunnel: tunnelExit };

export class CopyFlows {
  /** What sessions with `auto` copy. */
  shares: Shares = firstShares;
  private readonly known = new WeakMap<BridgePlan, { readonly shares: Shares | undefined; readonly flows: readonly FlowEntry[] }>();

  /** Of one plan and the same shares the same value, so that nobody compares them again; the wiring follows from the plan and from the start. */
  of(plan: BridgePlan, wiring: Wiring): readonly FlowEntry[] {
    const shares = plan.sessions.some(({ session }) => session.auto) ? this.shares : undefined;
    const known = this.known.get(plan);
    if (known !== undefined && known.shares === shares) return known.flows;
    const flows = replicationFlows(plan, exits[wiring], shares);
    this.known.set(plan, { shares, flows });
    return flows;
  }
}
