/**
 * JSON with 64-bit integers: OVSDB's <integer> goes to 2^63 (RFC 7047 section 3.1), a JavaScript number only to 2^53.
 * An integer beyond that is a bigint on our side, both ways; everything else is what JSON.parse and JSON.stringify make of it.
 */

/** Enough digits in a row that a number may not be exact. Inside a string it costs the slow way, nothing else. */
const longInteger = /\d{16}/;
const stringOrLongInteger = /"(?:[^"\\]+|\\.)*"|(?<![\d.])-?\d{16,}(?![\d.eE])/g;
const marker = "$integer"; // no OVSDB object has such a member: names are identifiers

/** Throws SyntaxError, as JSON.parse. */
export function parseJson(text: string): unknown {
  if (!longInteger.test(text)) return JSON.parse(text) as unknown;
  const marked = text.replace(stringOrLongInteger, (token) =>
    token.startsWith('"') || Number.isSafeInteger(Number(token)) ? token : `{"${marker}":"${token}"}`,
  );
  return JSON.parse(marked, (_key, value: unknown) => {
    if (typeof value !== "object" || value === null || !(marker in value)) return value;
    return BigInt(String(value[marker]));
  }) as unknown;
}

export function stringifyJson(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return withIntegers(value); // JSON.stringify refuses bigint
  }
}

function withIntegers(value: unknown): string {
  if (typeof value === "bigint") return value.toString();
  if (Array.isArray(value)) return `[${value.map(withIntegers).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${withIntegers(member)}`).join(",")}}`;
}
