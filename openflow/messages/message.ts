/** All messages: one row each, with its type number and the versions that have it. Unknown types keep their bytes. */
import { readActions, writeAction, type Action } from "../actions/action.js";
import { readMatch, writeMatch, type Match } from "../fields/match.js";
import { Reader, WireError, Writer } from "../wire/reader.js";
import { padding, struct, u16, u32, u64, u8, type Codec } from "../wire/struct.js";
import { readAsync, writeAsync, type AsyncMasks } from "./async.js";
import { readFlowMod, readFlowRemoved, writeFlowMod, writeFlowRemoved, type FlowMod, type FlowRemoved, type Version } from "./flow.js";
import { readGroupMod, writeGroupMod, type GroupMod } from "./group.js";
import { readMeterMod, writeMeterMod, type MeterMod } from "./meter.js";
import { readPortMod, readPortStatus, writePortMod, writePortStatus, type PortMod, type PortStatus } from "./port.js";

/** One member per name, so that `type` tells the members of a union apart. */
type Each<T extends string, B> = T extends string ? { readonly type: T } & B : never;

export interface Hello {
  readonly type: "hello";
  /** Wire versions of the version bitmap; empty when the peer sent none. */
  readonly versions: readonly number[];
}
export interface ErrorMessage {
  readonly type: "error";
  readonly errorType: number;
  readonly code: number;
  /** At least 64 bytes of the request that failed. */
  readonly data: Uint8Array;
}
export type Echo = Each<"echoRequest" | "echoReply", { readonly data: Uint8Array }>;
export interface Experimenter {
  readonly type: "experimenter";
  readonly experimenter: number;
  readonly expType: number;
  readonly data: Uint8Array;
}
export type Simple = Each<"featuresRequest" | "getConfigRequest" | "barrierRequest" | "barrierReply" | "getAsyncRequest", object>;
const features = struct({ datapathId: u64, nBuffers: u32, nTables: u8, auxiliaryId: u8, pad0: padding(2), capabilities: u32, reserved: u32 });
export type Features = ReturnType<typeof features.read>;
const config = struct({ flags: u16, missSendLen: u16 });
export type SwitchConfig = Each<"getConfigReply" | "setConfig", ReturnType<typeof config.read>>;
const role = struct({ role: u32, pad0: padding(4), generationId: u64 });
export type Role = Each<"roleRequest" | "roleReply", ReturnType<typeof role.read>>;
const roleStatus = struct({ role: u32, reason: u8, pad0: padding(3), generationId: u64 });
/** Another controller took the role, or an experimenter changed it. */
export type RoleStatus = { readonly type: "roleStatus" } & ReturnType<typeof roleStatus.read>;
export type Async = Each<"getAsyncReply" | "setAsync", { readonly masks: AsyncMasks }>;
const packetInHead = struct({ bufferId: u32, totalLen: u16, reason: u8, tableId: u8, cookie: u64 });
export interface PacketIn {
  readonly type: "packetIn";
  readonly bufferId: number;
  readonly totalLen: number;
  readonly reason: number;
  readonly tableId: number;
  readonly cookie: bigint;
  readonly match: Match;
  readonly data: Uint8Array;
}
const packetOutHead = struct({ bufferId: u32, inPort: u32, actionsLength: u16, pad0: padding(6) });
export interface PacketOut {
  readonly type: "packetOut";
  readonly bufferId: number;
  readonly inPort: number;
  readonly actions: readonly Action[];
  readonly data: Uint8Array;
}
const multipartHead = struct({ multipartType: u16, flags: u16, pad0: padding(4) });
export type Multipart = Each<
  "multipartRequest" | "multipartReply",
  {
    readonly multipartType: number;
    /** Bit 0: more parts follow. */
    readonly flags: number;
    readonly body: Uint8Array;
  }
>;
export interface RequestForward {
  readonly type: "requestForward";
  /** The group-mod or meter-mod of another controller, whole. */
  readonly request: Uint8Array;
}
const bundleControl = struct({ bundleId: u32, bundleType: u16, flags: u16 });
export type BundleControl = { readonly type: "bundleControl" } & ReturnType<typeof bundleControl.read>;
const bundleAddHead = struct({ bundleId: u32, pad0: padding(2), flags: u16 });
export interface BundleAdd {
  readonly type: "bundleAdd";
  readonly bundleId: number;
  readonly flags: number;
  /** A whole message, with the xid of this one. */
  readonly message: Uint8Array;
}
export interface UnknownMessage {
  readonly type: "unknown";
  readonly typeNumber: number;
  readonly bytes: Uint8Array;
}

export type Body =
  | Hello
  | ErrorMessage
  | Echo
  | Experimenter
  | Simple
  | ({ readonly type: "featuresReply" } & Features)
  | SwitchConfig
  | Role
  | RoleStatus
  | Async
  | PacketIn
  | FlowRemoved
  | PortStatus
  | PacketOut
  | FlowMod
  | GroupMod
  | MeterMod
  | PortMod
  | Multipart
  | RequestForward
  | BundleControl
  | BundleAdd
  | UnknownMessage;
/** Messages that change a switch. */
export type ModBody = FlowMod | GroupMod | MeterMod | PortMod;
export type Message = Body & { readonly version: number; readonly xid: number };

interface Row<T extends Body["type"]> {
  readonly number: number;
  readonly from: number;
  readonly to: number;
  readonly write: (out: Writer, body: Extract<Body, { readonly type: T }>, version: Version) => void;
  readonly read: (from: Reader, version: Version) => Body;
}

/** A message whose body is one struct. */
function fixed<T extends Exclude<Body["type"], "unknown">>(type: T, number: number, from: number, to: number, body: Codec<object>): Row<T> {
  return { number, from, to, write: (out, value) => body.write(out, value), read: (reader) => ({ type, ...body.read(reader) }) as Body };
}
const empty = <T extends Simple["type"]>(type: T, number: number): Row<T> => fixed(type, number, 1, 6, struct({}));
const echo = <T extends Echo["type"]>(type: T, number: number): Row<T> => ({
  number,
  from: 1,
  to: 6,
  write: (out, body) => out.raw((body as Echo).data),
  read: (from) => ({ type, data: from.rest() }),
});
const asynchronous = <T extends Async["type"]>(type: T, number: number): Row<T> => ({
  number,
  from: 4,
  to: 6,
  write: (out, body, version) => writeAsync(out, (body as Async).masks, version),
  read: (from, version) => ({ type, masks: readAsync(from, version) }),
});
const multipart = <T extends Multipart["type"]>(type: T, number: number): Row<T> => ({
  number,
  from: 4,
  to: 6,
  write: (out, body) => {
    multipartHead.write(out, body);
    out.raw((body as Multipart).body);
  },
  read: (from) => ({ type, ...multipartHead.read(from), body: from.rest() }),
});

const rows: { readonly [T in Exclude<Body["type"], "unknown">]: Row<T> } = {
  hello: {
    number: 0,
    from: 1,
    to: 6,
    write: (out, body) => {
      if (body.versions.length === 0) return;
      out.u16(1); // OFPHET_VERSIONBITMAP
      out.u16(8);
      out.u32(body.versions.reduce((sum, version) => sum | (1 << version), 0) >>> 0);
    },
    read: (from) => {
      const versions: number[] = [];
      while (from.remaining >= 4) {
        const type = from.u16();
        const length = from.u16();
        if (length < 4) throw new WireError(`hello element length ${length}`, from.offset - 2);
        const element = from.sub(Math.min(length - 4, from.remaining));
        if (type === 1 && element.remaining >= 4) {
          const bitmap = element.u32();
          for (let version = 1; version < 32; version++) if ((bitmap & (1 << version)) !== 0) versions.push(version);
        }
        if (from.remaining > 0) from.skip(Math.min((8 - (length % 8)) % 8, from.remaining));
      }
      return { type: "hello", versions };
    },
  },
  error: {
    number: 1,
    from: 1,
    to: 6,
    write: (out, body) => {
      out.u16(body.errorType);
      out.u16(body.code);
      out.raw(body.data);
    },
    read: (from) => ({ type: "error", errorType: from.u16(), code: from.u16(), data: from.rest() }),
  },
  echoRequest: echo("echoRequest", 2),
  echoReply: echo("echoReply", 3),
  experimenter: {
    number: 4,
    from: 2,
    to: 6,
    write: (out, body) => {
      out.u32(body.experimenter);
      out.u32(body.expType);
      out.raw(body.data);
    },
    read: (from) => ({ type: "experimenter", experimenter: from.u32(), expType: from.u32(), data: from.rest() }),
  },
  featuresRequest: empty("featuresRequest", 5),
  featuresReply: fixed("featuresReply", 6, 4, 6, features),
  getConfigRequest: empty("getConfigRequest", 7),
  getConfigReply: fixed("getConfigReply", 8, 1, 6, config),
  setConfig: fixed("setConfig", 9, 1, 6, config),
  packetIn: {
    number: 10,
    from: 4,
    to: 6,
    write: (out, body) => {
      packetInHead.write(out, body);
      writeMatch(out, body.match);
      out.zeros(2);
      out.raw(body.data);
    },
    read: (from) => {
      const head = { ...packetInHead.read(from), match: readMatch(from) };
      from.skip(2);
      return { type: "packetIn", ...head, data: from.rest() };
    },
  },
  flowRemoved: { number: 11, from: 4, to: 5, write: writeFlowRemoved, read: readFlowRemoved },
  portStatus: { number: 12, from: 4, to: 6, write: writePortStatus, read: readPortStatus },
  packetOut: {
    number: 13,
    from: 2,
    to: 5,
    write: (out, body) => {
      const start = out.length;
      packetOutHead.write(out, { ...body, actionsLength: 0 });
      for (const one of body.actions) writeAction(out, one);
      out.patchU16(start + 8, out.length - start - packetOutHead.size);
      out.raw(body.data);
    },
    read: (from) => {
      const { actionsLength, ...head } = packetOutHead.read(from);
      return { type: "packetOut", ...head, actions: readActions(from.sub(actionsLength)), data: from.rest() };
    },
  },
  flowMod: { number: 14, from: 4, to: 6, write: writeFlowMod, read: readFlowMod },
  groupMod: { number: 15, from: 2, to: 5, write: writeGroupMod, read: readGroupMod },
  portMod: { number: 16, from: 4, to: 6, write: writePortMod, read: readPortMod },
  multipartRequest: multipart("multipartRequest", 18),
  multipartReply: multipart("multipartReply", 19),
  barrierRequest: empty("barrierRequest", 20),
  barrierReply: empty("barrierReply", 21),
  roleRequest: fixed("roleRequest", 24, 3, 6, role),
  roleReply: fixed("roleReply", 25, 3, 6, role),
  getAsyncRequest: empty("getAsyncRequest", 26),
  getAsyncReply: asynchronous("getAsyncReply", 27),
  setAsync: asynchronous("setAsync", 28),
  meterMod: { number: 29, from: 4, to: 6, write: writeMeterMod, read: readMeterMod },
  roleStatus: fixed("roleStatus", 30, 5, 6, roleStatus),
  requestForward: { number: 32, from: 5, to: 6, write: (out, body) => out.raw(body.request), read: (from) => ({ type: "requestForward", request: from.rest() }) },
  bundleControl: fixed("bundleControl", 33, 5, 6, bundleControl),
  bundleAdd: {
    number: 34,
    from: 5,
    to: 6,
    write: (out, body) => {
      bundleAddHead.write(out, body);
      out.raw(body.message);
    },
    read: (from) => ({ type: "bundleAdd", ...bundleAddHead.read(from), message: from.rest() }),
  },
};

const byNumber = new Map<number, Row<Exclude<Body["type"], "unknown">>>(
  Object.values(rows).map((row) => [row.number, row as unknown as Row<Exclude<Body["type"], "unknown">>]),
);

/** The bytes of a whole message. RangeError when the version does not have it, or when it exceeds 65,535 bytes. */
export function encodeMessage(version: Version, xid: number, body: Body): Uint8Array {
  const out = new Writer();
  out.u8(version);
  out.u8(0);
  out.u16(0);
  out.u32(xid);
  let number: number;
  if (body.type === "unknown") {
    number = body.typeNumber;
    out.raw(body.bytes);
  } else {
    const row = rows[body.type] as Row<typeof body.type>;
    if (version < row.from || version > row.to) throw new RangeError(`${body.type} is not in wire version ${version}`);
    number = row.number;
    row.write(out, body, version);
  }
  if (out.length > 0xffff) throw new RangeError(`${body.type} of ${out.length} bytes does not fit in a message`);
  const bytes = out.done();
  bytes[1] = number;
  new DataView(bytes.buffer).setUint16(2, bytes.length);
  return bytes;
}

/** One whole message. Throws WireError, nothing else, for one that can't be true. */
export function decodeMessage(bytes: Uint8Array): Message {
  const from = new Reader(bytes);
  const version = from.u8();
  const number = from.u8();
  const length = from.u16();
  const xid = from.u32();
  if (length !== bytes.length) throw new WireError(`length ${length}, ${bytes.length} bytes given`, 2);
  const row = byNumber.get(number);
  const isHello = number === 0;
  if (row === undefined || (!isHello && (version < row.from || version > row.to))) return { type: "unknown", typeNumber: number, bytes: from.rest(), version, xid };
  const body = row.read(from, version as Version);
  if (from.remaining > 0) throw new WireError(`${from.remaining} bytes after the end of ${body.type}`, from.offset);
  return { ...body, version, xid };
}

/** A packet-out; `data` is the frame. */
export function packetOut(parts: { readonly inPort: number; readonly actions: readonly Action[]; readonly data: Uint8Array }): PacketOut {
  return { type: "packetOut", bufferId: 0xffffffff, ...parts };
}
