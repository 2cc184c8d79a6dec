/** Addresses as text. */

const hexByte = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** "00:1b:21:…", 6 bytes from `at`; bytes that are not there read as 0. */
export function macText(bytes: Uint8Array, at: number): string {
  let text = "";
  for (let i = 0; i < 6; i++) text += (i === 0 ? "" : ":") + hexByte[bytes[at + i] ?? 0];
  return text;
}

export function ipv4Text(bytes: Uint8Array, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}

/** RFC 5952: lower case, the longest run of two or more zero groups (the first of equals) as "::". */
export function ipv6Text(bytes: Uint8Array, at: number): string {
  let bestAt = -1;
  let bestLength = 1;
  let runAt = -1;
  for (let group = 0; group < 8; group++) {
    if (((bytes[at + 2 * group] ?? 0) | (bytes[at + 2 * group + 1] ?? 0)) !== 0) runAt = -1;
    else {
      if (runAt < 0) runAt = group;
      if (group - runAt + 1 > bestLength) {
        bestAt = runAt;
        bestLength = group - runAt + 1;
      }
    }
  }
  let text = "";
  for (let group = 0; group < 8; group++) {
    if (group === bestAt) {
      text += "::";
      group += bestLength - 1;
      continue;
    }
    if (text !== "" && !text.endsWith("::")) text += ":";
    text += (((bytes[at + 2 * group] ?? 0) << 8) | (bytes[at + 2 * group + 1] ?? 0)).toString(16);
  }
  return text;
}
