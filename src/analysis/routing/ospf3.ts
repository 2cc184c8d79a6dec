/** OSPF version 3: RFC 5340. The same as version 2 with other heads, for IPv6. */
import { lsaHeaders, readLsas, requests, routerIds, type OspfBody, type OspfPacket } from "./ospf.js";
import { Reader } from "./reader.js";

/** Reads the payload of an IPv6 packet of protocol 89. The packet's checksum, which is over the IPv6 header too, is not looked at; those of the LSAs are. */
export function readOspf3(bytes: Uint8Array): OspfPacket {
  const from = new Reader("ospf3", bytes);
  const version = from.u8();
  if (version !== 3) throw from.error("value", `version ${version}`, 0);
  const type = from.u8();
  const length = from.u16();
  if (length < 16 || length > bytes.length) throw from.error("length", `packet of ${length} in ${bytes.length} bytes`, 2);
  const routerId = from.ipv4();
  const areaId = from.ipv4();
  from.skip(4);
  return { version: 3, routerId, areaId, body: readBody(from.sub(length - 16), type) };
}

function readBody(from: Reader, type: number): OspfBody {
  switch (type) {
    case 1: {
      from.skip(4); // interface id
      const priority = from.u8();
      from.skip(3);
      const helloIntervalS = from.u16();
      const deadIntervalS = from.u16();
      return { type: "hello", mask: undefined, helloIntervalS, deadIntervalS, priority, designated: from.ipv4(), backup: from.ipv4(), neighbours: routerIds(from) };
    }
    case 2: {
      from.skip(4);
      const mtu = from.u16();
      const flags = from.u16() & 0xff;
      return { type: "database-description", mtu, flags, sequence: from.u32(), headers: lsaHeaders(from, 3) };
    }
    case 3:
      return { type: "request", wanted: requests(from) };
    case 4:
      return { type: "update", lsas: readLsas(from, 3) };
    case 5:
      return { type: "acknowledgement", headers: lsaHeaders(from, 3) };
    default:
      throw from.error("value", `packet type ${type}`, 1);
  }
}
