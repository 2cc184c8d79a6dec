/** ofp_port, ofp_port_status and ofp_port_stats: 1.3 has fixed bodies, 1.4 lengths and properties. */
import { type Reader, WireError } from "../wire/reader.js";
import { bytes, padding, struct, text, u32, u64 } from "../wire/struct.js";
import type { Version } from "./flow.js";

export interface PortDesc {
  readonly portNo: number;
  readonly hwAddr: Uint8Array;
  readonly name: string;
  /** ofp_port_config; bit 0: administratively down. */
  readonly config: number;
  /** ofp_port_state; bit 0: no carrier. */
  readonly state: number;
}

const common = struct({ hwAddr: bytes(6), pad0: padding(2), name: text(16), config: u32, state: u32 });

function readPort(from: Reader, version: Version): PortDesc {
  const start = from.offset;
  const portNo = from.u32();
  if (version < 5) {
    from.skip(4);
    const desc = common.read(from);
    from.skip(24);
    return { portNo, ...desc };
  }
  const length = from.u16();
  if (length < 40) throw new WireError(`port length ${length}`, start);
  from.skip(2);
  const body = from.sub(length - 8);
  return { portNo, ...common.read(body) };
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

export function readPortStatus(from: Reader, version: Version): PortStatus {
  const reason = from.u8();
  from.skip(7);
  return { type: "portStatus", reason, desc: readPort(from, version) };
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
export type PortStats = { readonly portNo: number } & ReturnType<typeof counters.read>;

/** The body of a multipart reply of type PORT_STATS. */
export function readPortStats(from: Reader, version: Version): PortStats[] {
  const stats: PortStats[] = [];
  while (from.remaining > 0) {
    if (version < 5) {
      const body = from.sub(112);
      const portNo = body.u32();
      body.skip(4);
      stats.push({ portNo, ...counters.read(body) });
    } else {
      const body = from.sub(from.u16() - 2);
      body.skip(2);
      const portNo = body.u32();
      body.skip(8);
      stats.push({ portNo, ...counters.read(body) });
    }
  }
  return stats;
}
