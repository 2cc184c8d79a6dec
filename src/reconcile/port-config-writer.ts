/**
 * Brings configuration bits of our ports to what they should be, those of a shadow bridge or some on a live one: the only code that
 * sends port-mods.
 *
 * It dials the bridge when there is something to find out or to write, and hangs up: nearly all bridges have no bits set, and
 * the version of OpenFlow that has all of them is not the one that everything else is said in.
 */
import { portMod, type PortDesc } from "node-openflow";
import type { Dial } from "../network/bridge-session.js";
import { followedBits, portConfigs, samePortConfigs, type PortConfigs } from "../network/port-config.js";

export interface PortConfigCounters {
  portMods: number;
  /** Port-mods that the switch refused. */
  refused: number;
  /** Ports whose bits were found to be others than we had set. */
  repaired: number;
}

const none: PortConfigs = new Map();
/** A bridge that should have no bits is looked at this often at most. */
const emptyAuditMs = 60_000;

/** Which bits are ours to set: these, of all ports of the bridge or of those alone that something is desired of. */
export interface PortConfigScope {
  readonly bits: number;
  readonly ports: "all" | "desired";
}
const whole: PortConfigScope = { bits: followedBits, ports: "all" };

export class PortConfigWriter {
  readonly counters: PortConfigCounters = { portMods: 0, refused: 0, repaired: 0 };
  private readonly dial: Dial;
  private readonly nowMs: () => number;
  private readonly scope: PortConfigScope;
  private readonly abort = new AbortController();
  private desired: PortConfigs | undefined;
  /** What the ports have as far as we know; undefined: they must be read. */
  private actual: PortConfigs | undefined;
  private readMs = -Infinity;
  private running: Promise<void> | undefined;

  constructor(dial: Dial, nowMs: () => number, scope = whole) {
    this.dial = dial;
    this.nowMs = nowMs;
    this.scope = scope;
  }

  setDesired(desired: PortConfigs): void {
    this.desired = desired;
  }

  /** The bridge or one of its ports was made anew: its bits are gone. */
  doubt(): void {
    this.actual = undefined;
  }

  /** Ports whose bits are not yet, or not known to be, those desired. */
  pending(): number[] {
    const { desired, actual = none } = this;
    if (desired === undefined) return [];
    return [...new Set([...desired.keys(), ...actual.keys()])].filter((port) => desired.get(port) !== actual.get(port));
  }

  /** When the bits were last read; undefined: never yet. */
  get auditedMs(): number | undefined {
    return this.readMs === -Infinity ? undefined : this.readMs;
  }

  get dirty(): boolean {
    return this.desired !== undefined && (this.actual === undefined || !samePortConfigs(this.desired, this.actual));
  }

  /** Resolves when the ports that are there have what was last desired. Rejects when the bridge can't be reached. */
  async flush(): Promise<void> {
    // What was set while a pass ran is the next one's.
    await this.running?.catch(() => undefined);
    if (!this.dirty) return;
    await (this.running ??= this.pass().finally(() => (this.running = undefined)));
  }

  /** Reads the bits, and mends them. Returns at how many ports they were others. */
  async audit(): Promise<number> {
    if (this.desired === undefined || (this.desired.size === 0 && this.nowMs() - this.readMs < emptyAuditMs)) return 0;
    await this.flush();
    const before = this.counters.portMods;
    this.doubt();
    await this.flush();
    const repaired = this.counters.portMods - before;
    this.counters.repaired += repaired;
    return repaired;
  }

  close(): void {
    this.abort.abort();
  }

  private async pass(): Promise<void> {
    const connection = await this.dial(this.abort.signal);
    try {
      const desired = this.desired ?? none;
      const read = async (): Promise<PortDesc[]> => (await connection.portDescs()).filter(({ portNo }) => this.scope.ports === "all" || desired.has(portNo));
      const ports = await read();
      this.readMs = this.nowMs();
      const mods = ports.flatMap((port) => mod(port, desired.get(port.portNo) ?? 0, this.scope.bits));
      const errors = mods.length === 0 ? [] : await connection.apply(mods);
      this.counters.portMods += mods.length - errors.length;
      this.counters.refused += errors.length;
      // Of ports that are not there nothing can be set: when they come, the bridge's rows have changed.
      const there = new Set(ports.map(({ portNo }) => portNo));
      const missing = [...desired].filter(([port]) => !there.has(port));
      const after = errors.length === 0 ? [...desired].filter(([port]) => there.has(port)) : portConfigs((await read()).map(({ portNo, config }) => ({ portNo, config: config & this.scope.bits })));
      this.actual = new Map([...after, ...missing]);
    } finally {
      await connection.close();
    }
  }
}

/** The port-mod that gives a port these bits and leaves whether it is down; none when it has them. */
function mod(port: Pick<PortDesc, "portNo" | "hwAddr" | "config">, bits: number, mask: number): ReturnType<typeof portMod>[] {
  if ((port.config & mask) === bits) return [];
  return [portMod({ portNo: port.portNo, hwAddr: port.hwAddr, config: bits, mask })];
}
