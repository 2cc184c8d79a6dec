/** Flows that Open vSwitch takes, for fast-check: fields with all they presuppose, actions that fit the match. */
import fc from "fast-check";
import { flag, meterFlag, port, type Action, type Bucket, type FieldName, type FlowMod, type GroupMod, type Instruction, type KnownField, type MeterMod, type Version } from "node-openflow";
import { fieldRows } from "../../openflow/fields/table.js";

type Some<T> = fc.Arbitrary<T>;
const bits = (count: number): Some<bigint> =>
  fc.oneof(
    fc.bigInt({ min: 0n, max: (1n << BigInt(count)) - 1n }),
    fc.nat({ max: 255 }).map((value) => BigInt.asUintN(count, BigInt(value))),
    fc.constant((1n << BigInt(count)) - 1n),
  );
const u = (count: number): Some<number> => bits(count).map(Number);
const rowOf = (name: FieldName) => fieldRows.get(name) ?? { bits: 0, maskable: false };
const widthOf = (name: FieldName): number => (name === "tunMetadata0" ? 32 : name === "tunMetadata1" ? 64 : rowOf(name).bits);

const exact = (name: FieldName, value: Some<bigint> = bits(widthOf(name))): Some<KnownField> =>
  value.map((one) => ({ name, value: one, ...(name === "tunMetadata0" ? { width: 4 } : name === "tunMetadata1" ? { width: 8 } : {}) }));
/** With a prefix or any other mask, where the field takes one. */
function maybeMasked(name: FieldName): Some<KnownField> {
  const width = widthOf(name);
  if (!rowOf(name).maskable) return exact(name);
  const all = (1n << BigInt(width)) - 1n;
  // ovs-ofctl 3.1 takes an IPv6 mask that begins with a decimal digit for the length of a prefix.
  // And of an option of a tunnel it prints no mask when that is all ones but for leading zeros.
  const any = bits(width).map((mask) => (width === 128 ? mask | (0xan << 124n) : name.startsWith("tunMetadata") ? mask | (1n << BigInt(width - 1)) : mask));
  const masks = fc.oneof(fc.integer({ min: 1, max: width }).map((length) => all ^ (all >> BigInt(length))), any);
  return fc.oneof(
    { weight: 2, arbitrary: exact(name) },
    { weight: 1, arbitrary: fc.tuple(exact(name), masks).map(([field, mask]) => (mask === 0n || mask === all ? field : { ...field, value: field.value & mask, mask })) },
  );
}
/** Some of the fields, each at most once. */
const some = (...fields: readonly Some<KnownField>[]): Some<readonly KnownField[]> =>
  fc.tuple(...fields.map((field) => fc.option(field, { nil: undefined, freq: 2 }))).map((found) => found.filter((one) => one !== undefined));
const named = (...names: readonly FieldName[]): readonly Some<KnownField>[] => names.map(maybeMasked);
const is = (name: FieldName, value: number | bigint): KnownField => ({ name, value: BigInt(value) });
const oneOf = (name: FieldName, ...values: readonly number[]): Some<KnownField> => fc.constantFrom(...values).map((value) => is(name, value));

const registers = Array.from({ length: 16 }, (_, n) => `reg${n}` as FieldName);
const wide = [...Array.from({ length: 8 }, (_, n) => `xreg${n}` as FieldName), ...Array.from({ length: 4 }, (_, n) => `xxreg${n}` as FieldName)];
/** Later fragments, which have no ports, only where none are matched. */
const fragments = (hasPorts: boolean): Some<KnownField> => {
  const all: KnownField[] = [{ name: "ipFrag", value: 0n }, { name: "ipFrag", value: 1n, mask: 1n }, { name: "ipFrag", value: 1n }, { name: "ipFrag", value: 0n, mask: 2n }, { name: "ipFrag", value: 3n }];
  return fc.constantFrom(...(hasPorts ? all.slice(0, 4) : all));
};
/** Without "invalid", to which nothing can be committed. */
const bitsOfState: Some<KnownField> = fc.tuple(bits(8).map((value) => value & 0xefn), bits(8)).map(([value, mask]): KnownField => (mask === 0n ? { name: "ctState", value: 0x20n, mask: 0x20n } : { name: "ctState", value: value & mask, mask }));

/**
 * Fields of the packet's way. Not there: ERSPAN's and GTP-U's, of which ovs-ofctl 3.1 sends the value as the mask; recirc_id and
 * dp_hash, which belong to the datapath.
 */
const wayFields: Some<readonly KnownField[]> = some(
  ...named("pktMark", "metadata", "tunnelId", "tunIpv4Src", "tunIpv4Dst", "tunIpv6Src", "tunIpv6Dst", "tunGbpId", "tunMetadata0", "tunMetadata1", "ethSrc", "ethDst", "ctZone", "ctMark", "ctLabel", "conjId"),
  exact("tunGbpFlags"), // of which ovs-ofctl prints no mask
  fc.constantFrom<KnownField>({ name: "tunFlags", value: 0n, mask: 1n }, { name: "tunFlags", value: 1n, mask: 1n }),
  oneOf("inPort", 1, 2, 3, port.local, port.controller),
  oneOf("actsetOutput", 1, 9, port.local),
).chain((fields) => fc.subarray([...fields], { maxLength: Math.min(5, fields.length) }));
const registerFields: Some<readonly KnownField[]> = fc.subarray(registers, { maxLength: 3 }).chain((names) => fc.tuple(...names.map(maybeMasked)));

/** A tag with ID and priority, or one of them, or none; a masked ID. */
const tags: Some<readonly KnownField[]> = fc.oneof(
  { weight: 3, arbitrary: fc.constant([]) },
  fc.constant([is("vlanVid", 0)]),
  bits(12).map((vid) => [is("vlanVid", vid | 0x1000n)]),
  fc.tuple(bits(12), bits(3)).map(([vid, pcp]) => [is("vlanVid", vid | 0x1000n), is("vlanPcp", pcp)]),
  bits(3).map((pcp): KnownField[] => [{ name: "vlanVid", value: 0x1000n, mask: 0x1000n }, is("vlanPcp", pcp)]),
  fc.tuple(bits(12), bits(12)).map(([vid, mask]): KnownField[] => (mask === 0xfffn ? [is("vlanVid", vid | 0x1000n)] : [{ name: "vlanVid", value: (vid & mask) | 0x1000n, mask: mask | 0x1000n }])),
);

interface Packet {
  readonly fields: readonly KnownField[];
  readonly setFields: readonly FieldName[];
  readonly kind: "ip" | "ipv6" | "arp" | "mpls" | "nsh" | "other";
  readonly proto?: "tcp" | "udp" | "sctp" | "icmp";
}
const ipFields = (hasPorts: boolean) => [...named("ipDscp", "ipEcn", "ipTtl"), fragments(hasPorts)];
const packet = (kind: Packet["kind"], fields: Some<readonly KnownField[]>, setFields: readonly FieldName[], proto?: Packet["proto"]): Some<Packet> =>
  fields.map((all) => ({ kind, fields: all, setFields, ...(proto === undefined ? {} : { proto }) }));
const both = (...parts: readonly Some<readonly KnownField[]>[]): Some<readonly KnownField[]> => fc.tuple(...parts).map((all) => all.flat());
const just = (...fields: readonly KnownField[]): Some<readonly KnownField[]> => fc.constant(fields);

const ipOf = (isV6: boolean, hasPorts = false): Some<readonly KnownField[]> => both(just(is("ethType", isV6 ? 0x86dd : 0x800)), some(...named(...(isV6 ? (["ipv6Src", "ipv6Dst", "ipv6Flabel"] as const) : (["ipv4Src", "ipv4Dst"] as const))), ...ipFields(hasPorts)));
const ipSets = (isV6: boolean): readonly FieldName[] => (isV6 ? ["ipv6Src", "ipv6Dst", "ipv6Flabel", "ipDscp", "ipEcn", "ipTtl"] : ["ipv4Src", "ipv4Dst", "ipDscp", "ipEcn", "ipTos", "ipTtl"]);
/** The tuple a connection began with: only of packets that are tracked, and not invalid. */
const tuple = (isV6: boolean): Some<readonly KnownField[]> =>
  both(
    just({ name: "ctState", value: 0x21n, mask: 0x21n }, is("ctNwProto", 6)),
    some(...named(...(isV6 ? (["ctIpv6Src", "ctIpv6Dst"] as const) : (["ctNwSrc", "ctNwDst"] as const)), "ctTpSrc", "ctTpDst")),
  );

const packets: Some<Packet> = fc.boolean().chain((isV6) => {
  const kind = isV6 ? "ipv6" : "ip";
  const sets = ipSets(isV6);
  const withPorts = (proto: "tcp" | "udp" | "sctp", number: number): Some<Packet> => {
    const ports = [`${proto}Src`, `${proto}Dst`] as const;
    return packet(kind, both(ipOf(isV6, true), just(is("ipProto", number)), some(...named(...ports), ...(proto === "tcp" ? named("tcpFlags") : []))), [...sets, ...ports], proto);
  };
  return fc.oneof(
    packet("other", just(), []),
    packet("other", bits(15).map((type) => [is("ethType", type | 0x8000n)]).filter(([field]) => ![0x8035n, 0x8100n, 0x86ddn, 0x8847n, 0x8848n, 0x88a8n, 0x894fn].includes(field?.value ?? 0n)), []),
    packet(kind, ipOf(isV6), sets),
    packet(kind, both(ipOf(isV6), some(exact("ipProto", fc.constantFrom(0n, 2n, 47n, 255n)))), sets),
    packet(kind, both(ipOf(isV6), tuple(isV6)), sets),
    withPorts("tcp", 6),
    withPorts("udp", 17),
    withPorts("sctp", 132),
    isV6
      ? fc.oneof(
          packet(kind, both(ipOf(true, true), just(is("ipProto", 58)), some(...named("icmpv6Type", "icmpv6Code"))), sets, "icmp"),
          packet(kind, both(ipOf(true, true), just(is("ipProto", 58), is("icmpv6Type", 135), is("icmpv6Code", 0)), some(...named("ipv6NdTarget", "ipv6NdSll"))), sets, "icmp"),
          packet(kind, both(ipOf(true, true), just(is("ipProto", 58), is("icmpv6Type", 136), is("icmpv6Code", 0)), some(...named("ipv6NdTarget", "ipv6NdTll", "icmpv6NdReserved", "icmpv6NdOptionsType"))), sets, "icmp"),
        )
      : packet(kind, both(ipOf(false, true), just(is("ipProto", 1)), some(...named("icmpv4Type", "icmpv4Code"))), sets, "icmp"),
    packet("arp", both(fc.constantFrom(0x806, 0x8035).map((type) => [is("ethType", type)]), some(exact("arpOp", bits(8)), ...named("arpSpa", "arpTpa", "arpSha", "arpTha"))), ["arpSpa", "arpTpa", "arpSha", "arpTha"]),
    packet("mpls", both(fc.constantFrom(0x8847, 0x8848).map((type) => [is("ethType", type)]), some(...named("mplsLabel", "mplsTc", "mplsBos", "mplsTtl"))), ["mplsLabel", "mplsTc"]),
    packet("nsh", both(just(is("ethType", 0x894f)), fc.oneof(
      some(oneOf("nshFlags", 0, 1), oneOf("nshMdtype", 2), oneOf("nshNp", 1, 2, 3), oneOf("nshTtl", 0, 63), ...named("nshSpi", "nshSi")),
      both(just(is("nshMdtype", 1)), some(...named("nshC1", "nshC2", "nshC3", "nshC4"))), // without the type ovs-ofctl prints no context
    )), ["nshSpi", "nshSi", "nshC1", "nshC4"]),
  );
});

const ports = fc.constantFrom(1, 2, 700, 0xfeff, port.local, port.inPort);
const anywhere: readonly FieldName[] = [...registers, ...wide, "metadata", "tunnelId", "pktMark", "ethSrc", "ethDst"];
const always: readonly FieldName[] = [...anywhere, "tunIpv4Src", "tunIpv4Dst", "tunIpv6Src", "tunIpv6Dst", "tunGbpId", "tunGbpFlags"];
interface Sub {
  readonly field: FieldName;
  readonly offset: number;
  readonly bits: number;
}
/** Part of a field, of at most so many bits. */
const sub = (most: number, least = 1): Some<Sub> =>
  fc.constantFrom(...anywhere).chain((field) =>
    fc.integer({ min: least, max: Math.min(most, widthOf(field)) }).chain((count) => fc.integer({ min: 0, max: widthOf(field) - count }).map((offset) => ({ field, offset, bits: count }))),
  );
const range = ({ offset, bits: count }: Sub) => ({ offset, bits: count });
const load = (target: Some<Sub>): Some<Action> => target.chain(({ field, offset, bits: count }) => bits(count).map((value): Action => ({ type: "regLoad", field, offset, bits: count, value })));
const move = (version: Version): Some<Action> =>
  fc.integer({ min: 1, max: 32 }).chain((count) =>
    fc.tuple(sub(count, count), sub(count, count)).map(([from, to]): Action => ({ type: version >= 6 ? "copyField" : "regMove", bits: count, sourceOffset: from.offset, targetOffset: to.offset, source: from.field, target: to.field })),
  );
/** Before 1.5 a masked set-field is sent by ovs-ofctl as loads; in 1.5 a load as a masked set-field. */
function setFields(names: readonly FieldName[], version: Version): Some<Action> {
  const field = fc.constantFrom(...names).chain((name) => (version >= 6 ? maybeMasked(name) : exact(name)));
  return field.map((one): Action => ({ type: "setField", field: one.name === "ipTos" ? { name: "ipTos", value: one.value & 0xfcn } : one }));
}
const partial = (version: Version): Some<Action> => (version >= 6 ? setFields(anywhere, version) : load(sub(64)));

const hash = { fields: fc.nat(5), basis: u(16) } as const;
const bytesOf = (least: number, most: number): Some<Uint8Array> => fc.uint8Array({ minLength: least, maxLength: most });
const single: Some<Action> = fc.oneof(
  ports.map((to): Action => ({ type: "output", port: to, maxLen: 0 })),
  fc.constantFrom(port.normal, port.flood, port.all, port.table).map((to): Action => ({ type: "output", port: to, maxLen: 0 })),
  u(16).map((maxLen): Action => ({ type: "output", port: port.controller, maxLen })),
  fc.tuple(fc.constantFrom(0, 2, 3, 4, 5), u(16), u(16)).map(([reason, maxLen, controllerId]): Action => ({ type: "controller", maxLen, controllerId, reason })),
  fc.record({ maxLen: fc.integer({ min: 0, max: 0xfffe }), controllerId: fc.integer({ min: 1, max: 0xffff }), reason: fc.constantFrom(0, 2), userdata: bytesOf(1, 20), pause: fc.constant(true as const), meterId: fc.constant(1) }, { requiredKeys: ["userdata"] }).map((options): Action => ({ type: "controller2", options })),
  sub(32, 16).map((from): Action => ({ type: "outputReg", source: from.field, range: range(from), maxLen: 0xffff })),
  fc.tuple(fc.constantFrom(1, 2, port.local), fc.integer({ min: 14, max: 0xffffff })).map(([to, maxLen]): Action => ({ type: "outputTrunc", port: to, maxLen })),
  fc.constant<Action>({ type: "group", groupId: 1 }),
  u(32).map((queueId): Action => ({ type: "setQueue", queueId })),
  fc.constantFrom<Action>({ type: "popQueue" }, { type: "exit" }, { type: "ctClear" }),
  fc.tuple(ports, fc.nat(254)).map(([inPort, tableId]): Action => ({ type: "resubmit", inPort, tableId })),
  ports.filter((to) => to !== port.inPort).map((inPort): Action => ({ type: "resubmit", inPort, tableId: 0xff })),
  sub(128).map((one): Action => ({ type: "stackPush", ...one })),
  sub(128).map((one): Action => ({ type: "stackPop", ...one })),
  bytesOf(1, 30).map((given): Action => {
    const note = new Uint8Array(6 + Math.ceil(Math.max(0, given.length - 6) / 8) * 8);
    note.set(given);
    return { type: "note", note };
  }),
  fc.tuple(sub(32, 16), hash.fields, hash.basis, fc.nat(3), fc.nat(0xffff), u(32)).map(([to, fields, basis, algorithm, maxLink, arg]): Action => ({ type: "multipath", fields, basis, algorithm, maxLink, arg, range: range(to), target: to.field })),
  fc.tuple(hash.fields, hash.basis, fc.nat(1), fc.array(fc.integer({ min: 1, max: 99 }), { maxLength: 5 })).map(([fields, basis, algorithm, slaves]): Action => ({ type: "bundle", fields, basis, algorithm, slaveType: 2, to: { slaves, range: undefined, target: undefined } })),
  fc.tuple(sub(32, 16), hash.fields, hash.basis, fc.nat(1), fc.array(fc.integer({ min: 1, max: 99 }), { maxLength: 5 })).map(([to, fields, basis, algorithm, slaves]): Action => ({ type: "bundleLoad", fields, basis, algorithm, slaveType: 2, to: { slaves, range: range(to), target: to.field } })),
  fc.tuple(fc.integer({ min: 1, max: 0xffff }), u(32), u(32), u(32)).map(([probability, collectorSetId, obsDomainId, obsPointId]): Action => ({ type: "sample", probability, collectorSetId, obsDomainId, obsPointId })),
  fc.tuple(fc.integer({ min: 1, max: 0xffff }), u(32), fc.constantFrom(1, port.local), fc.nat(2)).map(([probability, obsPointId, samplingPort, direction]): Action => ({ type: direction === 0 ? "sample2" : "sample3", probability, collectorSetId: 5, obsDomainId: 6, obsPointId, samplingPort, direction })),
  fc.tuple(fc.integer({ min: 1, max: 0xffff }), sub(1)).map(([pktLen, to]): Action => ({ type: "checkPktLarger", pktLen, offset: to.offset, field: to.field })),
  fc.constantFrom<Action>({ type: "deleteField", field: "tunMetadata0" }, { type: "deleteField", field: "tunMetadata1" }),
);

const learned = (most: number): Some<Extract<Action, { type: "learn" }>["specs"][number]> => {
  const place = ({ field, offset }: Sub) => ({ field, offset });
  const immediate = (value: bigint, count: number) => ({ immediate: Uint8Array.from({ length: Math.ceil(count / 16) * 2 }, (_, i, length = Math.ceil(count / 16) * 2) => Number((value >> BigInt(8 * (length - 1 - i))) & 0xffn)) });
  return fc.oneof(
    sub(most).chain((to) => bits(to.bits).chain((value) => fc.boolean().map((isMatch) => ({ bits: to.bits, source: immediate(value, to.bits), target: isMatch ? { match: place(to) } : { load: place(to) } })))),
    fc.integer({ min: 1, max: most }).chain((count) => fc.tuple(sub(count, count), sub(count, count), fc.boolean())).map(([from, to, isMatch]) => ({ bits: to.bits, source: place(from), target: isMatch ? { match: place(to) } : { load: place(to) } })),
    sub(32, 16).map((from) => ({ bits: from.bits, source: place(from), target: "output" as const })),
  );
};
const learnHead = { idleTimeout: u(16), hardTimeout: u(16), priority: u(16), cookie: bits(64), flags: fc.nat(3), tableId: fc.nat(253), finIdleTimeout: fc.constant(0), finHardTimeout: fc.constant(0) } as const;
const learns: Some<Action> = fc.oneof(
  fc.record({ type: fc.constant("learn" as const), ...learnHead, specs: fc.array(learned(32), { maxLength: 4 }) }),
  fc.tuple(fc.record({ ...learnHead, specs: fc.array(learned(32), { maxLength: 4 }) }), fc.integer({ min: 1, max: 0xffffffff }), fc.option(sub(1), { nil: undefined })).map(([head, limit, result]): Action => ({
    type: "learn2", ...head, flags: head.flags | (result === undefined ? 0 : 4), limit, resultOffset: result?.offset ?? 0, ...(result === undefined ? {} : { result: result.field }),
  })),
);

function nats(isV6: boolean): Some<Action> {
  const width = isV6 ? 128 : 32;
  const address = bits(width).map((value) => (value === 0n ? 1n : value & ~(1n << BigInt(width - 1))));
  const [min, max] = isV6 ? (["ipv6Min", "ipv6Max"] as const) : (["ipv4Min", "ipv4Max"] as const);
  // Of a range of one ovs-ofctl prints one end.
  const ordered = (one: bigint, other: bigint): readonly [bigint, bigint] => (one < other ? [one, other] : [other, one === other ? one + 1n : one]);
  const addresses = fc.oneof(address.map((one) => ({ [min]: one })), fc.tuple(address, address).map(([a, b]) => ({ [min]: ordered(a, b)[0], [max]: ordered(a, b)[1] })));
  const portsOf = fc.oneof(fc.constant({}), bits(15).map((one) => ({ protoMin: one + 1n })), fc.tuple(bits(15), bits(15)).map(([a, b]) => ({ protoMin: ordered(a, b)[0] + 1n, protoMax: ordered(a, b)[1] + 1n })));
  return fc.oneof(
    fc.constant<Action>({ type: "nat", flags: 0, range: {} }),
    fc.constantFrom<Action>({ type: "nat", flags: 1, range: {} }, { type: "nat", flags: 2, range: {} }),
    fc.tuple(fc.constantFrom(1, 2), addresses, portsOf, fc.constantFrom(0, 4, 8, 16, 12, 20)).map(([kind, one, two, extra]): Action => ({ type: "nat", flags: kind | extra, range: { ...one, ...two } })),
  );
}
function cts(version: Version, kind: Packet["kind"], proto: Packet["proto"]): Some<Action> {
  const marks: Some<Action> = setFields(["ctMark", "ctLabel"], version);
  const zone = fc.oneof(u(16), sub(16, 16).map((from) => ({ source: from.field, range: range(from) })));
  return fc
    .tuple(fc.constantFrom(0, 1, 3), zone, fc.oneof(fc.nat(254), fc.constant(0xff)), fc.option(nats(kind === "ipv6"), { nil: undefined }), fc.array(marks, { maxLength: 2 }), fc.constantFrom(0, 21, 69))
    .map(([flags, at, recircTable, nat, exec, alg]): Action => {
      const isCommit = flags !== 0;
      const mayNat = nat !== undefined && (isCommit || (nat.type === "nat" && nat.flags === 0));
      const helper = isCommit && ((alg === 21 && proto === "tcp") || (alg === 69 && proto === "udp")) ? alg : 0;
      return { type: "ct", flags, zone: at, recircTable, alg: helper, actions: [...(mayNat ? [nat] : []), ...(isCommit ? exec : [])] };
    });
}

function actionsOf(version: Version, { kind, proto, setFields: own }: Packet): Some<readonly Action[]> {
  const isIp = kind === "ip" || kind === "ipv6";
  const base: Some<Action> = fc.oneof(
    { weight: 8, arbitrary: single },
    { weight: 2, arbitrary: setFields(own.length === 0 ? always : [...own, ...always.slice(0, 12)], version) },
    { weight: 2, arbitrary: partial(version) },
    { weight: 1, arbitrary: move(version) },
    { weight: 1, arbitrary: learns },
    ...(isIp ? [{ weight: 2, arbitrary: cts(version, kind, proto) }, { weight: 1, arbitrary: fc.oneof(fc.constant<Action>({ type: "decNwTtl" }), u(8).map((ttl): Action => ({ type: "setNwTtl", ttl })), fc.array(u(16), { minLength: 1, maxLength: 4 }).map((controllerIds): Action => ({ type: "decTtlCntIds", controllerIds }))) }] : []),
    ...(proto === "tcp" ? [{ weight: 1, arbitrary: fc.tuple(u(16), u(16)).map(([finIdleTimeout, finHardTimeout]): Action => ({ type: "finTimeout", finIdleTimeout, finHardTimeout })) }] : []),
    ...(kind === "mpls" ? [{ weight: 1, arbitrary: fc.oneof(fc.constant<Action>({ type: "decMplsTtl" }), u(8).map((ttl): Action => ({ type: "setMplsTtl", ttl }))) }] : []),
    ...(kind === "nsh" ? [{ weight: 1, arbitrary: fc.constant<Action>({ type: "decNshTtl" }) }] : []),
  );
  const cloned: Some<Action> = fc.array(base, { minLength: 1, maxLength: 3 }).map((actions): Action => ({ type: "clone", actions }));
  return fc.oneof(
    { weight: 12, arbitrary: fc.array(fc.oneof({ weight: 9, arbitrary: base }, { weight: 1, arbitrary: cloned }), { maxLength: 5 }) },
    { weight: 1, arbitrary: fc.tuple(u(32), fc.integer({ min: 2, max: 64 }), fc.nat(1)).map(([id, clauses, clause]): Action[] => [{ type: "conjunction", id, clause, clauses }]) },
    { weight: 1, arbitrary: headers(kind) },
  );
}
/** Actions that put headers on or take them off come last: what may follow them depends on what is inside. */
function headers(kind: Packet["kind"]): Some<readonly Action[]> {
  const tlv = fc.tuple(u(16), u(8), bytesOf(1, 12).filter(({ length }) => length % 4 === 0)).map(([tlvClass, type, value]) => {
    const data = Buffer.alloc(Math.ceil((8 + value.length) / 8) * 8 - 4);
    data.writeUInt16BE(tlvClass, 0);
    data.set([type, value.length, ...value], 2);
    data[4] = (data[4] ?? 0) | 0x10; // ovs-ofctl prints no leading zeros
    return { propClass: 4, propType: 2, data: Uint8Array.from(data) };
  });
  const nsh = fc.oneof(
    fc.constant([{ propClass: 4, propType: 1, data: Uint8Array.of(1) }]),
    fc.array(tlv, { maxLength: 3 }).map((all) => [{ propClass: 4, propType: 1, data: Uint8Array.of(2) }, ...all]),
  );
  if (kind === "mpls") return fc.constantFrom<Action[]>([{ type: "popMpls", ethType: 0x800 }], [{ type: "popMpls", ethType: 0x8847 }], [{ type: "decap", packetType: 0x10800 }]);
  return fc.oneof(
    fc.tuple(fc.constantFrom(0x8100, 0x88a8), bits(12), bits(3)).map(([ethType, vid, pcp]): Action[] => [{ type: "pushVlan", ethType }, { type: "setField", field: is("vlanVid", vid | 0x1000n) }, { type: "setField", field: is("vlanPcp", pcp) }, { type: "popVlan" }]),
    fc.tuple(fc.constantFrom(0x8847, 0x8848), bits(20), u(8)).map(([ethType, label, ttl]): Action[] => [{ type: "pushMpls", ethType }, { type: "setField", field: is("mplsLabel", label) }, { type: "setMplsTtl", ttl }]),
    nsh.map((properties): Action[] => [{ type: "encap", headerSize: 0, packetType: 0x1894f, properties }]),
    fc.constantFrom(0, 0x18847, 0x18848).map((packetType): Action[] => [{ type: "encap", headerSize: 0, packetType, properties: [] }]),
    fc.constant<Action[]>([{ type: "decap", packetType: 0xfffe }]),
  );
}

const setActions: Some<readonly Action[]> = fc.array(
  fc.oneof(ports.map((to): Action => ({ type: "output", port: to, maxLen: 0 })), fc.constant<Action>({ type: "group", groupId: 1 }), u(32).map((queueId): Action => ({ type: "setQueue", queueId })), setFields(always.filter((name) => !name.startsWith("eth")), 4), fc.constant<Action>({ type: "popVlan" })),
  { minLength: 1, maxLength: 4 },
);
function instructionsOf(version: Version, of: Packet): Some<readonly Instruction[]> {
  const applied = actionsOf(version, of);
  const option = <T>(arbitrary: Some<T>): Some<T | undefined> => fc.option(arbitrary, { nil: undefined, freq: 3 });
  return fc.tuple(applied, option(fc.constant(1)), option(fc.constant(true)), option(setActions), option(fc.tuple(bits(64), fc.oneof(fc.constant(0xffff_ffff_ffff_ffffn), bits(64)))), option(fc.integer({ min: 1, max: 253 }))).map(([actions, meterId, clears, written, metadata, tableId]) => {
    const isConjunction = actions.some(({ type }) => type === "conjunction");
    const meter: Action[] = version >= 6 && meterId !== undefined && !isConjunction ? [{ type: "meter", meterId }] : [];
    const all: Action[] = [...meter, ...actions];
    const apply: Instruction[] = all.length === 0 ? [] : [{ type: "applyActions", actions: all }];
    if (isConjunction) return apply; // which stands alone
    return [
      ...(version < 6 && meterId !== undefined ? [{ type: "meter" as const, meterId }] : []),
      ...apply,
      ...(clears === undefined ? [] : [{ type: "clearActions" as const }]),
      ...(written === undefined ? [] : [{ type: "writeActions" as const, actions: written }]),
      ...(metadata === undefined ? [] : [{ type: "writeMetadata" as const, metadata: metadata[0] & metadata[1], mask: metadata[1] }]),
      ...(tableId === undefined ? [] : [{ type: "gotoTable" as const, tableId }]),
    ];
  });
}

/** None that ends while it is looked at. */
const timeouts: Some<number> = fc.oneof(fc.constant(0), fc.integer({ min: 3_600, max: 0xffff }));

/** A group of some other number than 1; of 1.5 with numbered buckets and what a select group selects by, in the switch's order. */
export function groupOf(version: Version): Some<Partial<Omit<GroupMod, "type">>> {
  const actions = fc.array(fc.oneof(ports.map((to): Action => ({ type: "output", port: to, maxLen: 0 })), u(32).map((queueId): Action => ({ type: "setQueue", queueId })), setFields(registers, 4)), { minLength: 1, maxLength: 3 });
  const bucket = (isSelect: boolean, isWatching: boolean): Some<Bucket> =>
    fc.tuple(actions, u(16), fc.integer({ min: 1, max: 9 })).map(([list, weight, watchPort]) => ({ weight: isSelect ? weight : 0, watchPort: isWatching ? watchPort : port.any, watchGroup: port.any, actions: list }));
  const select: Some<NonNullable<GroupMod["properties"]>> = fc.oneof(
    fc.constant([]),
    bits(64).map((param) => [{ type: "selectionMethod" as const, method: "dp_hash", param: param & 1n, fields: [] }]),
    fc.subarray<FieldName>(["ethSrc", "ethDst", "ethType", "ipv4Src", "ipv4Dst", "ipProto"], { minLength: 1 }).chain((names) => fc.tuple(...names.map((name) => exact(name, fc.constant((1n << BigInt(widthOf(name))) - 1n))))).map((fields) => [{ type: "selectionMethod" as const, method: "hash", param: 0n, fields }]),
  );
  return fc.constantFrom("all", "select", "indirect", "ff").chain((groupType) => {
    const buckets = fc.array(bucket(groupType === "select", groupType === "ff"), { minLength: 1, maxLength: groupType === "indirect" ? 1 : 4 });
    return fc.tuple(buckets, groupType === "select" ? select : fc.constant([])).map(([all, properties]) => ({
      groupType,
      buckets: version >= 6 ? all.map((one, bucketId) => ({ ...one, bucketId })) : all,
      ...(version >= 6 && properties.length > 0 ? { properties } : {}),
    }));
  });
}

/** A meter with a drop band. */
export const meterOf: Some<Partial<Omit<MeterMod, "type">>> = fc
  .tuple(fc.constantFrom(meterFlag.kbps, meterFlag.pktps), fc.boolean(), fc.boolean(), fc.integer({ min: 1, max: 0xffffffff }), fc.integer({ min: 1, max: 0xffffffff }))
  .map(([unit, isBurst, hasStats, rate, burstSize]) => ({ flags: unit | (isBurst ? meterFlag.burst : 0) | (hasStats ? meterFlag.stats : 0), bands: [{ rate, burstSize: isBurst ? burstSize : 0, bandType: 1 }] }));

/** A flow of table 0 for a switch that has group 1, meter 1, and options of tunnels mapped to tun_metadata0 (4 bytes) and 1 (8 bytes). */
export function flowOf(version: Version): Some<Partial<Omit<FlowMod, "type">>> {
  return packets.chain((of) =>
    fc.tuple(wayFields, registerFields, tags, instructionsOf(version, of), timeouts, timeouts, version >= 5 ? u(16) : fc.constant(0), fc.boolean(), fc.boolean(), fc.option(bitsOfState, { nil: undefined })).map(
      ([way, regs, tag, instructions, idleTimeout, hardTimeout, importance, isNoted, isUncounted, state]) => {
        const fields = [...way, ...regs, ...tag, ...of.fields];
        const withState = state === undefined || fields.some(({ name }) => name === "ctState") ? fields : [...fields, state];
        return { match: withState, instructions, idleTimeout, hardTimeout, importance, flags: (isNoted ? flag.sendFlowRem : 0) | (isUncounted ? flag.noPktCounts | flag.noByteCounts : 0) };
      },
    ),
  );
}
