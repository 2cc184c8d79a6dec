/** The locks of the in-memory server: RFC 7047 sections 4.1.8 to 4.1.10. `C` is a client. */
import { fault } from "./values.js";

export class Locks<C> {
  /** Who waits for each lock, its holder first. */
  private readonly queues = new Map<string, C[]>();
  private readonly notify: (client: C, method: "locked" | "stolen", lock: string) => void;

  constructor(notify: (client: C, method: "locked" | "stolen", lock: string) => void) {
    this.notify = notify;
  }

  holds(client: C, lock: string): boolean {
    return this.queues.get(lock)?.[0] === client;
  }

  take(client: C, lock: string, isSteal: boolean): { readonly locked: boolean } {
    const queue = this.queues.get(lock) ?? [];
    if (queue.includes(client)) throw fault("syntax error", `must issue "unlock" before new "${isSteal ? "steal" : "lock"}"`);
    const [holder] = queue;
    if (isSteal) queue.unshift(client);
    else queue.push(client);
    this.queues.set(lock, queue);
    if (isSteal && holder !== undefined) this.notify(holder, "stolen", lock);
    return { locked: queue[0] === client };
  }

  release(client: C, lock: string): void {
    const queue = this.queues.get(lock) ?? [];
    const at = queue.indexOf(client);
    if (at < 0) throw fault("syntax error", '"unlock" without "lock" or "steal"');
    queue.splice(at, 1);
    const [next] = queue;
    if (next === undefined) this.queues.delete(lock);
    else if (at === 0) this.notify(next, "locked", lock);
  }

  leave(client: C): void {
    for (const [lock, queue] of [...this.queues]) if (queue.includes(client)) this.release(client, lock);
  }
}
