/**
 * Arbitrary values of every OpenFlow message, multipart type, action, instruction and property, as the decoder gives them: made from the
 * codecs' own tables where these say what they consist of, and here by name for those written by hand. A codec that is neither is an error,
 * so that no new one goes untested.
 */
import fc from "fast-check";
import { actionTypes, type Action } from "../../openflow/actions/action.js";
import { fieldRows, headerOf, type FieldRow } from "../../openflow/fields/table.js";
import { asyncProperties } from "../../openflow/messages/async.js";
import { messageTypes, type Body } from "../../openflow/messages/message.js";
import { multipartTypes } from "../../openflow/messages/multipart.js";
import type { Version } from "../../openflow/wire/reader.js";
import { shapeOf, type Shape } from "../../openflow/wire/shape.js";
import { fixedMatch } from "./openflow-match-values.js";

type Any = fc.Arbitrary<unknown>;
const unsigned = (bytes: number): fc.Arbitrary<bigint> => fc.bigInt({ min: 0n, max: (1n << BigInt(bytes * 8)) - 1n });
const small = (bytes: number): fc.Arbitrary<number> => fc.nat(2 ** (bytes * 8) - 1);
const [u8, u16, u32, u64] = [small(1), small(2), small(4), unsigned(8)];
const data = fc.uint8Array({ maxLength: 40 });
const fixed = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
const port16 = fc.oneof(fc.nat(0xfeff), fc.integer({ min: 0xffffff00, max: 0xffffffff }));
const few = <T>(item: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(item, { maxLength: 3 });
const some = (record: Record<string, Any>): Any => fc.record(record, { requiredKeys: [] });
const optional = (all: Record<string, Any>, extra: Record<string, Any>): Any => fc.record({ ...all, ...extra }, { requiredKeys: Object.keys(all) });

/** The class under which a row is written in a form, and all others it may come under. */
const otherClasses = (row: FieldRow, form: 0 | Version): readonly number[] => row.headers.map(({ oxmClass }) => oxmClass).filter((one) => one !== headerOf(row, form).oxmClass);
const unknownField = fc.tuple(fc.nat(127), fixed(4)).map(([number, value]) => ({ name: "unknown", bytes: Uint8Array.from([0x12, 0x34, number << 1, 4, ...value]) }));

class Values {
  private readonly made = new Map<object, Any>();
  private readonly version: Version;
  constructor(version: Version) {
    this.version = version;
  }

  field(form: 0 | Version, isMasked?: boolean): Any {
    const known = fc.constantFrom(...fieldRows.values()).chain((row): Any => {
      const widths = row.isVariable ? fc.integer({ min: 1, max: 124 }) : fc.constant(row.bytes);
      return widths.chain((width) => {
        const mask = isMasked ?? row.maskable ? { mask: unsigned(width) } : {};
        const classes = otherClasses(row, form);
        const oxmClass = classes.length === 0 ? {} : { oxmClass: fc.constantFrom(...classes) };
        const all = { name: fc.constant(row.name), value: unsigned(width), ...(width === row.bytes ? {} : { width: fc.constant(width) }) };
        return isMasked === true ? optional({ ...all, ...mask }, oxmClass) : optional(all, isMasked === false ? oxmClass : { ...mask, ...oxmClass });
      });
    });
    return known;
  }
  fields(form: 0 | Version): Any {
    return few(fc.oneof({ weight: 9, arbitrary: this.field(form) }, { weight: 1, arbitrary: unknownField }));
  }
  match(): Any {
    return this.version === 1 || this.version === 2 ? fixedMatch(this.version) : this.fields(this.version);
  }
  /** Without those of an experimenter, which take eight bytes, where `isShort`. The cookie shares its number with mplsTtl. */
  reference(form: 0 | Version, isShort = false): Any {
    const rows = [...fieldRows.values()].filter((row) => row.name !== "cookie" && (!isShort || headerOf(row, form).experimenter === undefined));
    return fc.constantFrom(...rows).chain((row): Any => {
      const classes = isShort ? [] : otherClasses(row, form);
      const named: Any[] = [fc.constant(row.name)];
      if (classes.length > 0) named.push(fc.constantFrom(...classes).map((oxmClass) => ({ name: row.name, oxmClass })));
      if (row.isVariable) named.push(fc.integer({ min: 1, max: 123 }).map((width) => ({ name: row.name, width })));
      return fc.oneof(...named);
    });
  }
  /** Not those that are written, and so read again, as another: of 1.5 what it has standard forms for, before 1.2 a set-field. */
  private isOwn(type: string): boolean {
    return !(this.version >= 6 && (type === "regMove" || type === "regLoad")) && !(this.version < 3 && type === "regLoad2");
  }
  action(depth = 0): Any {
    const rows = actionTypes(this.version).filter(({ type }) => (depth === 0 || (type !== "ct" && type !== "clone")) && this.isOwn(type));
    const known = rows.map((row) => this.actionOf(row));
    const unknown = fc.integer({ min: 1, max: 4 }).chain((words) => fixed(words * 8 - 4).map((rest) => ({ type: "unknown", bytes: Uint8Array.from([0x77, 0x77, 0, words * 8, ...rest]) })));
    return fc.oneof(...known, unknown);
  }
  /** One action of each type of the version. */
  eachAction(): readonly (readonly [string, Any])[] {
    return actionTypes(this.version)
      .filter(({ type }) => this.isOwn(type))
      .map((row) => [row.type, this.actionOf(row)]);
  }
  private actionOf({ type, body }: { readonly type: Action["type"]; readonly body: object }): Any {
    if (type === "ct" || type === "clone") return this.nesting(type);
    if (type === "setField") return this.field(this.version).map((field) => ({ type, field }));
    return this.of(body).map((value) => ({ type, ...(value as object) }));
  }
  private nesting(type: "ct" | "clone"): Any {
    const actions = few(this.action(1));
    if (type === "clone") return fc.record({ type: fc.constant(type), actions });
    const zone = fc.oneof(u16, fc.record({ source: this.reference(0, true), range: bitRange }));
    return fc.record({ type: fc.constant(type), flags: u16, zone, recircTable: u8, alg: u16, actions });
  }
  actions(): Any {
    return few(this.action());
  }
  /** What a list of actions stands as where there are no instructions. */
  applied(): Any {
    return few(this.action()).map((actions) => (actions.length === 0 ? [] : [{ type: "applyActions", actions }]));
  }
  instruction(): Any {
    const { version } = this;
    const unknown = fixed(12).map((rest) => ({ type: "unknown", bytes: Uint8Array.from([0x77, 0x77, 0, 16, ...rest]) }));
    return fc.oneof(
      u8.map((tableId) => ({ type: "gotoTable", tableId })),
      fc.record({ type: fc.constant("writeMetadata"), metadata: u64, mask: u64 }),
      fc.record({ type: fc.constantFrom("writeActions", "applyActions"), actions: this.actions() }),
      fc.constant({ type: "clearActions" }),
      ...(version === 4 || version === 5 ? [u32.map((meterId) => ({ type: "meter", meterId }))] : []),
      ...(version === 6 ? [fc.record({ type: fc.constant("statTrigger"), flags: u32, thresholds: fc.nat(3).chain((words) => fixed(words * 8)) })] : []),
      unknown,
    );
  }
  instructions(): Any {
    return this.version === 1 ? this.applied() : few(this.instruction());
  }
  bucket15(): Any {
    const all = { weight: u16, watchPort: u32, watchGroup: u32, actions: this.actions(), bucketId: u32 };
    return optional(all, { properties: fc.array(otherProperty, { minLength: 1, maxLength: 2 }) });
  }
  groupProperties(): Any {
    const selection = fc.record({ type: fc.constant("selectionMethod"), method: fc.stringMatching(/^[a-z_]{0,15}$/), param: u64, fields: this.fields(this.version) });
    return few(fc.oneof(selection, otherProperty));
  }
  flowUpdate(): Any {
    const { version } = this;
    const body = { reason: version < 5 ? u16 : u8, tableId: u8, priority: u16, match: version < 4 ? this.fields(0) : this.match(), cookie: u64, instructions: version < 4 ? this.applied() : this.instructions(), idleTimeout: u16, hardTimeout: u16 };
    const events = version < 5 ? ["added", "removed", "modified"] : ["initial", "added", "removed", "modified"];
    const others: Any[] = version < 5 ? [] : [fc.constantFrom({ event: "paused" }, { event: "resumed" })];
    return fc.oneof(fc.record({ event: fc.constantFrom(...events), ...body }), u32.map((xid) => ({ event: "abbreviated", xid })), ...others);
  }
  monitorRequest(): Any {
    const { version } = this;
    const newer = { outPort: u32, outGroup: u32, command: u8, match: this.match() };
    const older = { outPort: version < 4 ? port16 : u32, outGroup: fc.constant(0xffffffff), command: fc.constant(0), match: version < 4 ? this.fields(0) : this.match() };
    return fc.record({ monitorId: u32, flags: u16, tableId: u8, ...(version >= 5 ? newer : older) });
  }
  packetIn(): Any {
    const { version } = this;
    const port = (name: string, bytes: fc.Arbitrary<number>): fc.Arbitrary<object> => bytes.map((value) => ({ name, value: BigInt(value) }));
    const match = version === 1 ? fc.tuple(port("inPort", port16)) : version === 2 ? fc.tuple(port("inPort", u32), port("inPhyPort", u32)) : this.match();
    return fc.record({ bufferId: u32, totalLen: u16, reason: u8, tableId: version === 1 ? fc.constant(0) : u8, cookie: version >= 4 ? u64 : fc.constant(0xffff_ffff_ffff_ffffn), match, data });
  }
  packetOut(): Any {
    const all = { bufferId: u32, inPort: this.version === 1 ? port16 : u32, actions: this.actions(), data };
    const others = fc.array(this.field(6).filter((one) => (one as { readonly name: string }).name !== "inPort"), { minLength: 1, maxLength: 2 });
    return this.version >= 6 ? optional(all, { match: others }) : fc.record(all);
  }
  multipart(side: "request" | "reply"): Any {
    return fc.oneof(...this.eachMultipart(side).map(([, value]) => value));
  }
  eachMultipart(side: "request" | "reply"): readonly (readonly [string, Any])[] {
    const known = multipartTypes.filter(({ since, until }) => since <= this.version && this.version <= until);
    const type = side === "request" ? "multipartRequest" : "multipartReply";
    const unknown = fc.oneof(
      fc.record({ type: fc.constant(type), multipartType: fc.constant("unknown"), typeNumber: fc.integer({ min: 100, max: 0xfffe }), flags: u16, body: data }),
      fc.record({ type: fc.constant(type), multipartType: fc.constant("unknown"), typeNumber: fc.constant(0xffff), experimenter: fc.integer({ min: 1, max: 0x1000 }), expType: u32, flags: u16, body: data }),
    );
    return [...known.map((row) => [row.name, fc.record({ type: fc.constant(type), multipartType: fc.constant(row.name), flags: u16, body: this.of(row[side]) })] as const), ["unknown", unknown] as const];
  }
  /** One body of each message type of the version. */
  eachMessage(): readonly (readonly [string, Any])[] {
    const types = messageTypes.filter(({ numbers }) => numbers.some(([first, last]) => first <= this.version && this.version <= last));
    return types.map(({ type, body }) => [type, this.of(body).map((value) => ({ type, ...(value as object) }))]);
  }
  /** Some message, whole, for those that hold one. */
  private message(): Any {
    const simple = fc.constantFrom("echoRequest", "groupMod", "flowMod", "portMod", "packetOut").filter((type) => this.version >= 2 || type !== "groupMod");
    return simple.chain((type) => {
      const body = messageTypes.find((row) => row.type === type)?.body;
      if (body === undefined) throw new Error(`no message "${type}"`);
      return fc.tuple(this.of(body), u32).map(([value, xid]) => ({ type, ...(value as object), version: this.version, xid }));
    });
  }

  /** A value of a codec of the tables. */
  of(codec: object): Any {
    let made = this.made.get(codec);
    if (made === undefined) {
      const shape = shapeOf(codec);
      if (shape === undefined) throw new Error("a codec that says nothing of its shape");
      made = this.ofShape(shape);
      this.made.set(codec, made);
    }
    return made;
  }
  private ofShape(shape: Shape): Any {
    switch (shape.kind) {
      case "number":
        return shape.bytes === 8 ? u64 : small(shape.bytes);
      case "bytes":
        return fixed(shape.length);
      case "text":
        return fc.array(fc.integer({ min: 1, max: 255 }), { maxLength: shape.length }).map((codes) => String.fromCharCode(...codes));
      case "rest":
        return data;
      case "port16":
        return port16;
      case "padding":
        return fc.constant(undefined);
      case "named":
        return fc.constantFrom(...shape.names.filter((name) => name !== "reserved"));
      case "list":
        return few(this.of(shape.item));
      case "byVersion":
        return this.of(shape.of(this.version));
      case "since":
        return this.version >= shape.version ? this.of(shape.codec) : fc.constant(shape.fallback);
      case "struct":
        return fc.record(Object.fromEntries(shape.fields.filter(([, codec]) => shapeOf(codec)?.kind !== "padding").map(([key, codec]) => [key, this.of(codec)])));
      case "mapped":
        return this.of(shape.wire).map((value) => shape.to(value as never));
      case "properties":
        return few(fc.oneof(...Object.entries(shape.table).map(([type, { body }]) => this.of(body).map((value) => ({ type, ...(value as object) }))), otherProperty));
      case "byHand":
        return this.byName(shape.name);
    }
  }
  private byName(name: string): Any {
    const { version } = this;
    switch (name) {
      case "match":
        return this.match();
      case "statsMatch":
        return version === 1 ? this.match() : this.fields(version);
      case "instructions":
        return this.instructions();
      case "actions":
        return this.actions();
      case "setField":
        return this.field(version, version === 6 ? undefined : false).map((field) => ({ field }));
      case "regLoad":
        return fc.record({ field: this.reference(0), offset: fc.nat(1023), bits: fc.integer({ min: 1, max: 64 }), value: u64 });
      case "niciraRef":
        return this.reference(0);
      case "standardRef":
        return this.reference(version);
      case "learnSpecs":
        return few(learnSpec(this.reference(0)));
      case "learn2": {
        const head = { idleTimeout: u16, hardTimeout: u16, priority: u16, cookie: u64, tableId: u8, finIdleTimeout: u16, finHardTimeout: u16, limit: u32, resultOffset: u16, specs: few(learnSpec(this.reference(0))) };
        return fc.oneof(fc.record({ ...head, flags: fc.constantFrom(0, 1, 2, 3) }), fc.record({ ...head, flags: fc.constantFrom(4, 5, 6, 7), result: this.reference(0) }));
      }
      case "bundleTail": {
        const slaves = few(port16);
        return fc.oneof(fc.record({ slaves, range: fc.constant(undefined), target: fc.constant(undefined) }), fc.record({ slaves, range: bitRange, target: this.reference(0, true) }));
      }
      case "bucket15":
        return this.bucket15();
      case "numberedBuckets":
        return fc.record({ between: u32, buckets: few(this.bucket15()), properties: this.groupProperties() });
      case "buckets":
        return fc.record({ between: fc.constant(undefined), buckets: few(this.bucket15()), properties: this.groupProperties() });
      case "packetIn":
        return this.packetIn();
      case "packetOut":
        return this.packetOut();
      case "flowUpdate":
        return this.flowUpdate();
      case "monitorRequest":
        return this.monitorRequest();
      case "multipartRequest":
        return this.multipart("request");
      case "multipartReply":
        return this.multipart("reply");
      case "message":
        return this.message();
      case "bundleAdd":
        return fc.record({ bundleId: u32, flags: u16, message: this.message() });
      case "portDescRequest":
        return version >= 6 ? fc.record({ portNo: u32 }) : fc.constant({});
      case "nxFlowRequest":
        return fc.record({ tableId: u8, outPort: port16, outGroup: fc.constant(0xffffffff), cookie: fc.constant(0n), cookieMask: fc.constant(0n), match: this.fields(0) });
      case "nxFlowStats":
        return fc.record({ ...niciraFlow, hardTimeout: u16, durationSec: u32, durationNsec: u32, idleAge: u16, hardAge: u16, packetCount: u64, byteCount: u64, flags: fc.constant(0), match: this.fields(0), instructions: this.applied() });
      case "nxFlowMod":
        return fc.record({
          ...niciraFlow, hardTimeout: u16, command: fc.constantFrom("add", "modify", "modifyStrict", "delete", "deleteStrict"), bufferId: u32, outPort: port16, flags: u16,
          cookieMask: fc.constant(0n), outGroup: fc.constant(0xffffffff), match: this.fields(0), instructions: this.instructions(),
        });
      case "nxFlowRemoved":
        return fc.record({ cookie: u64, priority: u16, idleTimeout: u16, tableId: u8, reason: u8, durationSec: u32, durationNsec: u32, packetCount: u64, byteCount: u64, hardTimeout: fc.constant(0), match: this.fields(0) });
      case "nxPacketIn":
        return fc.record({ bufferId: u32, totalLen: u16, reason: u8, tableId: u8, cookie: u64, match: this.fields(0), data });
      case "packetIn2":
        return some({ packet: data, fullLen: u32, bufferId: u32, tableId: u8, cookie: u64, reason: u8, metadata: this.fields(version), userdata: data, continuation: data });
      case "groupProperties":
        return this.groupProperties();
      default: {
        const plain = byName[name];
        if (plain === undefined) throw new Error(`no values for the codec "${name}"`);
        return plain;
      }
    }
  }
}

const bitRange = fc.record({ offset: fc.nat(1023), bits: fc.integer({ min: 1, max: 64 }) });
const niciraFlow = { tableId: u8, priority: u16, idleTimeout: u16, cookie: u64, importance: fc.constant(0) };
const otherProperty = fc.oneof(
  fc.record({ type: fc.constant("experimenter"), experimenter: fc.nat(0x1000), expType: u32, data }),
  fc.record({ type: fc.constant("unknown"), propType: fc.integer({ min: 0x4000, max: 0xfff0 }), data }),
);
const learnSpec = (reference: Any): Any => {
  const place = fc.record({ field: reference, offset: u16 });
  const target = fc.oneof(place.map((match) => ({ match })), place.map((load) => ({ load })), fc.constant("output"));
  return fc.integer({ min: 1, max: 1023 }).chain((bits) => fc.record({ bits: fc.constant(bits), source: fc.oneof(place, fixed(Math.ceil(bits / 16) * 2).map((immediate) => ({ immediate }))), target }));
};
const bandHead = { rate: u32, burstSize: u32 };
/** Codecs written by hand whose values are the same in every version. */
const byName: Readonly<Record<string, Any>> = {
  hello: fc.uniqueArray(fc.nat(31), { maxLength: 6 }).map((versions) => ({ versions: versions.sort((a, b) => a - b) })),
  bitRange,
  // The frame of an action fills up to eight bytes; a note has them all.
  note: fc.nat(4).chain((words) => fixed(6 + words * 8)),
  counted16: few(u16),
  controllerOptions: some({ maxLen: u16, controllerId: u16, reason: u8, userdata: data, pause: fc.constant(true), meterId: u32 }),
  natRange: some({ ipv4Min: unsigned(4), ipv4Max: unsigned(4), ipv6Min: unsigned(16), ipv6Max: unsigned(16), protoMin: unsigned(2), protoMax: unsigned(2) }),
  encapProperties: few(fc.record({ propClass: u16, propType: u8, data })),
  four: fc.tuple(u32, u32, u32, u32),
  band: fc.oneof(
    fc.record({ ...bandHead, bandType: fc.constant(1) }),
    fc.record({ ...bandHead, bandType: fc.constant(2), precLevel: u8 }),
    fc.record({ ...bandHead, bandType: fc.constant(0xffff), experimenter: u32, data }),
    fc.record({ ...bandHead, bandType: fc.integer({ min: 3, max: 0xfffe }), data: fc.uint8Array({ minLength: 4, maxLength: 20 }) }),
  ),
  meterFeatures: fc.record({ maxMeter: u32, bandTypes: u32, capabilities: u32, maxBands: u8, maxColor: u8 }),
  oxsStats: fc
    .record({ duration: fc.boolean(), idle: fc.boolean(), durationSec: u32, durationNsec: u32, idleSec: u32, idleNsec: u32, packetCount: fc.option(u64), byteCount: fc.option(u64), flowCount: fc.option(u32), isOdd: fc.boolean() })
    .map((all) => ({
      ...(all.duration ? { durationSec: all.durationSec, durationNsec: all.durationNsec } : {}),
      ...(all.idle ? { idleSec: all.idleSec, idleNsec: all.idleNsec } : {}),
      ...(all.packetCount === null ? {} : { packetCount: all.packetCount }),
      ...(all.byteCount === null ? {} : { byteCount: all.byteCount }),
      ...(all.flowCount === null ? {} : { flowCount: all.flowCount }),
      ...(all.isOdd ? { unknown: Uint8Array.of(0x80, 2, 0x7e, 2, 1, 2) } : {}),
    })),
  oldQueueProperty: fc.oneof(
    fc.constant({ type: "none" }),
    fc.record({ type: fc.constantFrom("minRate", "maxRate"), rate: u16 }),
    fc.record({ type: fc.constant("experimenter"), experimenter: u32, data }),
    fc.record({ type: fc.constant("unknown"), propType: fc.integer({ min: 3, max: 0xfffe }), data }),
  ),
  featureId: fc.oneof(fc.record({ id: u16 }), fc.record({ id: fc.constant(0xffff), data: fc.uint8Array({ minLength: 1, maxLength: 12 }) })),
  oxmId: fc.oneof(fc.record({ oxm: fc.nat(0xfffeffff) }), fc.record({ oxm: fc.integer({ min: 0xffff0000, max: 0xffffffff }), experimenter: u32 })),
  asyncWords: fc.tuple(u32, u32, u32, u32, u32, u32).map((all) => ({ masks: Object.fromEntries(all.map((mask, i) => [asyncProperties[i] ?? "", mask])) })),
  asyncProperties: some(Object.fromEntries(asyncProperties.map((name) => [name, u32]))).map((masks) => ({ masks })),
  tupleProperty: fc.record({ propType: u16, data }),
};

export const eachMessage = (version: Version): readonly (readonly [string, fc.Arbitrary<Body>])[] => new Values(version).eachMessage() as readonly (readonly [string, fc.Arbitrary<Body>])[];
export const eachMultipart = (version: Version, side: "request" | "reply"): readonly (readonly [string, fc.Arbitrary<Body>])[] => new Values(version).eachMultipart(side) as readonly (readonly [string, fc.Arbitrary<Body>])[];
export const eachAction = (version: Version): readonly (readonly [string, fc.Arbitrary<Action>])[] => new Values(version).eachAction() as readonly (readonly [string, fc.Arbitrary<Action>])[];
