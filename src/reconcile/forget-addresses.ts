/**
 * Before a port of a shadow bridge goes, what was learned behind it is taken out of that bridge's table.
 *
 * With a port ovs-vswitchd forgets the addresses behind it on every one of its bridges (3.1.0: bundle_flush_macs, as for a host that
 * has to move), and a shadow has learned those of live: live's NORMAL would flood until its hosts speak again.
 */
import type { BridgeRow } from "../network/database-view.js";
import { readMacTable, type LearnedAddress } from "../network/mac-table.js";
import type { DatabaseChange } from "./database-state.js";

/** What is about to go of one shadow bridge: all of it, or ports by number, with their names. */
export interface Going {
  readonly bridge: string;
  readonly ports: "all" | ReadonlyMap<number, string>;
}

/** The shadow bridges that changes take something away from. `bridges`: as they are before. */
export function goingPorts(changes: readonly DatabaseChange[], bridges: readonly BridgeRow[]): Going[] {
  const going = new Map<string, "all" | Map<number, string>>();
  const shadow = (name: string): BridgeRow | undefined => bridges.find((row) => row.name === name && row.role === "shadow");
  for (const change of changes) {
    if (change.op === "delete-bridge" && shadow(change.name) !== undefined) going.set(change.name, "all");
    if (change.op !== "delete-port") continue;
    const ofport = shadow(change.bridge)?.ports.find(({ uuid }) => uuid === change.uuid)?.ofport;
    const known = going.get(change.bridge);
    if (ofport === undefined || known === "all") continue;
    going.set(change.bridge, (known ?? new Map<number, string>()).set(ofport, change.name));
  }
  return [...going].map(([bridge, ports]) => ({ bridge, ports }));
}

/** Addresses that are taken out one by one; of more behind the ports of one bridge its whole table is emptied, and learned again from copies. */
const mostSingly = 64;

type Ask = (method: string, params: readonly string[]) => Promise<string>;

/** `ask`: a question to the control socket of the ovs-vswitchd that has the bridges. Rejects when one is not answered. */
export async function forgetAddresses(going: readonly Going[], ask: Ask): Promise<void> {
  for (const { bridge, ports } of going) {
    const learned = ports === "all" ? undefined : await learnedBehind(bridge, ports, ask);
    if (ports === "all" || learned === undefined || learned.length > mostSingly) {
      await ask("fdb/flush", [bridge]);
      continue;
    }
    for (const { port, vlan, mac } of learned) {
      // Only static addresses can be deleted, and adding one makes it static.
      await ask("fdb/add", [bridge, ports.get(port) ?? "", String(vlan), mac]);
      await ask("fdb/del", [bridge, String(vlan), mac]);
    }
  }
}

/** Undefined when the table can't be read: it is too long, or the bridge has none yet. */
async function learnedBehind(bridge: string, ports: ReadonlyMap<number, string>, ask: Ask): Promise<readonly LearnedAddress[] | undefined> {
  const shown = await ask("fdb/show", [bridge]).catch(() => undefined);
  return shown === undefined ? undefined : readMacTable(shown).filter(({ port, isStatic }) => !isStatic && ports.has(port));
}
