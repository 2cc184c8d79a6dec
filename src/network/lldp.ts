/**
 * Our LLDP frames (IEEE 802.1AB): chassis id = datapath id, port id = OpenFlow port, and an organisationally specific TLV with
 * the bridge's name and an HMAC, so that a host can't pretend to be a link.
 */
import { createHmac, timingSafeEqual } from "node:crypto";

export const lldpMulticast = "01:80:c2:00:00:0e";
export const lldpEthType = 0x88cc;

/** Source addresses of our frames: 02:53:48 ("SH", locally administered) and the datapath id's last 24 bits. */
export const lldpSource = ["02:53:48:00:00:00", "ff:ff:ff:00:00:00"] as const;

export type LldpKey = Uint8Array;

export interface LldpSender {
  readonly datapathId: bigint;
  readonly bridge: string;
  readonly ofport: number;
}

export type LldpReading =
  | { readonly is: "ours"; readonly from: LldpSender }
  /** LLDP of another system. */
  | { readonly is: "foreign" }
  /** Looks like ours, with a wrong HMAC or a wrong form. */
  | { readonly is: "forged" }
  | { readonly is: "not lldp" };

const tlvType = { end: 0, chassisId: 1, portId: 2, ttl: 3, organisation: 127 } as const;
const locallyAssigned = 7;
/** From the locally administered range: no company's. */
const oui = Buffer.from([0x02, 0x53, 0x48]);
const macLength = 16;
const ttlS = 5;

const tlv = (type: number, value: Uint8Array): Buffer => {
  const head = Buffer.alloc(2);
  head.writeUInt16BE((type << 9) | value.length);
  return Buffer.concat([head, value]);
};

function hmac(chassis: Buffer, port: Buffer, bridge: Buffer, key: LldpKey): Buffer {
  return createHmac("sha256", key).update(chassis).update("\0").update(port).update("\0").update(bridge).digest().subarray(0, macLength);
}

/** The frame that says: this comes out of port `ofport` of that bridge. */
export function encodeLldp(sender: LldpSender, key: LldpKey): Uint8Array {
  const mac = Buffer.from([...oui, 0, 0, 0]);
  mac.writeUIntBE(Number(sender.datapathId & 0xff_ffffn), 3, 3);
  const chassis = Buffer.from(sender.datapathId.toString(16).padStart(16, "0"));
  const port = Buffer.from(String(sender.ofport));
  const bridge = Buffer.from(sender.bridge, "utf8");
  return Buffer.concat([
    Buffer.from(lldpMulticast.replaceAll(":", ""), "hex"),
    mac,
    Buffer.from([lldpEthType >> 8, lldpEthType & 0xff]),
    tlv(tlvType.chassisId, Buffer.concat([Buffer.from([locallyAssigned]), chassis])),
    tlv(tlvType.portId, Buffer.concat([Buffer.from([locallyAssigned]), port])),
    tlv(tlvType.ttl, Buffer.from([0, ttlS])),
    tlv(tlvType.organisation, Buffer.concat([oui, Buffer.from([1]), hmac(chassis, port, bridge, key), bridge])),
    tlv(tlvType.end, new Uint8Array(0)),
  ]);
}

/** Reads a frame; never throws. */
export function decodeLldp(frame: Uint8Array, key: LldpKey): LldpReading {
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
  if (bytes.length < 16 || bytes.readUInt16BE(12) !== lldpEthType) return { is: "not lldp" };
  let chassis: Buffer | undefined;
  let port: Buffer | undefined;
  for (let at = 14; at + 2 <= bytes.length; ) {
    const head = bytes.readUInt16BE(at);
    const value = bytes.subarray(at + 2, at + 2 + (head & 0x1ff));
    if (value.length < (head & 0x1ff)) return { is: "foreign" };
    at += 2 + value.length;
    const type = head >> 9;
    if (type === tlvType.end) break;
    if (type === tlvType.chassisId) chassis = value.subarray(1);
    else if (type === tlvType.portId) port = value.subarray(1);
    else if (type === tlvType.organisation && value.subarray(0, 3).equals(oui)) return ours(chassis, port, value, key);
  }
  return { is: "foreign" };
}

function ours(chassis: Buffer | undefined, port: Buffer | undefined, value: Buffer, key: LldpKey): LldpReading {
  const given = value.subarray(4, 4 + macLength);
  const bridge = value.subarray(4 + macLength);
  if (chassis === undefined || port === undefined || given.length !== macLength) return { is: "forged" };
  if (!timingSafeEqual(given, hmac(chassis, port, bridge, key))) return { is: "forged" };
  return { is: "ours", from: { datapathId: BigInt(`0x${chassis.toString("latin1")}`), bridge: bridge.toString("utf8"), ofport: Number(port.toString("latin1")) } };
}
