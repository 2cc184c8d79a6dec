/** Which asynchronous messages a connection gets: ofp_async_config, six words in 1.3 and properties from 1.4 on. */
import { WireError, type Reader, type Writer } from "../wire/reader.js";
import { struct, u16, u32 } from "../wire/struct.js";
import type { Version } from "./flow.js";

/** ofp_async_config_prop_type. "Master" holds for connections in role master and equal. */
export const asyncProperties = [
  "packetInSlave",
  "packetInMaster",
  "portStatusSlave",
  "portStatusMaster",
  "flowRemovedSlave",
  "flowRemovedMaster",
  "roleStatusSlave",
  "roleStatusMaster",
  "tableStatusSlave",
  "tableStatusMaster",
  "requestForwardSlave",
  "requestForwardMaster",
] as const;
export type AsyncProperty = (typeof asyncProperties)[number];
/** A bit mask of reasons for each; those absent are left as they are (1.4), or mean none (1.3). */
export type AsyncMasks = { readonly [K in AsyncProperty]?: number };

/** Every group-mod and meter-mod of other controllers, for requestForwardMaster. */
export const allForwards = 3;

const words13 = ["packetInMaster", "packetInSlave", "portStatusMaster", "portStatusSlave", "flowRemovedMaster", "flowRemovedSlave"] as const;
const property = struct({ type: u16, length: u16, mask: u32 });

export function writeAsync(out: Writer, masks: AsyncMasks, version: Version): void {
  if (version < 5) {
    for (const name of words13) out.u32(masks[name] ?? 0);
    return;
  }
  asyncProperties.forEach((name, type) => {
    const mask = masks[name];
    if (mask !== undefined) property.write(out, { type, length: property.size, mask });
  });
}

export function readAsync(from: Reader, version: Version): AsyncMasks {
  const masks: { [K in AsyncProperty]?: number } = {};
  if (version < 5) {
    for (const name of words13) masks[name] = from.u32();
    return masks;
  }
  while (from.remaining > 0) {
    const start = from.offset;
    const head = from.fork();
    const type = head.u16();
    const length = head.u16();
    if (length < 4) throw new WireError(`property length ${length}`, start + 2);
    const one = from.sub(Math.ceil(length / 8) * 8);
    const name = asyncProperties[type];
    if (name === undefined || length !== property.size) from.noteLoss(); // an experimenter's
    else masks[name] = property.read(one).mask;
  }
  return masks;
}
