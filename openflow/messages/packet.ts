/** ofp_packet_in and ofp_packet_out. */
import { readActions, writeAction, type Action } from "../actions/action.js";
import { isKnown, readMatch, writeMatch, type Match } from "../fields/match.js";
import type { Reader, Writer } from "../wire/reader.js";
import { padding, port16, rest, struct, u16, u32, u64, u8, type Codec } from "../wire/struct.js";
import { byHand } from "../wire/shape.js";

export interface PacketIn {
  readonly type: "packetIn";
  readonly bufferId: number;
  readonly totalLen: number;
  /** ofp_packet_in_reason; 0 no match, 1 action. */
  readonly reason: number;
  /** 0 in OpenFlow 1.0. */
  readonly tableId: number;
  /** All ones before 1.3. */
  readonly cookie: bigint;
  /** inPort at least; what 1.0 and 1.1 tell in fields of their own stands here too. */
  readonly match: Match;
  readonly data: Uint8Array;
}
export type PacketInBody = Omit<PacketIn, "type">;

const noCookie = 0xffff_ffff_ffff_ffffn;
const head10 = struct({ bufferId: u32, totalLen: u16, inPort: port16, reason: u8, pad0: padding(1) });
const head11 = struct({ bufferId: u32, inPort: u32, inPhyPort: u32, totalLen: u16, reason: u8, tableId: u8 });
const head12 = struct({ bufferId: u32, totalLen: u16, reason: u8, tableId: u8 });

function portOf(match: Match, name: "inPort" | "inPhyPort"): number | undefined {
  for (const one of match) if (isKnown(one) && one.name === name) return Number(one.value);
  return undefined;
}

export const packetInCodec: Codec<PacketInBody> = byHand("packetIn", {
  read: (from) => {
    if (from.version === 1) {
      const { inPort, ...head } = head10.read(from);
      return { ...head, tableId: 0, cookie: noCookie, match: [{ name: "inPort", value: BigInt(inPort) }], data: from.rest() };
    }
    if (from.version === 2) {
      const { inPort, inPhyPort, ...head } = head11.read(from);
      return { ...head, cookie: noCookie, match: [{ name: "inPort", value: BigInt(inPort) }, { name: "inPhyPort", value: BigInt(inPhyPort) }], data: from.rest() };
    }
    const head = head12.read(from);
    const cookie = from.version >= 4 ? u64.read(from) : noCookie;
    const match = readMatch(from);
    from.skip(2);
    return { ...head, cookie, match, data: from.rest() };
  },
  write: (out, body) => {
    if (out.version <= 2) {
      const inPort = portOf(body.match, "inPort") ?? 0;
      if (out.version === 1) head10.write(out, { ...body, inPort });
      else head11.write(out, { ...body, inPort, inPhyPort: portOf(body.match, "inPhyPort") ?? inPort });
    } else {
      head12.write(out, body);
      if (out.version >= 4) u64.write(out, body.cookie);
      writeMatch(out, body.match);
      out.zeros(2);
    }
    rest.write(out, body.data);
  },
});

export interface PacketOut {
  readonly type: "packetOut";
  readonly bufferId: number;
  readonly inPort: number;
  /** From 1.5 on further metadata of the packet; inPort is written into it. */
  readonly match?: Match;
  readonly actions: readonly Action[];
  readonly data: Uint8Array;
}
type PacketOutBody = Omit<PacketOut, "type">;

/** A packet-out; `data` is the frame. */
export function packetOut(parts: { readonly inPort: number; readonly actions: readonly Action[]; readonly data: Uint8Array; readonly bufferId?: number }): PacketOut {
  return { type: "packetOut", bufferId: 0xffffffff, ...parts };
}

function writeActionList(out: Writer, lengthAt: number, actions: readonly Action[]): void {
  const start = out.length;
  for (const one of actions) writeAction(out, one);
  out.patchU16(lengthAt, out.length - start);
}

function readPacketOut15(from: Reader): PacketOutBody {
  const bufferId = from.u32();
  const length = from.u16();
  from.skip(2);
  const match = readMatch(from);
  const inPort = portOf(match, "inPort") ?? 0;
  const others = match.filter((one) => one.name !== "inPort");
  if (match[0]?.name !== "inPort") from.noteLoss();
  return { bufferId, inPort, ...(others.length === 0 ? {} : { match: others }), actions: readActions(from.nested(length)), data: from.rest() };
}

export const packetOutCodec: Codec<PacketOutBody> = byHand("packetOut", {
  read: (from) => {
    if (from.version >= 6) return readPacketOut15(from);
    const bufferId = from.u32();
    const inPort = from.version === 1 ? port16.read(from) : from.u32();
    const length = from.u16();
    if (from.version >= 2) from.skip(6);
    return { bufferId, inPort, actions: readActions(from.nested(length)), data: from.rest() };
  },
  write: (out, body) => {
    out.u32(body.bufferId);
    if (out.version >= 6) {
      const lengthAt = out.length;
      out.zeros(4);
      writeMatch(out, [{ name: "inPort", value: BigInt(body.inPort) }, ...(body.match ?? [])]);
      writeActionList(out, lengthAt, body.actions);
    } else {
      if (out.version === 1) port16.write(out, body.inPort);
      else out.u32(body.inPort);
      const lengthAt = out.length;
      out.zeros(out.version === 1 ? 2 : 8);
      writeActionList(out, lengthAt, body.actions);
    }
    rest.write(out, body.data);
  },
});
