/** SinkService: collectors elsewhere that get the copies, too. */
import { sinkTarget } from "../config/sink-schema.js";
import type { SinkStatus } from "../shadow/sinks/sinks.js";
import type { SinkServiceServer } from "./generated/ovsshadow/v1/sink.js";
import { unary } from "./unary.js";

export interface SinkSurface {
  readonly sinks: () => Promise<{ readonly rows: readonly SinkStatus[]; readonly problems: ReadonlyMap<string, string> }>;
  readonly problems: () => readonly string[];
}

export const sinkHandlers = ({ sinks, problems }: SinkSurface): SinkServiceServer => ({
  listSinks: unary(async () => {
    const { rows, problems: bySink } = await sinks();
    return {
      sinks: rows.map(({ sink, bridge, slot, packets, bytes }) => ({ sink: sink.name, type: sink.type, collector: sinkTarget(sink), bridge, number: sink.type === "device" ? undefined : slot, packets, bytes, problem: bySink.get(sink.name) ?? "" })),
      problems: [...problems()],
    };
  }),
});
