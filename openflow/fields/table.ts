/**
 * Match fields, one row each: how the wire names it, its width, whether it takes a mask, what a match must also have.
 * Sources: OpenFlow 1.5.1 section 7.2.3.8; ovs-fields(7) for Nicira's and others' and for the versions.
 */
import type { Version } from "../wire/reader.js";

/** OXM class (16 bits), field number (7 bits), first wire version that writes it so, and the experimenter of class 0xffff. */
export interface Header {
  readonly oxmClass: number;
  readonly field: number;
  /** 0: the Nicira form, which every version reads and Nicira actions write. */
  readonly since: 0 | Version;
  readonly experimenter?: number;
}

/** What a switch wants to see in the match before it takes the field. */
export type Prerequisite =
  | "none" | "vlan" | "mpls" | "ipv4" | "ipv6" | "ip" | "arp" | "nsh" | "tcp" | "udp" | "sctp" | "icmpv4" | "icmpv6" | "nd" | "ndSolicit" | "ndAdvert" | "ct" | "pbb";

export interface FieldRow {
  readonly name: FieldName;
  /** Width in bytes on the wire; of tunMetadata the most it can have. */
  readonly bytes: number;
  /** How many of the low bits may be set. */
  readonly bits: number;
  /** True for tunMetadata: as many bytes as its option was mapped with. */
  readonly isVariable: boolean;
  readonly maskable: boolean;
  readonly prerequisite: Prerequisite;
  readonly headers: readonly Header[];
  /** By wire version, 0 for the Nicira form: the 32-bit header without mask; undefined for an experimenter's field. */
  readonly codes: readonly (number | undefined)[];
}

const basicClass = 0x8000;
const nxm0Class = 0x0000;
const nxm1Class = 0x0001;
const registerClass = 0x8001;
/** The class whose fields carry an experimenter number. */
export const experimenterClass = 0xffff;
const onfId = 0x4f4e4600;
const niciraId = 0x00002320;
const nshId = 0x005ad650;
const ericssonClass = 0x1000;

/** From what version Open vSwitch has the standard number; 1.2 brought OXM. */
const basic = (field: number, since: Version = 3): Header => ({ oxmClass: basicClass, field, since });
const nxm0 = (field: number): Header => ({ oxmClass: nxm0Class, field, since: 0 });
const nxm1 = (field: number): Header => ({ oxmClass: nxm1Class, field, since: 0 });
const experimenter = (id: number, field: number, since: 0 | Version): Header => ({ oxmClass: experimenterClass, field, since, experimenter: id });

interface Encoding {
  readonly bytes: number;
  readonly bits?: number;
  readonly maskable?: boolean;
  readonly prerequisite?: Prerequisite;
  readonly headers: readonly Header[];
}
const exact = (prerequisite: Prerequisite, bytes: number, headers: readonly Header[], bits?: number): Encoding => ({ bytes, prerequisite, headers, maskable: false, ...(bits === undefined ? {} : { bits }) });
const masked = (prerequisite: Prerequisite, bytes: number, headers: readonly Header[], bits?: number): Encoding => ({ ...exact(prerequisite, bytes, headers, bits), maskable: true });

const named = {
  packetType: exact("none", 4, [basic(44, 6)]),
  inPort: exact("none", 4, [basic(0)]),
  /** The port in the 16 bits of OpenFlow 1.0. */
  nxInPort: exact("none", 2, [nxm0(0)]),
  inPhyPort: exact("none", 4, [basic(1)]),
  metadata: masked("none", 8, [basic(2)]),
  ethDst: masked("none", 6, [basic(3), nxm0(1)]),
  ethSrc: masked("none", 6, [basic(4), nxm0(2)]),
  ethType: exact("none", 2, [basic(5), nxm0(3)]),
  vlanTci: masked("none", 2, [nxm0(4)]),
  vlanVid: masked("none", 2, [basic(6)], 13),
  vlanPcp: exact("vlan", 1, [basic(7)], 3),
  ipDscp: exact("ip", 1, [basic(8)], 6),
  ipTos: exact("ip", 1, [nxm0(5)]),
  ipEcn: exact("ip", 1, [basic(9), nxm1(28)], 2),
  ipProto: exact("ip", 1, [basic(10), nxm0(6)]),
  ipv4Src: masked("ipv4", 4, [basic(11), nxm0(7)]),
  ipv4Dst: masked("ipv4", 4, [basic(12), nxm0(8)]),
  tcpSrc: masked("tcp", 2, [basic(13), nxm0(9)]),
  tcpDst: masked("tcp", 2, [basic(14), nxm0(10)]),
  udpSrc: masked("udp", 2, [basic(15), nxm0(11)]),
  udpDst: masked("udp", 2, [basic(16), nxm0(12)]),
  sctpSrc: masked("sctp", 2, [basic(17)]),
  sctpDst: masked("sctp", 2, [basic(18)]),
  icmpv4Type: exact("icmpv4", 1, [basic(19), nxm0(13)]),
  icmpv4Code: exact("icmpv4", 1, [basic(20), nxm0(14)]),
  arpOp: exact("arp", 2, [basic(21), nxm0(15)]),
  arpSpa: masked("arp", 4, [basic(22), nxm0(16)]),
  arpTpa: masked("arp", 4, [basic(23), nxm0(17)]),
  arpSha: masked("arp", 6, [basic(24), nxm1(17)]),
  arpTha: masked("arp", 6, [basic(25), nxm1(18)]),
  ipv6Src: masked("ipv6", 16, [basic(26), nxm1(19)]),
  ipv6Dst: masked("ipv6", 16, [basic(27), nxm1(20)]),
  ipv6Flabel: masked("ipv6", 4, [basic(28), nxm1(27)], 20),
  icmpv6Type: exact("icmpv6", 1, [basic(29), nxm1(21)]),
  icmpv6Code: exact("icmpv6", 1, [basic(30), nxm1(22)]),
  ipv6NdTarget: masked("nd", 16, [basic(31), nxm1(23)]),
  ipv6NdSll: masked("ndSolicit", 6, [basic(32), nxm1(24)]),
  ipv6NdTll: masked("ndAdvert", 6, [basic(33), nxm1(25)]),
  mplsLabel: exact("mpls", 4, [basic(34)], 20),
  mplsTc: exact("mpls", 1, [basic(35)], 3),
  mplsBos: exact("mpls", 1, [basic(36, 4)], 1),
  mplsTtl: exact("mpls", 1, [nxm1(30)]),
  pbbIsid: masked("pbb", 3, [basic(37, 4)]),
  tunnelId: masked("none", 8, [basic(38, 4), nxm1(16)]),
  ipv6Exthdr: masked("ipv6", 2, [basic(39, 4)], 9),
  pbbUca: exact("pbb", 1, [basic(41, 5)], 1),
  tcpFlags: masked("tcp", 2, [basic(42, 6), experimenter(onfId, 42, 4), nxm1(34)], 12),
  actsetOutput: exact("none", 4, [basic(43, 6), experimenter(onfId, 43, 4)]),
  ipFrag: masked("ip", 1, [nxm1(26)], 2),
  ipTtl: exact("ip", 1, [nxm1(29)]),
  tunIpv4Src: masked("none", 4, [nxm1(31)]),
  tunIpv4Dst: masked("none", 4, [nxm1(32)]),
  tunIpv6Src: masked("none", 16, [nxm1(109)]),
  tunIpv6Dst: masked("none", 16, [nxm1(110)]),
  tunFlags: masked("none", 2, [nxm1(104)], 1),
  tunGbpId: masked("none", 2, [nxm1(38)]),
  tunGbpFlags: masked("none", 1, [nxm1(39)]),
  tunErspanIdx: masked("none", 4, [experimenter(niciraId, 11, 0)], 20),
  tunErspanVer: masked("none", 1, [experimenter(niciraId, 12, 0)], 4),
  tunErspanDir: masked("none", 1, [experimenter(niciraId, 13, 0)], 1),
  tunErspanHwid: masked("none", 1, [experimenter(niciraId, 14, 0)], 6),
  tunGtpuFlags: masked("none", 1, [experimenter(niciraId, 15, 0)]),
  tunGtpuMsgtype: masked("none", 1, [experimenter(niciraId, 16, 0)]),
  pktMark: masked("none", 4, [nxm1(33)]),
  dpHash: masked("none", 4, [nxm1(35), experimenter(niciraId, 0, 6)]),
  recircId: exact("none", 4, [nxm1(36)]),
  conjId: exact("none", 4, [nxm1(37)]),
  ctState: masked("none", 4, [nxm1(105)]),
  ctZone: exact("none", 2, [nxm1(106)]),
  ctMark: masked("none", 4, [nxm1(107)]),
  ctLabel: masked("none", 16, [nxm1(108)]),
  ctNwProto: exact("ct", 1, [nxm1(119)]),
  ctNwSrc: masked("ct", 4, [nxm1(120)]),
  ctNwDst: masked("ct", 4, [nxm1(121)]),
  ctIpv6Src: masked("ct", 16, [nxm1(122)]),
  ctIpv6Dst: masked("ct", 16, [nxm1(123)]),
  ctTpSrc: masked("ct", 2, [nxm1(124)]),
  ctTpDst: masked("ct", 2, [nxm1(125)]),
  nshFlags: masked("nsh", 1, [experimenter(nshId, 1, 0)]),
  nshMdtype: exact("nsh", 1, [experimenter(nshId, 2, 0)]),
  nshNp: exact("nsh", 1, [experimenter(nshId, 3, 0)]),
  nshSpi: exact("nsh", 4, [experimenter(nshId, 4, 0)], 24),
  nshSi: exact("nsh", 1, [experimenter(nshId, 5, 0)]),
  nshC1: masked("nsh", 4, [experimenter(nshId, 6, 0)]),
  nshC2: masked("nsh", 4, [experimenter(nshId, 7, 0)]),
  nshC3: masked("nsh", 4, [experimenter(nshId, 8, 0)]),
  nshC4: masked("nsh", 4, [experimenter(nshId, 9, 0)]),
  nshTtl: exact("nsh", 1, [experimenter(nshId, 10, 0)]),
  icmpv6NdReserved: exact("nd", 4, [{ oxmClass: ericssonClass, field: 1, since: 0 }]),
  icmpv6NdOptionsType: exact("nd", 1, [{ oxmClass: ericssonClass, field: 2, since: 0 }]),
  /** A flow's cookie, in NXM matches of messages that have no field for it. It shares its number with mplsTtl. */
  cookie: masked("none", 8, [nxm1(30)]),
} as const satisfies Readonly<Record<string, Encoding>>;

type Digit = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;
type Register = `reg${Digit | 10 | 11 | 12 | 13 | 14 | 15}` | `xreg${Exclude<Digit, 8 | 9>}` | `xxreg${0 | 1 | 2 | 3}`;
type TunnelMetadata = `tunMetadata${Digit}` | `tunMetadata${1 | 2 | 3 | 4 | 5}${Digit}` | `tunMetadata6${0 | 1 | 2 | 3}`;
/** The OXM name in camelCase. */
export type FieldName = keyof typeof named | Register | TunnelMetadata;

function row(name: FieldName, { bytes, bits, maskable, prerequisite, headers }: Encoding, isVariable = false): FieldRow {
  const sorted = [...headers].sort((a, b) => b.since - a.since);
  const code = ({ oxmClass, field, experimenter: id }: Header): number | undefined => (id === undefined ? oxmClass * 0x10000 + field * 0x200 + bytes : undefined);
  const forms = [0, 1, 2, 3, 4, 5, 6].map((form) => sorted.find(({ since }) => since <= form) ?? sorted.at(-1));
  return {
    name,
    bytes,
    bits: bits ?? bytes * 8,
    isVariable,
    maskable: maskable ?? true,
    prerequisite: prerequisite ?? "none",
    headers: sorted,
    codes: forms.map((header) => (header === undefined ? undefined : code(header))),
  };
}
const family = (kind: string, count: number, bytes: number, header: (n: number) => Header, isVariable = false): FieldRow[] =>
  Array.from({ length: count }, (_, n) => row(`${kind}${n}` as FieldName, masked("none", bytes, [header(n)]), isVariable));

const rows: readonly FieldRow[] = [
  ...Object.entries<Encoding>(named).map(([name, encoding]) => row(name as FieldName, encoding)),
  ...family("reg", 16, 4, nxm1),
  ...family("xreg", 8, 8, (n) => ({ oxmClass: registerClass, field: n, since: 4 })),
  ...family("xxreg", 4, 16, (n) => nxm1(111 + n)),
  ...family("tunMetadata", 64, 124, (n) => nxm1(40 + n), true),
];

export const fieldRows: ReadonlyMap<string, FieldRow> = new Map(rows.map((one) => [one.name, one]));

interface Known {
  readonly row: FieldRow;
  readonly header: Header;
}
const known: readonly Known[] = rows.flatMap((one) => one.headers.map((header) => ({ row: one, header })));
const byNumber = new Map(known.filter(({ header }) => header.experimenter === undefined).map((one) => [one.header.oxmClass * 128 + one.header.field, one]));
const byExperimenter = new Map(known.filter(({ header }) => header.experimenter !== undefined).map((one) => [`${one.header.experimenter}/${one.header.field}`, one]));

const cookie = known.find(({ row: one }) => one.name === "cookie");
const mplsTtl = known.find(({ row: one }) => one.name === "mplsTtl");

/** The row of a header, if we know the field. `length`: bytes of value and mask, which tell two fields of one number apart. */
export function rowOfHeader(oxmClass: number, field: number, experimenterId?: number, length = 0): Known | undefined {
  if (experimenterId !== undefined) return byExperimenter.get(`${experimenterId}/${field}`);
  const found = byNumber.get(oxmClass * 128 + field);
  return found === cookie ? (length >= 8 ? cookie : mplsTtl) : found;
}

interface PlainField {
  readonly name: FieldName;
  /** Of the value, and of the mask. */
  readonly bytes: number;
  readonly isMasked: boolean;
}
const plainFields = [0, 1, 2, 3, 4, 5, 6].map(
  (form) =>
    new Map(
      rows.flatMap(({ name, bytes, isVariable, codes }): [number, PlainField][] => {
        const code = codes[form];
        return code === undefined || isVariable ? [] : [[code, { name, bytes, isMasked: false }], [code + 0x100 + bytes, { name, bytes, isMasked: true }]];
      }),
    ),
);

/** The field whose TLV begins with these 32 bits, when it is in the form that a version writes itself, at its full width: nearly all are. */
export function plainField(code: number, form: 0 | Version): PlainField | undefined {
  return plainFields[form]?.get(code);
}

/** The header a version writes a field with; 0 for the Nicira form. A field that has none for it is written by its oldest. */
export function headerOf(one: FieldRow, version: 0 | Version): Header {
  const header = one.headers.find(({ since }) => since <= version) ?? one.headers.at(-1);
  if (header === undefined) throw new RangeError(`match field "${one.name}" has no header`);
  return header;
}

/** The row of a name. RangeError for one there is not. */
export function rowOf(name: string): FieldRow {
  const one = fieldRows.get(name);
  if (one === undefined) throw new RangeError(`unknown match field "${name}"`);
  return one;
}
