/** The handlers of ExplainService. */
import type { Explanation } from "../network/explain.js";
import type { BothWays } from "../shadow/explainer.js";
import type { ExplainPacketResponse, ExplainServiceServer, PacketWay } from "./generated/ovsshadow/v1/explain.js";
import { unary } from "./unary.js";

/** What the service needs of the controller. */
export interface ExplainSurface {
  explain(bridge: string, packet: string): Promise<BothWays>;
}

const way = ({ steps, outputs, undecided, error }: Explanation): PacketWay => ({ steps: [...steps], outputs: [...outputs], undecided: [...undecided], error });

export function explainHandlers(surface: ExplainSurface): ExplainServiceServer {
  return {
    explainPacket: unary(async ({ bridge, packet }): Promise<ExplainPacketResponse> => {
      if (bridge === "" || packet === "") throw new RangeError("a bridge and a packet are needed");
      const { live, shadow, difference, differingStep } = await surface.explain(bridge, packet);
      return { live: way(live), ...(shadow === undefined ? {} : { shadow: way(shadow) }), difference, differingStep };
    }),
  };
}
