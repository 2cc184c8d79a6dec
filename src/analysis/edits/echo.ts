/** Our own writes on their way to a switch, remembered until they are seen there. Bounded in number and time. */

interface Expected {
  readonly what: string;
  readonly sentMs: number;
}

/** A switch that has not shown a change by then refused it, or it made no difference. */
const lifeMs = 30_000;
const maxKeys = 200_000;

export class Echo {
  /** Writes forgotten because too many were on their way: their edits will look like somebody else's. */
  forgotten = 0;
  private readonly expected = new Map<string, Expected[]>();

  /** A change is about to be sent. `key`: what it is about; `what`: how it will be seen. */
  expect(key: string, what: string, nowMs: number): void {
    const list = this.expected.get(key) ?? [];
    this.expected.delete(key); // the latest stand last
    list.push({ what, sentMs: nowMs });
    this.expected.set(key, list);
    if (this.expected.size <= maxKeys) return;
    const oldest = this.expected.keys().next();
    if (oldest.done !== true) this.expected.delete(oldest.value);
    this.forgotten++;
  }

  /** Whether this is one of ours; it counts once, with all that were sent before it for the same key. */
  take(key: string, what: string, nowMs: number): boolean {
    const list = this.expected.get(key);
    if (list === undefined) return false;
    const at = list.findIndex((one) => one.what === what && nowMs - one.sentMs <= lifeMs);
    if (at < 0) return false;
    if (at === list.length - 1) this.expected.delete(key);
    else list.splice(0, at + 1);
    return true;
  }

  /** Forgets what was not seen in time. */
  advance(nowMs: number): void {
    for (const [key, list] of this.expected) {
      const last = list.at(-1);
      if (last === undefined || nowMs - last.sentMs > lifeMs) this.expected.delete(key);
    }
  }
}
