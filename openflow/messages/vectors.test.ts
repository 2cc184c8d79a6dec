/** Against bytes of other programs: every recorded message, in all versions, and 100,000 broken ones. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { WireError, type Version } from "../wire/reader.js";
import { decodeMessage, encodeMessage, messageTypes } from "./message.js";
import { multipartTypes } from "./multipart.js";
import { decodeLine, encodeLine } from "./json.js";

const recorded = [...[0, 1, 2, 3, 4, 5].map((version) => `ovs-3.1-of1.${version}`), "libopenvswitch-3.1", "openflowj-3.6", "os-ken-2.5"].flatMap((name) =>
  readFileSync(path.join(__dirname, `../vectors/${name}.hex`), "utf8")
    .split("\n")
    .filter((line) => /^[<>] /.test(line))
    .map((line) => Uint8Array.from(Buffer.from(line.slice(2), "hex"))),
);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** Every "unknown" in a decoded message, as the way to it. */
function unknowns(value: unknown, way: string): string[] {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return [];
  const own = value as { readonly type?: unknown; readonly name?: unknown; readonly multipartType?: unknown };
  const here = own.type === "unknown" || own.name === "unknown" || own.multipartType === "unknown" || own.type === "experimenter" ? [way] : [];
  return [...here, ...Object.entries(value).flatMap(([key, item]) => unknowns(item, `${way}.${key}`))];
}

test("there are some 2,000 messages of six versions", () => {
  expect(recorded.length).toBeGreaterThan(1_900);
  expect(new Set(recorded.map((bytes) => bytes[0]))).toEqual(new Set([1, 2, 3, 4, 5, 6]));
});

test("each is written back byte for byte, and so is its JSON", () => {
  for (const bytes of recorded) {
    const { version, xid, ...body } = decodeMessage(bytes);
    expect(hex(encodeMessage(version as Version, xid, body))).toBe(hex(bytes));
    const line = decodeLine(hex(bytes));
    expect(line).not.toMatch(/"(patch|whole)"/);
    expect(encodeLine(line)).toBe(hex(bytes));
  }
});

test("all that is in them is known, but for Intel's port counters", () => {
  const found = new Set(recorded.flatMap((bytes) => unknowns(decodeMessage(bytes), decodeMessage(bytes).type)).map((way) => way.replaceAll(/\.\d+/g, "")));
  expect([...found]).toEqual(["multipartReply.body.properties"]);
});

const wireVersions = [1, 2, 3, 4, 5, 6];
test("they hold every message, in every version that has it", () => {
  const seen = new Set(recorded.map((bytes) => `${decodeMessage(bytes).type} ${bytes[0]}`));
  const claimed = messageTypes.flatMap(({ type, numbers }) => wireVersions.filter((version) => numbers.some(([first, last]) => first <= version && version <= last)).map((version) => `${type} ${version}`));
  expect(claimed.filter((form) => !seen.has(form))).toEqual([]);
});

test("they hold every multipart type, asked and answered, in every version that has it", () => {
  const seen = new Set(
    recorded.map((bytes) => {
      const message = decodeMessage(bytes);
      return message.type === "multipartRequest" || message.type === "multipartReply" ? `${message.type} ${message.multipartType} ${message.version}` : "";
    }),
  );
  const claimed = multipartTypes.flatMap(({ name, since, until }) =>
    wireVersions.filter((version) => since <= version && version <= until).flatMap((version) => [`multipartRequest ${name} ${version}`, `multipartReply ${name} ${version}`]),
  );
  // Open vSwitch does not have it, os-ken only reads it (message.test.ts), and openflowj does not keep to the specification.
  expect(claimed.filter((form) => !seen.has(form))).toEqual(["multipartReply bundleFeatures 6"]);
});

/** xorshift32: the same mutations each time. */
function* random(seed: number): Generator<number, never> {
  let x = seed;
  for (;;) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    yield x >>> 0;
  }
}

test("100,000 cut and changed ones give a value that is written back, or a WireError", () => {
  const small = recorded.filter((bytes) => bytes.length < 2_000);
  const numbers = random(Number(process.env["SEED"] ?? 7));
  const next = (below: number): number => numbers.next().value % below;
  const count = Number(process.env["MUTATIONS"] ?? 100_000);
  let values = 0;
  let errors = 0;
  for (let i = 0; i < count; i++) {
    let bytes = Uint8Array.from(small[next(small.length)] ?? []);
    for (let flips = 1 + next(3); flips > 0; flips--) bytes[next(bytes.length)] = next(256);
    if (next(4) === 0) bytes = bytes.slice(0, 8 + next(bytes.length - 7));
    if (next(8) !== 0) new DataView(bytes.buffer).setUint16(2, bytes.length);
    try {
      decodeMessage(bytes);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      errors++;
      continue;
    }
    values++;
    if (i % 10 === 0) expect(encodeLine(decodeLine(hex(bytes)))).toBe(hex(bytes));
  }
  expect(values + errors).toBe(count);
  expect(values).toBeGreaterThan(count / 10);
  expect(errors).toBeGreaterThan(count / 10);
}, 60_000);
