/** BGP-4 messages: RFC 4271, capabilities (RFC 5492), route refresh (RFC 2918), extended messages (RFC 8654). */
import { readAttributes, readNlri, unicast, afi as afis, type Attributes, type Nlri, type UpdateContext } from "./bgp-attributes.js";
import { hex, Reader } from "./reader.js";

export type Capability =
  | { readonly kind: "multiprotocol"; readonly afi: number; readonly safi: number }
  | { readonly kind: "route-refresh" }
  | { readonly kind: "extended-message" }
  | { readonly kind: "as4"; readonly as: number }
  | { readonly kind: "add-path"; readonly families: readonly { readonly afi: number; readonly safi: number; readonly receive: boolean; readonly send: boolean }[] }
  | { readonly kind: "graceful-restart"; readonly restartTimeS: number }
  | { readonly kind: "unknown"; readonly code: number; readonly value: string };

export interface Open {
  readonly type: "open";
  readonly version: number;
  /** The four-octet number where the capability is there. */
  readonly as: number;
  readonly holdTimeS: number;
  readonly identifier: string;
  readonly capabilities: readonly Capability[];
}
export interface Update {
  readonly type: "update";
  readonly withdrawn: readonly Nlri[];
  readonly attributes: Attributes;
  readonly announced: readonly Nlri[];
}
export interface Notification {
  readonly type: "notification";
  readonly code: number;
  readonly subcode: number;
  readonly data: string;
}
export type BgpMessage =
  | Open
  | Update
  | Notification
  | { readonly type: "keepalive" }
  | { readonly type: "route-refresh"; readonly afi: number; readonly safi: number; readonly subtype: number };

export const headerLength = 19;
const shortest = [0, 29, 23, 21, 19, 23] as const;

/** Whether 19 bytes from `at` look like the head of a message: the marker, a length that can be true, a known type. */
export function isHeader(bytes: Uint8Array, at = 0): boolean {
  for (let i = 0; i < 16; i++) if (bytes[at + i] !== 0xff) return false;
  const length = ((bytes[at + 16] ?? 0) << 8) | (bytes[at + 17] ?? 0);
  const least = shortest[bytes[at + 18] ?? 0];
  return least !== undefined && least !== 0 && length >= least;
}

/** Reads one whole message, marker included. Throws DecodeError with the offset in the message. */
export function readBgp(bytes: Uint8Array, context: UpdateContext): BgpMessage {
  const from = new Reader("bgp", bytes);
  const marker = from.view8(16);
  if (!marker.every((byte) => byte === 0xff)) throw from.error("value", "no marker", 0);
  const length = from.u16();
  const type = from.u8();
  if (length !== bytes.length) throw from.error("length", `the message says ${length} bytes and has ${bytes.length}`, 16);
  const message = readBody(from, type, context);
  if (from.remaining > 0) throw from.error("length", `${from.remaining} bytes more than the message has`);
  return message;
}

function readBody(from: Reader, type: number, context: UpdateContext): BgpMessage {
  switch (type) {
    case 1:
      return readOpen(from);
    case 2:
      return readUpdate(from, context);
    case 3:
      return { type: "notification", code: from.u8(), subcode: from.u8(), data: hex(from.rest()) };
    case 4:
      return { type: "keepalive" };
    case 5: {
      const afi = from.u16();
      const subtype = from.u8();
      const safi = from.u8();
      from.skip(from.remaining); // outbound route filters (RFC 5291)
      return { type: "route-refresh", afi, safi, subtype };
    }
    default:
      throw from.error("value", `message type ${type}`, 18);
  }
}

function readOpen(from: Reader): Open {
  const version = from.u8();
  const as2 = from.u16();
  const holdTimeS = from.u16();
  const identifier = from.ipv4();
  let length = from.u8();
  // RFC 9072: 255 and then type 255 say that lengths have two octets.
  const isExtended = length === 255 && from.fork().u8() === 255;
  if (isExtended) {
    from.skip(1);
    length = from.u16();
  }
  const parameters = from.sub(length);
  const capabilities: Capability[] = [];
  while (parameters.remaining > 0) {
    const kind = parameters.u8();
    const body = parameters.sub(isExtended ? parameters.u16() : parameters.u8());
    if (kind !== 2) continue;
    while (body.remaining > 0) {
      const code = body.u8();
      const value = body.sub(body.u8());
      capabilities.push(readCapability(code, value));
    }
  }
  const as4 = capabilities.find((one) => one.kind === "as4");
  return { type: "open", version, as: as4?.as ?? as2, holdTimeS, identifier, capabilities };
}

function readCapability(code: number, value: Reader): Capability {
  switch (code) {
    case 1: {
      const afi = value.u16();
      value.skip(1);
      return { kind: "multiprotocol", afi, safi: value.u8() };
    }
    case 2:
      return { kind: "route-refresh" };
    case 6:
      return { kind: "extended-message" };
    case 64:
      return { kind: "graceful-restart", restartTimeS: value.u16() & 0xfff };
    case 65:
      return { kind: "as4", as: value.u32() };
    case 69: {
      if (value.remaining % 4 !== 0) throw value.error("length", `add-path of ${value.remaining} bytes`);
      const families = Array.from({ length: value.remaining / 4 }, () => {
        const family = { afi: value.u16(), safi: value.u8() };
        const mode = value.u8();
        return { ...family, receive: (mode & 1) !== 0, send: (mode & 2) !== 0 };
      });
      return { kind: "add-path", families };
    }
    default:
      return { kind: "unknown", code, value: hex(value.rest()) };
  }
}

function readUpdate(from: Reader, context: UpdateContext): Update {
  const withPathId = context.addPath(afis.ipv4, unicast);
  const withdrawn = readNlri(from.sub(from.u16()), "ipv4", withPathId);
  const attributes = readAttributes(from.sub(from.u16()), context);
  const announced = readNlri(from.sub(from.remaining), "ipv4", withPathId);
  return { type: "update", withdrawn, attributes, announced };
}

/**
 * How UPDATEs from the sender of `own` are read, once both OPENs are known. A side that was not heard (undefined) leaves the
 * length of AS numbers open and add-path off.
 */
export function updateContext(own: Open | undefined, peer: Open | undefined): UpdateContext {
  if (own === undefined || peer === undefined) return { as4: undefined, addPath: () => false };
  const has = (open: Open): boolean => open.capabilities.some((one) => one.kind === "as4");
  const paths = (open: Open) => open.capabilities.flatMap((one) => (one.kind === "add-path" ? one.families : []));
  const sends = paths(own);
  const receives = paths(peer);
  return {
    as4: has(own) && has(peer),
    addPath: (afi, safi) => sends.some((one) => one.afi === afi && one.safi === safi && one.send) && receives.some((one) => one.afi === afi && one.safi === safi && one.receive),
  };
}

const causes: Readonly<Record<number, string>> = { 1: "message header error", 2: "OPEN error", 3: "UPDATE error", 4: "hold timer expired", 5: "state machine error", 6: "cease", 7: "ROUTE-REFRESH error" };
const ceases = ["", "maximum number of prefixes", "administrative shutdown", "peer de-configured", "administrative reset", "connection rejected", "other configuration change", "connection collision", "out of resources", "hard reset", "BFD down"];

/** A NOTIFICATION in words (RFC 4271 section 4.5, RFC 4486). */
export function notificationText({ code, subcode }: Pick<Notification, "code" | "subcode">): string {
  const cause = causes[code] ?? `code ${code}`;
  if (subcode === 0) return cause;
  return `${cause}: ${(code === 6 ? ceases[subcode] : undefined) ?? `subcode ${subcode}`}`;
}
