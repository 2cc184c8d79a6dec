/** The ct and nat actions: the connection tracker in the words of ovs-actions(7). */
import type { Action, CtAction } from "../actions/action.js";
import type { NatRange } from "../actions/nicira.js";
import { bare, cut, entry, fail, items, number, part, trimmed, valueOf, type Span } from "./scan.js";
import { parseSubfield, printSubfield } from "./subfield-text.js";
import { parseAddressOf, printIpv4, printIpv6 } from "./value-text.js";

const ctFlags = [["commit", 1], ["force", 2]] as const;
const noTable = 0xff;
/** Helpers by the port of their protocol. */
const helpers = [["ftp", 21], ["tftp", 69]] as const;
const natFlags = { src: 1, dst: 2, persistent: 4, hash: 8, random: 16 } as const;

type Nat = Extract<Action, { readonly type: "nat" }>;
type PrintList = (actions: readonly Action[]) => string;
type ParseList = (of: Span) => readonly Action[];

export function printNat({ flags, range }: Nat): string {
  const kind = (flags & natFlags.src) !== 0 ? "src" : (flags & natFlags.dst) !== 0 ? "dst" : undefined;
  if (kind === undefined) return "nat";
  const { ipv4Min, ipv4Max, ipv6Min, ipv6Max, protoMin, protoMax } = range;
  let addresses = "";
  if (ipv4Min !== undefined) addresses = `${printIpv4(ipv4Min)}${ipv4Max === undefined ? "" : `-${printIpv4(ipv4Max)}`}`;
  else if (ipv6Min !== undefined) {
    // Brackets keep the colon of the ports apart.
    const print = (one: bigint): string => (protoMin === undefined ? printIpv6(one) : `[${printIpv6(one)}]`);
    addresses = `${print(ipv6Min)}${ipv6Max === undefined ? "" : `-${print(ipv6Max)}`}`;
  }
  const ports = protoMin === undefined ? "" : `:${protoMin}${protoMax === undefined ? "" : `-${protoMax}`}`;
  const words = (["persistent", "hash", "random"] as const).filter((word) => (flags & natFlags[word]) !== 0);
  return `nat(${[`${kind}${addresses + ports === "" ? "" : `=${addresses}${ports}`}`, ...words].join(",")})`;
}

const asMax = (max: bigint, min: bigint, of: Span): bigint => (max < min ? fail("an end that is not below the start", of) : max);

/** "10.0.0.1-10.0.0.9:1000-2000", "fe80::1", "[fe80::1]-[fe80::9]:80". */
function parseRange(of: Span): NatRange {
  const found = /^(\[[^\]]*\](?:-\[[^\]]*\])?|[0-9.-]*|[0-9a-fA-F:.]+(?:-[0-9a-fA-F:.]+)?)(?::(\d+)(?:-(\d+))?)?$/.exec(of.text);
  if (found === null) return fail("an address or addresses, and ports behind a colon", of);
  const [, addresses = "", protoMin, protoMax] = found;
  const range: { -readonly [K in keyof NatRange]: bigint } = {};
  if (addresses !== "") {
    const bounds = cut({ text: addresses, at: of.at }, "-") ?? [{ text: addresses, at: of.at }];
    const isIpv6 = addresses.includes(":");
    const read = (one: Span): bigint => (one.text.startsWith("[") ? parseAddressOf(part(one, 1, one.text.length - 1), "ipv6") : parseAddressOf(one, isIpv6 ? "ipv6" : "ipv4"));
    const min = read(bounds[0]);
    range[isIpv6 ? "ipv6Min" : "ipv4Min"] = min;
    if (bounds.length === 2) range[isIpv6 ? "ipv6Max" : "ipv4Max"] = asMax(read(bounds[1]), min, of);
  }
  const port = (text: string): bigint => BigInt(number({ text, at: of.at + of.text.lastIndexOf(text) }, 16));
  if (protoMin !== undefined) range.protoMin = port(protoMin);
  if (protoMin !== undefined && protoMax !== undefined) range.protoMax = asMax(port(protoMax), port(protoMin), of);
  return range;
}

export function parseNat(of: Span | undefined): Nat {
  let flags = 0;
  let range: NatRange = {};
  for (const item of of === undefined ? [] : items(of)) {
    const word = item.key.text;
    flags |= entry(natFlags, word) ?? fail(`one of ${Object.keys(natFlags).join(", ")}`, item.key);
    if ((word === "src" || word === "dst") && item.form === "=") range = parseRange(trimmed(valueOf(item)));
    else bare(item);
  }
  if ((flags & 3) === 3) fail("src or dst", of ?? { text: "", at: 0 });
  if ((flags & 3) === 0 && flags !== 0) fail("src or dst with the other words", of ?? { text: "", at: 0 });
  if ((flags & natFlags.hash) !== 0 && (flags & natFlags.random) !== 0) fail("hash or random", of ?? { text: "", at: 0 });
  return { type: "nat", flags, range };
}

/** What is done there: nat stands by itself, all else in exec(…). */
export function printCt({ flags, zone, recircTable, alg, actions }: CtAction, print: PrintList): string {
  const parts = ctFlags.filter(([, bit]) => (flags & bit) !== 0).map(([word]): string => word);
  if (recircTable !== noTable) parts.push(`table=${recircTable}`);
  if (typeof zone !== "number") parts.push(`zone=${printSubfield({ field: zone.source, offset: zone.range.offset, bits: zone.range.bits })}`);
  else if (zone !== 0) parts.push(`zone=${zone}`);
  const nats = actions.filter((one) => one.type === "nat");
  parts.push(...nats.map(printNat));
  const others = actions.filter((one) => one.type !== "nat");
  if (others.length > 0) parts.push(`exec(${print(others)})`);
  if (alg !== 0) parts.push(`alg=${helpers.find(([, port]) => port === alg)?.[0] ?? alg}`);
  return `ct(${parts.join(",")})`;
}

export function parseCt(of: Span | undefined, parse: ParseList): Action {
  let flags = 0;
  let [recircTable, alg] = [noTable, 0];
  let zone: CtAction["zone"] = 0;
  const nats: Action[] = [];
  const others: Action[] = [];
  for (const item of of === undefined ? [] : items(of)) {
    const word = item.key.text;
    const flag = ctFlags.find(([name]) => name === word);
    if (flag !== undefined) {
      bare(item);
      flags |= flag[1];
    } else if (word === "table") recircTable = number(valueOf(item), 8);
    else if (word === "zone") zone = parseZone(valueOf(item));
    else if (word === "alg") {
      const name = trimmed(valueOf(item));
      alg = helpers.find(([helper]) => helper === name.text)?.[1] ?? number(name, 16, "ftp, tftp or the port of a protocol");
    } else if (word === "nat") nats.push(parseNat(item.value));
    else if (word === "exec" && item.form === "()") others.push(...parse(valueOf(item)));
    else fail("an argument of ct", item.key);
  }
  return { type: "ct", flags, zone, recircTable, alg, actions: [...nats, ...others] };
}
function parseZone(of: Span): CtAction["zone"] {
  if (/^\d/.test(trimmed(of).text)) return number(of, 16);
  const { field, offset, bits } = parseSubfield(of);
  return { source: field, range: { offset, bits } };
}
