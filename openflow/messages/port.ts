/** ofp_port, ofp_port_status, ofp_port_mod and ofp_port_stats: fixed bodies up to 1.3, lengths and properties from 1.4 on. */
import { byVersion, bytes, list, mapped, ownLength, padding, port16, since, struct, text, u16, u32, u64, u8, type Codec } from "../wire/struct.js";
import { properties, type Property } from "./property.js";

const features = struct({ curr: u32, advertised: u32, supported: u32, peer: u32, currSpeed: since(2, u32, 0), maxSpeed: since(2, u32, 0) });
/** Features are ofp_port_features bits; speeds are in kbit/s, 0 in OpenFlow 1.0. */
export interface PortEthernet {
  readonly curr: number;
  readonly advertised: number;
  readonly supported: number;
  readonly peer: number;
  readonly currSpeed: number;
  readonly maxSpeed: number;
}

const descProperties = {
  ethernet: { number: 0, body: struct({ pad0: padding(4), ...{ curr: u32, advertised: u32, supported: u32, peer: u32, currSpeed: u32, maxSpeed: u32 } }) },
  optical: {
    number: 1,
    body: struct({ pad0: padding(4), supported: u32, txMinFreqLmda: u32, txMaxFreqLmda: u32, txGridFreqLmda: u32, rxMinFreqLmda: u32, rxMaxFreqLmda: u32, rxGridFreqLmda: u32, txPwrMin: u16, txPwrMax: u16 }),
  },
  pipelineInput: { number: 2, body: struct({ pad0: padding(4), oxmIds: list(u32) }) },
  pipelineOutput: { number: 3, body: struct({ pad0: padding(4), oxmIds: list(u32) }) },
  recirculate: { number: 4, body: struct({ portNos: list(u32) }) },
} as const;
export type PortProperty = Property<typeof descProperties>;

export interface PortDesc {
  readonly portNo: number;
  readonly hwAddr: Uint8Array;
  readonly name: string;
  /** ofp_port_config; bit 0: administratively down. */
  readonly config: number;
  /** ofp_port_state; bit 0: no carrier. */
  readonly state: number;
  /** Absent when a switch of 1.4 or later sent no Ethernet property. */
  readonly ethernet?: PortEthernet;
  /** All other properties. */
  readonly properties?: readonly PortProperty[];
}
const fixed = { hwAddr: bytes(6), pad1: padding(2), name: text(16), config: u32, state: u32 };
const port10 = struct({ portNo: port16, hwAddr: bytes(6), name: text(16), config: u32, state: u32, ethernet: features });
const port11 = struct({ portNo: u32, pad0: padding(4), ...fixed, ethernet: features });
const port14 = mapped(
  struct({ portNo: u32, length: ownLength(), pad0: padding(2), ...fixed, properties: properties(descProperties) }),
  ({ properties: all, ...rest }): PortDesc => {
    const [first, ...others] = all;
    if (first?.type !== "ethernet") return { ...rest, ...(all.length === 0 ? {} : { properties: all }) };
    const { type: _, ...ethernet } = first;
    return { ...rest, ethernet, ...(others.length === 0 ? {} : { properties: others }) };
  },
  ({ ethernet, properties: others = [], ...rest }) => ({ ...rest, properties: [...(ethernet === undefined ? [] : [{ type: "ethernet" as const, ...ethernet }]), ...others] }),
);
const noEthernet: PortEthernet = { curr: 0, advertised: 0, supported: 0, peer: 0, currSpeed: 0, maxSpeed: 0 };
const needsEthernet = (codec: Codec<Omit<PortDesc, "properties" | "ethernet"> & { readonly ethernet: PortEthernet }>): Codec<PortDesc> =>
  mapped(codec, (desc): PortDesc => desc, (desc) => ({ ...desc, ethernet: desc.ethernet ?? noEthernet }));
export const portCodec = byVersion<PortDesc>([[1, needsEthernet(port10)], [2, needsEthernet(port11)], [5, port14]]);

/** ofp_port_status. `reason`: 0 add, 1 delete, 2 modify. */
export interface PortStatus {
  readonly type: "portStatus";
  readonly reason: number;
  readonly desc: PortDesc;
}
export const portStatusCodec: Codec<Omit<PortStatus, "type">> = struct({ reason: u8, pad0: padding(7), desc: portCodec });

const modProperties = {
  ethernet: { number: 0, body: struct({ advertise: u32 }) },
  optical: { number: 1, body: struct({ configure: u32, freqLmda: u32, flOffset: u32, gridSpan: u32, txPwr: u32 }) },
} as const;
/** ofp_port_mod. `hwAddr` must be the port's own; `config` bits outside `mask` are left alone. */
export interface PortMod {
  readonly type: "portMod";
  readonly portNo: number;
  readonly hwAddr: Uint8Array;
  readonly config: number;
  readonly mask: number;
  /** ofp_port_features to advertise; 0 leaves them. */
  readonly advertise: number;
  /** From 1.4 on, beside the Ethernet one. */
  readonly properties?: readonly Property<typeof modProperties>[];
}
type PortModBody = Omit<PortMod, "type">;
/** A port-mod that changes nothing but what is given. Bit 0 of `config` and `mask`: administratively down. */
export function portMod(parts: Pick<PortMod, "portNo" | "hwAddr"> & Partial<PortModBody>): PortMod {
  return { type: "portMod", config: 0, mask: 0, advertise: 0, ...parts };
}
const mod10 = struct({ portNo: port16, hwAddr: bytes(6), config: u32, mask: u32, advertise: u32, pad0: padding(4) });
const modHead = { portNo: u32, pad0: padding(4), hwAddr: bytes(6), pad1: padding(2), config: u32, mask: u32 };
const mod11 = struct({ ...modHead, advertise: u32, pad2: padding(4) });
const mod14 = mapped(
  struct({ ...modHead, properties: properties(modProperties) }),
  ({ properties: all, ...rest }): PortModBody => {
    const [first, ...others] = all;
    const isEthernet = first?.type === "ethernet" && first.advertise !== 0;
    const left = isEthernet ? others : all;
    return { ...rest, advertise: isEthernet ? first.advertise : 0, ...(left.length === 0 ? {} : { properties: left }) };
  },
  ({ advertise, properties: others = [], ...rest }) => ({ ...rest, properties: [...(advertise === 0 ? [] : [{ type: "ethernet" as const, advertise }]), ...others] }),
);
export const portModCodec = byVersion<PortModBody>([[1, mod10], [2, mod11], [5, mod14]]);

const counters = { rxPackets: u64, txPackets: u64, rxBytes: u64, txBytes: u64, rxDropped: u64, txDropped: u64, rxErrors: u64, txErrors: u64 };
const errors = { rxFrameErr: u64, rxOverErr: u64, rxCrcErr: u64, collisions: u64 };
const statsProperties = {
  ethernet: { number: 0, body: struct({ pad0: padding(4), ...errors }) },
  optical: { number: 1, body: struct({ pad0: padding(4), flags: u32, txFreqLmda: u32, txOffset: u32, txGridSpan: u32, rxFreqLmda: u32, rxOffset: u32, rxGridSpan: u32, txPwr: u16, rxPwr: u16, biasCurrent: u16, temperature: u16 }) },
} as const;
/** A counter the port does not keep is all ones. Data of properties that are not known lies in what was received: copy it to keep it. */
export interface PortStats {
  readonly portNo: number;
  readonly rxPackets: bigint;
  readonly txPackets: bigint;
  readonly rxBytes: bigint;
  readonly txBytes: bigint;
  readonly rxDropped: bigint;
  readonly txDropped: bigint;
  readonly rxErrors: bigint;
  readonly txErrors: bigint;
  /** Up to 1.3; later among the properties. */
  readonly rxFrameErr?: bigint;
  readonly rxOverErr?: bigint;
  readonly rxCrcErr?: bigint;
  readonly collisions?: bigint;
  /** For how long the port has been there; 0 before 1.3. */
  readonly durationSec: number;
  readonly durationNsec: number;
  readonly properties?: readonly Property<typeof statsProperties>[];
}
const duration = { durationSec: since(4, u32, 0), durationNsec: since(4, u32, 0) };
const stats10 = struct({ portNo: port16, pad0: padding(6), ...counters, ...errors, ...duration });
const stats11 = struct({ portNo: u32, pad0: padding(4), ...counters, ...errors, ...duration });
const stats14 = struct({ length: ownLength(), pad0: padding(2), portNo: u32, durationSec: u32, durationNsec: u32, ...counters, properties: properties(statsProperties, true) });
export const portStatsCodec = byVersion<PortStats>([[1, stats10], [2, stats11], [5, stats14]]);

/** The port asked for, or 0xffffffff for all. */
export const portRequest = byVersion<{ readonly portNo: number }>([[1, struct({ portNo: port16, pad0: padding(6) })], [2, struct({ portNo: u32, pad0: padding(4) })]]);
