"""Frames with a payload id, sent and compared: is the copy the same frames as the original?

`send DEVICE KIND FIRST COUNT RATE [KEY=VALUE...]` sends frames of one kind, or of `every` kind in turn, with the ids FIRST,
FIRST+1, …; keys: src, dst (MAC), sip, dip (IPv4), sport, dport, vlan, pcp, size, flows (that many connections, by sport), flags (of TCP, decimal).
`reverse` as key sends the answers of the same connections. `sniff DEVICE...` answers each line on its input with one line of
JSON: for each device the ids it received with how often, and a digest of each frame, VLAN tag included.
"""
import hashlib
import json
import select
import socket
import struct
import sys
import time

MARKER = b"OVSCOPY"
ID = struct.Struct("!Q")


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(o, protocol, body, fragment=0):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 7, fragment, 64, protocol, 0, socket.inet_aton(o["sip"]), socket.inet_aton(o["dip"]))
    return b"\x08\x00" + head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


def ipv6(o, following, body):
    return b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(body), following, 64) + bytes.fromhex("fe80" + "0" * 27 + "1") + bytes.fromhex("fe80" + "0" * 27 + "2") + body


def payload(o, number):
    return (MARKER + ID.pack(number)).ljust(max(26, o["size"] - 54), b".")


def udp(o, data):
    return struct.pack("!HHHH", o["sport"], o["dport"], 8 + len(data), 0) + data


def tcp(o, data):
    return struct.pack("!HHIIBBHHH", o["sport"], o["dport"], 1, 1, 0x50, o["flags"], 1000, 0, 0) + data


KINDS = {
    "udp": lambda o, d: ipv4(o, 17, udp(o, d)),
    "tcp": lambda o, d: ipv4(o, 6, tcp(o, d)),
    "icmp": lambda o, d: ipv4(o, 1, struct.pack("!BBHHH", 8, 0, 0, 1, 1) + d),
    "first": lambda o, d: ipv4(o, 17, udp(o, d.ljust(-(-(8 + len(d)) // 8) * 8 - 8, b".")), 0x2000),
    "later": lambda o, d: ipv4(o, 17, d, 0x0010),
    "arp": lambda o, d: b"\x08\x06" + bytes.fromhex("0001080006040001") + mac(o["src"]) + socket.inet_aton(o["sip"]) + bytes(6) + socket.inet_aton(o["dip"]) + d,
    "nd": lambda o, d: ipv6(o, 58, bytes.fromhex("87000000") + bytes(4) + bytes.fromhex("fe80" + "0" * 27 + "2") + d),
    "udp6": lambda o, d: ipv6(o, 17, udp(o, d)),
    "lldp": lambda o, d: b"\x88\xcc\x02\x04\x07abc" + d,
    "other": lambda o, d: b"\x88\xb5" + d,
    "jumbo": lambda o, d: ipv4(o, 17, udp(o, d.ljust(3000, b"."))),
}
TO = {"arp": "ff:ff:ff:ff:ff:ff", "nd": "33:33:ff:00:00:02", "lldp": "01:80:c2:00:00:0e"}


def frame(kind, o, number):
    tag = b""
    if o["vlan"] is not None:
        tag = struct.pack("!HH", 0x8100, o["pcp"] << 13 | o["vlan"])
    return mac(TO.get(kind, o["dst"])) + mac(o["src"]) + tag + KINDS[kind](o, payload(o, number))


def send(device, kind, first, count, rate, words):
    o = {"src": "02:00:00:00:00:01", "dst": "02:00:00:00:00:02", "sip": "10.0.0.1", "dip": "10.0.0.2", "sport": 1024, "dport": 80,
         "vlan": None, "pcp": 0, "size": 64, "flows": 1, "reverse": 0, "flags": 0x10}
    for word in words:
        key, value = word.split("=")
        o[key] = value if key in ("src", "dst", "sip", "dip") else int(value)
    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    out.bind((device, 0))
    kinds = list(KINDS) if kind == "every" else [kind]
    base = o["sport"]
    start = time.monotonic()
    for i in range(count):
        one = dict(o, sport=base + i % o["flows"])
        if o["reverse"]:
            one.update(src=o["dst"], dst=o["src"], sip=o["dip"], dip=o["sip"], sport=o["dport"], dport=base + i % o["flows"])
        out.send(frame(kinds[i % len(kinds)], one, first + i))
        time.sleep(max(0.0, start + (i + 1) / rate - time.monotonic()))
    print(json.dumps({"sent": count, "kinds": kinds}), flush=True)


def whole(box):
    """A frame as it was on the wire: the kernel keeps the VLAN tag beside it."""
    data, extra, _, where = box.recvmsg(16384, 256)
    for level, kind, value in extra:
        if level == 263 and kind == 8:
            status, _, _, _, _, tci, tpid = struct.unpack("=IIIHHHH", value[:20])
            if status & 16:
                data = data[:12] + struct.pack("!HH", tpid if status & 64 else 0x8100, tci) + data[12:]
    return data, where[2] == socket.PACKET_OUTGOING


def sniff(devices):
    boxes = {}
    for device in devices:
        box = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        box.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
        box.setsockopt(263, 8, 1)  # PACKET_AUXDATA
        box.bind((device, 3))
        boxes[box] = device
    seen = {device: {} for device in devices}
    print(json.dumps({"listening": devices}), flush=True)
    while True:
        readable, _, _ = select.select([*boxes, sys.stdin], [], [])
        ours = [box for box in readable if box in boxes]
        for box in ours:
            data, outgoing = whole(box)
            at = data.find(MARKER)
            if outgoing or at < 0 or at + 15 > len(data):
                continue
            (number,) = ID.unpack_from(data, at + len(MARKER))
            entry = seen[boxes[box]].setdefault(number, [0, hashlib.sha1(data).hexdigest()[:12], len(data)])
            entry[0] += 1
        if ours:
            continue  # what has come is read before a question is answered
        if not sys.stdin.readline():
            return
        print(json.dumps(seen), flush=True)


if sys.argv[1] == "send":
    device, kind, first, count, rate = sys.argv[2:7]
    send(device, kind, int(first), int(count), float(rate), sys.argv[7:])
else:
    sniff(sys.argv[2:])
