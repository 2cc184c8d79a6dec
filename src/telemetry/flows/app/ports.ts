/** What usually listens on a port: the last resort, and what tells apart what looks alike (TLS, "220 …"). */

/** By IANA's registry and common use. */
const names: Readonly<Record<number, string>> = {
  19: "chargen", 20: "ftp-data", 21: "ftp", 22: "ssh", 23: "telnet", 25: "smtp", 53: "dns", 67: "dhcp", 68: "dhcp", 69: "tftp", 80: "http", 88: "kerberos", 110: "pop3", 111: "sunrpc", 123: "ntp", 137: "netbios", 138: "netbios",
  139: "smb", 143: "imap", 161: "snmp", 162: "snmp", 179: "bgp", 389: "ldap", 443: "https", 445: "smb", 465: "smtps", 502: "modbus", 514: "syslog", 515: "lpd", 520: "rip", 546: "dhcp", 547: "dhcp", 554: "rtsp", 587: "smtp", 631: "ipp",
  636: "ldaps", 853: "dns-over-tls", 873: "rsync", 989: "ftps", 990: "ftps", 993: "imaps", 995: "pop3s", 1194: "openvpn", 1433: "mssql", 1521: "oracle", 1812: "radius", 1813: "radius", 1883: "mqtt", 1900: "ssdp", 2049: "nfs",
  3268: "ldap", 3306: "mysql", 3389: "rdp", 3478: "stun", 4789: "vxlan", 5004: "rtp", 5060: "sip", 5061: "sips", 5201: "iperf", 5353: "mdns", 5355: "llmnr", 5432: "postgresql", 5672: "amqp", 5900: "vnc", 6081: "geneve", 6343: "sflow",
  6379: "redis", 6633: "openflow", 6640: "ovsdb", 6653: "openflow", 8000: "http", 8008: "http", 8080: "http", 8081: "http", 8443: "https", 8883: "mqtts", 8888: "http", 9092: "kafka", 9200: "elasticsearch", 11211: "memcached",
  27017: "mongodb", 51820: "wireguard",
};

/** Those that are used over UDP, and those that are used over nothing else. */
const overUdp = new Set(["chargen", "dns", "dhcp", "tftp", "http", "kerberos", "sunrpc", "ntp", "netbios", "snmp", "ldap", "https", "syslog", "rip", "openvpn", "radius", "ssdp", "nfs", "stun", "vxlan", "rtp", "sip", "iperf", "mdns", "llmnr", "geneve", "sflow", "memcached", "wireguard"]);
const onlyUdp = new Set(["dhcp", "tftp", "ntp", "rip", "ssdp", "vxlan", "rtp", "mdns", "llmnr", "geneve", "sflow", "wireguard"]);
const udp = 17;

/** What a port is usually used for over TCP (6) or UDP (17); "" where nothing is. */
function useOf(protocol: number, port: number): string {
  const name = names[port] ?? "";
  return protocol === udp ? (overUdp.has(name) ? name : "") : onlyUdp.has(name) ? "" : name;
}

/** The usual use of either port, the lower one first; "" where there is none. */
export function usualUse(protocol: number, x: number, y: number): string {
  return useOf(protocol, Math.min(x, y)) || useOf(protocol, Math.max(x, y));
}

/** Whether either port is usually used for this. */
export const isUsual = (use: string, protocol: number, x: number, y: number): boolean => useOf(protocol, x) === use || useOf(protocol, y) === use;

/** What TLS on such a port carries, "" where that is not said. */
const overTls: Readonly<Record<number, string>> = { 443: "https", 8443: "https", 465: "smtps", 636: "ldaps", 853: "dns-over-tls", 989: "ftps", 990: "ftps", 993: "imaps", 995: "pop3s", 5061: "sips", 8883: "mqtts" };
export const usualOverTls = (x: number, y: number): string => overTls[Math.min(x, y)] ?? overTls[Math.max(x, y)] ?? "";
