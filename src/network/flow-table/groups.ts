/** Where a packet goes by a group's buckets or a bundle's ports. */
import { port, printActions, type Action, type Bucket } from "node-openflow";
import { orderedActionSet } from "./action-set.js";
import { output } from "./outputs.js";
import { writeBits } from "./set-fields.js";
import type { SwitchGroup } from "./state.js";
import { maxDepth, type WalkState } from "./walk-state.js";

export function runGroup(walk: WalkState, groupId: number): void {
  walk.checkLimits();
  const group = walk.bridge.groups.get(groupId);
  if (group === undefined) return walk.say(`there is no group ${groupId}`);
  for (const [bucket, number] of bucketsOf(walk, group)) {
    if (walk.explains) walk.say(`group ${groupId}, bucket ${bucket.bucketId ?? number}: ${printActions(bucket.actions)}`);
    const exits = walk.exits;
    walk.depth++;
    walk.onCopy(() => walk.actions(orderedActionSet(bucket.actions)));
    walk.depth--;
    walk.exits = exits;
  }
}

function bucketsOf(walk: WalkState, group: SwitchGroup): (readonly [Bucket, number])[] {
  const all = group.buckets.map((bucket, i) => [bucket, i] as const);
  switch (group.groupType) {
    case "all":
      return all;
    case "indirect":
      return all.slice(0, 1);
    case "ff":
      return all.filter(([bucket]) => isLive(walk, bucket, 0)).slice(0, 1);
    case "select": {
      const live = all.filter(([bucket]) => bucket.weight > 0 && isLive(walk, bucket, 0));
      return live.slice(walk.choose(`the hash of select group ${group.groupId}`, live.length)).slice(0, 1);
    }
  }
}

/** A bucket that watches nothing is live; one that watches is while what it watches is. */
function isLive(walk: WalkState, { watchPort, watchGroup }: Bucket, depth: number): boolean {
  if (watchPort === port.any && watchGroup === port.any) return true;
  if (watchPort !== port.any && walk.bridge.ports.get(watchPort)?.up === true) return true;
  const group = watchGroup === port.any ? undefined : walk.bridge.groups.get(watchGroup);
  return group !== undefined && depth < maxDepth && group.buckets.some((bucket) => isLive(walk, bucket, depth + 1));
}

export function runBundle(walk: WalkState, one: Extract<Action, { readonly type: "bundle" | "bundleLoad" }>): void {
  const { slaves, range, target } = one.to;
  const isUp = (to: number): boolean => walk.bridge.ports.get(to)?.up === true;
  const usable = slaves.filter(isUp);
  const first = usable[0];
  const to = one.algorithm === 0 ? first : usable[walk.choose("a bundle action's hash", usable.length)];
  if (range !== undefined && target !== undefined) writeBits(walk.packet, target, range.offset, range.bits, BigInt((to ?? 0xffff) & 0xffff));
  else if (to !== undefined) output(walk, to, 0);
}
