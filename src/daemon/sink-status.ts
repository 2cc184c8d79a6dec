import type { Config } from "../config/schema.js";
import { unixctl, vswitchdSocket } from "../network/unixctl.js";
import type { Shadow } from "../shadow/shadow.js";
import type { SinkStatus } from "../shadow/sinks/sinks.js";

/** What the sinks got, and which of their collectors the ovs-vswitchd that has the adapters knows no way to, with its words. */
export async function sinkStatus(shadow: Pick<Shadow, "adapterConnection" | "sinks">, config: Config): Promise<{ readonly rows: readonly SinkStatus[]; readonly unreachable: ReadonlyMap<string, string> }> {
  const rows = await shadow.sinks.status((bridge) => shadow.adapterConnection(bridge));
  const runDir = config.shadow.remote?.runDir ?? config.openflow.runDir;
  const unreachable = new Map<string, string>();
  for (const collector of new Set(config.shadow.sinks.map((sink) => sink.collector))) {
    try {
      await unixctl(await vswitchdSocket(runDir), "ovs/route/lookup", [collector]);
    } catch (error) {
      unreachable.set(collector, error instanceof Error ? error.message : String(error));
    }
  }
  return { rows, unreachable };
}
