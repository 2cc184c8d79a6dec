/**
 * Matches in the words of ovs-fields(7). Printed as ovs-ofctl prints them: a flow's fields in Open vSwitch's own order, registers
 * in 32 bits, a VLAN as the one 16-bit field it is kept as there. ovs-ofctl reads all of it, but for what it has no word for.
 */
import { isKnown, type KnownField, type Match } from "../fields/match.js";
import { fieldRows, rowOf, type FieldName } from "../fields/table.js";
import { fieldOfText, textOf } from "./field-names.js";
import { bigNumber, entry, fail, hexBytes, items, number, valueOf, whole, type Item, type Span } from "./scan.js";
import { hex, hexOr0, ones, parseMasked, parseValue, printValue, type PortNumbers, type Value } from "./value-text.js";

export interface MatchOptions {
  /** The numbers of ports that are given by name; without it only reserved ports have names. */
  readonly ports?: PortNumbers;
}

const etherType = { ip: 0x0800n, arp: 0x0806n, rarp: 0x8035n, ipv6: 0x86ddn, mpls: 0x8847n, mplsm: 0x8848n } as const;
/** Words that stand for an EtherType and a protocol. The first of those that mean the same is printed. */
const shorthands: readonly (readonly [word: string, ethType: bigint, ipProto?: bigint])[] = [
  ["icmp", etherType.ip, 1n], ["tcp", etherType.ip, 6n], ["udp", etherType.ip, 17n], ["sctp", etherType.ip, 132n], ["ip", etherType.ip],
  ["icmp6", etherType.ipv6, 58n], ["tcp6", etherType.ipv6, 6n], ["udp6", etherType.ipv6, 17n], ["sctp6", etherType.ipv6, 132n], ["ipv6", etherType.ipv6], ["ip6", etherType.ipv6],
  ["arp", etherType.arp], ["rarp", etherType.rarp], ["mpls", etherType.mpls], ["mplsm", etherType.mplsm],
];
const shorthandOf = (ethType: bigint, ipProto: bigint | undefined): (typeof shorthands)[number] | undefined =>
  shorthands.find(([, type, proto]) => type === ethType && proto !== undefined && proto === ipProto) ?? shorthands.find(([, type, proto]) => type === ethType && proto === undefined);

const tagPresent = 0x1000n;
const [vidBits, pcpBits, allTci] = [0x1fffn, 0xe000n, 0xffffn];

/** Names of those that are printed otherwise than set_field names them. */
const matchNames: { readonly [K in FieldName]?: string } = {
  inPort: "in_port", ethSrc: "dl_src", ethDst: "dl_dst", ethType: "dl_type", ipv4Src: "nw_src", ipv4Dst: "nw_dst", ipFrag: "nw_frag",
  tcpSrc: "tp_src", tcpDst: "tp_dst", udpSrc: "tp_src", udpDst: "tp_dst", sctpSrc: "tp_src", sctpDst: "tp_dst", icmpv6Type: "icmp_type", icmpv6Code: "icmp_code",
};
const numbered = (kind: string, count: number): FieldName[] => Array.from({ length: count }, (_, n) => `${kind}${n}` as FieldName);
/** In what order they are printed, before and behind the shorthand; those not listed come last. */
const before: readonly FieldName[] = [
  "pktMark", "recircId", "dpHash", "conjId", "actsetOutput", "ctState", "ctZone", "ctMark", "ctLabel", "ctNwSrc", "ctIpv6Src", "ctNwDst", "ctIpv6Dst", "ctNwProto", "ctTpSrc", "ctTpDst", "packetType",
];
const behind: readonly FieldName[] = [
  ...numbered("reg", 16), "tunnelId", "tunIpv4Src", "tunIpv4Dst", "tunIpv6Src", "tunIpv6Dst", "tunGbpId", "tunGbpFlags", "tunErspanVer", "tunErspanIdx", "tunErspanDir", "tunErspanHwid",
  "tunGtpuFlags", "tunGtpuMsgtype", "tunFlags", ...numbered("tunMetadata", 64), "metadata", "inPort", "vlanTci", "ethSrc", "ethDst", "ethType", "ipv4Src", "ipv4Dst", "ipv6Src", "ipv6Dst", "ipv6Flabel",
  "arpSpa", "arpTpa", "nshFlags", "nshTtl", "nshMdtype", "nshNp", "nshSpi", "nshSi", "nshC1", "nshC2", "nshC3", "nshC4", "ipProto", "arpOp", "arpSha", "arpTha", "ipDscp", "ipEcn", "ipTtl",
  "mplsLabel", "mplsTc", "mplsTtl", "mplsBos", "ipFrag", "icmpv4Type", "icmpv4Code", "icmpv6Type", "icmpv6Code", "ipv6NdTarget", "ipv6NdSll", "ipv6NdTll", "icmpv6NdReserved", "icmpv6NdOptionsType",
  "tcpSrc", "tcpDst", "udpSrc", "udpDst", "sctpSrc", "sctpDst", "tcpFlags",
];

type Fields = Map<FieldName, Value>;
const widthOf = (item: KnownField): number => (rowOf(item.name).isVariable ? (item.width ?? rowOf(item.name).bytes) * 8 : rowOf(item.name).bits);

/** The fields as Open vSwitch keeps them: each with the mask it counts under, none twice over. */
function kept(match: Match): Fields {
  const fields: Fields = new Map();
  const merge = (name: FieldName, value: bigint, mask: bigint): void => {
    const old = fields.get(name);
    if (mask !== 0n) fields.set(name, { value: (old?.value ?? 0n) | (value & mask), mask: (old?.mask ?? 0n) | mask });
  };
  for (const item of match) {
    if (!isKnown(item)) continue;
    const mask = (item.mask ?? ones(widthOf(item))) & ones(widthOf(item));
    const { name, value } = item;
    const [, kind, number] = /^(xx?reg)(\d+)$/.exec(name) ?? [];
    if (kind !== undefined) {
      const count = kind === "xreg" ? 2 : 4;
      for (let i = 0; i < count; i++) {
        const shift = BigInt(32 * (count - 1 - i));
        merge(`reg${Number(number) * count + i}` as FieldName, (value >> shift) & 0xffffffffn, (mask >> shift) & 0xffffffffn);
      }
    } else if (name === "vlanVid") merge("vlanTci", value, mask);
    else if (name === "vlanPcp") merge("vlanTci", (value << 13n) | tagPresent, pcpBits | tagPresent); // only a tag has a priority
    else if (name === "ipTos") merge("ipDscp", value >> 2n, mask >> 2n);
    else if (name === "nxInPort") merge("inPort", value >= 0xff00n ? value + 0xffff0000n : value, 0xffffffffn);
    else merge(name, value, mask);
  }
  return fields;
}

/** dl_vlan and dl_vlan_pcp where they say it all. */
function printVlan({ value, mask = allTci }: Value): string[] {
  const isTag = (value & mask & tagPresent) !== 0n;
  const [vid, pcp] = [mask & (vidBits & ~tagPresent), mask & pcpBits];
  if (isTag && (vid === 0xfffn || vid === 0n) && (pcp === pcpBits || pcp === 0n) && (vid | pcp) !== 0n) {
    return [...(vid === 0n ? [] : [`dl_vlan=${value & 0xfffn}`]), ...(pcp === 0n ? [] : [`dl_vlan_pcp=${(value & pcpBits) >> 13n}`])];
  }
  const digits = (number: bigint): string => `0x${number.toString(16).padStart(4, "0")}`;
  return [mask === allTci ? `vlan_tci=${digits(value)}` : `vlan_tci=${digits(value)}/${digits(mask)}`];
}

const padded = (value: bigint, digits: number): string => `0x${value.toString(16).padStart(digits, "0")}`;
/** Fields whose digits are padded, or whose zero has its 0x. */
const digitsOf: { readonly [K in FieldName]?: (value: bigint, isMasked: boolean) => string } = {
  ethType: (value) => padded(value, 4),
  ctZone: String,
  ipv6Flabel: (value) => padded(value, 5),
  nshFlags: (value, isMasked) => (isMasked ? padded(value, 2) : value.toString()),
  ...Object.fromEntries(["tcpSrc", "tcpDst", "udpSrc", "udpDst", "sctpSrc", "sctpDst", "ctTpSrc", "ctTpDst", "tunGbpId"].map((name) => [name, (value: bigint, isMasked: boolean) => (isMasked ? hex(value) : value.toString())])),
  ...Object.fromEntries(["nshSpi", "nshC1", "nshC2", "nshC3", "nshC4"].map((name) => [name, hex])),
};

function printField(name: FieldName, { value, mask }: Value, width: number): string[] {
  const exact = mask === undefined || mask === ones(width);
  const text = matchNames[name] ?? textOf(name).text;
  if (name === "vlanTci") return printVlan({ value, ...(mask === undefined ? {} : { mask }) });
  if (name === "ipDscp") return [`nw_tos=${value << 2n}`];
  const digits = digitsOf[name];
  if (digits !== undefined) return [`${text}=${digits(value, !exact)}${exact ? "" : `/${digits(mask, true)}`}`];
  const { format } = textOf(name);
  if (!exact && (format === "decimal" || format === "hex")) return [`${text}=${hexOr0(value)}/${hex(mask)}`];
  return [`${text}=${printValue(format, exact && format !== "tunFlags" ? { value } : { value, ...(mask === undefined ? {} : { mask }) }, "0")}`];
}

/**
 * The match as ovs-ofctl prints it; "" for one that takes every packet. A field we do not know is printed as "unknown(HEX)", which
 * parseMatch() reads and ovs-ofctl refuses.
 */
export function printMatch(match: Match): string {
  const fields = kept(match);
  const widths = new Map(match.flatMap((item) => (isKnown(item) ? [[item.name, widthOf(item)] as const] : [])));
  const print = (name: FieldName): string[] => {
    const value = fields.get(name);
    fields.delete(name);
    return value === undefined ? [] : printField(name, value, widths.get(name) ?? rowOf(name).bits);
  };
  const texts = before.flatMap(print);
  const ethType = fields.get("ethType")?.value;
  const shorthand = ethType === undefined ? undefined : shorthandOf(ethType, fields.get("ipProto")?.value);
  if (shorthand !== undefined) {
    texts.push(shorthand[0]);
    fields.delete("ethType");
    if (shorthand[2] !== undefined) fields.delete("ipProto");
  }
  texts.push(...behind.flatMap(print), ...[...fields.keys()].flatMap(print));
  for (const item of match) if (!isKnown(item)) texts.push(`unknown(${Buffer.from(item.bytes).toString("hex")})`);
  return texts.join(",");
}

/** Words whose field depends on the EtherType or the protocol, which may stand behind them. */
const contextual = {
  nw_src: (builder: MatchBuilder) => builder.byType("ipv4Src", "arpSpa"),
  nw_dst: (builder: MatchBuilder) => builder.byType("ipv4Dst", "arpTpa"),
  nw_proto: (builder: MatchBuilder) => (builder.isIp ? "ipProto" : builder.isArp ? "arpOp" : undefined),
  tp_src: (builder: MatchBuilder) => builder.byProtocol("tcpSrc", "udpSrc", "sctpSrc"),
  tp_dst: (builder: MatchBuilder) => builder.byProtocol("tcpDst", "udpDst", "sctpDst"),
  icmp_type: (builder: MatchBuilder) => (builder.ethType === etherType.ip ? "icmpv4Type" : builder.ethType === etherType.ipv6 ? "icmpv6Type" : undefined),
  icmp_code: (builder: MatchBuilder) => (builder.ethType === etherType.ip ? "icmpv4Code" : builder.ethType === etherType.ipv6 ? "icmpv6Code" : undefined),
} as const satisfies Record<string, (builder: MatchBuilder) => FieldName | undefined>;
const sameAs: Readonly<Record<string, keyof typeof contextual>> = { ip_src: "nw_src", ip_dst: "nw_dst", ip_proto: "nw_proto" };
const vlanWords = ["dl_vlan", "dl_vlan_pcp", "vlan_pcp", "vlan_vid", "vlan_tci"];

/** Gathers the items of a match; those of a flow that are something else are left to its reader. */
export class MatchBuilder {
  private readonly fields = new Map<FieldName, KnownField>();
  private readonly unknown: { readonly name: "unknown"; readonly bytes: Uint8Array }[] = [];
  private readonly later: { readonly item: Item; readonly word: keyof typeof contextual }[] = [];
  private readonly options: MatchOptions;
  private tci: { readonly value: bigint; readonly mask: bigint } | undefined;

  constructor(options: MatchOptions) {
    this.options = options;
  }

  /** EtherType of the packet, or that a packet type names. */
  get ethType(): bigint | undefined {
    const packetType = this.fields.get("packetType")?.value;
    return this.fields.get("ethType")?.value ?? (packetType !== undefined && packetType >> 16n === 1n ? packetType & 0xffffn : undefined);
  }
  get isIp(): boolean {
    return this.ethType === etherType.ip || this.ethType === etherType.ipv6;
  }
  get isArp(): boolean {
    return this.ethType === etherType.arp || this.ethType === etherType.rarp;
  }
  byType(ipv4: FieldName, arp: FieldName): FieldName | undefined {
    return this.ethType === etherType.ip ? ipv4 : this.isArp ? arp : undefined;
  }
  byProtocol(tcp: FieldName, udp: FieldName, sctp: FieldName): FieldName | undefined {
    if (!this.isIp) return undefined;
    return new Map([[6n, tcp], [17n, udp], [132n, sctp]]).get(this.fields.get("ipProto")?.value ?? 0n);
  }

  /** Takes an item of the match; false when it is none. */
  take(item: Item): boolean {
    const word = item.key.text;
    const shorthand = shorthands.find(([one]) => one === word);
    if (shorthand !== undefined && item.form === "key") {
      const [, ethType, ipProto] = shorthand;
      this.set(item.key, { name: "ethType", value: ethType });
      if (ipProto !== undefined) this.set(item.key, { name: "ipProto", value: ipProto });
      return true;
    }
    if (word === "eth" && item.form === "key") return true; // any Ethernet frame
    const deferred = Object.hasOwn(contextual, word) ? (word as keyof typeof contextual) : entry(sameAs, word);
    if (deferred !== undefined) this.later.push({ item, word: deferred });
    else if (vlanWords.includes(word)) this.takeVlan(word, valueOf(item));
    else if (word === "nw_tos" || word === "ip_dscp") {
      const value = number(valueOf(item), word === "nw_tos" ? 8 : 6);
      this.set(item.key, { name: "ipDscp", value: BigInt(word === "nw_tos" ? value >> 2 : value) }); // ECN is a field of its own
    } else if (word === "unknown" && item.form === "()") this.unknown.push({ name: "unknown", bytes: hexBytes(valueOf(item)) });
    else if (word === "in_port") this.set(item.key, { name: "inPort", ...parseValue(valueOf(item), textOf("inPort"), this.options.ports) });
    else return this.takeField(item);
    return true;
  }

  private takeField(item: Item): boolean {
    const row = fieldOfText(item.key.text);
    // By its code name a field is known to actions only.
    if (row === undefined || row.code === item.key.text || row.name === "nxInPort" || item.form === "()") return false;
    const value = valueOf(item);
    if (rowOf(row.name).isVariable) this.setTunnelOption(item.key, row.name, value);
    else this.set(item.key, { name: row.name, ...parseValue(value, row, this.options.ports) });
    return true;
  }

  /** As many bytes as its longer number has digits for, in fours: how long the option is, only the switch's map of options says. */
  private setTunnelOption(key: Span, name: FieldName, of: Span): void {
    const digits = Math.max(...of.text.split("/").map((one) => (/^0[xX]/.test(one) ? one.length - 2 : BigInt(/^\d+$/.test(one) ? one : 0).toString(16).length)));
    const width = Math.min(124, Math.max(1, Math.ceil(digits / 8)) * 4);
    const { value, mask } = parseMasked(of, (one) => bigNumber(one, width * 8, `a number of at most ${width} bytes`));
    const isExact = mask === undefined || mask === ones(width * 8);
    this.set(key, { name, value: isExact ? value : value & mask, ...(isExact ? {} : { mask }), ...(width === 124 ? {} : { width }) });
  }

  private set(key: Span, field: KnownField): void {
    const old = this.fields.get(field.name);
    if (old !== undefined && (old.value !== field.value || old.mask !== field.mask)) fail(`${textOf(field.name).text} with one value`, key);
    if (field.mask !== 0n) this.fields.set(field.name, field);
  }

  private takeVlan(word: string, of: Span): void {
    const merge = (value: bigint, mask: bigint): void => {
      const old = this.tci ?? { value: 0n, mask: 0n };
      const common = old.mask & mask;
      if ((old.value & common) !== (value & common)) fail("one VLAN", of);
      this.tci = { value: old.value | (value & mask), mask: old.mask | mask };
    };
    const plain = (bits: number) => (one: Span): bigint => bigNumber(one, bits);
    if (word === "dl_vlan") {
      const vid = bigNumber(of, 16, "a VLAN ID, or 0xffff for none");
      if (vid === 0xffffn) merge(0n, allTci);
      else if (vid > 0xfffn) fail("a VLAN ID, or 0xffff for none", of);
      else merge(vid | tagPresent, vidBits);
    } else if (word === "vlan_vid") {
      const { value, mask = vidBits } = parseMasked(of, plain(13));
      if (mask === vidBits && value !== 0n && (value & tagPresent) === 0n) fail("a VLAN ID with the bit 0x1000 for its tag", of);
      merge(value, mask);
    } else if (word === "vlan_tci") {
      const { value, mask = allTci } = parseMasked(of, plain(16));
      merge(value, mask);
    } else merge((bigNumber(of, 3) << 13n) | tagPresent, pcpBits | tagPresent);
  }

  /** The fields that say what the bits of the VLAN say; vlanTci, which is Nicira's, where none do. */
  private vlan(): KnownField[] {
    const { value, mask } = this.tci ?? { value: 0n, mask: 0n };
    if (mask === 0n) return [];
    const vid = (): KnownField => ((mask & vidBits) === vidBits ? { name: "vlanVid", value: value & vidBits } : { name: "vlanVid", value: value & vidBits, mask: mask & vidBits });
    if (mask === allTci && value === 0n) return [{ name: "vlanVid", value: 0n }];
    if ((mask & pcpBits) === 0n) return [vid()];
    if ((mask & pcpBits) === pcpBits && (value & tagPresent) !== 0n) return [vid(), { name: "vlanPcp", value: value >> 13n }];
    return [mask === allTci ? { name: "vlanTci", value } : { name: "vlanTci", value, mask }];
  }

  /** The match, with the fields in the table's order, in which each stands behind those it presupposes. */
  done(): Match {
    const resolve = ({ item, word }: { readonly item: Item; readonly word: keyof typeof contextual }): void => {
      const name = contextual[word](this) ?? fail(`a protocol that has ${word}`, item.key);
      const value = parseValue(valueOf(item), textOf(name), this.options.ports);
      this.set(item.key, { name, ...value });
    };
    // The protocol first: others depend on it.
    for (const one of this.later) if (one.word === "nw_proto") resolve(one);
    for (const one of this.later) if (one.word !== "nw_proto") resolve(one);
    const fields = [...this.fields.values(), ...this.vlan()].sort((a, b) => (order.get(a.name) ?? 0) - (order.get(b.name) ?? 0));
    return [...fields, ...this.unknown];
  }
}
const order = new Map([...fieldRows.keys()].map((name, i) => [name, i]));

/** Reads a match as ovs-ofctl takes and prints it. TextError for what is none. */
export function parseMatch(text: string, options: MatchOptions = {}): Match {
  const builder = new MatchBuilder(options);
  for (const item of items(whole(text))) if (!builder.take(item)) fail("a match field", item.key);
  return builder.done();
}
