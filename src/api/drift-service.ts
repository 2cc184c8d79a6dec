/** DriftService: whether the links of the live network are those intended. */
import type { DriftWatch } from "../analysis/drift/drift-watch.js";
import type { DriftServiceServer } from "./generated/ovsshadow/v1/drift.js";
import { unary } from "./unary.js";

export type DriftSurface = Pick<DriftWatch, "list" | "source" | "links" | "accept">;

export function driftHandlers(drift: DriftSurface): DriftServiceServer {
  return {
    listDrift: unary(() => ({ drifts: drift.list(), source: drift.source, links: drift.links })),
    acceptTopology: unary(() => {
      drift.accept();
      return { links: drift.links };
    }),
  };
}
