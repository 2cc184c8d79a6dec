/**
 * The account of one edge port's copies: every packet that came in ends in one of the columns. Pure; it is given counter
 * readings and says what they mean. It goes by what was asked for: packets that no session asks for are not asked, never lost.
 *
 * The switch counts a packet into the shadow a little later than into the live port (see `Reading.lagMs`). So the shortfall of one
 * reading says nothing yet; what stays short over `settleMs`, by more than that lag explains, is lost. While copying was off or shed it is off or shed instead.
 */

/** What was asked for the port's copies when a reading was taken. */
export type CopyMode = "on" | "off" | "shed";

/** What sessions ask for of a port whose packets the switch selects one by one; counters of the flows that select. */
export interface AskedPart {
  /** Packets that at least one session selected, each counted once. */
  readonly selected: bigint;
  /** Packets that a session asked for and whose connection was not in the fraction. With several such sessions one packet may count more than once. */
  readonly notChosen: bigint;
  /** How long the counters have been there, in s: younger than before means that they began anew. */
  readonly ageS: number;
}
export type Asked = "all" | "nothing" | AskedPart;

/** One reading of the counters of a port, all taken at one moment. A counter that could not be read is undefined. */
export interface Reading {
  readonly tMs: number;
  /** Packets the live port received, as the switch counts them. */
  readonly received: bigint | undefined;
  /** Packets that came into the shadow for this port. */
  readonly copied: bigint | undefined;
  /** Packets the live switch dropped at reception, before any copy could be made. */
  readonly receiveDrops: bigint | undefined;
  /** By how much `copied` may be older than `received`, in ms. */
  readonly lagMs: number;
  readonly mode: CopyMode;
  /** What is asked of the port; undefined: all. While copying is off nobody selects: whoever asks for anything of the port is told of all that came. */
  readonly asked?: Asked | undefined;
}

/**
 * Totals since the account was opened, in packets: received = notAsked + notChosen + selected, and
 * selected = copied + lost + off + shed + unknown + underway - surplus.
 */
export interface PortAccount {
  /** Came in by the live port. */
  readonly received: number;
  /** No session asked for them; also what was not copied in the second in which the sessions changed. */
  readonly notAsked: number;
  /** A session asked for them, and their connections were not in its fraction. */
  readonly notChosen: number;
  /** Were to be copied. */
  readonly selected: number;
  readonly copied: number;
  /** Should have been copied, and was not. */
  readonly lost: number;
  /** Not copied, because copying was switched off. */
  readonly off: number;
  /** Not copied, because the budget shed the copy. */
  readonly shed: number;
  /** Came in, and not judged yet; below 0 when copies were counted first. */
  readonly underway: number;
  /** More copies than packets: duplicated on the way. */
  readonly surplus: number;
  /** Packets the live switch dropped at reception; they are not among the received. */
  readonly receiveDrops: number;
  /** Times a counter began anew (a restarted switch, a port made again, a bridge away, flows that select put back). */
  readonly resets: number;
  /** Packets not judged yet when a counter began anew: nobody counted their fate. */
  readonly unknown: number;
  /** Share of the packets to be copied that were: copied / (copied + lost); 1 when there were none. */
  readonly ratio: number;
}

type Excuse = "off" | "shed" | "notAsked";

interface Shortfall {
  readonly tMs: number;
  /** Missing packets that the lag of the counters can't explain, and all of them. */
  readonly atLeast: number;
  readonly atMost: number;
}

/** Shortfalls that are looked at, at most: one a reading. */
const maxWindow = 64;
/** One reading proves nothing, however much time lies between. */
const minWindow = 3;
/** How long copies may belong to packets from before the account was opened, in settle times. */
const doubtfulSettles = 3;

export class PortAccounts {
  private readonly settleMs: number;
  private last: Reading | undefined;
  private window: Shortfall[] = [];
  /** Packets asked for minus copies, over everything. */
  private short = 0;
  /** Packets of the last reading that came in and that no flow had counted, where flows select. */
  private ahead = 0;
  /** Packets of the last excused reading whose copies may still be counted. */
  private doubt: { readonly column: Excuse | "before"; packets: number; readonly untilMs: number } | undefined;
  /** The next interval is the first one: copies of packets from before it may be counted in it. */
  private isOpening = true;
  private readonly totals = { received: 0, notAsked: 0, notChosen: 0, copied: 0, lost: 0, off: 0, shed: 0, surplus: 0, receiveDrops: 0, resets: 0, unknown: 0 };

  /** `settleMs`: how long packets must stay missing to be lost. */
  constructor(settleMs: number) {
    this.settleMs = settleMs;
  }

  /** Takes a reading in. Readings come in the order of their time. */
  take(reading: Reading): void {
    const before = this.last;
    if (reading.received === undefined || reading.copied === undefined) {
      if (before !== undefined) this.beginAnew();
      this.last = undefined;
      this.isOpening = true;
      return;
    }
    this.last = reading;
    if (before?.received === undefined || before.copied === undefined) return;
    const [now, then] = [reading.asked ?? "all", before.asked ?? "all"];
    if (reading.received < before.received || reading.copied < before.copied || isYounger(now, then)) {
      this.beginAnew();
      return;
    }
    this.totals.receiveDrops += Math.max(0, Number((reading.receiveDrops ?? 0n) - (before.receiveDrops ?? 0n)));
    this.count(before, reading, Number(reading.received - before.received), Number(reading.copied - before.copied));
  }

  /** What came in and was copied between two readings. */
  private count(before: Reading, reading: Reading, came: number, copies: number): void {
    const { totals } = this;
    const [now, then] = [reading.asked ?? "all", before.asked ?? "all"];
    totals.received += came;
    totals.copied += copies;
    // A reading at either end of which copying was not on explains what is missing between them; so does one in which the sessions changed.
    const mode = reading.mode === "on" ? before.mode : reading.mode;
    const isSameKind = kindOf(now) === kindOf(then);
    const lagOf = (packets: number): number => Math.min(packets, Math.ceil((packets * Math.max(reading.lagMs, before.lagMs)) / Math.max(1, reading.tMs - before.tMs)));
    const asked = askedBetween(then, now, came);
    if (this.isOpening) this.doubt = { column: "before", packets: lagOf(asked), untilMs: reading.tMs + doubtfulSettles * this.settleMs };
    this.isOpening = false;
    const wasAhead = this.ahead;
    this.ahead = 0;
    if (now === "nothing" && then === "nothing") {
      // Copies that come all the same are more than was asked for.
      totals.notAsked += came;
      this.short -= copies;
    } else if (mode !== "on") this.excuse(mode, came - copies, lagOf(came));
    else if (!isSameKind) this.excuse("notAsked", came - copies, lagOf(came));
    else if (typeof now === "object" && typeof then === "object") this.countPart(then, now, came, copies, wasAhead);
    else this.short += came - copies;
    this.judge(reading.tMs, lagOf(isSameKind && now !== "nothing" ? asked : came));
  }

  /** Where the switch selects packets one by one. `wasAhead`: see `ahead`, of the last reading. */
  private countPart(then: AskedPart, now: AskedPart, came: number, copies: number, wasAhead: number): void {
    const { totals } = this;
    const selected = Number(now.selected - then.selected);
    // What the port had counted at the last reading and the flows had not is among the flows' packets of this one.
    const notChosen = Math.max(0, Math.min(came - selected + wasAhead, Number(now.notChosen - then.notChosen)));
    totals.notChosen += notChosen;
    this.ahead = Math.max(0, Math.min(came, came - selected + wasAhead - notChosen));
    // Below 0 for a moment when the port's counter was read before the flow's; it evens out with the next reading.
    totals.notAsked += came - selected - notChosen;
    this.short += selected - copies;
  }

  /** As in the account. */
  get copied(): number {
    return this.totals.copied;
  }

  /** As in the account. */
  get receiveDrops(): number {
    return this.totals.receiveDrops;
  }

  /** The account as it stands. */
  get account(): PortAccount {
    const { totals } = this;
    const { received, notAsked, notChosen, copied, lost, surplus } = totals;
    return { ...totals, selected: received - notAsked - notChosen, underway: this.short - lost + surplus, ratio: copied + lost === 0 ? 1 : copied / (copied + lost) };
  }

  /** Missing packets with a reason, and those that were underway before. Up to `inLag` of them may have copies that are counted later. */
  private excuse(column: Excuse, missing: number, inLag: number): void {
    const { totals } = this;
    const settled = totals.lost - totals.surplus;
    const excused = Math.max(0, totals[column] + missing + this.short - settled);
    this.short += totals[column] + missing - excused;
    totals[column] = excused;
    this.doubt = { column, packets: inLag, untilMs: Infinity };
    this.window = [];
  }

  /**
   * More copies than packets to be copied, soon after copying or the account began: they belong to packets that seemed not to be copied,
   * or that came before.
   */
  private payBack(nowMs: number): void {
    const { doubt, totals } = this;
    if (doubt === undefined || nowMs > doubt.untilMs) return;
    const most = Math.max(...this.window.map(({ atMost }) => atMost));
    const column = doubt.column === "before" ? "copied" : doubt.column;
    const pay = Math.min(-most, doubt.packets, totals[column]);
    if (pay <= 0) return;
    totals[column] -= pay;
    doubt.packets -= pay;
    this.short += pay;
    this.window = this.window.map(({ tMs, atLeast, atMost }) => ({ tMs, atLeast: atLeast + pay, atMost: atMost + pay }));
  }

  private judge(nowMs: number, inLag: number): void {
    this.window.push({ tMs: nowMs, atLeast: this.short - inLag, atMost: this.short });
    while (this.window.length > maxWindow || (this.window.length > minWindow && nowMs - (this.window[1]?.tMs ?? nowMs) >= this.settleMs)) this.window.shift();
    const [oldest] = this.window;
    if (oldest === undefined || this.window.length < minWindow || nowMs - oldest.tMs < this.settleMs) return;
    this.payBack(nowMs);
    const atLeast = Math.max(0, Math.min(...this.window.map((one) => one.atLeast)));
    const atMost = Math.max(0, Math.min(...this.window.map((one) => one.atMost)));
    // What is proven stays so when a slow reading proves less; once more is lost than was told, as many are as were missing all the time.
    this.totals.lost = Math.min(atLeast > this.totals.lost ? atMost : this.totals.lost, atMost);
    this.totals.surplus = Math.max(0, -Math.max(...this.window.map(({ atMost }) => atMost)));
  }

  private beginAnew(): void {
    const { totals } = this;
    totals.resets++;
    totals.unknown += this.short - totals.lost + totals.surplus;
    this.short = totals.lost - totals.surplus;
    this.window = [];
  }
}

/** How many of the packets that came between two readings were asked for. */
function askedBetween(then: Asked, now: Asked, came: number): number {
  if (now === "nothing" || then === "nothing") return 0;
  return typeof now === "object" && typeof then === "object" ? Math.max(0, Number(now.selected - then.selected)) : came;
}

const kindOf = (asked: Asked): string => (typeof asked === "object" ? "part" : asked);

/** Whether the counters of what is asked began anew between two readings. */
function isYounger(now: Asked, then: Asked): boolean {
  return typeof now === "object" && typeof then === "object" && (now.ageS < then.ageS || now.selected < then.selected || now.notChosen < then.notChosen);
}
