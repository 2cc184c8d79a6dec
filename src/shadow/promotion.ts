/**
 * Promotion: the shadow becomes the network, and back. Two rule changes per edge port, in an order that loses nothing.
 *
 * Promote: (1) guards and copies off, while live's rules still drop what arrives from the shadow; (2) adapters let the shadow's
 * output through; (3) live gives it to the edge; (4) edges send to the shadow only. Copies are off before output is let through,
 * so no frame arrives twice; every bridge can receive before the first one sends, so none is lost. Demote: backwards.
 */
import type { FlowEntry } from "../network/flow-entry.js";
import { promotionFlows, type Wiring } from "./desired-shadow.js";
import type { Shadow } from "./shadow.js";

export type PromotionState = "off" | "promoting" | "on" | "demoting";

export interface PromotionStep {
  readonly step: string;
  readonly tookMs: number;
}

export interface PromotionParts {
  readonly shadow: Pick<Shadow, "setMode" | "settle" | "edges" | "wiring" | "isPartial" | "status">;
  /** Converges all live bridges to base + overlays + `flows()`. */
  readonly flushLive: () => Promise<void>;
  readonly nowMs: () => number;
  /** How long the shadows of bridges below level "packets" may take to be completed, in ms. */
  readonly completeMs?: number;
  /** How long a frame already inside the shadow may take to leave it, in ms. */
  readonly drainMs?: number;
}

const lookAgainMs = 10;

export class Promotion {
  private readonly parts: PromotionParts;
  private stage: "isolate" | "return" | "both" = "isolate";
  private current: PromotionState = "off";
  private serial: Promise<unknown> = Promise.resolve();
  /** The rules of each bridge as last made: the same ones, so that nobody compares them again. */
  private readonly known = new Map<string, { readonly edges: readonly number[]; readonly wiring: Wiring; readonly stage: string; readonly flows: readonly FlowEntry[] }>();

  constructor(parts: PromotionParts) {
    this.parts = parts;
  }

  get state(): PromotionState {
    return this.current;
  }

  /**
   * Rules about the replica ports that a live bridge should have now. While nothing is promoted they drop what comes from the
   * shadow: a Mirror row alone does that for frames from a device and for NORMAL, but a frame that comes through a patch port
   * goes straight to the flow tables (seen on OVS 3.1).
   */
  flows(bridge: string): readonly FlowEntry[] {
    const { shadow } = this.parts;
    const edges = shadow.edges(bridge);
    const wiring = shadow.wiring(bridge);
    const known = this.known.get(bridge);
    if (known !== undefined && known.edges === edges && known.wiring === wiring && known.stage === this.stage) return known.flows;
    const flows = promotionFlows(edges, this.stage, wiring);
    this.known.set(bridge, { edges, wiring, stage: this.stage, flows });
    return flows;
  }

  /** The shadow takes over. Resolves with the steps and their times when it carries the traffic; promoting twice is one promotion. */
  promote(): Promise<readonly PromotionStep[]> {
    return this.inTurn(async () => {
      if (this.current === "on") return [];
      this.current = "promoting";
      const steps = new Steps(this.parts.nowMs);
      const { shadow } = this.parts;
      // The levels count no more until the end: what carries the traffic is whole, and stays so.
      if (shadow.isPartial) await steps.run("shadows below level packets are completed", () => this.complete());
      else shadow.setMode({ complete: true });
      await steps.run("guards and copies off", async () => {
        shadow.setMode({ guarded: false });
        await shadow.settle();
        await this.parts.flushLive(); // copies that flows make
      });
      await steps.run("adapters let the shadow's output through", () => {
        shadow.setMode({ promoted: true });
        return shadow.settle();
      });
      await steps.run("live gives it to the edge", () => this.live("return"));
      await steps.run("edges send to the shadow", () => this.live("both"));
      this.current = "on";
      return steps.all;
    });
  }

  /** Live takes back over. */
  demote(): Promise<readonly PromotionStep[]> {
    return this.inTurn(async () => {
      if (this.current === "off") return [];
      this.current = "demoting";
      const steps = new Steps(this.parts.nowMs);
      const { shadow } = this.parts;
      await steps.run("edges send to live", () => this.live("return"));
      await steps.run("frames inside the shadow leave it", () => new Promise((resolve) => setTimeout(resolve, this.parts.drainMs ?? 20)));
      await steps.run("live drops what comes from the shadow", () => this.live("isolate"));
      await steps.run("adapters end the shadow's output", () => {
        shadow.setMode({ promoted: false });
        return shadow.settle();
      });
      await steps.run("guards and copies on", async () => {
        shadow.setMode({ guarded: true, complete: false });
        await shadow.settle();
        await this.parts.flushLive();
      });
      this.current = "off";
      return steps.all;
    });
  }

  /** Rejects, with nothing promoted, when a shadow is not in step in time. */
  private async complete(): Promise<void> {
    const { shadow, nowMs, completeMs = 5_000 } = this.parts;
    shadow.setMode({ complete: true });
    const end = nowMs() + completeMs;
    for (;;) {
      await shadow.settle();
      const behind = shadow.status().find(({ state }) => state !== "in step" && state !== "held");
      if (behind === undefined) return;
      if (nowMs() < end) {
        await new Promise((resolve) => setTimeout(resolve, lookAgainMs));
        continue;
      }
      shadow.setMode({ complete: false });
      this.current = "off";
      throw new Error(`the shadow of ${behind.live} was below level packets and is not in step after ${completeMs} ms: ${behind.state}${behind.why === "" ? "" : `, ${behind.why}`}`);
    }
  }

  private live(stage: "isolate" | "return" | "both"): Promise<void> {
    this.stage = stage;
    return this.parts.flushLive();
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.serial.then(work);
    this.serial = result.catch(() => undefined);
    return result;
  }
}

class Steps {
  readonly all: PromotionStep[] = [];
  private readonly nowMs: () => number;

  constructor(nowMs: () => number) {
    this.nowMs = nowMs;
  }

  async run(step: string, work: () => Promise<void>): Promise<void> {
    const start = this.nowMs();
    await work();
    this.all.push({ step, tookMs: this.nowMs() - start });
  }
}
