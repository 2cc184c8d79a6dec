/** ovs-shadowctl shadow staleness: how current every object of the shadow is. */
import { StalenessServiceClient, type ListStalenessResponse, type ObjectStaleness } from "../api/generated/ovsshadow/v1/staleness.js";
import { callService, type GlobalOptions } from "./client.js";
import { printJson, printLine, printTable } from "./print.js";

export interface StalenessOptions extends GlobalOptions {
  readonly bridge?: string;
  readonly all?: boolean;
  readonly digests?: boolean;
  readonly watch?: boolean;
}

const everyMs = 1_000;
const seconds = (ms: number | undefined): string => (ms === undefined ? "never" : `${(ms / 1_000).toFixed(1)} s`);
const share = (ratio: number): string => `${(ratio * 100).toFixed(3)} %`;
const standing = ({ kept, excused, behindMs }: ObjectStaleness): string => (!kept ? "NOT CURRENT" : excused && behindMs > 0 ? "excused" : "current");

/** The worst of a bridge's objects of one kind in one line. */
function summary(kind: string, objects: readonly ObjectStaleness[], objective: number): (string | number)[] {
  const lowest = (of: (object: ObjectStaleness) => number): number => Math.min(...objects.map(of));
  const behindMs = Math.max(...objects.map((object) => object.behindMs));
  const provedMs = objects.some((object) => object.provedMs === undefined) ? undefined : Math.max(...objects.map((object) => object.provedMs ?? 0));
  const [start, hour, day] = [lowest(({ shares }) => shares?.sinceStart ?? 1), lowest(({ shares }) => shares?.hour ?? 1), lowest(({ shares }) => shares?.day ?? 1)];
  const broken = objects.filter(({ kept }) => !kept).length;
  return [kind, objects.length, broken, seconds(behindMs), seconds(provedMs), share(start), share(hour), share(day), Math.min(start, hour, day) >= objective ? "kept" : "broken"];
}

async function show(options: StalenessOptions): Promise<void> {
  const request = { bridge: options.bridge ?? "", digests: options.digests === true };
  const answer = await callService<StalenessServiceClient, ListStalenessResponse>(options, StalenessServiceClient, (client, done) => client.listStaleness(request, done));
  if (options.output === "json") return printJson(answer);
  const { target, objects, leftOut } = answer;
  if (target !== undefined) printLine(`target: at most ${seconds(target.behindMs)} behind live (not judged in a bridge's first ${seconds(target.firstMs)}), proved equal every ${seconds(target.provedMs)}, ${share(target.objective)} of the time`);
  const groups = new Map<string, ObjectStaleness[]>();
  for (const object of objects) groups.set(`${object.bridge} ${object.kind}`, [...(groups.get(`${object.bridge} ${object.kind}`) ?? []), object]);
  printTable(
    ["live bridge", "objects", "count", "not current", "most behind", "proved before", "kept", "last hour", "last day", "objective"],
    [...groups.values()].map((list) => [list[0]?.bridge ?? "", ...summary(list[0]?.kind ?? "", list, target?.objective ?? 0)]),
  );
  const shown = objects.filter(({ kept, behindMs }) => options.all === true || options.digests === true || !kept || behindMs > 0);
  if (shown.length > 0) {
    printTable(
      ["object", "is", "behind", "proved before", "kept", "why", ...(options.digests === true ? ["flows", "live digest", "shadow digest"] : [])],
      shown.map((one) => [`${one.kind} ${one.name}`, standing(one), seconds(one.behindMs), seconds(one.provedMs), share(one.shares?.sinceStart ?? 1), one.why, ...(options.digests === true ? [one.flows, one.liveDigest, one.shadowDigest] : [])]),
    );
  }
  if (leftOut > 0) printLine(`${leftOut} objects are not in the account`);
}

export async function staleness(options: StalenessOptions): Promise<void> {
  await show(options);
  while (options.watch === true) {
    await new Promise((resolve) => setTimeout(resolve, everyMs));
    await show(options);
  }
}
