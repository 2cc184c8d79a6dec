/** A TLS ClientHello (RFC 8446, 4.1.2; RFC 6066, 3; RFC 7301) as far as it was captured. Pure. */

export interface ClientHello {
  /** The name asked for; "" where there is none, or it lies beyond what was captured. */
  readonly serverName: string;
  /** Protocols offered, in order; empty where there are none, or they lie beyond what was captured. */
  readonly protocols: readonly string[];
  /** Whether the whole message was there. */
  readonly isWhole: boolean;
}

const [handshakeRecord, clientHello] = [22, 1];
const [serverNameExtension, alpnExtension] = [0, 16];
const u16 = (bytes: Uint8Array, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);

/** Whether a TLS record of a handshake begins here. */
export const isTlsHandshake = (bytes: Uint8Array): boolean => bytes.length >= 6 && bytes[0] === handshakeRecord && bytes[1] === 3 && (bytes[2] ?? 9) <= 4 && u16(bytes, 3) > 3 && u16(bytes, 3) <= 16_640;

/** Undefined where no ClientHello begins here. Nothing is read beyond the end. */
export function readClientHello(bytes: Uint8Array): ClientHello | undefined {
  if (!isTlsHandshake(bytes) || bytes[5] !== clientHello || bytes.length < 11) return undefined;
  const end = 9 + (((bytes[6] ?? 0) << 16) | u16(bytes, 7));
  const isWhole = bytes.length >= end;
  let at = 9 + 2 + 32;
  at += 1 + (bytes[at] ?? 0); // session id
  at += 2 + u16(bytes, at); // cipher suites
  at += 1 + (bytes[at] ?? 0); // compression methods
  at += 2;
  let serverName = "";
  let protocols: readonly string[] = [];
  while (at + 4 <= bytes.length) {
    const [type, length] = [u16(bytes, at), u16(bytes, at + 2)];
    const body = bytes.subarray(at + 4, at + 4 + length);
    if (type === serverNameExtension) serverName = nameIn(body, length);
    else if (type === alpnExtension) protocols = protocolsIn(body, length);
    at += 4 + length;
  }
  return { serverName, protocols, isWhole };
}

/** Letters, digits and what else host names have: anything else is no name. */
const isName = (text: string): boolean => /^[A-Za-z0-9._-]{1,253}$/.test(text);

function nameIn(body: Uint8Array, length: number): string {
  const size = u16(body, 3);
  if (body.length < length || body[2] !== 0 || size + 5 > body.length) return "";
  const text = Buffer.from(body.subarray(5, 5 + size)).toString("latin1");
  return isName(text) ? text.toLowerCase() : "";
}

function protocolsIn(body: Uint8Array, length: number): string[] {
  const protocols: string[] = [];
  if (body.length < length) return protocols;
  for (let at = 2; at < body.length; at += 1 + (body[at] ?? 0)) {
    const size = body[at] ?? 0;
    if (size === 0 || at + 1 + size > body.length) break;
    protocols.push(Buffer.from(body.subarray(at + 1, at + 1 + size)).toString("latin1").replace(/[^\x21-\x7e]/g, "?"));
  }
  return protocols;
}
