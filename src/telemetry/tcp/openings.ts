/** Which connections were opened: each is told once, when its handshake is done. Pure but for what it has told. */
import type { Opened } from "./protocol.js";
import type { ConnectionSecond } from "./second.js";

/** Told in one second at most; more is counted. Openings without an answer, as of a flood, are never told. */
export const maxOpened = 2_000;
/** A handshake that takes longer is told no more. */
const maxHandshakeMs = 5_000;

export class Openings {
  /** By name, when it opened: those told within the last `maxHandshakeMs`. */
  private readonly told = new Map<string, number>();

  /** `connections`: all that were heard of in the second that began at `startMs`. */
  second(connections: readonly ConnectionSecond[], startMs: number): { readonly connections: Opened[]; readonly leftOut: number } {
    for (const [name, openedMs] of this.told) if (openedMs < startMs - maxHandshakeMs) this.told.delete(name);
    const opened: Opened[] = [];
    let leftOut = 0;
    for (const { name, firstMs, handshake, client, server } of connections) {
      // Over two pipes the parts of a handshake may come in any order: a SYN of either side (its MSS) and data of the client will do, too.
      const isAnswered = handshake === "done" || ((client.mss ?? server.mss) !== undefined && client.appBytes > 0);
      if (!isAnswered || firstMs < startMs - maxHandshakeMs || this.told.get(name) === firstMs) continue;
      if (opened.length >= maxOpened) leftOut++;
      else opened.push({ tMs: Math.round(firstMs), client: client.address, clientPort: client.port, server: server.address, port: server.port });
      this.told.set(name, firstMs);
    }
    return { connections: opened.sort((x, y) => x.tMs - y.tMs), leftOut };
  }
}
