/** Looks into the shadow that last for a while: a trial's flows, and copies shown on the adapters' LOCAL devices. One trial at a time. */
import type { FlowEntry } from "../network/flow-entry.js";
import type { PortRef } from "../network/model.js";
import { adapterBridge, shadowBridge } from "./names.js";

export interface TrialParts {
  /** Brings the shadow to what it should be now; resolves when it is. */
  readonly apply: () => Promise<void>;
  /** Whether the shadow of a live bridge can be written to. */
  readonly isConnected: (bridge: string) => boolean;
  /** Devices on which copies are shown as they enter the shadow, while tapped. */
  readonly taps: () => string[];
  /** The LOCAL devices show what the shadow would deliver. */
  readonly showSink: boolean;
}

const noFlows: readonly FlowEntry[] = [];

export class Trials {
  /** Copies are shown outside of trials, too: somebody listens there. */
  isAlwaysTapped: boolean;
  private readonly parts: TrialParts;
  private flows: ReadonlyMap<string, readonly FlowEntry[]> | undefined;
  /** The one port whose copies are shown for a sample. */
  private port: PortRef | undefined;

  constructor(parts: TrialParts, isAlwaysTapped: boolean) {
    this.parts = parts;
    this.isAlwaysTapped = isAlwaysTapped;
  }

  /** The trial's flows on the shadow of a live bridge. */
  flowsOf(bridge: string): readonly FlowEntry[] {
    return this.flows?.get(bridge) ?? noFlows;
  }

  /** Whether a trial is made anywhere. */
  get isRunning(): boolean {
    return this.flows !== undefined;
  }

  /** Whether a trial's flows stand on the shadow of a live bridge: then it has everything, whatever its level. */
  isAt(bridge: string): boolean {
    return this.flows?.has(bridge) === true;
  }

  /** Which copies the adapter of a live bridge shows: all, none, or those of one edge port. */
  tapOf(bridge: string): boolean | number {
    return this.flows !== undefined || this.isAlwaysTapped || (this.port?.bridge === bridge ? this.port.ofport : false);
  }

  /**
   * Runs `body` while the shadows also have `flows` (by live bridge) and the adapters show all copies on their LOCAL devices.
   * The flows are gone again when it ends, however it ends. `ingress`: devices on which copies can be seen as they enter the
   * shadow; `matched`: devices to which the trial's flows send what they meet.
   */
  async withTrial<T>(flows: ReadonlyMap<string, readonly FlowEntry[]>, body: (devices: { readonly ingress: readonly string[]; readonly matched: readonly string[] }) => Promise<T>): Promise<T> {
    if (this.flows !== undefined) throw new Error("another trial is running");
    const missing = [...flows.keys()].find((bridge) => !this.parts.isConnected(bridge));
    if (missing !== undefined) throw new Error(`the shadow of ${missing} is not connected`);
    this.flows = flows;
    try {
      await this.parts.apply();
      return await body({ ingress: this.parts.taps(), matched: [...flows.keys()].map(shadowBridge) });
    } finally {
      this.flows = undefined;
      await this.parts.apply();
    }
  }

  /**
   * Runs `body` while the copies of one edge port are shown on its adapter's LOCAL device, whose name it is given. Rejects when the
   * device shows something else: a trial, or what the shadow would deliver.
   */
  async withPortTapped<T>(port: PortRef, body: (device: string) => Promise<T>): Promise<T> {
    if (this.parts.showSink || this.flows !== undefined || this.port !== undefined) throw new Error("the adapters' LOCAL devices show something else");
    this.port = port;
    try {
      await this.parts.apply();
      return await body(adapterBridge(port.bridge));
    } finally {
      this.port = undefined;
      await this.parts.apply();
    }
  }
}
