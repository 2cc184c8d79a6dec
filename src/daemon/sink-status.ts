import { errorText } from "../base/error-text.js";
import type { Config } from "../config/schema.js";
import type { Sink } from "../config/sink-schema.js";
import { unixctl, vswitchdSocket } from "../network/unixctl.js";
import type { Shadow } from "../shadow/shadow.js";
import type { SinkStatus } from "../shadow/sinks/sinks.js";

/** What the sinks got, and why nothing arrives at some, by their names: `portProblems` are ovs-vswitchd's about ports that it could not open. */
export async function sinkStatus(shadow: Pick<Shadow, "adapterConnection" | "sinks">, config: Config, portProblems: ReadonlyMap<string, string>): Promise<{ readonly rows: readonly SinkStatus[]; readonly problems: ReadonlyMap<string, string> }> {
  const rows = await shadow.sinks.status((bridge) => shadow.adapterConnection(bridge));
  const runDir = config.shadow.remote?.runDir ?? config.openflow.runDir;
  const why = async (sink: Sink): Promise<string | undefined> => {
    if (sink.type === "device") return portProblems.get(sink.device);
    try {
      await unixctl(await vswitchdSocket(runDir), "ovs/route/lookup", [sink.collector]);
      return undefined;
    } catch (error) {
      return `ovs-vswitchd knows no way to ${sink.collector}: ${errorText(error)}`;
    }
  };
  const problems = new Map<string, string>();
  for (const sink of config.shadow.sinks) {
    const problem = await why(sink);
    if (problem !== undefined) problems.set(sink.name, problem);
  }
  return { rows, problems };
}
