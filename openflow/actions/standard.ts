/** Actions of the OpenFlow specifications, one row for each number and the versions that have it; bodies after type and length. */
import { standardRef } from "../fields/reference.js";
import { bytes, padding, port16, struct, u16, u32, u8 } from "../wire/struct.js";

const nothing = struct({ pad0: padding(4) });
const byte = <K extends string>(key: K) => struct({ [key]: u8, pad0: padding(3) } as { readonly [P in K]: typeof u8 } & { readonly pad0: ReturnType<typeof padding> });
const half = <K extends string>(key: K) => struct({ [key]: u16, pad0: padding(2) } as { readonly [P in K]: typeof u16 } & { readonly pad0: ReturnType<typeof padding> });

/** The rows of OpenFlow 1.0 (section 5.2.4). Reserved ports are the 32-bit numbers of later versions. */
export const standard10 = {
  output: { number: 0, body: struct({ port: port16, maxLen: u16 }) },
  setVlanVid: { number: 1, body: half("vlanVid") },
  setVlanPcp: { number: 2, body: byte("vlanPcp") },
  stripVlan: { number: 3, body: nothing },
  setDlSrc: { number: 4, body: struct({ dlAddr: bytes(6), pad0: padding(6) }) },
  setDlDst: { number: 5, body: struct({ dlAddr: bytes(6), pad0: padding(6) }) },
  setNwSrc: { number: 6, body: struct({ nwAddr: u32 }) },
  setNwDst: { number: 7, body: struct({ nwAddr: u32 }) },
  setNwTos: { number: 8, body: byte("nwTos") },
  setTpSrc: { number: 9, body: half("tpPort") },
  setTpDst: { number: 10, body: half("tpPort") },
  enqueue: { number: 11, body: struct({ port: port16, pad0: padding(6), queueId: u32 }) },
} as const;

/** Those of 1.1 that 1.2 replaced by set-field. */
export const standard11 = {
  setVlanVid: { number: 1, body: half("vlanVid") },
  setVlanPcp: { number: 2, body: byte("vlanPcp") },
  setDlSrc: { number: 3, body: struct({ dlAddr: bytes(6), pad0: padding(6) }) },
  setDlDst: { number: 4, body: struct({ dlAddr: bytes(6), pad0: padding(6) }) },
  setNwSrc: { number: 5, body: struct({ nwAddr: u32 }) },
  setNwDst: { number: 6, body: struct({ nwAddr: u32 }) },
  setNwTos: { number: 7, body: byte("nwTos") },
  setNwEcn: { number: 8, body: byte("nwEcn") },
  setTpSrc: { number: 9, body: half("tpPort") },
  setTpDst: { number: 10, body: half("tpPort") },
  setMplsLabel: { number: 13, body: struct({ mplsLabel: u32 }) },
  setMplsTc: { number: 14, body: byte("mplsTc") },
} as const;

/** From 1.1 on. */
export const standard = {
  output: { number: 0, body: struct({ port: u32, maxLen: u16, pad0: padding(6) }) },
  copyTtlOut: { number: 11, body: nothing },
  copyTtlIn: { number: 12, body: nothing },
  setMplsTtl: { number: 15, body: byte("ttl") },
  decMplsTtl: { number: 16, body: nothing },
  pushVlan: { number: 17, body: half("ethType") },
  popVlan: { number: 18, body: nothing },
  pushMpls: { number: 19, body: half("ethType") },
  popMpls: { number: 20, body: half("ethType") },
  setQueue: { number: 21, body: struct({ queueId: u32 }) },
  group: { number: 22, body: struct({ groupId: u32 }) },
  setNwTtl: { number: 23, body: byte("ttl") },
  decNwTtl: { number: 24, body: nothing },
} as const;

/** From 1.3 on. */
export const standard13 = { pushPbb: { number: 26, body: half("ethType") }, popPbb: { number: 27, body: nothing } } as const;

/** Copies `bits` bits of one field to another: action 28 of 1.5, before that ONF extension 320 (number 3200). */
const copyField = { bits: u16, sourceOffset: u16, targetOffset: u16, pad1: padding(2), source: standardRef, target: standardRef };
export const standard15 = { copyField: { number: 28, body: struct(copyField) }, meter: { number: 29, body: struct({ meterId: u32 }) } } as const;
/** Behind the ONF experimenter number. */
export const onf = { copyField: { number: 3200, body: struct({ pad0: padding(2), ...copyField }) } } as const;
