/** Reading text: errors with their place, pieces that know where they stand, and the "key=value,…" lists of ovs-ofctl. */

/** Text that cannot be read. `offset`: where in the text, in characters; `expected`: what would have been right there. */
export class TextError extends Error {
  override readonly name = "TextError";
  readonly offset: number;
  readonly expected: string;
  constructor(expected: string, offset: number, found: string) {
    super(`${expected} expected at character ${offset}, found ${found === "" ? "the end" : `"${found.length > 40 ? `${found.slice(0, 40)}…` : found}"`}`);
    this.offset = offset;
    this.expected = expected;
  }
}

const maxLength = 64 << 10;
const maxNesting = 32;

/** A piece of the text that is read, and where it stands in the whole. */
export interface Span {
  readonly text: string;
  readonly at: number;
}
export const fail = (expected: string, { text, at }: Span): never => {
  throw new TextError(expected, at, text);
};
/** From `start` to `end`, as slice() has it. */
export const part = ({ text, at }: Span, start: number, end = text.length): Span => ({ text: text.slice(start, end), at: at + start });
export function trimmed(of: Span): Span {
  const start = of.text.length - of.text.trimStart().length;
  return part(of, start, Math.max(start, of.text.trimEnd().length));
}
/** Both sides of the first `mark`; undefined when there is none. */
export function cut(of: Span, mark: string): readonly [Span, Span] | undefined {
  const index = of.text.indexOf(mark);
  return index < 0 ? undefined : [part(of, 0, index), part(of, index + mark.length)];
}
/** Pieces between commas, trimmed; none of an empty text. */
export function commaSeparated(of: Span): Span[] {
  if (of.text.trim() === "") return [];
  const pieces: Span[] = [];
  for (let rest: Span | undefined = of; rest !== undefined; ) {
    const halves: readonly [Span, Span] | undefined = cut(rest, ",");
    pieces.push(trimmed(halves?.[0] ?? rest));
    rest = halves?.[1];
  }
  return pieces;
}

/** The whole of what a caller gave. Everything below it is bounded by its length and its nesting. */
export function whole(text: string): Span {
  if (text.length > maxLength) throw new TextError(`at most ${maxLength} characters`, maxLength, text.slice(maxLength));
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const sign = text[i];
    if (sign === "(" && ++depth > maxNesting) throw new TextError(`at most ${maxNesting} levels of nesting`, i, text.slice(i));
    if (sign === ")" && depth > 0) depth--;
  }
  return { text, at: 0 };
}

/** One of a list: `key`, `key=value`, `key:value`, `key(value)` or `key(value)->target`. */
export interface Item {
  readonly key: Span;
  readonly value?: Span;
  readonly form: "key" | "=" | ":" | "()";
  readonly target?: Span;
}

const isSeparator = (sign: string | undefined): boolean => sign === "," || sign === " " || sign === "\t" || sign === "\r" || sign === "\n";

/** Behind the piece that begins at `start`: the first separator outside of parentheses and quotes. */
function endOf(of: Span, start: number): number {
  let depth = 0;
  let isQuoted = false;
  for (let i = start; i < of.text.length; i++) {
    const sign = of.text[i];
    if (sign === '"') isQuoted = !isQuoted;
    else if (isQuoted) continue;
    else if (sign === "(") depth++;
    else if (sign === ")") {
      if (depth === 0) fail('no ")" without "("', part(of, i));
      depth--;
    } else if (depth === 0 && isSeparator(sign)) return i;
  }
  if (depth > 0 || isQuoted) fail(isQuoted ? 'a closing quote' : '")"', part(of, of.text.length));
  return of.text.length;
}

const keyPattern = /"[^"]*"|[^,:=() \t\r\n]*/y;

function itemAt(of: Span, start: number, end: number): Item {
  keyPattern.lastIndex = start;
  const keyEnd = start + (keyPattern.exec(of.text)?.[0].length ?? 0);
  const key = part(of, start, keyEnd);
  if (key.text === "") fail("a name", part(of, start, end));
  const sign = of.text[keyEnd];
  if (keyEnd >= end) return { key, form: "key" };
  if (sign === "=" || sign === ":") return { key, form: sign, value: part(of, keyEnd + 1, end) };
  if (sign !== "(") return fail('"=", ":" or "("', part(of, keyEnd, end));
  const close = closing(of, keyEnd);
  const value = part(of, keyEnd + 1, close);
  if (close + 1 === end) return { key, form: "()", value };
  if (!of.text.startsWith("->", close + 1)) fail('"," or "->"', part(of, close + 1, end));
  return { key, form: "()", value, target: part(of, close + 3, end) };
}

/** The parenthesis that closes the one at `open`. */
function closing(of: Span, open: number): number {
  let depth = 0;
  let isQuoted = false;
  for (let i = open; i < of.text.length; i++) {
    const sign = of.text[i];
    if (sign === '"') isQuoted = !isQuoted;
    if (isQuoted) continue;
    if (sign === "(") depth++;
    else if (sign === ")" && --depth === 0) return i;
  }
  return fail('")"', part(of, of.text.length));
}

/** The items of a list, between commas or white space. */
export function items(of: Span): Item[] {
  const all: Item[] = [];
  for (let at = 0; at < of.text.length; ) {
    if (isSeparator(of.text[at])) {
      at++;
      continue;
    }
    const end = endOf(of, at);
    all.push(itemAt(of, at, end));
    at = end;
  }
  return all;
}

/** The value of an item that must have one. */
export function valueOf(item: Item): Span {
  if (item.target !== undefined) fail("no target", item.target);
  return item.value ?? fail(`a value of "${item.key.text}"`, part(item.key, item.key.text.length));
}
/** An item that is its name alone. */
export function bare(item: Item): void {
  if (item.value !== undefined) fail(`no value of "${item.key.text}"`, item.value);
}

const numberPattern = /^(0|[1-9]\d*|0[xX][0-9a-fA-F]+)$/;

/** Decimal or 0x digits, of at most `bits` bits. A leading zero is refused: some readers take it for octal. */
export function bigNumber(of: Span, bits: number, what = `a number of at most ${bits} bits`): bigint {
  const { text } = trimmed(of);
  if (!numberPattern.test(text)) return fail(what, of);
  const value = BigInt(text);
  return value >> BigInt(bits) === 0n ? value : fail(what, of);
}
export const number = (of: Span, bits: number, what?: string): number => Number(bigNumber(of, bits, what));
/** As bigNumber(), and what ovs-ofctl takes beside: a negative number as its complement. */
export function signed(of: Span, bits: number): bigint {
  const text = trimmed(of).text;
  return text.startsWith("-") ? BigInt.asUintN(bits, -bigNumber(part(of, of.text.indexOf("-") + 1), bits - 1)) : bigNumber(of, bits);
}

/** What a table of words has for one; nothing that every object has by itself. */
export const entry = <T>(table: Readonly<Record<string, T>>, word: string): T | undefined => (Object.hasOwn(table, word) ? table[word] : undefined);
/** The index of a name in its list. */
export function indexOf(of: Span, names: readonly string[]): number {
  const index = names.indexOf(trimmed(of).text);
  return index < 0 ? fail(`one of ${names.join(", ")}`, of) : index;
}

/** Pairs of hex digits; dots may stand between them. */
export function hexBytes(of: Span): Uint8Array {
  const digits = of.text.replaceAll(".", "");
  if (!/^([0-9a-fA-F]{2})*$/.test(digits)) fail("pairs of hex digits", of);
  return Uint8Array.from(Buffer.from(digits, "hex"));
}
export const dotted = (bytes: Uint8Array | string): string => [...Buffer.from(typeof bytes === "string" ? Buffer.from(bytes, "hex") : bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join(".");
