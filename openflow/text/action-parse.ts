/** Actions in the words of ovs-actions(7), one row each. What a version has no action for becomes what ovs-ofctl makes of it there. */
import { action, port, type Action } from "../actions/action.js";
import type { EncapProperty } from "../actions/nicira.js";
import { headerOf, rowOf, type FieldName } from "../fields/table.js";
import type { Version } from "../wire/reader.js";
import { bundleAlgorithms, directions, encapTypes, hashFields, innerType, memberType, multipathAlgorithms, nsh, ownTable, reasons, wholePacket } from "./action-names.js";
import { parseCt, parseNat } from "./ct-text.js";
import { fieldOfText } from "./field-names.js";
import { parseLearn } from "./learn-text.js";
import { bare, bigNumber, commaSeparated, cut, entry, fail, hexBytes, indexOf, items, number, part, trimmed, valueOf, type Item, type Span } from "./scan.js";
import { arrow, parseField, parseSubfield } from "./subfield-text.js";
import { ones, parseAddressOf, parsePort, readValue, reservedPort, type PortNumbers } from "./value-text.js";

/** What the words of an action depend on. */
export interface ActionContext {
  readonly version: Version;
  readonly ports: PortNumbers | undefined;
  /** The protocol that the flow's match says; "" for none. */
  readonly protocol: "tcp" | "udp" | "sctp" | "";
  /** Whether the packet has a VLAN tag where the action stands. */
  hasVlan: boolean;
}
type Parser = (item: Item, context: ActionContext) => readonly Action[];

const one = (parse: (of: Span, context: ActionContext) => Action): Parser => (item, context) => [parse(valueOf(item), context)];
const word = (made: Action): Parser => (item) => {
  if (trimmed(item.value ?? part(item.key, 0, 0)).text !== "") bare(item);
  return [made];
};
const setField = (name: FieldName, value: bigint | number): Action => ({ type: "setField", field: { name, value: BigInt(value) } });
/** "{key}={value}" with nothing else allowed. */
const given = (of: Span, read: Readonly<Record<string, (value: Item) => void>>): void => {
  for (const item of items(of)) (entry(read, item.key.text) ?? fail(`one of ${Object.keys(read).join(", ")}`, item.key))(item);
};
const pieces = (of: Span, count: number, what: string): readonly Span[] => {
  const all = commaSeparated(of);
  return all.length >= count ? all : fail(what, of);
};
const at = (all: readonly Span[], index: number): Span => all[index] ?? fail("another argument", { text: "", at: 0 });

function parseOutput(item: Item, { ports }: ActionContext): Action {
  const of = valueOf(item);
  if (item.form === "()") {
    let [to, maxLen] = [port.any as number, 0];
    given(of, { port: (value) => (to = parsePort(valueOf(value), ports)), max_len: (value) => (maxLen = number(valueOf(value), 32)) });
    if (to === port.any) fail("port=", of);
    return { type: "outputTrunc", port: to, maxLen };
  }
  const name = /^[^[]*/.exec(trimmed(of).text)?.[0] ?? "";
  if (reservedPort(trimmed(of).text) === undefined && fieldOfText(name) !== undefined) {
    const { field, offset, bits } = parseSubfield(of);
    // The short form has room for four bytes of header.
    const isShort = typeof field === "string" && headerOf(rowOf(field), 0).experimenter === undefined;
    return { type: isShort ? "outputReg" : "outputReg2", source: field, range: { offset, bits }, maxLen: wholePacket };
  }
  return toPort(parsePort(of, ports));
}
/** With OpenFlow 1.0's default of how much the controller gets: all. */
const toPort = (to: number): Action => action.output(to, to === port.controller ? wholePacket : 0);

function parseController(item: Item): Action {
  if (item.form === ":") return action.toController(number(valueOf(item), 16));
  let [reason, maxLen, controllerId] = [1, wholePacket, 0];
  let userdata: Uint8Array = new Uint8Array();
  let pause = false;
  let meterId: number | undefined;
  given(item.value ?? part(item.key, 0, 0), {
    reason: (value) => (reason = indexOf(valueOf(value), reasons)),
    max_len: (value) => (maxLen = number(valueOf(value), 16)),
    id: (value) => (controllerId = number(valueOf(value), 16)),
    userdata: (value) => (userdata = hexBytes(valueOf(value))),
    pause: (value) => (bare(value), (pause = true)),
    meter_id: (value) => (meterId = number(valueOf(value), 32)),
  });
  // The oldest action that says it all.
  if (userdata.length === 0 && !pause && meterId === undefined) {
    return reason === 1 && controllerId === 0 ? action.toController(maxLen) : { type: "controller", maxLen, controllerId, reason };
  }
  const options = {
    ...(maxLen === wholePacket ? {} : { maxLen }),
    ...(controllerId === 0 ? {} : { controllerId }),
    ...(reason === 1 ? {} : { reason }),
    ...(userdata.length === 0 ? {} : { userdata }),
    ...(pause ? { pause } : {}),
    ...(meterId === undefined ? {} : { meterId }),
  } as const;
  return { type: "controller2", options: options };
}

function parseResubmit(item: Item, { ports }: ActionContext): Action {
  const of = valueOf(item);
  if (item.form !== "()") return { type: "resubmit", inPort: parsePort(of, ports), tableId: ownTable };
  const [to, table, ct, ...rest] = commaSeparated(of);
  if (ct !== undefined && (ct.text !== "ct" || rest.length > 0)) fail("ct", ct);
  const inPort = to === undefined || to.text === "" ? port.inPort : parsePort(to, ports);
  const tableId = table === undefined || table.text === "" ? ownTable : number(table, 8);
  if ((to?.text ?? "") === "" && (table?.text ?? "") === "") fail("a port or a table", of);
  return { type: ct === undefined ? "resubmit" : "resubmitCt", inPort, tableId };
}

function parseMultipath(of: Span): Action {
  const all = pieces(of, 6, "fields,basis,algorithm,links,arg,field");
  const { field, offset, bits } = parseSubfield(at(all, 5));
  const links = number(at(all, 3), 17);
  if (links < 1 || links > 0x10000) fail("1 to 65536 links", at(all, 3));
  return {
    type: "multipath", fields: indexOf(at(all, 0), hashFields), basis: number(at(all, 1), 16), algorithm: indexOf(at(all, 2), multipathAlgorithms), maxLink: links - 1, arg: number(at(all, 4), 32),
    range: { offset, bits }, target: field,
  };
}
function parseBundle(of: Span, isLoad: boolean, ports: PortNumbers | undefined): Action {
  const marked = /(members|slaves)\s*:/.exec(of.text) ?? fail("members:", of);
  const head = pieces(part(of, 0, marked.index), isLoad ? 5 : 4, `fields,basis,algorithm,ofport,${isLoad ? "field," : ""}members:`);
  if (at(head, 3).text !== "ofport") fail("ofport", at(head, 3));
  const slaves = commaSeparated(part(of, marked.index + marked[0].length)).map((one) => parsePort(one, ports));
  const target = isLoad ? parseSubfield(at(head, 4)) : undefined;
  const to = { slaves, range: target === undefined ? undefined : { offset: target.offset, bits: target.bits }, target: target?.field };
  return { type: isLoad ? "bundleLoad" : "bundle", fields: indexOf(at(head, 0), hashFields), basis: number(at(head, 1), 16), algorithm: indexOf(at(head, 2), bundleAlgorithms), slaveType: memberType, to };
}

function parseSample(of: Span, { ports }: ActionContext): Action {
  let [probability, collectorSetId, obsDomainId, obsPointId, samplingPort, direction] = [0, 0, 0, 0, port.any as number, 0];
  given(of, {
    probability: (value) => (probability = number(valueOf(value), 16)),
    collector_set_id: (value) => (collectorSetId = number(valueOf(value), 32)),
    obs_domain_id: (value) => (obsDomainId = number(valueOf(value), 32)),
    obs_point_id: (value) => (obsPointId = number(valueOf(value), 32)),
    sampling_port: (value) => (samplingPort = parsePort(valueOf(value), ports)),
    ...Object.fromEntries(directions.map((name, i) => [name, (value: Item) => (bare(value), (direction = i + 1))])),
  });
  if (probability === 0) fail("probability= above 0", of);
  const head = { probability, collectorSetId, obsDomainId, obsPointId };
  if (direction !== 0) return { type: "sample3", ...head, samplingPort, direction };
  return samplingPort === port.any ? { type: "sample", ...head } : { type: "sample2", ...head, samplingPort, direction };
}

function parseTlv(of: Span): EncapProperty {
  const all = pieces(of, 3, "class,type,0x and pairs of hex digits");
  const text = at(all, 2);
  if (!/^0[xX]/.test(text.text)) fail("0x and pairs of hex digits", text);
  // ovs-ofctl prints no leading zeros: of an odd number of digits the first is half a byte.
  const digits = text.text.slice(2);
  const value = hexBytes({ text: digits.length % 2 === 1 ? `0${digits}` : digits, at: text.at + 2 });
  const data = Buffer.alloc(Math.ceil((8 + value.length) / 8) * 8 - 4); // filled up to where the next property begins
  data.writeUInt16BE(number(at(all, 0), 16), 0);
  data[2] = number(at(all, 1), 8);
  data[3] = value.length;
  data.set(value, 4);
  return { propClass: nsh.propClass, propType: nsh.tlv, data: Uint8Array.from(data) };
}
function parseEncap(of: Span): Action {
  const [item, ...rest] = items(of);
  const [, packetType] = encapTypes.find(([name]) => name === item?.key.text) ?? fail(`one of ${encapTypes.map(([name]) => name).join(", ")}`, of);
  if (rest[0] !== undefined) fail("one header", rest[0].key);
  const properties: EncapProperty[] = [];
  given(item?.value ?? part(of, 0, 0), {
    md_type: (value) => properties.push({ propClass: nsh.propClass, propType: nsh.mdType, data: Uint8Array.of(number(valueOf(value), 8)) }),
    tlv: (value) => properties.push(parseTlv(valueOf(value))),
  });
  return { type: "encap", headerSize: 0, packetType, properties };
}
function parseDecap(item: Item): Action {
  const [inner] = items(item.value ?? part(item.key, 0, 0));
  if (inner === undefined) return { type: "decap", packetType: innerType };
  if (inner.key.text !== "packet_type") fail("packet_type(ns=…,type=…)", inner.key);
  let [ns, type] = [0, 0];
  given(valueOf(inner), { ns: (value) => (ns = number(valueOf(value), 16)), type: (value) => (type = number(valueOf(value), 16)) });
  return { type: "decap", packetType: ns * 0x10000 + type };
}

function parseSetField(of: Span, { ports }: ActionContext): Action {
  const [value, target] = arrow(of);
  const row = parseField(target);
  const parsed = readValue(value, row, ports);
  const { bits } = rowOf(row.name);
  const isMasked = parsed.mask !== undefined && (parsed.mask & ones(bits)) !== ones(bits);
  const shown = row.name === "nxInPort" ? parsed.value & 0xffffn : parsed.value;
  return { type: "setField", field: { name: row.name, value: shown, ...(isMasked && parsed.mask !== undefined ? { mask: parsed.mask } : {}) } };
}
function parseLoad(of: Span): Action {
  const [value, target] = arrow(of);
  const { field, offset, bits } = parseSubfield(target);
  if (bits > 64) fail("at most 64 bits to load", target);
  return { type: "regLoad", field, offset, bits, value: bigNumber(value, bits) };
}
function parseMove(of: Span, { version }: ActionContext): Action {
  const [from, to] = arrow(of).map(parseSubfield) as unknown as readonly [ReturnType<typeof parseSubfield>, ReturnType<typeof parseSubfield>];
  if (from.bits !== to.bits) fail(`as many bits on both sides, not ${from.bits} and ${to.bits}`, of);
  // 1.5 has an action of its own for it.
  return { type: version >= 6 ? "copyField" : "regMove", bits: from.bits, sourceOffset: from.offset, targetOffset: to.offset, source: from.field, target: to.field };
}
function parseConjunction(of: Span): Action {
  const all = pieces(of, 2, "id,k/n");
  const [k, n] = cut(at(all, 1), "/") ?? fail("k/n", at(all, 1));
  const [clause, clauses] = [number(k, 8), number(n, 8)];
  if (clause < 1 || clause > clauses || clauses > 64) fail("k/n with k from 1 to n and n at most 64", at(all, 1));
  return { type: "conjunction", id: number(at(all, 0), 32), clause: clause - 1, clauses };
}
function parseFinTimeout(of: Span): Action {
  let [finIdleTimeout, finHardTimeout] = [0, 0];
  given(of, { idle_timeout: (value) => (finIdleTimeout = number(valueOf(value), 16)), hard_timeout: (value) => (finHardTimeout = number(valueOf(value), 16)) });
  return { type: "finTimeout", finIdleTimeout, finHardTimeout };
}
/** A note's bytes fill up the action. */
function parseNote(of: Span): Action {
  const bytes = hexBytes(of);
  const note = new Uint8Array(6 + Math.ceil(Math.max(0, bytes.length - 6) / 8) * 8);
  note.set(bytes);
  return { type: "note", note };
}
function parseCheck(item: Item): Action {
  const target = item.target ?? fail('"->" and a bit', part(item.key, item.key.text.length));
  const { field, offset, bits } = parseSubfield(target);
  if (bits !== 1) fail("a single bit", target);
  return { type: "checkPktLarger", pktLen: number(item.value ?? target, 16), offset, field };
}

/** 1.0 and 1.1 have actions for single fields, later versions set-field. */
const isOld = ({ version }: ActionContext): boolean => version <= 2;
/** "mod_…" adds a tag where the flow's match says there is none, but for 1.0, whose action does so itself; "set_…" changes the one there is. */
const vlan = (mode: "mod" | "set", old: (of: Span) => Action, name: FieldName, read: (of: Span) => number): Parser => (item, context) => {
  const value = read(valueOf(item));
  if (context.version === 1) return [old(valueOf(item))];
  const pushed = mode === "set" || context.hasVlan ? [] : [action.pushVlan()];
  context.hasVlan = true;
  return [...pushed, isOld(context) ? old(valueOf(item)) : setField(name, value)];
};
const bytesOf = (mac: bigint): Uint8Array => Uint8Array.from(Buffer.from(mac.toString(16).padStart(12, "0"), "hex"));
const macOf = (type: "setDlSrc" | "setDlDst", name: FieldName): Parser => one((of, context) => {
  const mac = parseAddressOf(of, "mac");
  return isOld(context) ? { type, dlAddr: bytesOf(mac) } : setField(name, mac);
});
const ipOf = (type: "setNwSrc" | "setNwDst", name: FieldName): Parser => one((of, context) => {
  const ip = parseAddressOf(of, "ipv4");
  return isOld(context) ? { type, nwAddr: Number(ip) } : setField(name, ip);
});
const portOf = (type: "setTpSrc" | "setTpDst", side: "Src" | "Dst"): Parser => one((of, context) => {
  const tpPort = number(of, 16);
  if (isOld(context)) return { type, tpPort };
  return context.protocol === "" ? fail("a match on tcp, udp or sctp to tell whose port it is", of) : setField(`${context.protocol}${side}`, tpPort);
});
const tunnel = (bits: 32 | 64): Parser => one((of, context) => {
  const tunId = bigNumber(of, 64);
  if (!isOld(context)) return setField("tunnelId", tunId);
  return bits === 64 || tunId >> 32n !== 0n ? { type: "setTunnel64", tunId } : { type: "setTunnel", tunId: Number(tunId) };
});
/** Of 1.0 and 1.1 an action, later set-field. */
const mplsOf = (name: "mplsLabel" | "mplsTc", bits: number): Parser => one((of, context) => {
  const value = number(of, bits);
  if (!isOld(context)) return setField(name, value);
  return name === "mplsLabel" ? { type: "setMplsLabel", mplsLabel: value } : { type: "setMplsTc", mplsTc: value };
});
const stripVlan: Parser = (item, context) => {
  bare(item);
  context.hasVlan = false;
  return [context.version === 1 ? { type: "stripVlan" } : action.popVlan()];
};

const setVlanVid = (of: Span): Action => ({ type: "setVlanVid", vlanVid: number(of, 12) });
const setVlanPcp = (of: Span): Action => ({ type: "setVlanPcp", vlanPcp: number(of, 3) });
const parsers: Readonly<Record<string, Parser>> = {
  drop: (item) => (bare(item), []),
  output: (item, context) => [parseOutput(item, context)],
  controller: (item) => [parseController(item)],
  group: one((of) => action.group(number(of, 32))),
  set_queue: one((of) => action.setQueue(number(of, 32))),
  pop_queue: word({ type: "popQueue" }),
  enqueue: one((of, { ports }) => {
    const [to, queue] = cut(of, ":") ?? cut(of, ",") ?? fail("port:queue", of);
    return { type: "enqueue", port: parsePort(to, ports), queueId: number(queue, 32) };
  }),
  resubmit: (item, context) => [parseResubmit(item, context)],
  bundle: one((of, { ports }) => parseBundle(of, false, ports)),
  bundle_load: one((of, { ports }) => parseBundle(of, true, ports)),
  multipath: one(parseMultipath),
  set_field: one(parseSetField),
  load: one(parseLoad),
  move: one(parseMove),
  push: one((of) => ({ type: "stackPush", ...parseSubfield(of) })),
  pop: one((of) => ({ type: "stackPop", ...parseSubfield(of) })),
  set_tunnel: tunnel(32),
  set_tunnel64: tunnel(64),
  mod_vlan_vid: vlan("mod", setVlanVid, "vlanVid", (of) => number(of, 12) | 0x1000),
  mod_vlan_pcp: vlan("mod", setVlanPcp, "vlanPcp", (of) => number(of, 3)),
  set_vlan_vid: vlan("set", setVlanVid, "vlanVid", (of) => number(of, 12) | 0x1000),
  set_vlan_pcp: vlan("set", setVlanPcp, "vlanPcp", (of) => number(of, 3)),
  strip_vlan: stripVlan,
  pop_vlan: stripVlan,
  push_vlan: (item, context) => {
    context.hasVlan = true;
    return [action.pushVlan(number(valueOf(item), 16))];
  },
  mod_dl_src: macOf("setDlSrc", "ethSrc"),
  mod_dl_dst: macOf("setDlDst", "ethDst"),
  mod_nw_src: ipOf("setNwSrc", "ipv4Src"),
  mod_nw_dst: ipOf("setNwDst", "ipv4Dst"),
  mod_nw_tos: one((of, context) => (isOld(context) ? { type: "setNwTos", nwTos: number(of, 8) } : setField("ipDscp", number(of, 8) >> 2))),
  mod_nw_ecn: one((of, context) => (context.version === 2 ? { type: "setNwEcn", nwEcn: number(of, 2) } : setField("ipEcn", number(of, 2)))),
  mod_nw_ttl: one((of, context) => (context.version === 1 ? setField("ipTtl", number(of, 8)) : action.setNwTtl(number(of, 8)))),
  mod_tp_src: portOf("setTpSrc", "Src"),
  mod_tp_dst: portOf("setTpDst", "Dst"),
  dec_ttl: (item) => {
    const ids = commaSeparated(item.value ?? part(item.key, 0, 0)).map((id) => number(id, 16));
    return [ids.length === 0 ? action.decNwTtl() : { type: "decTtlCntIds", controllerIds: ids }];
  },
  set_mpls_label: mplsOf("mplsLabel", 20),
  set_mpls_tc: mplsOf("mplsTc", 3),
  set_mpls_ttl: one((of) => ({ type: "setMplsTtl", ttl: number(of, 8) })),
  dec_mpls_ttl: word({ type: "decMplsTtl" }),
  dec_nsh_ttl: word({ type: "decNshTtl" }),
  push_mpls: one((of) => action.pushMpls(number(of, 16))),
  pop_mpls: one((of) => action.popMpls(number(of, 16))),
  push_pbb: one((of) => ({ type: "pushPbb", ethType: number(of, 16) })),
  pop_pbb: word({ type: "popPbb" }),
  copy_ttl_out: word({ type: "copyTtlOut" }),
  copy_ttl_in: word({ type: "copyTtlIn" }),
  encap: one(parseEncap),
  decap: (item) => [parseDecap(item)],
  learn: (item, { ports }) => [parseLearn(item.value ?? part(item.key, 0, 0), ports)],
  ct: (item, context) => [parseCt(item.value, (of) => parseActionList(of, context))],
  nat: (item) => [parseNat(item.value)],
  ct_clear: word({ type: "ctClear" }),
  clone: one((of, context) => ({ type: "clone", actions: parseActionList(of, { ...context }) })),
  conjunction: one(parseConjunction),
  sample: one(parseSample),
  fin_timeout: one(parseFinTimeout),
  note: (item) => [parseNote(item.value ?? part(item.key, 0, 0))],
  exit: word({ type: "exit" }),
  check_pkt_larger: (item) => [parseCheck(item)],
  delete_field: one((of) => ({ type: "deleteField", field: parseField(of).name })),
  debug_slow: word({ type: "debugSlow" }),
  debug_recirc: word({ type: "debugRecirc" }),
  unknown: one((of) => ({ type: "unknown", bytes: hexBytes(of) })),
};

/** The actions an item stands for; undefined when it is no action. */
export function parseAction(item: Item, context: ActionContext): readonly Action[] | undefined {
  const name = item.key.text;
  const parser = entry(parsers, name) ?? entry(parsers, name.toLowerCase());
  if (parser !== undefined && !(item.form === "key" && ["set_field", "output"].includes(name))) {
    return name === "enqueue" && context.version > 1 ? queued(parser(item, context)) : parser(item, context);
  }
  if (item.form !== "key") return undefined;
  const reserved = reservedPort(name);
  if (reserved === undefined && !/^(\d|")/.test(name) && context.ports?.(name) === undefined) return undefined;
  return [toPort(parsePort(item.key, context.ports))];
}
/** Only 1.0 has enqueue. */
const queued = (actions: readonly Action[]): readonly Action[] =>
  actions.flatMap((item) => (item.type === "enqueue" ? [action.setQueue(item.queueId), action.output(item.port), { type: "popQueue" } as const] : [item]));

export function parseActionList(of: Span, context: ActionContext): readonly Action[] {
  return items(of).flatMap((item) => parseAction(item, context) ?? fail("an action", item.key));
}
