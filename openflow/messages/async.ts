/** Which asynchronous messages a connection gets: ofp_async_config, six words in 1.3 and properties from 1.4 on. */
import { WireError } from "../wire/reader.js";
import { byVersion, struct, u16, u32, type Codec } from "../wire/struct.js";
import { byHand } from "../wire/shape.js";

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
  "controllerStatusSlave",
  "controllerStatusMaster",
] as const;
export type AsyncProperty = (typeof asyncProperties)[number];
/** A bit mask of reasons for each; those absent are left as they are (1.4), or mean none (1.3). */
export type AsyncMasks = { readonly [K in AsyncProperty]?: number };

/** Every group-mod and meter-mod of other controllers, for requestForwardMaster. */
export const allForwards = 3;

const words = ["packetInMaster", "packetInSlave", "portStatusMaster", "portStatusSlave", "flowRemovedMaster", "flowRemovedSlave"] as const;
const property = struct({ type: u16, length: u16, mask: u32 });

/** The six words of 1.3, which Nicira's message of 1.0 has too. */
export const asyncWords: Codec<{ readonly masks: AsyncMasks }> = byHand("asyncWords", {
  write: (out, { masks }) => {
    for (const name of words) out.u32(masks[name] ?? 0);
  },
  read: (from) => ({ masks: Object.fromEntries(words.map((name) => [name, from.u32()])) }),
});

/** Properties, from 1.4 on and in Nicira's second message. */
export const asyncPropertyList: Codec<{ readonly masks: AsyncMasks }> = byHand("asyncProperties", {
  write: (out, { masks }) =>
    asyncProperties.forEach((name, type) => {
      const mask = masks[name];
      if (mask !== undefined) property.write(out, { type, length: property.size, mask });
    }),
  read: (from) => {
    const masks: { [K in AsyncProperty]?: number } = {};
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
    return { masks };
  },
});
export const asyncCodec = byVersion<{ readonly masks: AsyncMasks }>([[4, asyncWords], [5, asyncPropertyList]]);
