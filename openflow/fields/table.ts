/**
 * Match fields: one row each, with OXM class, field number and width. Sources: OpenFlow 1.5.1 section 7.2.3.8;
 * ovs-fields(7) for the Nicira ones. A field that has several encodings is written by its first and read by any.
 */

export interface FieldRow {
  readonly name: string;
  /** Width in bytes on the wire. */
  readonly bytes: number;
  /** [class, field, experimenter]; the first one is what we write. */
  readonly headers: readonly (readonly [oxmClass: number, field: number, experimenter?: number])[];
}

export const oxmBasic = 0x8000;
export const nxm1 = 0x0001;
export const packetRegisters = 0x8001;
export const experimenterClass = 0xffff;
export const onf = 0x4f4e4600;

type Row = readonly [name: string, bytes: number, ...headers: (readonly [number, number, number?])[]];

const basic = (name: string, bytes: number, field: number, ...others: (readonly [number, number, number?])[]): Row => [
  name,
  bytes,
  [oxmBasic, field],
  ...others,
];
const nicira = (name: string, bytes: number, field: number): Row => [name, bytes, [nxm1, field]];
const numbered = (name: string, count: number, bytes: number, oxmClass: number, first: number): Row[] =>
  Array.from({ length: count }, (_, i): Row => [`${name}${i}`, bytes, [oxmClass, first + i]]);

const rows: readonly Row[] = [
  basic("inPort", 4, 0),
  basic("inPhyPort", 4, 1),
  basic("metadata", 8, 2),
  basic("ethDst", 6, 3),
  basic("ethSrc", 6, 4),
  basic("ethType", 2, 5),
  basic("vlanVid", 2, 6),
  basic("vlanPcp", 1, 7),
  basic("ipDscp", 1, 8),
  basic("ipEcn", 1, 9, [nxm1, 28]),
  basic("ipProto", 1, 10),
  basic("ipv4Src", 4, 11),
  basic("ipv4Dst", 4, 12),
  basic("tcpSrc", 2, 13),
  basic("tcpDst", 2, 14),
  basic("udpSrc", 2, 15),
  basic("udpDst", 2, 16),
  basic("sctpSrc", 2, 17),
  basic("sctpDst", 2, 18),
  basic("icmpv4Type", 1, 19),
  basic("icmpv4Code", 1, 20),
  basic("arpOp", 2, 21),
  basic("arpSpa", 4, 22),
  basic("arpTpa", 4, 23),
  basic("arpSha", 6, 24, [nxm1, 17]),
  basic("arpTha", 6, 25, [nxm1, 18]),
  basic("ipv6Src", 16, 26, [nxm1, 19]),
  basic("ipv6Dst", 16, 27, [nxm1, 20]),
  basic("ipv6Flabel", 4, 28, [nxm1, 27]),
  basic("icmpv6Type", 1, 29, [nxm1, 21]),
  basic("icmpv6Code", 1, 30, [nxm1, 22]),
  basic("ipv6NdTarget", 16, 31, [nxm1, 23]),
  basic("ipv6NdSll", 6, 32, [nxm1, 24]),
  basic("ipv6NdTll", 6, 33, [nxm1, 25]),
  basic("mplsLabel", 4, 34),
  basic("mplsTc", 1, 35),
  basic("mplsBos", 1, 36),
  basic("pbbIsid", 3, 37),
  basic("tunnelId", 8, 38, [nxm1, 16]),
  basic("ipv6Exthdr", 2, 39),
  // Until 1.5 the standard number is not valid; OVS takes its own in every version.
  ["tcpFlags", 2, [nxm1, 34], [oxmBasic, 42], [experimenterClass, 42, onf]],
  basic("packetType", 4, 44),
  nicira("ipFrag", 1, 26),
  nicira("ipTtl", 1, 29),
  nicira("tunIpv4Src", 4, 31),
  nicira("tunIpv4Dst", 4, 32),
  nicira("pktMark", 4, 33),
  nicira("dpHash", 4, 35),
  nicira("recircId", 4, 36),
  nicira("conjId", 4, 37),
  nicira("ctState", 4, 105),
  nicira("ctZone", 2, 106),
  nicira("ctMark", 4, 107),
  nicira("ctLabel", 16, 108),
  ...numbered("reg", 16, 4, nxm1, 0),
  ...numbered("xxreg", 4, 16, nxm1, 111),
  ...numbered("xreg", 8, 8, packetRegisters, 0),
];

export const fieldRows: ReadonlyMap<string, FieldRow> = new Map(rows.map(([name, bytes, ...headers]) => [name, { name, bytes, headers }]));

const headerKey = (oxmClass: number, field: number, experimenter = 0): string => `${oxmClass}/${field}/${experimenter}`;
const byHeader = new Map([...fieldRows.values()].flatMap((row) => row.headers.map((header) => [headerKey(...header), row] as const)));

/** The row of a header, if we know the field. */
export function rowOfHeader(oxmClass: number, field: number, experimenter?: number): FieldRow | undefined {
  return byHeader.get(headerKey(oxmClass, field, experimenter));
}

/** The 32-bit NXM/OXM header of a field without mask, as Nicira actions name fields. RangeError for an unknown name. */
export function headerOf(name: string): number {
  const row = fieldRows.get(name);
  const header = row?.headers[0];
  if (row === undefined || header === undefined) throw new RangeError(`unknown match field "${name}"`);
  return header[0] * 0x10000 + header[1] * 0x200 + row.bytes;
}

/** The field a 32-bit NXM/OXM header names, if we know it. */
export function nameOfHeader(header: number): string | undefined {
  const row = rowOfHeader(header >>> 16, (header >>> 9) & 0x7f);
  return row !== undefined && row.bytes === (header & 0xff) ? row.name : undefined;
}
