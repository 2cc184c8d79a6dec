/** SinkService: collectors elsewhere that get the copies, too. */
import type { SinkStatus } from "../shadow/sinks/sinks.js";
import type { SinkServiceServer } from "./generated/ovsshadow/v1/sink.js";
import { unary } from "./unary.js";

export interface SinkSurface {
  readonly sinks: () => Promise<{ readonly rows: readonly SinkStatus[]; readonly unreachable: ReadonlyMap<string, string> }>;
  readonly problems: () => readonly string[];
}

export const sinkHandlers = ({ sinks, problems }: SinkSurface): SinkServiceServer => ({
  listSinks: unary(async () => {
    const { rows, unreachable } = await sinks();
    return {
      sinks: rows.map(({ sink: { name, type, collector }, bridge, slot, packets, bytes }) => {
        const why = unreachable.get(collector);
        return { sink: name, type, collector, bridge, number: slot, packets, bytes, problem: why === undefined ? "" : `ovs-vswitchd knows no way to ${collector}: ${why}` };
      }),
      problems: [...problems()],
    };
  }),
});
