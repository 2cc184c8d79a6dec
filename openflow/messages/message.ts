/** All messages: one row each, with its type number and the versions that have it. Unknown types keep their bytes. */
import { readActions, writeAction, type Action } from "../actions/action.js";
import { readMatch, type Match } from "../fields/match.js";
import { Reader, WireError, Writer } from "../wire/reader.js";
import { padding, struct, u16, u32, u64, u8 } from "../wire/struct.js";
import { readFlowMod, readFlowRemoved, writeFlowMod, type FlowMod, type FlowRemoved, type Version } from "./flow.js";
import { readGroupMod, writeGroupMod, writeMeterMod, type GroupMod, type MeterMod } from "./group.js";
import { readPortStatus, type PortStatus } from "./port.js";

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
export interface Echo {
  readonly type: "echoRequest" | "echoReply";
  readonly data: Uint8Array;
}
export interface Experimenter {
  readonly type: "experimenter";
  readonly experimenter: number;
  readonly expType: number;
  readonly data: Uint8Array;
}
export interface Simple {
  readonly type: "featuresRequest" | "getConfigRequest" | "barrierRequest" | "barrierReply";
}
const features = struct({ datapathId: u64, nBuffers: u32, nTables: u8, auxiliaryId: u8, pad0: padding(2), capabilities: u32, reserved: u32 });
export type Features = ReturnType<typeof features.read>;
const config = struct({ flags: u16, missSendLen: u16 });
export type SwitchConfig = { readonly type: "getConfigReply" | "setConfig" } & ReturnType<typeof config.read>;
const role = struct({ role: u32, pad0: padding(4), generationId: u64 });
export type Role = { readonly type: "roleRequest" | "roleReply" } & ReturnType<typeof role.read>;
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
export interface PacketOut {
  readonly type: "packetOut";
  readonly bufferId: number;
  readonly inPort: number;
  readonly actions: readonly Action[];
  readonly data: Uint8Array;
}
export interface Multipart {
  readonly type: "multipartRequest" | "multipartReply";
  readonly multipartType: number;
  /** Bit 0: more parts follow. */
  readonly flags: number;
  readonly body: Uint8Array;
}
export interface RequestForward {
  readonly type: "requestForward";
  /** The group-mod or meter-mod of another controller, whole. */
  readonly request: Uint8Array;
}
const bundleControl = struct({ bundleId: u32, bundleType: u16, flags: u16 });
export type BundleControl = { readonly type: "bundleControl" } & ReturnType<typeof bundleControl.read>;
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
  | PacketIn
  | FlowRemoved
  | PortStatus
  | PacketOut
  | FlowMod
  | GroupMod
  | MeterMod
  | Multipart
  | RequestForward
  | BundleControl
  | BundleAdd
  | UnknownMessage;
/** Messages that change a switch. */
export type ModBody = FlowMod | GroupMod | MeterMod;
export type Message = Body & { readonly version: number; readonly xid: number };

interface Row<T extends Body["type"]> {
  readonly number: number;
  readonly from: number;
  readonly to: number;
  readonly write: (out: Writer, body: Extract<Body, { readonly type: T }>, version: Version) => void;
  readonly read: (from: Reader, version: Version) => Body;
}

const empty = <T extends Simple["type"]>(number: number, type: T): Row<T> => ({ number, from: 1, to: 6, write: () => {}, read: () => ({ type }) });
const echo = (number: number, type: Echo["type"]): Row<Echo["type"]> => ({
  number,
  from: 1,
  to: 6,
  write: (out, body) => out.raw((body).data),
  read: (from) => ({ type, data: from.rest() }),
});
const readOnly = (): never => {
  throw new RangeError("this message is only read");
};

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
  echoRequest: echo(2, "echoRequest") as Row<"echoRequest">,
  echoReply: echo(3, "echoReply") as Row<"echoReply">,
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
  featuresRequest: empty(5, "featuresRequest"),
  featuresReply: { number: 6, from: 4, to: 6, write: (out, body) => features.write(out, body), read: (from) => ({ type: "featuresReply", ...features.read(from) }) },
  getConfigRequest: empty(7, "getConfigRequest"),
  getConfigReply: { number: 8, from: 1, to: 6, write: (out, body) => config.write(out, body), read: (from) => ({ type: "getConfigReply", ...config.read(from) }) },
  setConfig: { number: 9, from: 1, to: 6, write: (out, body) => config.write(out, body), read: (from) => ({ type: "setConfig", ...config.read(from) }) },
  packetIn: {
    number: 10,
    from: 4,
    to: 6,
    write: readOnly,
    read: (from) => {
      const head = { bufferId: from.u32(), totalLen: from.u16(), reason: from.u8(), tableId: from.u8(), cookie: from.u64(), match: readMatch(from) };
      from.skip(2);
      return { type: "packetIn", ...head, data: from.rest() };
    },
  },
  flowRemoved: { number: 11, from: 4, to: 5, write: readOnly, read: (from) => readFlowRemoved(from) },
  portStatus: { number: 12, from: 4, to: 6, write: readOnly, read: (from, version) => readPortStatus(from, version) },
  packetOut: {
    number: 13,
    from: 2,
    to: 5,
    write: (out, body) => {
      out.u32(body.bufferId);
      out.u32(body.inPort);
      const lengthAt = out.length;
      out.u16(0);
      out.zeros(6);
      const start = out.length;
      for (const one of body.actions) writeAction(out, one);
      out.patchU16(lengthAt, out.length - start);
      out.raw(body.data);
    },
    read: (from) => {
      const bufferId = from.u32();
      const inPort = from.u32();
      const length = from.u16();
      from.skip(6);
      return { type: "packetOut", bufferId, inPort, actions: readActions(from.sub(length)), data: from.rest() };
    },
  },
  flowMod: { number: 14, from: 4, to: 6, write: writeFlowMod, read: (from) => readFlowMod(from) },
  groupMod: { number: 15, from: 2, to: 5, write: (out, body) => writeGroupMod(out, body), read: (from) => readGroupMod(from) },
  multipartRequest: { number: 18, from: 4, to: 6, write: (out, body) => writeMultipart(out, body), read: (from) => readMultipart(from, "multipartRequest") },
  multipartReply: { number: 19, from: 4, to: 6, write: (out, body) => writeMultipart(out, body), read: (from) => readMultipart(from, "multipartReply") },
  barrierRequest: empty(20, "barrierRequest"),
  barrierReply: empty(21, "barrierReply"),
  roleRequest: { number: 24, from: 3, to: 6, write: (out, body) => role.write(out, body), read: (from) => ({ type: "roleRequest", ...role.read(from) }) },
  roleReply: { number: 25, from: 3, to: 6, write: (out, body) => role.write(out, body), read: (from) => ({ type: "roleReply", ...role.read(from) }) },
  meterMod: { number: 29, from: 4, to: 6, write: (out, body) => writeMeterMod(out, body), read: (from) => ({ type: "unknown", typeNumber: 29, bytes: from.rest() }) },
  requestForward: { number: 32, from: 5, to: 6, write: (out, body) => out.raw(body.request), read: (from) => ({ type: "requestForward", request: from.rest() }) },
  bundleControl: { number: 33, from: 5, to: 6, write: (out, body) => bundleControl.write(out, body), read: (from) => ({ type: "bundleControl", ...bundleControl.read(from) }) },
  bundleAdd: {
    number: 34,
    from: 5,
    to: 6,
    write: (out, body) => {
      out.u32(body.bundleId);
      out.zeros(2);
      out.u16(body.flags);
      out.raw(body.message);
    },
    read: (from) => {
      const bundleId = from.u32();
      from.skip(2);
      return { type: "bundleAdd", bundleId, flags: from.u16(), message: from.rest() };
    },
  },
};

function writeMultipart(out: Writer, body: Multipart): void {
  out.u16(body.multipartType);
  out.u16(body.flags);
  out.zeros(4);
  out.raw(body.body);
}

function readMultipart(from: Reader, type: Multipart["type"]): Multipart {
  const multipartType = from.u16();
  const flags = from.u16();
  from.skip(4);
  return { type, multipartType, flags, body: from.rest() };
}

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
  return { ...row.read(from, version as Version), version, xid };
}

/** A packet-out; `data` is the frame. */
export function packetOut(parts: { readonly inPort: number; readonly actions: readonly Action[]; readonly data: Uint8Array }): PacketOut {
  return { type: "packetOut", bufferId: 0xffffffff, ...parts };
}
