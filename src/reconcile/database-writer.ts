/**
 * Brings an Open_vSwitch database to a desired state: the only code that writes to one.
 *
 * Every transaction makes vswitchd run its whole configuration and pauses forwarding, so a pass is one, and a large pass a few,
 * whose size follows how long the last ones took. Each raises next_cfg and waits for cur_cfg, so that a resolved flush means
 * vswitchd has done it.
 */
import type { Committed, NamedUuid, Operation, OperationResult, OvsdbClient, Replica, Row, Transaction } from "ovsdb-client";
import { BridgeIndex } from "../network/bridge-index.js";
import { integer, rootUuid, type BridgeRow, type Tables } from "../network/database-view.js";
import { mark } from "../network/pipeline.js";
import { batches, BatchSize, weight } from "./database-batches.js";
import { goingPorts, type Going } from "./forget-addresses.js";
import { bridgeSettings, DatabaseDiff, type DatabaseChange, type DesiredBridge, type DesiredDatabase, type DesiredPort, type DesiredSflow } from "./database-state.js";
import { removedRows, WrittenLog, writtenRows } from "./written-rows.js";

export interface DatabaseWriterCounters {
  transactions: number;
  changes: number;
  /** Passes whose transaction the server refused. */
  refused: number;
  /** Rows inserted, deleted or updated. */
  rows: number;
  /** The longest transaction with ovs-vswitchd's work for it, in ms. */
  longestMs: number;
  /** The latest one. */
  lastMs: number;
  /** Sent to the server for it. */
  bytes: number;
}

export interface DatabaseWriterOptions {
  /** The bridges of the database, kept up to date by whoever owns the replica; made here when not given. */
  readonly index?: BridgeIndex;
  readonly nowMs?: () => number;
  /** Which live bridges come first in a pass of several transactions: lower first, and those below 1 by themselves. */
  readonly rank?: (live: string) => number;
  /** Called before a transaction that takes ports of shadow bridges away (`forgetAddresses`); what it rejects with does not hold the transaction up. */
  readonly beforeGoing?: (going: readonly Going[]) => Promise<void>;
}

export interface FlushResult {
  readonly changes: readonly DatabaseChange[];
  /** A Mirror row was added, changed or deleted: cached flows must be revalidated by a flow-mod. */
  readonly mirrorsChanged: boolean;
}

/** A switch of thousands of ports on a busy machine takes seconds; nobody waits for one that is gone for ever. */
const configTimeoutMs = 30_000;

export class DatabaseWriter {
  readonly counters: DatabaseWriterCounters = { transactions: 0, changes: 0, refused: 0, rows: 0, longestMs: 0, lastMs: 0, bytes: 0 };
  /** Told of each transaction that the database took: what was sent, and what it answered. */
  committed: ((operations: readonly Operation[], results: readonly OperationResult[]) => void) | undefined;
  private readonly client: OvsdbClient;
  private readonly replica: Replica;
  private readonly index: BridgeIndex;
  private readonly diff: DatabaseDiff;
  private readonly size = new BatchSize();
  private readonly nowMs: () => number;
  private readonly rank: (live: string) => number;
  private readonly beforeGoing: DatabaseWriterOptions["beforeGoing"];
  private desired: DesiredDatabase | undefined;
  /** What our latest transactions wrote. Of one underway that is not known yet: see `answered`. */
  readonly written = new WrittenLog();
  private underway: Promise<unknown> = Promise.resolve();
  /** What ovs-vswitchd has not yet taken in: bridges, and the next_cfg at which it has. */
  private untaken: readonly { readonly target: number; readonly bridges: ReadonlySet<string> }[] = [];

  constructor(client: OvsdbClient, replica: Replica, options: DatabaseWriterOptions = {}) {
    this.client = client;
    this.replica = replica;
    this.nowMs = options.nowMs ?? (() => performance.now());
    this.rank = options.rank ?? (() => 1);
    this.beforeGoing = options.beforeGoing;
    this.diff = new DatabaseDiff(replica);
    this.index = options.index ?? new BridgeIndex(replica);
    if (options.index === undefined) replica.on("changes", (changes) => this.index.changed(changes));
  }

  /** Resolves when the database has answered the transaction that is underway, if there is one. */
  async answered(): Promise<void> {
    await this.underway;
  }

  /** Bridges of which the database does not hold yet what is desired, by name. */
  outstanding(): ReadonlySet<string> {
    const changes = this.desired === undefined ? [] : this.diff.changes(this.index.bridges(), this.desired);
    return changes.length === 0 ? noBridges : new Set(changes.map((change) => bridgeOf(change, this.index)));
  }

  /** Bridges that were written and that ovs-vswitchd has not yet made as they are written, by name. */
  awaited(): ReadonlySet<string> {
    if (this.untaken.length === 0) return noBridges;
    const taken = integer(this.replica.table("Open_vSwitch").get(rootUuid(this.replica) ?? ""), "cur_cfg") ?? 0;
    this.untaken = this.untaken.filter(({ target }) => target > taken);
    return new Set(this.untaken.flatMap(({ bridges }) => [...bridges]));
  }

  /** A bridge of the database as it is. */
  bridge(name: string): BridgeRow | undefined {
    return this.index.bridge(name);
  }

  /** Whether the replica is the database's contents now. */
  get synced(): boolean {
    return this.replica.state === "synced";
  }

  setDesired(desired: DesiredDatabase): void {
    this.desired = desired;
  }

  /** Errors vswitchd has put on our interfaces ("could not add network device …"), by port name. */
  problems(): Map<string, string> {
    const ours = this.index.bridges().flatMap((bridge) => bridge.ports.filter((port) => port.role !== undefined));
    return new Map(ours.flatMap((port) => (port.error === undefined ? [] : [[port.name, port.error]])));
  }

  /**
   * Writes what differs and waits until vswitchd has taken it in. Nothing is sent when nothing differs. `between`: called after
   * each transaction but the last, so that what is there already can be worked on.
   */
  async flush(between: () => Promise<void> = async () => {}): Promise<FlushResult> {
    const written: DatabaseChange[] = [];
    for (;;) {
      if (this.desired === undefined) break;
      // Made anew for each transaction: the database may have changed meanwhile, and the size follows the last one.
      const changes = this.diff.changes(this.index.bridges(), this.desired);
      const [batch] = batches(changes, this.size.current, this.rank);
      if (batch === undefined) break;
      await this.commit(batch);
      for (const change of batch) written.push(change);
      if (batch.length === changes.length) break;
      await between();
    }
    return { changes: written, mirrorsChanged: written.some((change) => change.op.endsWith("guard")) };
  }

  private async commit(changes: readonly DatabaseChange[]): Promise<void> {
    const root = rootUuid(this.replica);
    if (root === undefined) throw new Error("the database has no Open_vSwitch row");
    const going = this.beforeGoing === undefined ? [] : goingPorts(changes, this.index.bridges());
    if (going.length > 0) await this.beforeGoing?.(going).catch(() => undefined);
    const txn = await this.client.transaction("Open_vSwitch");
    new Operations(txn, this.replica, this.index).add(changes);
    const removed = removedRows(changes, this.index.bridges());
    txn.comment(`ovs-shadow: ${changes.length} changes`);
    txn.mutate("Open_vSwitch", root, [["next_cfg", "+=", 1]]);
    // What it is now only the database knows: others raise it, too.
    txn.select("Open_vSwitch", root, ["next_cfg"]);
    const startMs = this.nowMs();
    // Nobody else changes anything through this client.
    const bytesBefore = this.client.counters.transactionBytes;
    let target = 0;
    try {
      const answer = txn.commit().then((committed) => {
        this.committed?.(txn.operations, committed.results);
        return this.raised(txn, committed, removed);
      });
      this.underway = answer.catch(() => undefined);
      target = await answer;
    } catch (error) {
      this.counters.refused++;
      throw error;
    } finally {
      this.counters.bytes += this.client.counters.transactionBytes - bytesBefore;
    }
    // Passes wait for one another: there are few, unless ovs-vswitchd answers none for hours.
    this.untaken = [...this.untaken.slice(-63), { target, bridges: new Set(changes.map((change) => bridgeOf(change, this.index))) }];
    const answeredMs = this.nowMs();
    const rows = changes.reduce((sum, change) => sum + weight(change), 0);
    this.counters.transactions++;
    this.counters.changes += changes.length;
    this.counters.rows += rows;
    await reached(this.replica, (tables) => (integer(tables.table("Open_vSwitch").get(root), "cur_cfg") ?? 0) >= target);
    const tookMs = this.nowMs() - startMs;
    // The database's own time is no pause of forwarding.
    this.size.measured(rows, this.nowMs() - answeredMs);
    this.counters.lastMs = tookMs;
    this.counters.longestMs = Math.max(this.counters.longestMs, tookMs);
  }

  /** The value of next_cfg that a transaction set, as its select tells; what it wrote is kept as ours. */
  private raised(txn: Transaction, { results }: Committed, removed: readonly string[]): number {
    const target = Number(results.at(-1)?.rows?.[0]?.["next_cfg"]);
    if (!Number.isSafeInteger(target)) throw new Error("the database did not tell next_cfg");
    this.written.keep(target, writtenRows(txn.operations, results, removed));
    return target;
  }
}

const noBridges: ReadonlySet<string> = new Set<string>();

/** The bridge that a change is about. */
function bridgeOf(change: DatabaseChange, index: Pick<BridgeIndex, "bridges">): string {
  if ("bridge" in change) return typeof change.bridge === "string" ? change.bridge : change.bridge.name;
  if (change.op === "delete-bridge") return change.name;
  const of = (row: BridgeRow): boolean => ("bridgeUuid" in change ? row.uuid === change.bridgeUuid : "portUuid" in change ? row.ports.some(({ uuid }) => uuid === change.portUuid) : row.mirrors.includes(change.uuid));
  return index.bridges().find(of)?.name ?? "";
}

/** Resolves when `condition` holds for the replica's tables; rejects after `timeoutMs`. */
export async function reached(replica: Replica, condition: (tables: Tables) => boolean, timeoutMs = configTimeoutMs): Promise<void> {
  if (condition(replica)) return;
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      replica.off("changes", check);
      reject(new Error(`ovs-vswitchd did not take the configuration within ${timeoutMs} ms`));
    }, timeoutMs);
    const check = (): void => {
      if (!condition(replica)) return;
      clearTimeout(timer);
      replica.off("changes", check);
      resolve();
    };
    replica.on("changes", check);
  });
}

/** Turns changes into the operations of one transaction. */
class Operations {
  private readonly txn: Transaction;
  private readonly tables: Tables;
  /** Ports of this transaction and of the database, by name: what guards refer to. */
  private readonly ports = new Map<string, NamedUuid | string>();
  private names = 0;

  constructor(txn: Transaction, tables: Tables, index: BridgeIndex) {
    this.txn = txn;
    this.tables = tables;
    for (const bridge of index.bridges()) if (bridge.role === undefined) for (const port of bridge.ports) this.ports.set(port.name, port.uuid);
  }

  add(changes: readonly DatabaseChange[]): void {
    // References go before what they name, so that no step leaves a mirror at a port that is on its way out.
    const order = ["delete-guard", "delete-sflow", "delete-port", "delete-bridge", "add-bridge", "update-bridge", "add-port", "update-port", "add-guard", "set-guard", "add-sflow", "update-sflow"];
    for (const change of [...changes].sort((x, y) => order.indexOf(x.op) - order.indexOf(y.op))) this.one(change);
  }

  private one(change: DatabaseChange): void {
    const { txn } = this;
    switch (change.op) {
      case "add-bridge": {
        const ports = change.bridge.ports.map((port) => this.port(port));
        const local = this.local(change.bridge.name, change.bridge.live, change.bridge.role);
        const bridge = txn.insert(
          "Bridge",
          {
            name: change.bridge.name,
            datapath_type: change.bridge.datapathType,
            fail_mode: "secure",
            ports: [local, ...ports],
            ...Object.fromEntries(bridgeSettings(change.bridge)),
            external_ids: marks(change.bridge.role, change.bridge.live),
          },
          this.name(),
        );
        txn.mutate("Open_vSwitch", change.root, [["bridges", "insert", [bridge]]]);
        break;
      }
      case "delete-bridge":
        txn.mutate("Open_vSwitch", change.root, [["bridges", "delete", [change.uuid]]]);
        break;
      case "update-bridge":
        txn.update("Bridge", change.uuid, Object.fromEntries(bridgeSettings(change.bridge)));
        break;
      case "add-port":
        txn.mutate("Bridge", change.bridgeUuid, [["ports", "insert", [this.port(change.port)]]]);
        break;
      case "delete-port":
        txn.mutate("Bridge", change.bridgeUuid, [["ports", "delete", [change.uuid]]]);
        break;
      case "update-port":
        txn.update("Interface", change.interfaceUuid, interfaceRow(change.port));
        txn.update("Port", change.portUuid, portRow(change.port));
        break;
      case "add-guard": {
        const source = change.source === undefined ? undefined : this.ports.get(change.source);
        const mirror = txn.insert(
          "Mirror",
          {
            name: change.name,
            output_port: this.ports.get(change.port),
            select_src_port: source === undefined ? [] : [source],
            external_ids: marks("guard", change.port),
          },
          this.name(),
        );
        txn.mutate("Bridge", change.bridgeUuid, [["mirrors", "insert", [mirror]]]);
        break;
      }
      case "set-guard": {
        const source = change.source === undefined ? undefined : this.ports.get(change.source);
        txn.update("Mirror", change.uuid, { select_src_port: source === undefined ? [] : [source] });
        break;
      }
      case "delete-guard":
        txn.mutate("Bridge", change.bridgeUuid, [["mirrors", "delete", [change.uuid]]]);
        break;
      case "add-sflow": {
        const row = txn.insert(
          "sFlow",
          {
            ...sflowRow(change.sflow),
            external_ids: marks("sflow", change.bridge),
          },
          this.name(),
        );
        // Guarded: if the operator has set sFlow meanwhile, ours must not replace it.
        const before = this.tables.table("Bridge").get(change.bridgeUuid)?.["sflow"];
        txn.wait("Bridge", change.bridgeUuid, ["sflow"], { sflow: before ?? undefined }, "==", 0);
        txn.update("Bridge", change.bridgeUuid, { sflow: row });
        break;
      }
      case "update-sflow":
        txn.update("sFlow", change.uuid, sflowRow(change.sflow));
        break;
      case "delete-sflow":
        txn.update("Bridge", change.bridgeUuid, { sflow: [] });
        break;
    }
  }

  private name(): string {
    return `row${this.names++}`;
  }

  private port(port: DesiredPort): NamedUuid {
    const device = this.txn.insert("Interface", { name: port.name, ...interfaceRow(port), external_ids: marks(port.role, port.live) }, this.name());
    const row = this.txn.insert("Port", { name: port.name, interfaces: [device], ...portRow(port) }, this.name());
    this.ports.set(port.name, row);
    return row;
  }

  /** The LOCAL port that every bridge has. */
  private local(bridge: string, live: string, role: DesiredBridge["role"]): NamedUuid {
    const device = this.txn.insert("Interface", { name: bridge, type: "internal", external_ids: marks(role, live) }, this.name());
    return this.txn.insert("Port", { name: bridge, interfaces: [device], external_ids: new Map() }, this.name());
  }
}

const marks = (role: string, live: string): Map<string, string> =>
  new Map([
    [mark.role, role],
    [mark.live, live],
  ]);

function sflowRow({ target, sampling, pollingS, agent }: DesiredSflow): Record<string, Row[string]> {
  return { targets: [target], sampling, polling: pollingS, agent };
}

function interfaceRow(port: DesiredPort): Record<string, string | number | ReadonlyMap<string, string>> {
  return { type: port.type, options: port.options, ofport_request: port.ofport };
}

function portRow(port: DesiredPort): Record<string, Row[string]> {
  const ids = marks(port.role, port.live);
  if (port.qos !== undefined) ids.set(mark.qos, port.qos);
  return { tag: port.tag ?? [], ...Object.fromEntries(port.settings ?? []), external_ids: ids };
}
