/** All messages: one row each, with its numbers and the versions that have it. Unknown types keep their bytes. */
import { Reader, WireError, Writer, type Version } from "../wire/reader.js";
import { fromHex, rest, struct, u16, u32, mapped, padding, type Codec } from "../wire/struct.js";
import { asyncCodec, type AsyncMasks } from "./async.js";
import { experimenterRow, experimenterRows, type KnownExperimenter } from "./experimenter.js";
import { flowModCodec, flowRemovedCodec, type FlowMod, type FlowRemoved } from "./flow.js";
import { groupModCodec, type GroupMod } from "./group.js";
import { meterModCodec, type MeterMod } from "./meter.js";
import { multipartReplyCodec, multipartRequestCodec, type MultipartReply, type MultipartRequest } from "./multipart.js";
import { packetInCodec, packetOutCodec, type PacketIn, type PacketOut } from "./packet.js";
import { portModCodec, portStatusCodec, type PortMod, type PortStatus } from "./port.js";
import { queueConfigReply, queueConfigRequest, type QueueConfig } from "./queue.js";
import { bundleControlCodec, controllerStatusCodec, featuresCodec, roleCodec, roleStatusCodec, switchConfig, type Features, type RoleBody } from "./switch.js";
import { properties } from "./property.js";
import { tableModCodec, tableStatusCodec, type TableMod } from "./table.js";
import { byHand } from "../wire/shape.js";

/** One member per name, so that `type` tells the members of a union apart. */
type Each<T extends string, B> = T extends string ? { readonly type: T } & B : never;
type Shown<C> = C extends Codec<infer V> ? V : never;

export interface Hello {
  readonly type: "hello";
  /** Wire versions of the version bitmap; empty when the peer sent none. */
  readonly versions: readonly number[];
}
export interface ErrorMessage {
  readonly type: "error";
  readonly errorType: number;
  readonly code: number;
  /** At least 64 bytes of the request that failed; of experimenters' errors their number first. */
  readonly data: Uint8Array;
}
export type Echo = Each<"echoRequest" | "echoReply", { readonly data: Uint8Array }>;
/** One of an experimenter that is not known. */
export interface Experimenter {
  readonly type: "experimenter";
  readonly experimenter: number;
  readonly expType: number;
  readonly data: Uint8Array;
}
export type Simple = Each<"featuresRequest" | "getConfigRequest" | "barrierRequest" | "barrierReply" | "getAsyncRequest", object>;
export type SwitchConfig = Each<"getConfigReply" | "setConfig", Shown<typeof switchConfig>>;
export type Role = Each<"roleRequest" | "roleReply", RoleBody>;
/** Another controller took the role, or an experimenter changed it. */
export type RoleStatus = { readonly type: "roleStatus" } & Shown<typeof roleStatusCodec>;
export type Async = Each<"getAsyncReply" | "setAsync", { readonly masks: AsyncMasks }>;
export interface RequestForward {
  readonly type: "requestForward";
  /** The group-mod or meter-mod of another controller. */
  readonly request: Message;
}
export type BundleControl = { readonly type: "bundleControl" } & Shown<typeof bundleControlCodec>;
export interface BundleAdd {
  readonly type: "bundleAdd";
  readonly bundleId: number;
  readonly flags: number;
  /** A whole message, with the xid of this one. */
  readonly message: Message | Uint8Array;
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
  | KnownExperimenter
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
  | TableMod
  | MultipartRequest
  | MultipartReply
  | { readonly type: "queueConfigRequest"; readonly portNo: number }
  | ({ readonly type: "queueConfigReply" } & QueueConfig)
  | ({ readonly type: "tableStatus" } & Shown<typeof tableStatusCodec>)
  | ({ readonly type: "controllerStatus" } & Shown<typeof controllerStatusCodec>)
  | RequestForward
  | BundleControl
  | BundleAdd
  | UnknownMessage;
/** Messages that change a switch. */
export type ModBody = FlowMod | GroupMod | MeterMod | PortMod | TableMod;
export type Message = Body & { readonly version: number; readonly xid: number };

const helloCodec: Codec<Omit<Hello, "type">> = byHand("hello", {
  write: (out, body) => {
    if (body.versions.length === 0) return;
    out.u16(1); // OFPHET_VERSIONBITMAP
    out.u16(8);
    out.u32(body.versions.reduce((sum, version) => sum | (1 << version), 0) >>> 0);
  },
  // Never malformed: OpenFlow 1.3 section 7.5.1 has implementations ignore what they do not understand.
  read: (from) => {
    const versions: number[] = [];
    while (from.remaining >= 4) {
      const type = from.u16();
      const length = from.u16();
      if (length < 4) throw new WireError(`hello element length ${length}`, from.offset - 2);
      const element = from.sub(Math.min(length - 4, from.remaining));
      if (type === 1 && element.remaining >= 4) {
        const bitmap = element.u32();
        for (let version = 0; version < 32; version++) if ((bitmap & (1 << version)) !== 0) versions.push(version);
      } else from.noteLoss();
      if (from.remaining > 0) from.skip(Math.min((8 - (length % 8)) % 8, from.remaining));
    }
    if (from.remaining > 0) from.skip(from.remaining);
    return { versions };
  },
});

/** A whole message inside another. */
const inner: Codec<Message> = byHand("message", {
  read: (from) => decodeFrom(from.nested(from.remaining)),
  write: (out, message) => {
    const { version, xid, ...body } = message;
    out.raw(message instanceof Uint8Array ? message : encodeMessage(version as Version, xid, body));
  },
});
const bundleAddCodec: Codec<Omit<BundleAdd, "type">> = byHand("bundleAdd", {
  read: (from) => {
    const { properties: _, ...head } = bundleAddHead.read(from);
    const length = from.fork().number(4) & 0xffffn; // of the message inside; properties follow it
    const message = inner.read(from.nested(Number(length)));
    if (from.remaining > 0) {
      from.skip((8 - (Number(length) % 8)) % 8);
      properties({}).read(from);
      from.noteLoss();
    }
    return { ...head, message };
  },
  write: (out, body) => {
    bundleAddHead.write(out, { ...body, properties: [] });
    inner.write(out, body.message as Message);
  },
});
const bundleAddHead = struct({ bundleId: u32, pad0: padding(2), flags: u16, properties: { read: () => [], write: () => undefined } });

type KnownType = Exclude<Body["type"], "unknown" | "experimenter" | KnownExperimenter["type"]>;
/** [first wire version, last, number] */
type Numbers = readonly (readonly [number, number, number])[];
interface Row {
  readonly numbers: Numbers;
  readonly body: { read(from: Reader): object; write(out: Writer, value: never): void };
}
const empty = struct({});
const data = struct({ data: rest });
const at = (number: number, first = 1, last = 6): Numbers => [[first, last, number]];

const rows: { readonly [T in KnownType]: Row } = {
  hello: { numbers: at(0), body: helloCodec },
  error: { numbers: at(1), body: struct({ errorType: u16, code: u16, data: rest }) },
  echoRequest: { numbers: at(2), body: data },
  echoReply: { numbers: at(3), body: data },
  featuresRequest: { numbers: at(5), body: empty },
  featuresReply: { numbers: at(6), body: featuresCodec },
  getConfigRequest: { numbers: at(7), body: empty },
  getConfigReply: { numbers: at(8), body: switchConfig },
  setConfig: { numbers: at(9), body: switchConfig },
  packetIn: { numbers: at(10), body: packetInCodec },
  flowRemoved: { numbers: at(11), body: flowRemovedCodec },
  portStatus: { numbers: at(12), body: portStatusCodec },
  packetOut: { numbers: at(13), body: packetOutCodec },
  flowMod: { numbers: at(14), body: flowModCodec },
  groupMod: { numbers: at(15, 2), body: groupModCodec },
  portMod: { numbers: [[1, 1, 15], [2, 6, 16]], body: portModCodec },
  tableMod: { numbers: at(17, 2), body: tableModCodec },
  multipartRequest: { numbers: [[1, 1, 16], [2, 6, 18]], body: multipartRequestCodec },
  multipartReply: { numbers: [[1, 1, 17], [2, 6, 19]], body: multipartReplyCodec },
  barrierRequest: { numbers: [[1, 1, 18], [2, 6, 20]], body: empty },
  barrierReply: { numbers: [[1, 1, 19], [2, 6, 21]], body: empty },
  queueConfigRequest: { numbers: [[1, 1, 20], [2, 4, 22]], body: queueConfigRequest },
  queueConfigReply: { numbers: [[1, 1, 21], [2, 4, 23]], body: queueConfigReply },
  roleRequest: { numbers: at(24, 3), body: roleCodec },
  roleReply: { numbers: at(25, 3), body: roleCodec },
  getAsyncRequest: { numbers: at(26, 4), body: empty },
  getAsyncReply: { numbers: at(27, 4), body: asyncCodec },
  setAsync: { numbers: at(28, 4), body: asyncCodec },
  meterMod: { numbers: at(29, 4), body: meterModCodec },
  roleStatus: { numbers: at(30, 5), body: roleStatusCodec },
  tableStatus: { numbers: at(31, 5), body: tableStatusCodec },
  requestForward: { numbers: at(32, 5), body: mapped(inner, (request) => ({ request }), ({ request }: { readonly request: Message }) => request) },
  bundleControl: { numbers: at(33, 5), body: bundleControlCodec },
  bundleAdd: { numbers: at(34, 5), body: bundleAddCodec },
  controllerStatus: { numbers: at(35, 6), body: controllerStatusCodec },
};
const experimenterNumber = 4;

interface Found {
  readonly type: KnownType;
  readonly number: number;
  readonly body: Codec<object>;
}
const found = Object.entries(rows).flatMap(([type, { numbers, body }]) => numbers.map(([first, last, number]) => ({ first, last, type: type as KnownType, number, body: body })));
/** By version * 256 + number, and by version and type. */
const byNumber = new Map<number, Found>();
const byType: readonly Map<string, Found>[] = Array.from({ length: 7 }, () => new Map<string, Found>());
for (const row of found) {
  for (let version = row.first; version <= row.last; version++) {
    byNumber.set(version * 256 + row.number, row);
    byType[version]?.set(row.type, row);
  }
}
const experimenterByType = new Map<string, (typeof experimenterRows)[number]>(experimenterRows.map((row) => [row.type, row]));

/** The messages there are: names, and in which wire versions under which number. Experimenters' are under 4. */
export const messageTypes: readonly { readonly type: string; readonly numbers: Numbers; readonly body: object; readonly experimenter?: number; readonly expType?: number }[] = [
  ...Object.entries(rows).map(([type, { numbers, body }]) => ({ type, numbers, body })),
  ...experimenterRows.map(({ type, experimenter, expType, first, last, body }) => ({ type, numbers: at(experimenterNumber, first, last), body, experimenter, expType })),
];

/** Writes a whole message behind what is there. RangeError when the version does not have it, or when it exceeds 65,535 bytes. */
export function writeMessage(out: Writer, xid: number, body: Body): void {
  const start = out.length;
  const { version } = out;
  try {
    out.u8(version);
    out.u8(0);
    out.u16(0);
    out.u32(xid);
    let number = experimenterNumber;
    const row = byType[version]?.get(body.type);
    if (row !== undefined) {
      number = row.number;
      row.body.write(out, body);
    } else if (body.type === "unknown") {
      number = body.typeNumber;
      out.raw(typeof body.bytes === "string" ? fromHex(body.bytes) : body.bytes);
    } else if (body.type === "experimenter") {
      out.u32(body.experimenter);
      out.u32(body.expType);
      rest.write(out, body.data);
    } else {
      const known = experimenterByType.get(body.type);
      if (known === undefined || version < known.first || version > known.last) throw new RangeError(`${body.type} is not in wire version ${version}`);
      out.u32(known.experimenter);
      out.u32(known.expType);
      known.body.write(out, body);
    }
    const length = out.length - start;
    if (length > 0xffff) throw new RangeError(`${body.type} of ${length} bytes does not fit in a message`);
    out.patch(start + 1, number, 1);
    out.patch(start + 2, length, 2);
  } catch (error) {
    out.reset(start); // nothing of a message that cannot be written goes out
    throw error;
  }
}

/** The bytes of a whole message. RangeError when the version does not have it, or when it exceeds 65,535 bytes. */
export function encodeMessage(version: Version, xid: number, body: Body): Uint8Array {
  const out = new Writer(version);
  writeMessage(out, xid, body);
  return out.done();
}

function readExperimenter(from: Reader): Body {
  if (from.remaining < 8) throw new WireError("an experimenter message needs 8 bytes", from.offset);
  const experimenter = from.u32();
  const expType = from.u32();
  const row = experimenterRow(experimenter, expType, from.version);
  if (row === undefined) return { type: "experimenter", experimenter, expType, data: from.rest() };
  return { type: row.type, ...(row.body.read(from) as object) } as Body;
}

function decodeFrom(from: Reader): Message {
  const start = from.offset;
  const version = from.u8();
  const number = from.u8();
  const length = from.u16();
  const xid = from.u32();
  if (length !== from.remaining + 8) throw new WireError(`length ${length}, ${from.remaining + 8} bytes given`, start + 2);
  // A hello may be of a version that is not there yet.
  const row = number === 0 ? byNumber.get(256) : byNumber.get(version * 256 + number);
  let body: Body;
  if (row !== undefined) body = Object.assign({ type: row.type }, row.body.read(from)) as Body;
  else if (number === experimenterNumber && version >= 1 && version <= 6) body = readExperimenter(from);
  else body = { type: "unknown", typeNumber: number, bytes: from.rest() };
  if (from.remaining > 0) throw new WireError(`${from.remaining} bytes after the end of ${body.type}`, from.offset);
  return Object.assign(body, { version, xid });
}

/** One whole message. Throws WireError, nothing else, for one that can't be true. */
export function decodeMessage(bytes: Uint8Array): Message {
  return decodeFrom(new Reader(bytes, (bytes[0] ?? 0) as Version));
}
