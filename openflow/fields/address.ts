/** Field values as people write them: numbers, MAC, IPv4 and IPv6 addresses, and masks as prefix lengths or addresses. */
import { isIPv4, isIPv6 } from "node:net";

const macPattern = /^[0-9a-fA-F]{1,2}(:[0-9a-fA-F]{1,2}){5}$/;

function parseIpv6(text: string): bigint {
  const [head = "", tail] = text.split("::");
  const groups = (part: string): string[] =>
    (part === "" ? [] : part.split(":")).flatMap((group) => {
      if (!isIPv4(group)) return [group];
      const ipv4 = parseAddress(group, 4); // the last 32 bits may be written as IPv4
      return [(ipv4 >> 16n).toString(16), (ipv4 & 0xffffn).toString(16)];
    });
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const middle = Array.from({ length: 8 - left.length - right.length }, () => "0");
  return [...left, ...middle, ...right].reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
}

/** The number `text` stands for in a field of `bytes` bytes: an address, or decimal or 0x digits. RangeError otherwise. */
export function parseAddress(text: string, bytes: number): bigint {
  if (bytes === 4 && isIPv4(text)) return text.split(".").reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
  if (bytes === 6 && macPattern.test(text)) return text.split(":").reduce((sum, part) => (sum << 8n) | BigInt(`0x${part}`), 0n);
  if (bytes === 16 && isIPv6(text) && !text.includes("%")) return parseIpv6(text);
  if (/^(\d+|0x[0-9a-fA-F]+)$/.test(text)) return BigInt(text);
  throw new RangeError(`"${text}" is not a value of ${bytes} bytes`);
}

/** "24", "255.255.255.0" or "ff:00:…": the mask behind a slash. RangeError otherwise. */
export function parseMask(text: string, bytes: number): bigint {
  if (!/^\d+$/.test(text)) return parseAddress(text, bytes);
  const length = Number(text);
  if (length > bytes * 8) throw new RangeError(`a prefix of ${length} bits does not fit in ${bytes} bytes`);
  const ones = (1n << BigInt(bytes * 8)) - 1n;
  return ones ^ (ones >> BigInt(length));
}
