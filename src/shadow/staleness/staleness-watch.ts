/**
 * How current every object of the shadow is, against a target: since when it is behind live, when it was last proved equal, and how much of
 * the time the target was kept. Looked at once a second, a large network less often; told as events when an object breaks its target and when it keeps it again.
 * docs/staleness.md says what counts.
 */
import type { ObservationSink } from "../../base/observation.js";
import { KeptShare, type Shares } from "./kept-share.js";

export type ObjectKind = "bridge" | "port" | "table" | "groups" | "meters";

/** One object as it is now. Times are monotonic. */
export interface ObjectState {
  readonly kind: ObjectKind;
  /** bridge, groups, meters: the live bridge; port: "bridge:ofport"; table: "bridge/number". */
  readonly name: string;
  readonly bridge: string;
  /** Why it is not as live is; undefined while it is. */
  readonly why: string | undefined;
  /** When live changed, where that was seen; else the look that finds it behind says so. */
  readonly changedMs: number | undefined;
  /** When both sides were last read and compared; undefined: never yet. */
  readonly provedMs: number | undefined;
  /** It is not to follow at the moment (held, promoted): behind or not, the target is kept. */
  readonly excused: boolean;
}

export interface StalenessTarget {
  /** The longest that an object may be behind live, in ms … */
  readonly behindMs: number;
  /** … within so long after its bridge was first seen: all of a bridge is made then … */
  readonly firstMs: number;
  /** … and the longest without a proof. */
  readonly provedMs: number;
  /** The least share of time in which objects are to keep these. */
  readonly objective: number;
}

export interface ObjectStaleness {
  readonly kind: ObjectKind;
  readonly name: string;
  readonly bridge: string;
  /** 0 while it is as live is. */
  readonly behindMs: number;
  /** Since it was last proved; undefined: never yet. */
  readonly provedMs: number | undefined;
  readonly why: string;
  readonly kept: boolean;
  readonly excused: boolean;
  readonly shares: Shares;
}

export interface StalenessParts {
  readonly states: () => Iterable<ObjectState>;
  readonly target: StalenessTarget;
  readonly sink: ObservationSink;
  readonly nowMs: () => number;
  readonly epochMs: () => number;
  /** Objects kept at most; those beyond are counted. */
  readonly maxObjects?: number;
}

interface Known {
  state: ObjectState;
  readonly firstMs: number;
  behindSinceMs: number | undefined;
  brokenSinceMs: number | undefined;
  readonly share: KeptShare;
  seen: number;
}

const lookEveryMs = 1_000;
/** A look at a large network takes milliseconds: the next one waits so many times as long, up to `lookLatestMs`. */
const restPerLook = 1_000;
const lookLatestMs = 10_000;
const windowMs = 10_000;
/** Of one bridge more objects than this that break, or keep again, in one look are told in one event. */
const toldApart = 8;
const namesTold = 16;

export const stalenessUnits: Readonly<Record<string, string>> = { "bridge staleness.behindMs": "ms", "bridge staleness.provedMs": "ms", "bridge staleness.brokenObjects": "objects" };

export class StalenessWatch {
  readonly target: StalenessTarget;
  /** Objects that found no place. */
  leftOut = 0;
  private readonly parts: StalenessParts;
  private readonly known = new Map<string, Known>();
  /** When each bridge was first seen, and in which look last. */
  private readonly bridges = new Map<string, { readonly firstMs: number; seen: number }>();
  private readonly maxObjects: number;
  private timer: NodeJS.Timeout | undefined;
  private looks = 0;
  private windowFromMs: number | undefined;
  /** The worst of each bridge in the running window. */
  private worst = new Map<string, { behindMs: number; provedMs: number; broken: number }>();

  constructor(parts: StalenessParts) {
    this.parts = parts;
    this.target = parts.target;
    this.maxObjects = parts.maxObjects ?? 200_000;
  }

  start(): void {
    this.lookIn(lookEveryMs);
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  private lookIn(ms: number): void {
    this.timer = setTimeout(() => {
      const startMs = this.parts.nowMs();
      this.look();
      this.lookIn(Math.min(lookLatestMs, Math.max(lookEveryMs, restPerLook * (this.parts.nowMs() - startMs))));
    }, ms);
    this.timer.unref();
  }

  /** Looks at all objects once. */
  look(): void {
    const now = this.parts.nowMs();
    this.looks++;
    this.leftOut = 0;
    const brokenAt = new Map<string, number>();
    const broken: Known[] = [];
    const mended: { readonly known: Known; readonly forMs: number }[] = [];
    for (const state of this.parts.states()) {
      const known = this.take(state, now);
      if (known === undefined) continue;
      const isKept = this.isKept(known, now);
      known.share.take(now, isKept);
      if (!isKept && known.brokenSinceMs === undefined) {
        known.brokenSinceMs = now;
        broken.push(known);
      } else if (isKept && known.brokenSinceMs !== undefined) {
        mended.push({ known, forMs: now - known.brokenSinceMs });
        known.brokenSinceMs = undefined;
      }
      if (!isKept) brokenAt.set(state.bridge, (brokenAt.get(state.bridge) ?? 0) + 1);
      this.weigh(known, now);
    }
    for (const [bridge, count] of brokenAt) {
      const worst = this.worst.get(bridge);
      if (worst !== undefined) worst.broken = Math.max(worst.broken, count);
    }
    for (const [key, { seen }] of this.known) if (seen !== this.looks) this.known.delete(key);
    for (const [name, { seen }] of this.bridges) if (seen !== this.looks) this.bridges.delete(name);
    this.tell(broken, mended, now);
    this.windowFromMs ??= now;
    if (now - this.windowFromMs < windowMs) return;
    this.windowFromMs = now;
    this.observe();
  }

  /** All objects as of the last look, by bridge and name; with `bridge`, its own alone. */
  list(bridge?: string): ObjectStaleness[] {
    const now = this.parts.nowMs();
    const all = [...this.known.values()].filter(({ state }) => bridge === undefined || state.bridge === bridge);
    return all.map((known) => this.statusOf(known, now));
  }

  /** What an operator should know is wrong, in words; at most a few lines. */
  problems(): string[] {
    const now = this.parts.nowMs();
    const broken = [...this.known.values()].filter((known) => !this.isKept(known, now));
    const lines = broken.slice(0, 3).map((known) => `the shadow is not current: ${known.state.kind} ${known.state.name}: ${this.reason(known, now)}`);
    if (broken.length > lines.length) lines.push(`the shadow is not current: ${broken.length - lines.length} more objects (ovs-shadowctl shadow staleness)`);
    return lines;
  }

  private take(state: ObjectState, now: number): Known | undefined {
    const key = `${state.kind} ${state.name}`;
    let known = this.known.get(key);
    if (known === undefined) {
      if (this.known.size >= this.maxObjects) {
        this.leftOut++;
        return undefined;
      }
      this.known.set(key, (known = { state, firstMs: now, behindSinceMs: undefined, brokenSinceMs: undefined, share: new KeptShare(now), seen: 0 }));
    }
    known.state = state;
    known.seen = this.looks;
    const bridge = this.bridges.get(state.bridge);
    if (bridge === undefined) this.bridges.set(state.bridge, { firstMs: now, seen: this.looks });
    else bridge.seen = this.looks;
    if (state.why === undefined) known.behindSinceMs = undefined;
    else known.behindSinceMs = Math.min(known.behindSinceMs ?? now, state.changedMs ?? now);
    return known;
  }

  private behindMs({ behindSinceMs }: Known, now: number): number {
    return behindSinceMs === undefined ? 0 : Math.max(0, now - behindSinceMs);
  }

  private isKept(known: Known, now: number): boolean {
    return known.state.excused || this.reason(known, now) === undefined;
  }

  /** Why the target is broken; undefined while it is kept. */
  private reason(known: Known, now: number): string | undefined {
    const { target } = this;
    const behindMs = this.behindMs(known, now);
    const isNew = now - (this.bridges.get(known.state.bridge)?.firstMs ?? now) < target.firstMs;
    if (behindMs > target.behindMs && !isNew) return `${(behindMs / 1_000).toFixed(1)} s behind live: ${known.state.why ?? ""}`;
    const unprovedMs = now - (known.state.provedMs ?? known.firstMs);
    if (unprovedMs > target.provedMs) return `not proved equal for ${(unprovedMs / 1_000).toFixed(0)} s`;
    return undefined;
  }

  private statusOf(known: Known, now: number): ObjectStaleness {
    const { kind, name, bridge, why, excused, provedMs } = known.state;
    const isKept = this.isKept(known, now);
    return {
      kind, name, bridge, excused,
      behindMs: this.behindMs(known, now),
      provedMs: provedMs === undefined ? undefined : Math.max(0, now - provedMs),
      why: (isKept ? undefined : this.reason(known, now)) ?? why ?? "",
      kept: isKept,
      shares: known.share.shares(),
    };
  }

  private weigh(known: Known, now: number): void {
    const { bridge, provedMs } = known.state;
    const worst = this.worst.get(bridge) ?? { behindMs: 0, provedMs: 0, broken: 0 };
    worst.behindMs = Math.max(worst.behindMs, this.behindMs(known, now));
    worst.provedMs = Math.max(worst.provedMs, now - (provedMs ?? known.firstMs));
    this.worst.set(bridge, worst);
  }

  private tell(broken: readonly Known[], mended: readonly { readonly known: Known; readonly forMs: number }[], now: number): void {
    const { behindMs, provedMs } = this.target;
    this.tellApart(broken.map((known) => ({ known, detail: { why: this.reason(known, now) ?? "", targetMs: behindMs, provedTargetMs: provedMs } })), "not current");
    this.tellApart(mended.map(({ known, forMs }) => ({ known, detail: { forMs: Math.round(forMs) } })), "current again");
  }

  private tellApart(items: readonly { readonly known: Known; readonly detail: Readonly<Record<string, unknown>> }[], what: string): void {
    const byBridge = new Map<string, (typeof items)[number][]>();
    for (const item of items) byBridge.set(item.known.state.bridge, [...(byBridge.get(item.known.state.bridge) ?? []), item]);
    for (const [bridge, list] of byBridge) {
      if (list.length <= toldApart) for (const { known, detail } of list) this.alert(`${known.state.kind} ${known.state.name}`, { what, ...detail });
      else this.alert(`bridge ${bridge}`, { what, objects: list.length, names: list.slice(0, namesTold).map(({ known }) => `${known.state.kind} ${known.state.name}`), ...list[0]?.detail });
    }
  }

  private alert(subject: string, detail: Readonly<Record<string, unknown>>): void {
    this.parts.sink.happened({ tMs: this.parts.epochMs(), kind: "alert", side: "shadow", subject, detail });
  }

  private observe(): void {
    const tMs = Math.round(this.parts.epochMs() - windowMs);
    for (const [bridge, { behindMs, provedMs, broken }] of this.worst) {
      this.parts.sink.observe({ tMs, windowMs, side: "shadow", subject: { kind: "bridge", name: bridge }, values: { "staleness.behindMs": behindMs, "staleness.provedMs": provedMs, "staleness.brokenObjects": broken } });
    }
    this.worst = new Map();
  }
}
