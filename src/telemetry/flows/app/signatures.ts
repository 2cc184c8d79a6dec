/** What the first bytes of a message say: each protocol by what its specification has there. Pure; nothing is read beyond the end. */
import { readDns } from "./dns.js";
import { isTlsHandshake, readClientHello } from "./tls.js";
import { isUsual, usualOverTls } from "./ports.js";

export interface Seen {
  readonly label: string;
  readonly evidence: string;
  readonly detail: string;
}

const u16 = (bytes: Uint8Array, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
const u32 = (bytes: Uint8Array, at: number): number => ((u16(bytes, at) << 16) | u16(bytes, at + 2)) >>> 0;
const begins = (bytes: Uint8Array, ...expected: readonly number[]): boolean => expected.every((byte, i) => bytes[i] === byte);
const says = (label: string, evidence: string, detail = ""): Seen => ({ label, evidence, detail });
const shown = (text: string): string => text.replace(/[^\x20-\x7e]/g, "?").slice(0, 120);

const [tcp, udp] = [6, 17];
const httpMethods = /^(GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|CONNECT|TRACE|PROPFIND|REPORT) (\S*)/;

/** Lines of text, as many protocols open with. */
function readText(text: string, usual: (use: string) => boolean): Seen | undefined {
  const request = httpMethods.exec(text);
  if (request !== null) {
    const host = /\r\nHost: ?([^\r\n]{1,253})/i.exec(text)?.[1] ?? "";
    // A first line that was cut off can't say its version; that of another protocol does.
    if (/ HTTP\/\d/.test(text) || !/\r\n| (sips?|rtsp):/.test(text)) return says("http", "http request", shown(host));
  }
  if (/^HTTP\/\d(\.\d)? \d{3}/.test(text)) return says("http", "http response");
  if (text.startsWith("PRI * HTTP/2.0")) return says("http", "http2 preface");
  if (/^SSH-\d\.\d+-/.test(text)) return says("ssh", "ssh banner", shown((text.split(/[\r\n]/)[0] ?? "").slice(8)));
  if (/^(M-SEARCH|NOTIFY) \* HTTP\/1\.1/.test(text)) return says("ssdp", "ssdp message");
  if (/^(INVITE|REGISTER|OPTIONS|ACK|BYE|CANCEL|SUBSCRIBE) sips?:|^SIP\/2\.0 \d{3}/.test(text)) return says("sip", "sip message");
  if (/^(DESCRIBE|SETUP|PLAY|TEARDOWN|OPTIONS) rtsp:|^RTSP\/1\.0 \d{3}/.test(text)) return says("rtsp", "rtsp message");
  if (/^220[ -]/.test(text)) {
    if (/smtp|mail/i.test(text) || (usual("smtp") && !/ftp/i.test(text))) return says("smtp", "smtp banner");
    return /ftp/i.test(text) || usual("ftp") ? says("ftp", "ftp banner") : undefined;
  }
  if (/^(EHLO|HELO) \S/i.test(text)) return says("smtp", "smtp greeting");
  if (/^(USER|PASS|AUTH TLS|FEAT)\b/.test(text) && usual("ftp")) return says("ftp", "ftp command");
  if (/^\+OK\b/.test(text) && usual("pop3")) return says("pop3", "pop3 banner");
  if (/^\* (OK|PREAUTH)\b/.test(text)) return says("imap", "imap banner");
  if (/^(\*\d+\r\n\$\d+\r\n|PING\r\n|\+PONG\r\n|-NOAUTH)/.test(text)) return says("redis", "redis message");
  if (text.startsWith("\x13BitTorrent protocol")) return says("bittorrent", "bittorrent handshake");
  if (/^RFB \d{3}\.\d{3}\n/.test(text)) return says("vnc", "vnc banner");
  if (/^AMQP[\0\x01-\x03]/.test(text)) return says("amqp", "amqp header");
  if (/^@RSYNCD: \d/.test(text)) return says("rsync", "rsync banner");
  if (/^<\d{1,3}>/.test(text) && usual("syslog")) return says("syslog", "syslog priority");
  if (/^(get|gets|set|stats|version)\b[^\r]*\r\n/.test(text) && usual("memcached")) return says("memcached", "memcached command");
  if (/^\{"(method|id|params|result|error)"/.test(text) && usual("ovsdb")) return says("ovsdb", "ovsdb message");
  return undefined;
}

/** ASN.1's length at `at`: where the contents begin. */
const berContents = (bytes: Uint8Array, at: number): number => at + 1 + ((bytes[at] ?? 0) >= 0x80 ? (bytes[at] ?? 0) & 0x7f : 0);

/** SNMP (RFC 3416): a sequence of a version from 0 to 3 and, but in version 3, a community. */
function readSnmp(bytes: Uint8Array): Seen | undefined {
  if (bytes[0] !== 0x30) return undefined;
  const at = berContents(bytes, 1);
  const version = bytes[at + 2] ?? 9;
  return bytes[at] === 2 && bytes[at + 1] === 1 && version <= 3 && (bytes[at + 3] === 4 || bytes[at + 3] === 0x30) ? says("snmp", "snmp message") : undefined;
}

function readTcp(bytes: Uint8Array, x: number, y: number, usual: (use: string) => boolean): Seen | undefined {
  if (isTlsHandshake(bytes)) {
    const hello = readClientHello(bytes);
    const web = hello?.protocols.some((one) => one === "h2" || one.startsWith("http/")) === true;
    const label = web ? "https" : hello?.protocols.includes("dot") === true ? "dns-over-tls" : usualOverTls(x, y) || "tls";
    if (hello === undefined) return says(label, "tls handshake");
    if (hello.serverName !== "") return says(label, "tls server name", hello.serverName);
    return says(label, hello.protocols.length > 0 ? "tls application protocol" : "tls hello");
  }
  if (usual("dns") && bytes.length > 14) {
    const message = readDns(bytes.subarray(2));
    if (message !== undefined) return says("dns", "dns message", message.question);
  }
  if (bytes.length >= 19 && bytes.subarray(0, 16).every((byte) => byte === 0xff) && (bytes[18] ?? 9) <= 5) return says("bgp", "bgp marker");
  if (bytes.length >= 8 && (bytes[0] ?? 9) >= 1 && (bytes[0] ?? 9) <= 6 && (bytes[1] ?? 99) <= 35 && u16(bytes, 2) >= 8 && usual("openflow")) return says("openflow", "openflow header");
  if (begins(bytes.subarray(4), 0xff, 0x53, 0x4d, 0x42) || begins(bytes.subarray(4), 0xfe, 0x53, 0x4d, 0x42)) return says("smb", "smb header");
  if (bytes[0] === 0x10 && begins(bytes.subarray(2), 0, 4, 0x4d, 0x51, 0x54, 0x54)) return says("mqtt", "mqtt connect");
  if (begins(bytes, 3, 0) && ((bytes[5] ?? 0) === 0xe0 || (bytes[5] ?? 0) === 0xd0) && u16(bytes, 2) >= 11) return says("rdp", "rdp connection request");
  if (u32(bytes, 0) >= 8 && (u32(bytes, 4) === 0x0003_0000 || u32(bytes, 4) === 80_877_103)) return says("postgresql", "postgresql startup");
  if (bytes[3] === 0 && bytes[4] === 10 && bytes.length > 10 && /^\d+\.\d+/.test(Buffer.from(bytes.subarray(5, 12)).toString("latin1"))) return says("mysql", "mysql greeting");
  if (bytes[0] === 0xff && (bytes[1] ?? 0) >= 0xfb && bytes[1] !== 0xff && usual("telnet")) return says("telnet", "telnet option");
  if (bytes[0] === 0x30 && [0x60, 0x61, 0x63].includes(bytes[berContents(bytes, 1) + 3] ?? 0) && bytes[berContents(bytes, 1)] === 2) return says("ldap", "ldap message");
  return undefined;
}

function readUdp(bytes: Uint8Array, usual: (use: string) => boolean): Seen | undefined {
  const names = ["dns", "mdns", "llmnr"].find(usual);
  if (names !== undefined) {
    const message = readDns(bytes);
    if (message !== undefined) return says(names, "dns message", message.question);
  }
  if (u32(bytes, 4) === 0x2112_a442 && (bytes[0] ?? 0xff) < 0x40) return says("stun", "stun cookie");
  if (usual("https") && ((bytes[0] ?? 0) & 0xc0) === 0xc0 && [1, 0x6b33_43cf].includes(u32(bytes, 1))) return says("quic", "quic long header");
  if (usual("dhcp") && (((bytes[0] === 1 || bytes[0] === 2) && bytes[1] === 1 && bytes[2] === 6) || ((bytes[0] ?? 0) >= 1 && (bytes[0] ?? 0) <= 13))) return says("dhcp", "dhcp message");
  if (usual("ntp") && ((bytes[0] ?? 0) >>> 3) % 8 >= 1 && ((bytes[0] ?? 0) >>> 3) % 8 <= 4 && ((bytes[0] ?? 0) & 7) >= 1) return says("ntp", "ntp message");
  if (usual("snmp")) return readSnmp(bytes);
  if (usual("sflow") && u32(bytes, 0) === 5) return says("sflow", "sflow datagram");
  if (usual("vxlan") && bytes[0] === 0x08) return says("vxlan", "vxlan header");
  if (usual("geneve") && (bytes[0] ?? 0xff) >>> 6 === 0 && u16(bytes, 2) === 0x6558) return says("geneve", "geneve header");
  if (usual("wireguard") && (bytes[0] ?? 0) >= 1 && (bytes[0] ?? 0) <= 4 && begins(bytes.subarray(1), 0, 0, 0)) return says("wireguard", "wireguard message");
  if (usual("tftp") && u16(bytes, 0) >= 1 && u16(bytes, 0) <= 6) return says("tftp", "tftp message");
  return undefined;
}

/** What the payload of a packet between two ports says; undefined: nothing. A query of DNS's port that is no message says nothing. */
export function readSignature(protocol: number, x: number, y: number, payload: Uint8Array): Seen | undefined {
  if (protocol !== tcp && protocol !== udp) return undefined;
  const usual = (use: string): boolean => isUsual(use, protocol, x, y);
  const text = readText(Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString("latin1"), usual);
  return text ?? (protocol === tcp ? readTcp(payload, x, y, usual) : readUdp(payload, usual));
}
