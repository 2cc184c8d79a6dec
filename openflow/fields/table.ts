/**
 * Match fields: one row each, with OXM class, field number and width. Sources: OpenFlow 1.5.1 section 7.2.3.8;
 * ovs-fields(7) for the Nicira ones. A field that has several encodings is written by its first and read by any.
 */

type Header = readonly [oxmClass: number, field: number, experimenter?: number];

export interface FieldRow {
  readonly name: FieldName;
  /** Width in bytes on the wire. */
  readonly bytes: number;
  /** The first one is what we write. */
  readonly headers: readonly Header[];
}

const oxmBasic = 0x8000;
const nxm1 = 0x0001;
const packetRegisters = 0x8001;
const onf = 0x4f4e4600;
/** The class whose fields carry an experimenter number. */
export const experimenterClass = 0xffff;

interface Encoding {
  readonly bytes: number;
  readonly headers: readonly Header[];
}
const basic = (bytes: number, field: number, ...others: readonly Header[]): Encoding => ({ bytes, headers: [[oxmBasic, field], ...others] });
const nicira = (bytes: number, field: number): Encoding => ({ bytes, headers: [[nxm1, field]] });

const named = {
  inPort: basic(4, 0),
  inPhyPort: basic(4, 1),
  metadata: basic(8, 2),
  ethDst: basic(6, 3),
  ethSrc: basic(6, 4),
  ethType: basic(2, 5),
  vlanVid: basic(2, 6),
  vlanPcp: basic(1, 7),
  ipDscp: basic(1, 8),
  ipEcn: basic(1, 9, [nxm1, 28]),
  ipProto: basic(1, 10),
  ipv4Src: basic(4, 11),
  ipv4Dst: basic(4, 12),
  tcpSrc: basic(2, 13),
  tcpDst: basic(2, 14),
  udpSrc: basic(2, 15),
  udpDst: basic(2, 16),
  sctpSrc: basic(2, 17),
  sctpDst: basic(2, 18),
  icmpv4Type: basic(1, 19),
  icmpv4Code: basic(1, 20),
  arpOp: basic(2, 21),
  arpSpa: basic(4, 22),
  arpTpa: basic(4, 23),
  arpSha: basic(6, 24, [nxm1, 17]),
  arpTha: basic(6, 25, [nxm1, 18]),
  ipv6Src: basic(16, 26, [nxm1, 19]),
  ipv6Dst: basic(16, 27, [nxm1, 20]),
  ipv6Flabel: basic(4, 28, [nxm1, 27]),
  icmpv6Type: basic(1, 29, [nxm1, 21]),
  icmpv6Code: basic(1, 30, [nxm1, 22]),
  ipv6NdTarget: basic(16, 31, [nxm1, 23]),
  ipv6NdSll: basic(6, 32, [nxm1, 24]),
  ipv6NdTll: basic(6, 33, [nxm1, 25]),
  mplsLabel: basic(4, 34),
  mplsTc: basic(1, 35),
  mplsBos: basic(1, 36),
  pbbIsid: basic(3, 37),
  tunnelId: basic(8, 38, [nxm1, 16]),
  ipv6Exthdr: basic(2, 39),
  // The standard number is valid from 1.5 on; before that the ONF one, which Open vSwitch sends too.
  tcpFlags: { bytes: 2, headers: [[experimenterClass, 42, onf], [nxm1, 34], [oxmBasic, 42]] },
  packetType: basic(4, 44),
  ipFrag: nicira(1, 26),
  ipTtl: nicira(1, 29),
  tunIpv4Src: nicira(4, 31),
  tunIpv4Dst: nicira(4, 32),
  pktMark: nicira(4, 33),
  dpHash: nicira(4, 35),
  recircId: nicira(4, 36),
  conjId: nicira(4, 37),
  ctState: nicira(4, 105),
  ctZone: nicira(2, 106),
  ctMark: nicira(4, 107),
  ctLabel: nicira(16, 108),
  tunIpv6Src: nicira(16, 109),
  tunIpv6Dst: nicira(16, 110),
} as const satisfies Readonly<Record<string, Encoding>>;

type Digit = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7;
type Register = `reg${Digit | 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15}` | `xreg${Digit}` | `xxreg${0 | 1 | 2 | 3}`;
/** The OXM name in camelCase. */
export type FieldName = keyof typeof named | Register;

function registers(kind: string, count: number, bytes: number, oxmClass: number, first: number): FieldRow[] {
  return Array.from({ length: count }, (_, i) => ({ name: `${kind}${i}` as Register, bytes, headers: [[oxmClass, first + i]] }));
}

const rows: readonly FieldRow[] = [
  ...Object.entries<Encoding>(named).map(([name, encoding]): FieldRow => ({ name: name as FieldName, ...encoding })),
  ...registers("reg", 16, 4, nxm1, 0),
  ...registers("xreg", 8, 8, packetRegisters, 0),
  ...registers("xxreg", 4, 16, nxm1, 111),
];

export const fieldRows: ReadonlyMap<string, FieldRow> = new Map(rows.map((row) => [row.name, row]));

const headerKey = (oxmClass: number, field: number, experimenter = 0): string => `${oxmClass}/${field}/${experimenter}`;
const byHeader = new Map(rows.flatMap((row) => row.headers.map((header) => [headerKey(...header), row] as const)));

/** The row of a header, if we know the field. */
export function rowOfHeader(oxmClass: number, field: number, experimenter?: number): FieldRow | undefined {
  return byHeader.get(headerKey(oxmClass, field, experimenter));
}

/** The 32-bit NXM/OXM header of a field without mask, as Nicira actions name fields. RangeError for an unknown name. */
export function headerOf(name: FieldName): number {
  const row = fieldRows.get(name);
  const header = row?.headers.find(([, , experimenter]) => experimenter === undefined);
  if (row === undefined || header === undefined) throw new RangeError(`unknown match field "${name}"`);
  return header[0] * 0x10000 + header[1] * 0x200 + row.bytes;
}

/** The field that headerOf gives this header, if there is one. */
export function nameOfHeader(header: number): FieldName | undefined {
  const row = rowOfHeader(header >>> 16, (header >>> 9) & 0x7f);
  return row !== undefined && headerOf(row.name) === header ? row.name : undefined;
}
