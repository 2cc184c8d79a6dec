/** ofp_port, ofp_port_status, ofp_port_mod and ofp_port_stats: 1.3 has fixed bodies, 1.4 lengths and properties. */
import { WireError, type Reader, type Writer } from "../wire/reader.js";
import { bytes, padding, struct, text, u16, u32, u64, u8 } from "../wire/struct.js";
import type { Version } from "./flow.js";

const features = struct({ curr: u32, advertised: u32, supported: u32, peer: u32, currSpeed: u32, maxSpeed: u32 });
/** Features are ofp_port_features bits; speeds are in kbit/s. */
export type PortEthernet = ReturnType<typeof features.read>;

export interface PortDesc {
  readonly portNo: number;
  readonly hwAddr: Uint8Array;
  readonly name: string;
  /** ofp_port_config; bit 0: administratively down. */
  readonly config: number;
  /** ofp_port_state; bit 0: no carrier. */
  readonly state: number;
  /** Absent when a 1.4 switch sent no Ethernet property. */
  readonly ethernet?: PortEthernet;
  /** Other properties of 1.4, whole, as they came. */
  readonly properties?: readonly Uint8Array[];
}

const common = struct({ hwAddr: bytes(6), pad0: padding(2), name: text(16), config: u32, state: u32 });
const head14 = struct({ length: u16, pad0: padding(2) });
const ethernetProperty = struct({ type: u16, length: u16, pad0: padding(4) });
const ethernetType = 0;
const noFeatures: PortEthernet = { curr: 0, advertised: 0, supported: 0, peer: 0, currSpeed: 0, maxSpeed: 0 };

function readPort(from: Reader, version: Version): PortDesc {
  const start = from.offset;
  const portNo = from.u32();
  if (version < 5) {
    from.skip(4);
    const desc = common.read(from);
    return { portNo, ...desc, ethernet: features.read(from) };
  }
  const { length } = head14.read(from);
  const fixed = 8 + common.size;
  if (length < fixed) throw new WireError(`port length ${length}`, start + 4);
  const body = from.sub(length - 8);
  const desc = common.read(body);
  let ethernet: PortEthernet | undefined;
  const properties: Uint8Array[] = [];
  while (body.remaining > 0) {
    const { type, bytes: whole } = readProperty(body);
    if (type !== ethernetType || ethernet !== undefined || whole.remaining !== ethernetProperty.size + features.size) properties.push(whole.rest());
    else {
      ethernetProperty.read(whole);
      ethernet = features.read(whole);
    }
  }
  return { portNo, ...desc, ...(ethernet === undefined ? {} : { ethernet }), ...(properties.length === 0 ? {} : { properties }) };
}

/** One property of 1.4 with its padding to 8. */
function readProperty(from: Reader): { readonly type: number; readonly bytes: Reader } {
  const start = from.offset;
  const peek = from.fork();
  const type = peek.u16();
  const length = peek.u16();
  if (length < 4) throw new WireError(`property length ${length}`, start + 2);
  return { type, bytes: from.sub(Math.ceil(length / 8) * 8) };
}

function writePort(out: Writer, port: PortDesc, version: Version): void {
  const start = out.length;
  out.u32(port.portNo);
  if (version < 5) {
    out.zeros(4);
    common.write(out, port);
    return features.write(out, port.ethernet ?? noFeatures);
  }
  head14.write(out, { length: 0 });
  common.write(out, port);
  if (port.ethernet !== undefined) {
    ethernetProperty.write(out, { type: ethernetType, length: ethernetProperty.size + features.size });
    features.write(out, port.ethernet);
  }
  for (const property of port.properties ?? []) out.raw(property);
  out.patchU16(start + 4, out.length - start);
}

/** The body of a multipart reply of type PORT_DESC. */
export function readPortDescs(from: Reader, version: Version): PortDesc[] {
  const ports: PortDesc[] = [];
  while (from.remaining > 0) ports.push(readPort(from, version));
  return ports;
}

/** ofp_port_status. `reason`: 0 add, 1 delete, 2 modify. */
export interface PortStatus {
  readonly type: "portStatus";
  readonly reason: number;
  readonly desc: PortDesc;
}

const statusHead = struct({ reason: u8, pad0: padding(7) });
export function readPortStatus(from: Reader, version: Version): PortStatus {
  return { type: "portStatus", ...statusHead.read(from), desc: readPort(from, version) };
}
export function writePortStatus(out: Writer, status: PortStatus, version: Version): void {
  statusHead.write(out, status);
  writePort(out, status.desc, version);
}

const modHead = struct({ portNo: u32, pad0: padding(4), hwAddr: bytes(6), pad1: padding(2), config: u32, mask: u32 });
const advertise13 = struct({ advertise: u32, pad0: padding(4) });
const advertise14 = struct({ type: u16, length: u16, advertise: u32 });

/** ofp_port_mod. `hwAddr` must be the port's own; `config` bits outside `mask` are left alone. */
export type PortMod = { readonly type: "portMod"; readonly advertise: number } & ReturnType<typeof modHead.read>;

/** A port-mod that changes nothing but what is given. Bit 0 of `config` and `mask`: administratively down. */
export function portMod(parts: Pick<PortMod, "portNo" | "hwAddr"> & Partial<Omit<PortMod, "type">>): PortMod {
  return { type: "portMod", config: 0, mask: 0, advertise: 0, ...parts };
}

export function readPortMod(from: Reader, version: Version): PortMod {
  const head = modHead.read(from);
  if (version < 5) return { type: "portMod", ...head, ...advertise13.read(from) };
  let advertise = 0;
  while (from.remaining > 0) {
    const property = readProperty(from);
    if (property.type === 0 && property.bytes.remaining === advertise14.size) ({ advertise } = advertise14.read(property.bytes));
    else from.noteLoss();
  }
  return { type: "portMod", ...head, advertise };
}

export function writePortMod(out: Writer, mod: PortMod, version: Version): void {
  modHead.write(out, mod);
  if (version < 5) advertise13.write(out, mod);
  else if (mod.advertise !== 0) advertise14.write(out, { type: 0, length: advertise14.size, advertise: mod.advertise });
}

const counters = struct({
  rxPackets: u64,
  txPackets: u64,
  rxBytes: u64,
  txBytes: u64,
  rxDropped: u64,
  txDropped: u64,
  rxErrors: u64,
  txErrors: u64,
});
/** For how long the port has been there. */
const duration = struct({ durationSec: u32, durationNsec: u32 });
const stats13 = struct({ portNo: u32, pad0: padding(4) });
const stats14 = struct({ length: u16, pad0: padding(2), portNo: u32 });
const ethernetErrors = 32; // frame, overrun and CRC errors and collisions, of 1.3

/** A counter the port does not keep is all ones. */
export type PortStats = { readonly portNo: number } & ReturnType<typeof counters.read> & ReturnType<typeof duration.read>;

/** The body of a multipart reply of type PORT_STATS. */
export function readPortStats(from: Reader, version: Version): PortStats[] {
  const stats: PortStats[] = [];
  while (from.remaining > 0) {
    if (version < 5) {
      const { portNo } = stats13.read(from);
      const counts = counters.read(from);
      from.sub(ethernetErrors);
      stats.push({ portNo, ...counts, ...duration.read(from) });
    } else {
      const { length, portNo } = stats14.read(from);
      const body = from.sub(length - stats14.size); // properties after the counters are left
      const age = duration.read(body);
      stats.push({ portNo, ...counters.read(body), ...age });
    }
  }
  return stats;
}
