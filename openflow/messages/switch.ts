/** What describes a switch and a session with it: features, description, bundles, roles, controller status. */
import { byVersion, list, mapped, ownLength, padding, rest, struct, text, u16, u32, u64, u8 } from "../wire/struct.js";
import { portCodec, type PortDesc } from "./port.js";
import { properties } from "./property.js";

export interface Features {
  readonly datapathId: bigint;
  readonly nBuffers: number;
  readonly nTables: number;
  /** 0 for a main connection, and before 1.3. */
  readonly auxiliaryId: number;
  /** ofp_capabilities. */
  readonly capabilities: number;
  /** Reserved; in OpenFlow 1.0 the actions supported. */
  readonly reserved: number;
  /** Up to 1.2; later they are asked for. */
  readonly ports?: readonly PortDesc[];
}
const head = { datapathId: u64, nBuffers: u32, nTables: u8 };
const tail = { capabilities: u32, reserved: u32 };
const early = mapped(
  struct({ ...head, pad0: padding(3), ...tail, ports: list(portCodec) }),
  (value): Features => ({ ...value, auxiliaryId: 0 }),
  ({ ports = [], ...value }) => ({ ...value, ports }),
);
export const featuresCodec = byVersion<Features>([[1, early], [4, struct({ ...head, auxiliaryId: u8, pad0: padding(2), ...tail })]]);

export const switchConfig = struct({ flags: u16, missSendLen: u16 });

export const switchDescCodec = struct({ manufacturer: text(256), hardware: text(256), software: text(256), serialNumber: text(32), datapath: text(256) });
export type SwitchDesc = ReturnType<typeof switchDescCodec.read>;

/** Roles: 0 no change, 1 equal, 2 master, 3 slave. */
export interface RoleBody {
  readonly role: number;
  /** From 1.5 on. */
  readonly shortId?: number;
  readonly generationId: bigint;
}
export const roleCodec = byVersion<RoleBody>([
  [3, struct({ role: u32, pad0: padding(4), generationId: u64 })],
  [6, mapped(struct({ role: u32, shortId: u16, pad0: padding(2), generationId: u64 }), (body): RoleBody => body, ({ shortId = 0, ...body }) => ({ shortId, ...body }))],
]);
/** `reason`: 0 another became master, 1 configuration, 2 experimenter. */
export const roleStatusCodec = struct({ role: u32, reason: u8, pad0: padding(3), generationId: u64, properties: properties({}) });

export const bundleControlCodec = struct({ bundleId: u32, bundleType: u16, flags: u16, properties: properties({}) });
/** Only 1.5: OFPBF_TIME and its limits. */
const time = struct({ seconds: u64, nanoseconds: u32, pad0: padding(4) });
const bundleFeatureProperties = {
  time: { number: 1, body: struct({ pad0: padding(4), schedAccuracy: time, schedMaxFuture: time, schedMaxPast: time, timestamp: time }) },
} as const;
export const bundleFeaturesRequest = struct({ featureRequestFlags: u32, pad0: padding(4), properties: properties(bundleFeatureProperties) });
export const bundleFeaturesReply = struct({ capabilities: u16, pad0: padding(6), properties: properties(bundleFeatureProperties) });

const statusProperties = { uri: { number: 0, body: struct({ uri: rest }) } } as const;
/** OFPT_CONTROLLER_STATUS of 1.5 section 7.4.8. */
export const controllerStatusCodec = struct({ length: ownLength(), shortId: u16, role: u32, reason: u8, channelStatus: u8, pad0: padding(6), properties: properties(statusProperties) });
