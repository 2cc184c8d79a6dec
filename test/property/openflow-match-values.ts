/** Arbitrary matches of OpenFlow 1.0 and 1.1, which have one fixed layout: what it can say, in the order and form in which it is read. */
import fc from "fast-check";

interface Field {
  readonly name: string;
  readonly value: bigint;
  readonly mask?: bigint;
}
const unsigned = (bits: number): fc.Arbitrary<bigint> => fc.bigInt({ min: 0n, max: (1n << BigInt(bits)) - 1n });
const ones = (bits: number): bigint => (1n << BigInt(bits)) - 1n;
const exact = (name: string, bits: number): fc.Arbitrary<readonly Field[]> => fc.oneof(fc.constant([]), unsigned(bits).map((value) => [{ name, value }]));
const port = (version: 1 | 2): fc.Arbitrary<readonly Field[]> =>
  fc.oneof(fc.constant([]), (version === 1 ? fc.oneof(fc.nat(0xfeff), fc.integer({ min: 0xffffff00, max: 0xffffffff })) : fc.nat(0xffffffff)).map((value) => [{ name: "inPort", value: BigInt(value) }]));
/** A mask of all ones is none, and one without a bit is no field. */
const masked = (name: string, bits: number, masks: fc.Arbitrary<bigint> = unsigned(bits)): fc.Arbitrary<readonly Field[]> =>
  fc.tuple(unsigned(bits), masks).map(([value, mask]) => (mask === 0n ? [] : mask === ones(bits) ? [{ name, value }] : [{ name, value: value & mask, mask }]));
const prefixes = fc.nat(32).map((length) => (ones(length) << BigInt(32 - length)) & ones(32));
const always = (name: string, value: number): fc.Arbitrary<readonly Field[]> => fc.constant([{ name, value: BigInt(value) }]);

const vlan: fc.Arbitrary<readonly Field[]> = fc.oneof(
  fc.constant([]),
  fc.constant([{ name: "vlanVid", value: 0n }]),
  fc.tuple(fc.nat(0xfff), fc.option(unsigned(8))).map(([vid, pcp]) => [{ name: "vlanVid", value: BigInt(vid) | 0x1000n }, ...(pcp === null ? [] : [{ name: "vlanPcp", value: pcp }])]),
  unsigned(8).map((pcp) => [{ name: "vlanVid", value: 0x1000n, mask: 0x1000n }, { name: "vlanPcp", value: pcp }]),
);
/** By protocol and EtherType: the names of the two ports. */
const transports = [[6, 0x0800, "tcpSrc", "tcpDst"], [17, 0x86dd, "udpSrc", "udpDst"], [132, 0x0800, "sctpSrc", "sctpDst"], [1, 0x0800, "icmpv4Type", "icmpv4Code"], [58, 0x86dd, "icmpv6Type", "icmpv6Code"]] as const;

function upper(version: 1 | 2): fc.Arbitrary<readonly Field[]> {
  const masks = version === 1 ? prefixes : unsigned(32);
  const joined = (...parts: readonly fc.Arbitrary<readonly Field[]>[]): fc.Arbitrary<readonly Field[]> => fc.tuple(...parts).map((all) => all.flat());
  const dscp = exact("ipDscp", 6);
  const addresses = [masked("ipv4Src", 32, masks), masked("ipv4Dst", 32, masks)];
  const ip = fc.constantFrom(...transports).chain(([protocol, ethType, source, target]) =>
    joined(always("ethType", ethType), vlan, dscp, always("ipProto", protocol), ...(ethType === 0x0800 ? addresses : []), exact(source, 16), exact(target, 16)),
  );
  const arp = joined(always("ethType", 0x0806), vlan, exact("arpOp", 8), masked("arpSpa", 32, masks), masked("arpTpa", 32, masks));
  const others = joined(fc.oneof(fc.constant([]), fc.integer({ min: 0x9000, max: 0xffff }).map((value) => [{ name: "ethType", value: BigInt(value) }])), vlan);
  const mpls = joined(always("ethType", 0x8847), vlan, exact("mplsLabel", 20), exact("mplsTc", 3));
  return fc.oneof(ip, arp, others, ...(version === 2 ? [mpls] : []));
}

/** ofp10_match and ofp11_match. */
export function fixedMatch(version: 1 | 2): fc.Arbitrary<readonly unknown[]> {
  const lower = version === 1 ? [exact("ethDst", 48), exact("ethSrc", 48)] : [masked("metadata", 64), masked("ethDst", 48), masked("ethSrc", 48)];
  return fc.tuple(port(version), ...lower, upper(version)).map((all) => all.flat());
}
