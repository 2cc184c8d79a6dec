/** StalenessService: how current every object of the shadow is. */
import { digestTables, type DigestOfTable } from "../network/digest.js";
import { isCompared } from "../shadow/compare.js";
import type { Shadow } from "../shadow/shadow.js";
import type { ObjectStaleness, StalenessWatch } from "../shadow/staleness/staleness-watch.js";
import type { ObjectStaleness as ObjectMessage, StalenessServiceServer } from "./generated/ovsshadow/v1/staleness.js";
import { unary } from "./unary.js";

export interface StalenessSurface {
  readonly watch: Pick<StalenessWatch, "list" | "target" | "leftOut">;
  readonly shadow: Pick<Shadow, "flowsOf">;
}

type Digests = { readonly live: ReadonlyMap<number, DigestOfTable>; readonly shadow: ReadonlyMap<number, DigestOfTable> };

function message(object: ObjectStaleness, digests: Digests | undefined): ObjectMessage {
  const { shares, ...common } = object;
  const table = object.kind === "table" ? Number(object.name.slice(object.name.lastIndexOf("/") + 1)) : undefined;
  const live = table === undefined ? undefined : digests?.live.get(table);
  const shadow = table === undefined ? undefined : digests?.shadow.get(table);
  return { ...common, shares: { sinceStart: shares.start, hour: shares.hour, day: shares.day }, liveDigest: live?.digest ?? "", shadowDigest: shadow?.digest ?? "", flows: live?.flows ?? 0 };
}

export function stalenessHandlers({ watch, shadow }: StalenessSurface): StalenessServiceServer {
  return {
    listStaleness: unary(({ bridge, digests: isAsked }) => {
      const objects = watch.list(bridge === "" ? undefined : bridge);
      const digests = new Map<string, Digests>();
      if (isAsked) {
        for (const name of new Set(objects.map((object) => object.bridge))) {
          const flows = shadow.flowsOf(name);
          digests.set(name, { live: digestTables([...flows.live].filter(isCompared)), shadow: digestTables([...flows.shadow].filter(isCompared)) });
        }
      }
      return { target: watch.target, objects: objects.map((object) => message(object, digests.get(object.bridge))), leftOut: watch.leftOut };
    }),
  };
}
