/** The flows of a capture and what applications they are, by the code that reads copies online. */
import { capturedPackets } from "../capture/capture-file.js";
import { AppReader } from "./app/app-reader.js";
import { ResolvedNames } from "./app/resolved-names.js";
import { FrameView } from "./frame-view.js";
import type { AppLabel } from "./record.js";
import { flowKeyOf, flowName, type HeaderEnds } from "./tuple.js";

export interface OfflineFlow {
  /** As flows are named, from the end that was heard first. */
  readonly name: string;
  readonly key: string;
  readonly ends: HeaderEnds;
  readonly packets: number;
  readonly bytes: number;
  readonly payloadBytes: number;
  /** Undefined where no payload was captured. */
  readonly app: AppLabel | undefined;
}

export interface OfflineFlows {
  /** In the order in which they were heard of. */
  readonly flows: readonly OfflineFlow[];
  readonly frames: number;
  /** Not IP, or cut off before their addresses. */
  readonly unreadable: number;
  /** Packets of flows beyond the bound. */
  readonly leftOut: number;
  /** Why, and where, the file could not be read to its end; undefined: it was. */
  readonly broken: string | undefined;
}

export interface OfflineFlowOptions {
  /** Default 1,000,000. */
  readonly maxFlows?: number;
  /** Look at so many bytes of each frame only, as a capture of that snap length would have them. */
  readonly snapLength?: number;
}

class Counted {
  readonly app = new AppReader();
  packets = 0;
  bytes = 0;
  payloadBytes = 0;
  readonly ends: HeaderEnds;
  constructor(ends: HeaderEnds) {
    this.ends = ends;
  }
}

/** Reads a capture (pcap or pcapng, also gzipped) to its end, or as far as it can be read. Rejects when it can't be opened. */
export async function flowsOf(file: string, { maxFlows = 1_000_000, snapLength = Infinity }: OfflineFlowOptions = {}): Promise<OfflineFlows> {
  const view = new FrameView();
  const names = new ResolvedNames();
  const flows = new Map<string, Counted>();
  let [frames, unreadable, leftOut] = [0, 0, 0];
  let broken: string | undefined;
  for await (const read of capturedPackets(file, (why) => (broken = why))) {
    for (const { bytes: captured, linkType, frameLength } of read) {
      const bytes = captured.subarray(0, snapLength);
      frames++;
      if (!view.read(bytes, linkType)) {
        unreadable++;
        continue;
      }
      let flow = flows.get(view.key);
      if (flow === undefined) {
        if (flows.size >= maxFlows) {
          leftOut++;
          continue;
        }
        flows.set(view.key, (flow = new Counted(view.ends())));
      }
      flow.packets++;
      flow.bytes += frameLength;
      flow.payloadBytes += view.payloadLength;
      if (view.payloadAt < 0 || view.payloadLength === 0) continue;
      const payload = bytes.subarray(view.payloadAt, Math.min(bytes.length, view.payloadAt + view.payloadLength));
      names.data(view.protocol, view.srcPort, payload);
      if (!flow.app.isDone) flow.app.data(view.protocol, view.srcPort, view.dstPort, payload);
    }
  }
  return {
    flows: [...flows.values()].map(({ ends, packets, bytes, payloadBytes, app }) => ({ name: flowName(ends.protocol, ends.from, ends.to), key: flowKeyOf(ends.protocol, ends.from, ends.to).key, ends, packets, bytes, payloadBytes, app: names.named(app.label, ends) })),
    frames, unreadable, leftOut, broken,
  };
}
