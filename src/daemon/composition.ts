/** What a bridge should have of ours: forwarding, the changes in force, the rules about replica ports, and what copies. */
import { AttachFlows, desiredForwarding } from "../forward/forwarding.js";
import type { Discovery } from "../network/discovery.js";
import type { FlowEntry } from "../network/flow-entry.js";
import type { Network } from "../network/model.js";
import type { SwitchState } from "../reconcile/switch-writer.js";
import type { Promotion } from "../shadow/promotion.js";
import type { Shadow } from "../shadow/shadow.js";

/** Flows of changes in force on a bridge at this moment, each with its remaining time. */
export type Overlays = (bridge: string) => readonly FlowEntry[];

export interface CompositionParts {
  readonly discovery: Pick<Discovery, "current" | "settled" | "inherited">;
  readonly shadow: Pick<Shadow, "replication" | "copyFlows">;
  readonly promotion: Pick<Promotion, "flows">;
  /** Whether we forward, and whether there is a shadow. */
  readonly forwards: boolean;
  readonly hasShadow: boolean;
}

/** What a live bridge's state is put together of, besides overlays. */
interface LiveBridgeParts {
  readonly base: SwitchState;
  readonly promotion: readonly FlowEntry[];
  readonly copies: readonly FlowEntry[];
}

export class Composition {
  overlays: Overlays = () => [];
  private readonly parts: () => CompositionParts;
  private readonly bases = new WeakMap<Network, ReadonlyMap<string, SwitchState>>();
  private readonly attachings = new WeakMap<Network, ReadonlyMap<string, SwitchState>>();
  private readonly listening = new AttachFlows(() => !this.parts().forwards);
  /** What each live bridge should have, as last put together of the same parts. */
  private readonly composed = new Map<string, { readonly parts: LiveBridgeParts; readonly state: SwitchState }>();

  /** `parts` are asked for when they are needed: they need this one themselves. */
  constructor(parts: () => CompositionParts) {
    this.parts = parts;
  }

  /** Forwarding and overlays for any network, live or the shadow's. */
  of(network: Network): Map<string, SwitchState> {
    return new Map(
      [...this.base(network)].map(([bridge, state]) => {
        const overlays = this.overlays(bridge);
        return [bridge, overlays.length === 0 ? state : { flows: [...state.flows, ...overlays], groups: state.groups }];
      }),
    );
  }

  /** All of ours on a live bridge; undefined: leave it as it is for the moment. */
  live(bridge: string): SwitchState | undefined {
    const { discovery, shadow, promotion, hasShadow } = this.parts();
    const network = discovery.current;
    if (!network.bridges.has(bridge)) return undefined;
    if (!discovery.settled) {
      // What a controller before us left works; before we know the network we only add what lets us listen.
      return discovery.inherited(bridge) ? undefined : this.attaching(network).get(bridge);
    }
    // What copies, and the rules about replica ports, are known once the shadow has been planned: till then they stay.
    if (hasShadow && !shadow.replication.bridges.has(bridge) && discovery.inherited(bridge)) return undefined;
    const base = this.base(network).get(bridge);
    if (base === undefined) return undefined;
    const parts: LiveBridgeParts = { base, promotion: promotion.flows(bridge), copies: shadow.copyFlows(bridge) };
    const overlays = this.overlays(bridge);
    const known = this.composed.get(bridge);
    // Overlays have their remaining seconds in them, and are others each time.
    if (known !== undefined && overlays.length === 0 && known.parts.base === base && known.parts.promotion === parts.promotion && known.parts.copies === parts.copies) return known.state;
    const state = { flows: [...base.flows, ...overlays, ...parts.promotion, ...parts.copies], groups: base.groups };
    if (overlays.length === 0) this.composed.set(bridge, { parts, state });
    else this.composed.delete(bridge);
    return state;
  }

  /** Forwarding of a network, made once for each. */
  private base(network: Network): ReadonlyMap<string, SwitchState> {
    let base = this.bases.get(network);
    if (base === undefined) this.bases.set(network, (base = this.parts().forwards ? desiredForwarding(network) : this.attaching(network)));
    return base;
  }

  /** What lets us listen, made once for each network. */
  private attaching(network: Network): ReadonlyMap<string, SwitchState> {
    let flows = this.attachings.get(network);
    if (flows === undefined) this.attachings.set(network, (flows = this.listening.of(network)));
    return flows;
  }
}
