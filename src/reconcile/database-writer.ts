/**
 * Brings an Open_vSwitch database to a desired state: the only code that writes to one.
 *
 * Each pass is one transaction, because every transaction makes vswitchd run its whole configuration and pauses forwarding.
 * It raises next_cfg and waits for cur_cfg, so that a resolved flush means vswitchd has done it.
 */
import type { NamedUuid, OvsdbClient, Replica, Transaction } from "ovsdb-client";
import { integer, readBridges, rootUuid, type Tables } from "../network/database-view.js";
import { mark } from "../network/pipeline.js";
import { diffDatabase, type DatabaseChange, type DesiredDatabase, type DesiredPort } from "./database-state.js";

export interface DatabaseWriterCounters {
  transactions: number;
  changes: number;
  /** Passes whose transaction the server refused. */
  refused: number;
}

export interface FlushResult {
  readonly changes: readonly DatabaseChange[];
  /** A Mirror row was added, changed or deleted: cached flows must be revalidated by a flow-mod. */
  readonly mirrorsChanged: boolean;
}

const configTimeoutMs = 10_000;
const keptTargets = 64;

export class DatabaseWriter {
  readonly counters: DatabaseWriterCounters = { transactions: 0, changes: 0, refused: 0 };
  private readonly client: OvsdbClient;
  private readonly replica: Replica;
  private desired: DesiredDatabase | undefined;
  /** The values of next_cfg that our latest transactions were to set. */
  private readonly targets = new Set<number>();

  constructor(client: OvsdbClient, replica: Replica) {
    this.client = client;
    this.replica = replica;
  }

  /** Whether one of our latest transactions was to raise next_cfg to this. */
  wrote(nextCfg: number): boolean {
    return this.targets.has(nextCfg);
  }

  setDesired(desired: DesiredDatabase): void {
    this.desired = desired;
  }

  /** Errors vswitchd has put on our interfaces ("could not add network device …"), by port name. */
  problems(): Map<string, string> {
    const ours = readBridges(this.replica).flatMap((bridge) => bridge.ports.filter((port) => port.role !== undefined));
    return new Map(ours.flatMap((port) => (port.error === undefined ? [] : [[port.name, port.error]])));
  }

  /** Writes what differs and waits until vswitchd has taken it in. Nothing is sent when nothing differs. */
  async flush(): Promise<FlushResult> {
    if (this.desired === undefined) return { changes: [], mirrorsChanged: false };
    const changes = diffDatabase(this.replica, this.desired);
    if (changes.length === 0) return { changes, mirrorsChanged: false };
    const root = rootUuid(this.replica);
    if (root === undefined) throw new Error("the database has no Open_vSwitch row");
    const txn = await this.client.transaction("Open_vSwitch");
    new Operations(txn, this.replica).add(changes);
    txn.comment(`ovs-shadow: ${changes.length} changes`);
    const target = (integer(this.replica.table("Open_vSwitch").get(root), "next_cfg") ?? 0) + 1;
    txn.mutate("Open_vSwitch", root, [["next_cfg", "+=", 1]]);
    this.targets.add(target);
    if (this.targets.size > keptTargets) this.targets.delete([...this.targets][0] as number);
    try {
      await txn.commit();
    } catch (error) {
      this.counters.refused++;
      throw error;
    }
    this.counters.transactions++;
    this.counters.changes += changes.length;
    await reached(this.replica, (tables) => (integer(tables.table("Open_vSwitch").get(root), "cur_cfg") ?? 0) >= target);
    return { changes, mirrorsChanged: changes.some((change) => change.op.endsWith("guard")) };
  }
}

/** Resolves when `condition` holds for the replica's tables; rejects after 10 s. */
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

  constructor(txn: Transaction, tables: Tables) {
    this.txn = txn;
    this.tables = tables;
    for (const bridge of readBridges(tables)) for (const port of bridge.ports) this.ports.set(port.name, port.uuid);
  }

  add(changes: readonly DatabaseChange[]): void {
    // References go before what they name, so that no step leaves a mirror at a port that is on its way out.
    const order = ["delete-guard", "delete-sflow", "delete-port", "delete-bridge", "add-bridge", "add-port", "update-port", "add-guard", "set-guard", "add-sflow"];
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
            other_config: new Map([["disable-in-band", "true"]]),
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
            targets: [change.sflow.target],
            sampling: change.sflow.sampling,
            polling: change.sflow.pollingS,
            agent: change.sflow.agent,
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
  private local(bridge: string, live: string, role: "shadow" | "adapter"): NamedUuid {
    const device = this.txn.insert("Interface", { name: bridge, type: "internal", external_ids: marks(role, live) }, this.name());
    return this.txn.insert("Port", { name: bridge, interfaces: [device], external_ids: new Map() }, this.name());
  }
}

const marks = (role: string, live: string): Map<string, string> =>
  new Map([
    [mark.role, role],
    [mark.live, live],
  ]);

function interfaceRow(port: DesiredPort): Record<string, string | number | ReadonlyMap<string, string>> {
  return { type: port.type, options: port.options, ofport_request: port.ofport };
}

function portRow(port: DesiredPort): Record<string, number | readonly number[] | ReadonlyMap<string, string>> {
  return { tag: port.tag ?? [], external_ids: marks(port.role, port.live) };
}
